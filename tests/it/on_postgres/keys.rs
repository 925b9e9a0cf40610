//! Hubs that share a database sign with one key: receipts and checkpoints of the same trail are checked with the
//! same public key, whichever hub signed them.

use super::{hub_on, share_key};
use crate::{
    contract::backend::Postgres,
    harness::{
        department::Department,
        hub::{PATIENCE, wait_until},
        sender::{BUREAU, Sender, result},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_with_another_key_does_not_start_on_the_database_and_says_what_to_do() {
    let (place, target) = (Postgres::new(), Department::anywhere().await);
    let (mut one, mut two) = (hub_on(&place, &target).await, hub_on(&place, &target).await);
    one.start();
    let bureau = Sender::at(&one, BUREAU);
    bureau.accepted(&result("JY1-0", "JY1")).await;

    let refused = two.run(&["serve"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(64), "{said}");
    assert!(said.contains("hubs that share a database share the key"), "{said}");
    assert!(!two.data().join("keys/signing.pem").exists(), "a key that signed nothing is not left behind");

    share_key(&one, &mut two);
    two.start();
    assert_eq!((two.stop(), one.stop()), (Some(0), Some(0)));
    let report = one.ask(&["seal", "verify"]);
    assert_eq!(report["report"]["mismatch"], serde_json::Value::Null, "{report}");
    let kept = "SELECT count(*) FROM snapshot WHERE subject = 'signing_key'";
    assert_eq!(place.database().await.run(kept).await[0].get::<_, i64>(0), 1, "the history of keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_hubs_that_start_together_on_nothing_one_gives_the_key() {
    let (place, target) = (Postgres::new(), Department::anywhere().await);
    let hubs = [hub_on(&place, &target).await, hub_on(&place, &target).await];
    place.database().await;
    // The one that is refused ends by itself, the other runs.
    let mut started: Vec<_> = hubs.iter().map(|hub| hub.command(&["serve"]).spawn().unwrap()).collect();
    let ended =
        wait_until(PATIENCE, || started.iter_mut().any(|child| child.try_wait().unwrap().is_some())).await;
    assert!(ended, "one is refused");
    let codes: Vec<_> = started.iter_mut().map(|child| child.try_wait().unwrap().map(|s| s.code())).collect();
    for mut child in started {
        drop(child.kill());
        child.wait().unwrap();
    }
    assert!(codes.contains(&Some(Some(64))) && codes.contains(&None), "{codes:?}");
}
