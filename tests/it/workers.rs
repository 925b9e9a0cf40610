//! Workers of their own, attached by RabbitMQ: they have no store, and outlive hub and broker.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use crate::harness::{
    broker::Broker,
    department::{Arrival, Behaviour, Department},
    hub::{Hub, eventually},
    sender::{BUREAU, REGULATOR, Sender, hub_of, receives, result, sends},
    worker::Worker,
};

struct Stage {
    broker: Broker,
    hub: Hub,
    bureau: Sender,
    regulator: Department,
}

impl Stage {
    /// A hub on RabbitMQ; `workers` is its bus.workers. Its adapter lets what is unknown be sent again.
    async fn open(workers: &str) -> Self {
        Self::with(workers, "on_unknown = \"resend\"\n[limits]\ntimeout_ms = 3000\n", 500).await
    }

    /// The same with an adapter of its own, and this margin around leases.
    async fn with(workers: &str, more: &str, margin_ms: u64) -> Self {
        let broker = Broker::new().await;
        let regulator = Department::anywhere().await;
        let mut hub = hub_of(&[
            ("hanbin-spj", sends("hanbin-spj", &[BUREAU])),
            ("hanbin-scjg", receives("hanbin-scjg", REGULATOR, &regulator.address(), more)),
        ]);
        hub.set("dispatch.lease_margin_ms", margin_ms);
        hub.set("breaker.failures", 1000);
        hub.set("retry.max_ms", 100);
        hub.set("bus.backend", "rabbitmq");
        hub.set("bus.workers", workers);
        hub.variable("LIANDONG_AMQP_URL", broker.url());
        hub.start();
        let bureau = Sender::at(&hub, "hanbin-spj");
        Self { broker, hub, bureau, regulator }
    }

    /// Has results accepted, each about a licence of its own; their deliveries to the regulator.
    async fn results(&self, name: &str, count: usize) -> Vec<String> {
        let send = async |number: usize| {
            let key = format!("{name}-{number}");
            self.bureau.accepted(&result(&key, &format!("JY-{key}"))).await.delivery_to(REGULATOR)
        };
        join_all((0..count).map(send)).await
    }

    async fn until_delivered(&self, deliveries: &[String]) {
        for delivery in deliveries {
            self.hub.until(delivery, "delivered").await;
        }
    }
}

const OUTSIDE: &str = r#"["guest: hanbin-scjg"]"#;

