//! A worker's account is held to its endpoints, by the broker and by the hub.

use std::collections::BTreeSet;

use liandong::{
    bus::rabbitmq::{Error, Nodes, Options, RabbitmqBus, Role},
    port::bus::Bus as _,
    task::Supervisor,
};
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
    let came = next(&mut worker.bus.work(&"a".into()).await.unwrap()).await;
    assert_eq!(came, piece, "the check at the start has not had it");
    let forged = outcome(work("b", 1));
    worker.bus.send_outcomes(vec![forged]).await.unwrap();
    worker.bus.send_outcomes(vec![outcome(piece.clone())]).await.unwrap();
    let mut outcomes = hub.bus.outcomes().await.unwrap();
    let settled = gather(&mut outcomes, 1).await;
    assert_eq!(settled[0].work.delivery, piece.delivery, "the forged one is not among them");
    broker.channel().await.until_count("liandong.dead", 1).await;
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
