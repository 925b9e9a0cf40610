import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Publishes a message to the hub over AMQP and waits for its receipt.
 *
 * Usage: javac -cp 'lib/*' -d classes *.java
 *        java -cp 'classes:lib/*' Publish amqps://ACCOUNT:PASSWORD@BROKER:5671/liandong ENDPOINT KIND NUMBER MESSAGE.json
 *
 * NUMBER is any word that tells the answer of one message from that of another: its business key. Needs Java 11,
 * and amqp-client 5 with slf4j-api in lib/. Ends with 65 when it is refused, and with 75 when the same is to be sent again
 * later.
 */
public final class Publish {
    public static void main(String[] arguments) throws Exception {
        String endpoint = arguments[1], kind = arguments[2], number = arguments[3];
        byte[] message = Files.readAllBytes(Paths.get(arguments[4]));
        ConnectionFactory factory = Broker.factory(arguments[0]);
        try (Connection connection = Broker.connect(factory)) {
            Channel channel = connection.createChannel();
            CompletableFuture<Integer> end = new CompletableFuture<>();
            String answers = endpoint + ".answers";
            channel.queueDeclare(answers, true, false, false, null);
            channel.basicConsume(answers, false, new DefaultConsumer(channel) {
                @Override
                public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties it, byte[] body)
                        throws java.io.IOException {
                    boolean ours = number.equals(it.getCorrelationId());
                    if (ours && it.getContentType().equals("application/json")) {
                        Files.write(Paths.get("receipt.json"), body); // byte for byte
                    } else if (ours) {
                        System.err.println(new String(body, StandardCharsets.UTF_8));
                    } // else an answer to something sent earlier: a real system keeps it too, by its correlation id
                    channel.basicAck(envelope.getDeliveryTag(), false);
                    if (ours) {
                        end.complete(it.getContentType().equals("application/json") ? 0 : 65);
                    }
                }
            });
            channel.confirmSelect();
            channel.addReturnListener((code, text, exchange, key, properties, body) -> end.complete(75)); // not queued
            channel.basicPublish("liandong.intake", endpoint, true, properties(factory, endpoint, kind, number, answers),
                    message);
            channel.waitForConfirmsOrDie(10_000); // throws when the broker takes nothing now: send it again later
            System.exit(end.completeOnTimeout(75, 60, TimeUnit.SECONDS).get());
        }
    }

    /** CloudEvents in binary mode: the attributes in headers, the message alone in the body. */
    private static AMQP.BasicProperties properties(ConnectionFactory factory, String endpoint, String kind, String number,
            String answers) {
        Map<String, Object> attributes = new HashMap<>();
        attributes.put("cloudEvents:specversion", "1.0");
        attributes.put("cloudEvents:type", "liandong." + kind);
        attributes.put("cloudEvents:id", number);
        attributes.put("cloudEvents:source", endpoint);
        return new AMQP.BasicProperties.Builder().contentType("application/json").deliveryMode(2)
                .userId(factory.getUsername()).replyTo(answers).correlationId(number).headers(attributes).build();
    }
}
