//! Hubs that share a database sign with one key: receipts and checkpoints of the same trail are checked with the
//! same public key, whichever hub signed them.

use std::fs;

use jiff::Timestamp;
use serde_json::Value;

use super::{hub_on, share_key};
use crate::{
    contract::backend::Postgres,
    harness::{
        department::Department,
        hub::{PATIENCE, wait_until, wait_until_told},
        sender::{Answer, BUREAU, Sender, result},
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
    assert_eq!(report["report"]["mismatch"], Value::Null, "{report}");
    let kept = "SELECT count(*) FROM signing_key";
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

#[tokio::test(flavor = "multi_thread")]
async fn hubs_change_keys_together_and_one_without_the_new_key_signs_nothing() {
    let (place, target) = (Postgres::new(), Department::anywhere().await);
    let (mut one, mut two) = (hub_on(&place, &target).await, hub_on(&place, &target).await);
    for hub in [&mut one, &mut two] {
        hub.set("keys.notice_ms", 4_000);
    }
    one.start();
    share_key(&one, &mut two);
    let token = one.token(BUREAU);
    two.start();
    let (first, second) = (Sender::with(&one, &token), Sender::with(&two, &token));
    let made = one.ask(&["key", "new"])["key"].clone();
    let rotation = one.ask(&["key", "rotate", "--apply", "--reason", "yearly"]);
    let moment: Timestamp = rotation["from"].as_str().unwrap().parse().unwrap();

    let mut number = 0;
    let refused = wait_until_told(PATIENCE, async || {
        number += 1;
        let by_one = first.accepted(&result(&format!("one-{number}"), "JY1")).await;
        assert_eq!(key_of(&by_one) == made, issued(&by_one) >= moment, "never both, and never the other");
        let by_two = second.send(&result(&format!("two-{number}"), "JY2")).await;
        if by_two.status == 503 {
            return true;
        }
        assert!(key_of(&by_two) == rotation["old"] && issued(&by_two) < moment, "{}", by_two.json());
        false
    });
    assert!(refused.await, "the hub without the new key signs no more");
    two.until_metric("liandong_signing_key_missing", 1).await;

    fs::create_dir_all(two.data().join("keys")).unwrap();
    fs::copy(one.data().join("keys/next.pem"), two.data().join("keys/next.pem")).unwrap();
    let back = wait_until_told(PATIENCE, async || {
        let answer = second.send(&result(&format!("two-{number}"), "JY2")).await;
        answer.status == 201 && key_of(&answer) == made
    });
    assert!(back.await, "with it it goes on");
    two.until_metric("liandong_signing_key_missing", 0).await;
    assert_eq!((two.stop(), one.stop()), (Some(0), Some(0)));
    let report = one.ask(&["seal", "verify"]);
    assert_eq!(report["report"]["mismatch"], Value::Null, "{report}");
}

fn key_of(answer: &Answer) -> Value {
    answer.json()["proof"]["key_id"].clone()
}

fn issued(answer: &Answer) -> Timestamp {
    answer.statement()["issued_at"].as_str().unwrap().parse().unwrap()
}
