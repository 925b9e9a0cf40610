//! Hubs on one PostgreSQL, each with a bus of its own, and a worker attached to one of them over gRPC.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use super::share_key;
use crate::{
    contract::backend::Postgres,
    harness::{
        apart::{By, Worker},
        department::{Behaviour, Department},
        hub::{Hub, eventually},
        rpc::hub_with_grpc,
        sender::{BUREAU, REGULATOR, Sender, receives, result, sends},
    },
};

/// A hub whose regulator's adapter runs apart; and where gRPC listens.
async fn hub_on(place: &Postgres, target: &Department) -> (Hub, String) {
    let more = "on_unknown = \"park\"\n[limits]\ntimeout_ms = 5000\n";
    let (mut hub, address) = hub_with_grpc(&[
        (BUREAU, sends(BUREAU, &[BUREAU])),
        (REGULATOR, receives(REGULATOR, REGULATOR, &target.address(), more)),
    ]);
    hub.set("store.backend", "postgres");
    hub.set("bus.workers", format!(r#"["north: {REGULATOR}"]"#));
    // Leases outlast the change of hubs.
    hub.set("dispatch.lease_margin_ms", 20_000);
    hub.variable("LIANDONG_POSTGRES_URL", &place.database().await.url());
    (hub, address)
}

async fn results(bureau: &Sender, name: &str, count: usize) -> Vec<String> {
    let send = async |number: usize| {
        let key = format!("{name}-{number}");
        bureau.accepted(&result(&key, &format!("JY-{key}"))).await.delivery_to(REGULATOR)
    };
    join_all((0..count).map(send)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_hub_is_killed_reports_to_another_on_the_same_store() {
    let (place, target) = (Postgres::new(), Department::anywhere().await);
    let (mut first, first_address) = hub_on(&place, &target).await;
    first.start();
    let (mut second, second_address) = hub_on(&place, &target).await;
    share_key(&first, &mut second);
    second.start();
    let made = first.ask(&["token", "new", "north", "--worker", "north"]);
    let hubs = format!("http://{first_address} http://{second_address}");
    let by = By { hubs: &hubs, token: made["token"].as_str().unwrap() };
    let worker = Worker::start(&first, by, REGULATOR);

    // It is attached to the first; what the second takes in comes by the first too.
    let bureau = Sender::at(&second, BUREAU);
    for delivery in results(&bureau, "A", 5).await {
        second.until(&delivery, "delivered").await;
    }
    target.behave(|_| Behaviour::TakeAfter(Duration::from_millis(500)));
    let under_way = results(&bureau, "B", 6).await;
    eventually("the worker is at all of it", || target.arrivals() == 11).await;
    first.kill();
    for delivery in &under_way {
        let row = second.until(delivery, "delivered").await;
        assert_eq!(row["attempts"], json!(1), "{row}");
    }
    for delivery in results(&bureau, "C", 5).await {
        second.until(&delivery, "delivered").await;
    }
    assert!(target.look(|ledger| ledger.times.values().all(|times| *times == 1)), "something came twice");
    assert_eq!(worker.stop(), Some(0));
    assert_eq!(second.stop(), Some(0));
}