#[tokio::test(flavor = "multi_thread")]
async fn work_is_leased_only_when_a_worker_is_there() {
    let stage = Stage::open(OUTSIDE).await;
    let early = stage.results("A", 3).await;
    // The reconciler has gone round many times when a lease would have ended.
    let probe = stage.results("B", 1).await;
    for delivery in early.iter().chain(&probe) {
        let row = stage.hub.delivery(delivery).await;
        assert_eq!((&row["state"], &row["attempts"]), (&json!("ready"), &json!(0)), "{row}");
    }
    let worker = Worker::start(&stage.hub);
    stage.until_delivered(&early).await;
    let row = stage.hub.delivery(&early[0]).await;
    assert_eq!(row["attempts"], json!(1), "{row}");
    assert_eq!(worker.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_goes_on_when_the_hub_and_the_broker_come_back() {
    let mut stage = Stage::open(OUTSIDE).await;
    let worker = Worker::start(&stage.hub);
    stage.until_delivered(&stage.results("A", 5).await).await;

    stage.regulator.behave(|_| Behaviour::TakeAfter(Duration::from_millis(500)));
    let under_way = stage.results("B", 5).await;
    let regulator = &stage.regulator;
    eventually("the worker is at all of it", || regulator.arrivals() == 10).await;
    stage.hub.kill();
    // Its outcomes wait on the broker for a hub.
    eventually("the worker goes on without a hub", || regulator.kept() == 10).await;
    stage.hub.start();
    stage.until_delivered(&under_way).await;

    let before = stage.results("C", 5).await;
    stage.broker.close_connections().await;
    let after = stage.results("D", 5).await;
    stage.until_delivered(&before).await;
    stage.until_delivered(&after).await;
    assert_eq!(worker.stop(), Some(0));
    assert_eq!(stage.hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_had_is_done_by_another() {
    let stage = Stage::open(OUTSIDE).await;
    let (first, second) = (Worker::start(&stage.hub), Worker::start(&stage.hub));
    stage.regulator.behave(|_| Behaviour::TakeAfter(Duration::from_millis(50)));
    let deliveries = stage.results("A", 100).await;
    let regulator = &stage.regulator;
    eventually("the workers are at it", || regulator.arrivals() > 20).await;
    first.kill();
    stage.until_delivered(&deliveries).await;
    let seen = regulator.look(|ledger| ledger.times.len());
    assert_eq!(seen, 100, "each delivery came under one id");
    assert_eq!(second.stop(), Some(0));
}

/// What a department says that is reached, and hears no more of whoever reached it.
fn hang_the_first_time(arrival: &Arrival) -> Behaviour {
    if arrival.times == 1 { Behaviour::Hang } else { Behaviour::Take }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_had_begun_comes_again_under_its_id_where_a_repeat_is_safe() {
    let stage = Stage::open(OUTSIDE).await;
    let worker = Worker::start(&stage.hub);
    stage.regulator.behave(hang_the_first_time);
    let deliveries = stage.results("A", 4).await;
    let regulator = &stage.regulator;
    eventually("the worker is at all of it", || regulator.arrivals() == 4).await;
    worker.kill();
    let second = Worker::start(&stage.hub);
    stage.until_delivered(&deliveries).await;
    let times = regulator.look(|ledger| ledger.times.clone());
    assert_eq!(times.len(), 4, "each came under one id: {times:?}");
    assert!(deliveries.iter().all(|delivery| times[delivery] == 2), "{times:?}");
    assert_eq!(second.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_had_begun_waits_for_a_person_where_a_repeat_may_do_harm() {
    // Margins wide enough for the copy to be brought to the second worker in time for an attempt.
    let stage = Stage::with(OUTSIDE, "on_unknown = \"park\"\n[limits]\ntimeout_ms = 500\n", 3_000).await;
    let worker = Worker::start(&stage.hub);
    stage.regulator.behave(hang_the_first_time);
    let deliveries = stage.results("A", 2).await;
    let regulator = &stage.regulator;
    eventually("the worker is at all of it", || regulator.arrivals() == 2).await;
    worker.kill();
    let second = Worker::start(&stage.hub);
    let own = stage.broker.channel().await;
    own.until_count("liandong.work.hanbin-scjg", 0).await;
    let later = stage.results("B", 1).await;
    stage.regulator.behave(|_| Behaviour::Take);
    stage.until_delivered(&later).await;
    for delivery in &deliveries {
        let row = stage.hub.until(delivery, "parked").await;
        assert_eq!(row["park_reason"], json!("outcome_unknown"), "{row}");
    }
    let times = regulator.look(|ledger| ledger.times.clone());
    assert!(deliveries.iter().all(|delivery| times[delivery] == 1), "sent again: {times:?}");
    assert_eq!(second.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_with_its_own_workers_drains_over_the_broker() {
    let mut stage = Stage::open("[]").await;
    stage.regulator.behave(|_| Behaviour::TakeAfter(Duration::from_millis(100)));
    let deliveries = stage.results("A", 40).await;
    assert_eq!(stage.hub.stop(), Some(0));
    let own = stage.broker.channel().await;
    for queue in ["liandong.work.hanbin-scjg", "liandong.outcome", "liandong.dead"] {
        assert_eq!(own.count(queue).await, 0, "{queue}");
    }
    stage.hub.start();
    stage.until_delivered(&deliveries).await;
    let twice = stage.regulator.look(|ledger| ledger.times.values().filter(|times| **times > 1).count());
    assert_eq!(twice, 0, "deliveries that came twice");
}

#[test]
fn workers_of_an_endpoint_that_has_no_adapter_are_a_fault_of_the_configuration() {
    let mut hub = hub_of(&[("hanbin-spj", sends("hanbin-spj", &[BUREAU]))]);
    hub.set("bus.backend", "rabbitmq");
    hub.set("bus.workers", r#"["north: nowhere"]"#);
    let output = hub.run(&["serve"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("bus.workers: endpoint 'nowhere' has no adapter"), "{said}");
    assert!(!hub.data().exists(), "something was opened");
}
