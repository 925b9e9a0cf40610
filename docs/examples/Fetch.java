import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Fetches deliveries from a mailbox of the hub over AMQP, keeps each in a folder, and acknowledges it.
 *
 * Usage: javac -cp 'lib/*' -d classes *.java
 *        java -cp 'classes:lib/*' Fetch amqps://ACCOUNT:PASSWORD@BROKER:5671/liandong ENDPOINT FOLDER
 *
 * Runs until it is stopped, and ends with 75 when an answer could not be given: let its service manager start it again.
 * Needs Java 11, and amqp-client 5 with slf4j-api in lib/.
 */
public final class Fetch {
    public static void main(String[] arguments) throws Exception {
        String endpoint = arguments[1];
        Path folder = Paths.get(arguments[2]);
        ConnectionFactory factory = Broker.factory(arguments[0]);
        Connection connection = Broker.connect(factory);
        Channel channel = connection.createChannel();
        channel.confirmSelect();
        channel.basicQos(50);
        AtomicBoolean returned = new AtomicBoolean();
        channel.addReturnListener((code, text, exchange, key, properties, body) -> returned.set(true));
        channel.basicConsume("liandong.mailbox." + endpoint, false, new DefaultConsumer(channel) {
            @Override
            public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties it, byte[] body) {
                try {
                    keep(folder, it.getMessageId(), body);
                    AMQP.BasicProperties answer = new AMQP.BasicProperties.Builder().userId(factory.getUsername())
                            .correlationId(it.getCorrelationId()).deliveryMode(2).build();
                    channel.basicPublish("liandong.answer", endpoint, true, answer, new byte[0]); // empty: it is here
                    channel.waitForConfirmsOrDie(10_000);
                    if (returned.get()) {
                        throw new IOException("the answer was returned");
                    }
                    channel.basicAck(envelope.getDeliveryTag(), false);
                    System.out.println(it.getMessageId() + " " + it.getHeaders().get("liandong-kind"));
                } catch (Exception error) { // what was not acknowledged comes again
                    error.printStackTrace();
                    System.exit(75);
                }
            }
        });
    }

    /** Durably, once an id: a copy that comes again is known by its name. */
    private static void keep(Path folder, String delivery, byte[] body) throws IOException {
        Path whole = folder.resolve(delivery), part = folder.resolve(delivery + ".part");
        if (Files.exists(whole)) {
            return;
        }
        try (FileChannel file = FileChannel.open(part, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE)) {
            ByteBuffer bytes = ByteBuffer.wrap(body);
            while (bytes.hasRemaining()) {
                file.write(bytes);
            }
            file.force(true);
        }
        Files.move(part, whole, StandardCopyOption.ATOMIC_MOVE);
        try (FileChannel directory = FileChannel.open(folder, StandardOpenOption.READ)) {
            directory.force(true);
        }
    }
}
