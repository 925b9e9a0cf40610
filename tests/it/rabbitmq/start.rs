//! A broker that could lose messages, or cannot be used, is refused with a sentence.

use std::time::Duration;

use lapin::{options::QueueDeclareOptions, types::FieldTable};
use liandong::{
    bus::rabbitmq::{Error, IntakeOptions, Nodes, Options, RabbitmqBus},
    task::Supervisor,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::harness::broker::Broker;

async fn refusal(options: Options) -> Error {
    let mut tasks = Supervisor::new(CancellationToken::new());
    RabbitmqBus::open(options, &mut tasks).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_another_kind_is_refused() {
    let broker = Broker::new().await;
    let own = broker.channel().await;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    own.channel.queue_declare("liandong.work.a".into(), options, FieldTable::default()).await.unwrap();
    let said = refusal(broker.options(&[("a", 10)])).await.to_string();
    assert!(said.contains("queue 'liandong.work.a'") && said.contains("x-"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_another_limit_is_refused() {
    let broker = Broker::new().await;
    let first = broker.open(broker.options(&[("a", 10)])).await;
    let error = refusal(broker.options(&[("a", 11)])).await;
    assert!(matches!(error, Error::Other { .. }) && error.to_string().contains("x-max-length"), "{error}");
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_rights_is_refused() {
    let broker = Broker::new().await;
    let user = broker.host();
    broker.ctl(&["add_user", user, "secret"]).await;
    let mut options = broker.options(&[("a", 10)]);
    options.nodes = Nodes::parse(&broker.url_for(user, "secret")).unwrap();
    let error = refusal(options.clone()).await;
    assert!(matches!(error, Error::Access { .. }), "no right to the virtual host: {error}");
    broker
        .ctl(&["set_permissions", "--vhost", broker.host(), user, "^$", "^liandong\\.", "^liandong\\."])
        .await;
    let error = refusal(options.clone()).await;
    assert!(matches!(error, Error::Forbidden { .. }), "no right to declare: {error}");
    assert!(error.to_string().contains("configure, write and read"), "{error}");
    options.nodes = Nodes::parse(&broker.url_for(user, "wrong")).unwrap();
    let error = refusal(options).await;
    assert!(matches!(error, Error::Access { .. }) && !error.to_string().contains("wrong"), "{error}");
    broker.ctl(&["delete_user", user]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_declared_as_asked_pass_and_leave_nothing_behind() {
    let broker = Broker::new().await;
    let first = broker.open(broker.options(&[("a", 10)])).await;
    let second = broker.open(broker.options(&[("a", 10)])).await;
    let queues = broker.ctl(&["list_queues", "--vhost", broker.host(), "name", "type"]).await;
    let mut queues: Vec<_> = queues.lines().filter(|line| line.starts_with("liandong.")).collect();
    queues.sort_unstable();
    assert_eq!(queues, ["liandong.dead\tquorum", "liandong.outcome\tquorum", "liandong.work.a\tquorum"]);
    drop((first, second));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_lets_a_full_queue_drop_is_refused() {
    let broker = Broker::new().await;
    // Arguments beat policies in most things; a message lifetime is not among the arguments, and drops.
    broker
        .ctl(&["set_policy", "--vhost", broker.host(), "lifetime", "^liandong\\.", r#"{"message-ttl":0}"#])
        .await;
    let error = refusal(broker.options(&[("a", 10)])).await;
    assert!(matches!(error, Error::Loses(_)), "{error}");
}

/// RabbitMQ 4 takes 16 MiB by itself, 3.10 eight times as much.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_takes_no_message_of_the_largest_size_is_refused() {
    let broker = Broker::alone().await;
    let mut options = broker.options(&[("a", 10)]);
    options.message_bytes = 1024 * 1024;
    let set = async |bytes: u32| {
        let program = format!("application:set_env(rabbit, max_message_size, {bytes}).");
        broker.ctl(&["eval", &program]).await;
    };
    set(2 * 1024 * 1024).await;
    let error = refusal(options.clone()).await;
    assert!(matches!(error, Error::Small { .. }) && error.needs_a_person(), "{error}");
    let said = error.to_string();
    assert!(said.contains("2162688 bytes") && said.contains("max_message_size"), "{said}");
    set(2_162_688).await;
    drop(broker.open(options).await);
    set(128 * 1024 * 1024).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_accepts_and_never_speaks_is_given_up() {
    let broker = Broker::new().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let mut options = broker.options(&[("a", 10)]);
    options.start_wait = Duration::ZERO;
    for limit in ["", "?connection_timeout=400"] {
        options.connect_timeout = Duration::from_millis(if limit.is_empty() { 400 } else { 60_000 });
        options.nodes = Nodes::parse(&format!("amqp://guest:guest@{address}/v{limit}")).unwrap();
        let said = tokio::time::timeout(Duration::from_secs(20), refusal(options.clone())).await;
        let error = said.expect("the time limit of the address holds");
        assert!(
            matches!(error, Error::Unreachable { .. }) && error.to_string().contains("amqp://127"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_is_tried_when_the_first_does_not_answer() {
    let broker = Broker::new().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let place = broker.url().rsplit_once('@').unwrap().1.split('/').next().unwrap();
    let mut options = broker.options(&[("a", 10)]);
    let dead = broker.url().replace(place, &gone.to_string());
    options.nodes = Nodes::parse(&format!("{dead} {}", broker.url())).unwrap();
    let end = broker.open(options).await;
    assert!(end.bus.is_connected());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_could_not_answer_senders_is_refused() {
    let broker = Broker::new().await;
    let user = broker.host();
    broker.ctl(&["add_user", user, "secret"]).await;
    let own = "^liandong\\.";
    broker.ctl(&["set_permissions", "--vhost", broker.host(), user, own, own, own]).await;
    let mut options = broker.options(&[("a", 10)]);
    options.nodes = Nodes::parse(&broker.url_for(user, "secret")).unwrap();
    options.intake = IntakeOptions { endpoints: vec!["b".into()], limit: 10, prefetch: 10 };
    let error = refusal(options).await;
    assert!(matches!(&error, Error::Forbidden { what, .. } if what.contains("amq.default")), "{error}");
    assert!(error.to_string().contains(r"amq\.default"), "{error}");
    broker.ctl(&["delete_user", user]).await;
}
