//! The line to the broker under TLS: its certificate and its name are checked.

use std::time::Duration;

use liandong::{
    bus::rabbitmq::{Error, Nodes, Options, RabbitmqBus},
    port::bus::Bus as _,
    task::Supervisor,
};
use tokio_util::sync::CancellationToken;

use crate::{
    contract::bus_backend::{gather, next, outcome, work},
    harness::{broker::Broker, hub::free_address},
};

/// Has the broker listen under TLS, as `localhost`, with a certificate made for this test: its port, and its
/// authority.
async fn listen(broker: &Broker) -> (String, String) {
    let port = free_address().rsplit_once(':').unwrap().1.to_owned();
    let program = format!(
        r#"begin
        Name = {{'Extension', {{2,5,29,17}}, false, [{{dNSName, "localhost"}}]}},
        Kind = [{{key, {{rsa, 2048, 65537}}}}, {{digest, sha256}}],
        Chain = #{{root => Kind, intermediates => [], peer => [{{extensions, [Name]}} | Kind]}},
        #{{server_config := Server, client_config := Client}} =
            public_key:pkix_test_data(#{{server_chain => Chain, client_chain => Chain}}),
        Own = [{{Key, proplists:get_value(Key, Server)}} || Key <- [cert, key, cacerts]],
        ok = rabbit_networking:start_ssl_listener({{"127.0.0.1", {port}}}, Own, 2),
        Authorities = proplists:get_value(cacerts, Client),
        io:put_chars(public_key:pem_encode([{{'Certificate', Der, not_encrypted}} || Der <- Authorities]))
        end."#
    );
    let said = broker.ctl(&["eval", &program]).await;
    let end = "-----END CERTIFICATE-----\n";
    let (authority, _) = said.rsplit_once(end).unwrap_or_else(|| panic!("no certificates: {said}"));
    (port, format!("{authority}{end}"))
}

/// The options of an end that reaches the broker as `host` under TLS.
fn over_tls(broker: &Broker, host: &str, port: &str, authority: Option<&str>) -> Options {
    let mut options = broker.options(&[("a", 10)]);
    let (account, place) = broker.url().strip_prefix("amqp://").unwrap().rsplit_once('@').unwrap();
    let (_, vhost) = place.split_once('/').unwrap();
    options.nodes = Nodes::parse(&format!("amqps://{account}@{host}:{port}/{vhost}")).unwrap();
    options.authority = authority.map(str::to_owned);
    options.start_wait = Duration::ZERO;
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_is_reached_under_tls_by_its_name_and_its_authority_alone() {
    let broker = Broker::new().await;
    let (port, authority) = listen(&broker).await;
    let end = broker.open(over_tls(&broker, "localhost", &port, Some(&authority))).await;
    let piece = work("a", 1);
    assert_eq!(end.bus.send_work(vec![piece.clone()]).await, []);
    assert_eq!(next(&mut end.bus.work(&"a".into()).await.unwrap()).await, piece);
    end.bus.send_outcomes(vec![outcome(piece.clone())]).await.unwrap();
    let mut outcomes = end.bus.outcomes().await.unwrap();
    assert_eq!(gather(&mut outcomes, 1).await[0].work.delivery, piece.delivery);

    for (host, authority) in [("localhost", None), ("127.0.0.1", Some(&*authority))] {
        let mut tasks = Supervisor::new(CancellationToken::new());
        let refused = RabbitmqBus::open(over_tls(&broker, host, &port, authority), &mut tasks).await;
        let error = refused.expect_err("a broker that proves nothing");
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        let said = error.to_string();
        assert!(said.contains("certificate"), "{said}");
    }
}
