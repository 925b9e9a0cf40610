//! A worker's account is held to its endpoints, by the broker and by the hub.

use std::collections::BTreeSet;

use lapin::{
    BasicProperties, Confirmation, Connection, ConnectionProperties,
    options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions},
};
use liandong::{
    bus::rabbitmq::{Error, Nodes, Options, RabbitmqBus, Role},
    port::bus::Bus as _,
    task::Supervisor,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    contract::bus_backend::{gather, next, outcome, work},
    harness::broker::Broker,
};

/// An account that may work for endpoint `a` and no other.
async fn account(broker: &Broker) -> String {
    let user = format!("worker-{}", broker.host());
    broker.ctl(&["add_user", &user, "secret"]).await;
    let permissions = [
        "set_permissions",
        "--vhost",
        broker.host(),
        &user,
        "^$",
        r"^liandong\.outcome$",
        r"^liandong\.work\.a$",
    ];
    broker.ctl(&permissions).await;
    user
}

fn as_worker(broker: &Broker, user: &str, endpoints: &[(&str, usize)]) -> Options {
    let mut options = broker.options(endpoints);
    options.role = Role::Worker;
    options.slips = None;
    options.nodes = Nodes::parse(&broker.url_for(user, "secret")).unwrap();
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_count_only_from_an_account_that_may_report_for_the_endpoint() {
    let broker = Broker::new().await;
    let user = account(&broker).await;
    let mut options = broker.options(&[("a", 100), ("b", 100)]);
    options.reporters.insert("a".into(), BTreeSet::from([user.as_str().into()]));
    let hub = broker.open(options).await;
    let piece = work("a", 1);
    assert_eq!(hub.bus.send_work(vec![piece.clone()]).await, []);
    let worker = broker.open(as_worker(&broker, &user, &[("a", 100)])).await;
    let mut source = worker.bus.work(&"a".into()).await.unwrap();
    let came = next(&mut source).await;
    assert_eq!(came, piece, "the check at the start has not had it");
    let unbrought = outcome(work("a", 2));
    worker.bus.send_outcomes(vec![unbrought]).await.unwrap();
    worker.bus.send_outcomes(vec![outcome(piece.clone())]).await.unwrap();
    let mut outcomes = hub.bus.outcomes().await.unwrap();
    let settled = gather(&mut outcomes, 1).await;
    assert_eq!(settled[0].work.delivery, piece.delivery, "what it was not brought is not among them");

    // The broker lets the account report; of endpoint b the hub does not.
    assert_eq!(hub.bus.send_work(vec![work("b", 3)]).await, []);
    let own = broker.channel().await;
    let got = own.channel.basic_get("liandong.work.b".into(), BasicGetOptions { no_ack: true }).await;
    let brought: serde_json::Value = serde_json::from_slice(&got.unwrap().unwrap().data).unwrap();
    let honest = outcome(work("b", 3));
    let told = json!([{ "slip": brought["slip"], "outcome": honest.outcome, "attempt": honest.attempt }]);
    publish(&broker, &user, &told).await;
    tokio::select! {
        batch = outcomes.next(10) => panic!("it counts: {batch:?}"),
        () = own.until_count("liandong.dead", 1) => {}
    }
}

/// What an account publishes as an outcome, byte for byte.
async fn publish(broker: &Broker, user: &str, told: &serde_json::Value) {
    let url = broker.url_for(user, "secret");
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let properties = BasicProperties::default().with_user_id(user.into()).with_delivery_mode(2);
    let (exchange, key) = ("liandong.outcome".into(), "liandong.outcome".into());
    let body = serde_json::to_vec(told).unwrap();
    let sent = channel.basic_publish(exchange, key, BasicPublishOptions::default(), &body, properties);
    assert_eq!(sent.await.unwrap().await.unwrap(), Confirmation::Ack(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_counts_only_with_the_slip_that_came_with_the_work_and_says_no_more_than_how_it_went() {
    let broker = Broker::new().await;
    let user = account(&broker).await;
    let mut options = broker.options(&[("a", 100), ("b", 100)]);
    options.reporters.insert("a".into(), BTreeSet::from([user.as_str().into()]));
    let hub = broker.open(options).await;
    let piece = work("a", 1);
    assert_eq!(hub.bus.send_work(vec![piece.clone()]).await, []);
    let own = broker.channel().await;
    let got = own.channel.basic_get("liandong.work.a".into(), BasicGetOptions { no_ack: true }).await;
    let brought: serde_json::Value = serde_json::from_slice(&got.unwrap().unwrap().data).unwrap();
    let honest = outcome(piece.clone());
    let told = json!([{
        "slip": brought["slip"], "outcome": honest.outcome, "attempt": honest.attempt,
        // What else is said is passed over.
        "work": { "organisation": "somebody else" },
    }]);
    // Whatever of its own record the hub is given back must be as it was.
    let record = &brought["slip"]["record"];
    for (field, value) in [
        ("lease", json!(record["lease"].as_u64().unwrap() + 1)),
        ("endpoint", json!("b")),
        ("organisation", json!("somebody else")),
        ("attempt", json!(1)),
    ] {
        let mut forged = told.clone();
        forged[0]["slip"]["record"][field] = value;
        publish(&broker, &user, &forged).await;
    }
    let mut sealed_by_others = told.clone();
    sealed_by_others[0]["slip"]["seal"] = json!("00".repeat(32));
    publish(&broker, &user, &sealed_by_others).await;
    publish(&broker, &user, &told).await;
    let settled = gather(&mut hub.bus.outcomes().await.unwrap(), 1).await;
    assert_eq!(settled, [honest]);
    own.until_count("liandong.dead", 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_refused_an_endpoint_that_is_not_its_own() {
    let broker = Broker::new().await;
    let user = account(&broker).await;
    let _hub = broker.open(broker.options(&[("a", 100), ("b", 100)])).await;
    let mut tasks = Supervisor::new(CancellationToken::new());
    let options = as_worker(&broker, &user, &[("a", 100), ("b", 100)]);
    let error = RabbitmqBus::open(options, &mut tasks).await.unwrap_err();
    assert!(matches!(&error, Error::Forbidden { what, .. } if what.contains("liandong.work.b")), "{error}");
    assert!(error.to_string().contains("read permission"), "{error}");
}
