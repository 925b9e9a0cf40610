//! Hubs on PostgreSQL, as their users run them: the binary, configured for it; one that is killed, two that
//! share a database, and a database that is away, full or not to be trusted.

mod disk;
mod grpc;
mod keys;
mod outage;
mod restore;
mod sealing;
mod tls;
mod tokens;
mod workers;

use std::collections::BTreeMap;

use crate::{
    contract::backend::Postgres,
    harness::{
        department::{Behaviour, Department, status},
        hub::{Hub, eventually},
        sender::{BUREAU, REGULATOR, Sender, hub_of, receives, result, sends},
    },
};

const MESSAGES: usize = 60;
const LICENCES: usize = 6;

/// A hub on a database, with a target.
pub(crate) async fn hub_on(place: &Postgres, target: &Department) -> Hub {
    hub_at(&place.database().await.url(), target)
}

/// A hub on the database of this address, with a target.
fn hub_at(url: &str, target: &Department) -> Hub {
    let more = "on_unknown = \"resend\"\n[limits]\ntimeout_ms = 2000";
    let mut hub = hub_of(&[
        (BUREAU, sends(BUREAU, &[BUREAU])),
        (REGULATOR, receives(REGULATOR, REGULATOR, &target.address(), more)),
    ]);
    hub.set("store.backend", "postgres");
    hub.variable("LIANDONG_POSTGRES_URL", url);
    hub
}

/// Has a hub sign with the key of another.
pub(crate) fn share_key(of: &Hub, with: &mut Hub) {
    with.set("keys.signing", format!("file:{}", of.data().join("keys/signing.pem").display()));
}

/// Numbers in the order in which they arrived, a list a licence.
pub(crate) fn arrived(target: &Department) -> BTreeMap<String, Vec<usize>> {
    let mut lanes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    target.look(|ledger| {
        for arrival in &ledger.arrivals {
            let key = arrival.text("key");
            let (licence, number) = key.rsplit_once('-').unwrap();
            let lane = lanes.entry(licence.to_owned()).or_default();
            let number = number.parse().unwrap();
            // A delivery that came again under its id came in its turn.
            if lane.last() != Some(&number) {
                lane.push(number);
            }
        }
    });
    lanes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_goes_on_where_the_database_stands() {
    let (place, target) = (Postgres::new(), Department::anywhere().await);
    target.behave(|_| status(503));
    let mut hub = hub_on(&place, &target).await;
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    let first = bureau.accepted(&result("JY1-0", "JY1")).await;
    let delivery = first.delivery_to(REGULATOR);
    eventually("it was tried", || target.arrivals() > 0).await;
    hub.kill();

    target.behave(|_| Behaviour::Take);
    hub.start();
    let delivered = hub.until(&delivery, "delivered").await;
    assert!(delivered["attempts_made"].as_array().unwrap().len() > 1, "{delivered}");
    let again = bureau.send(&result("JY1-0", "JY1")).await;
    assert_eq!((again.status, again.statement()), (200, first.statement()), "the first receipt");
    assert_eq!(hub.stop(), Some(0));

    let report = hub.ask(&["seal", "verify"]);
    assert_eq!(report["report"]["entries"], report["report"]["sealed"], "{report}");
    let listed = hub.ask(&["deliveries", "list"]);
    assert!(listed.to_string().contains(&delivery), "a stopped hub's store is looked at: {listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_on_one_database_deliver_everything_once_and_in_order() {
    let (place, target) = (Postgres::new(), Department::anywhere().await);
    let (mut one, mut two) = (hub_on(&place, &target).await, hub_on(&place, &target).await);
    for hub in [&mut one, &mut two] {
        hub.set("seal.every_ms", 20);
    }
    one.start_logged();
    let token = one.token(BUREAU);
    share_key(&one, &mut two);
    two.start_logged();
    let senders = [Sender::with(&one, &token), Sender::with(&two, &token)];
    for number in 0..MESSAGES {
        let licence = format!("JY{}", number % LICENCES);
        let message = result(&format!("{licence}-{number}"), &licence);
        senders[number / LICENCES % 2].accepted(&message).await;
        if number == MESSAGES / 2 {
            one.kill();
            one.start_logged();
        }
    }
    eventually("all have arrived", || target.kept() == MESSAGES).await;
    for (licence, numbers) in arrived(&target) {
        assert_eq!(numbers.len(), MESSAGES / LICENCES, "{licence}: {numbers:?}");
        assert!(numbers.is_sorted(), "{licence}: {numbers:?}");
    }
    assert_eq!((one.stop(), two.stop()), (Some(0), Some(0)));
    for hub in [&one, &two] {
        let log = hub.log();
        assert!(!log.contains("sealed"), "hubs that take turns at sealing have nothing to say: {log}");
    }
}
