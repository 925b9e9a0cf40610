import com.rabbitmq.client.Address;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.ListAddressResolver;
import java.net.URI;
import java.util.Collections;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;

/** How the examples beside it reach the broker. */
final class Broker {
    private Broker() {}

    /** The client trusts every certificate of an amqps address by itself: here it is checked, and its name too. */
    static ConnectionFactory factory(String address) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(address);
        if ("amqps".equals(URI.create(address).getScheme())) {
            factory.useSslProtocol(SSLContext.getDefault());
            factory.setSocketConfigurator(socket -> {
                socket.setTcpNoDelay(true);
                SSLParameters parameters = ((SSLSocket) socket).getSSLParameters();
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
                ((SSLSocket) socket).setSSLParameters(parameters);
            });
        }
        return factory;
    }

    /** By the name of the address, which the client would otherwise exchange for a number before the name is checked. */
    static Connection connect(ConnectionFactory factory) throws Exception {
        Address address = new Address(factory.getHost(), factory.getPort());
        return factory.newConnection(new ListAddressResolver(Collections.singletonList(address)));
    }
}
