//! A change of keys: from a moment on another key signs, and what was signed before stands.

use std::fs;

use jiff::Timestamp;
use liandong::evidence::{signer::PublicKeys, statement};
use serde_json::{Value, json};

use crate::harness::{
    books::Books,
    hub::{Hub, PATIENCE, eventually, wait_until_told},
    sender::{BUREAU, Sender, hub_of, result, sends},
};

/// A hub whose changes of keys take effect after four seconds.
fn hub() -> Hub {
    let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))]);
    hub.set("keys.notice_ms", 4_000);
    hub.set("seal.every_ms", 100);
    hub
}

fn key_of(receipt: &[u8]) -> String {
    let receipt: Value = serde_json::from_slice(receipt).unwrap();
    receipt["proof"]["key_id"].as_str().unwrap().to_owned()
}

/// Sends until a receipt is signed by this key; the receipts.
async fn until_signed_by(bureau: &Sender, key: &str, name: &str) -> Vec<Vec<u8>> {
    let mut receipts = Vec::new();
    let signed = wait_until_told(PATIENCE, async || {
        let number = format!("{name}-{}", receipts.len());
        receipts.push(bureau.accepted(&result(&number, &number)).await.body);
        key_of(receipts.last().unwrap()) == key
    });
    assert!(signed.await, "{key} never signed");
    receipts
}

/// Changes to a new key and waits until it signs; what was signed meanwhile, and the change.
async fn change(hub: &mut Hub, bureau: &Sender, algorithm: &str, name: &str) -> (Vec<Vec<u8>>, Value) {
    hub.set("keys.algorithm", algorithm);
    let keys = hub.data().join("keys");
    if keys.join("next.pem").exists() {
        fs::rename(keys.join("next.pem"), keys.join("signing.pem")).unwrap();
    }
    let made = hub.ask(&["key", "new"]);
    assert_eq!(made["algorithm"], algorithm);
    let rotation = hub.ask(&["key", "rotate", "--apply", "--reason", "年度更换"]);
    assert_eq!(rotation["new"], made["key"], "{rotation}");
    let receipts = until_signed_by(bureau, made["key"].as_str().unwrap(), name).await;
    (receipts, rotation)
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_signs_from_a_moment_on_and_what_was_signed_before_stands() {
    let mut hub = hub();
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    let mut receipts = vec![bureau.accepted(&result("K-0", "JY1")).await.body];
    let first = key_of(&receipts[0]);

    let missing = hub.run(&["key", "rotate"]);
    assert!(
        String::from_utf8_lossy(&missing.stderr).contains("liandong key new"),
        "there is none to change to"
    );
    hub.ask(&["key", "new"]);
    let again = hub.run(&["key", "new"]);
    assert!(!again.status.success(), "a key is not overwritten");
    let seen = hub.ask(&["key", "rotate"]);
    assert_eq!((&seen["dry_run"], &seen["old"]), (&json!(true), &json!(first)), "{seen}");
    assert_eq!(hub.ask(&["key", "list"]).as_array().unwrap().len(), 1, "looking changes nothing");
    let unsaid = hub.run(&["key", "rotate", "--apply"]);
    assert_eq!(unsaid.status.code(), Some(2), "a reason is asked for");

    fs::remove_file(hub.data().join("keys/next.pem")).unwrap();

    let (more, rotation) = change(&mut hub, &bureau, "sm2", "A").await;
    receipts.extend(more);
    let (more, _) = change(&mut hub, &bureau, "ed25519", "B").await;
    receipts.extend(more);

    let moment: Timestamp = rotation["from"].as_str().unwrap().parse().unwrap();
    for receipt in &receipts {
        let stated: Value = serde_json::from_slice(receipt).unwrap();
        let issued: Timestamp = stated["statement"]["issued_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(key_of(receipt) == first, issued < moment, "{stated}");
    }
    let keys = hub.ask(&["key", "list"]);
    let keys = keys.as_array().unwrap();
    let algorithms: Vec<_> = keys.iter().map(|key| key["algorithm"].as_str().unwrap()).collect();
    assert_eq!(algorithms, ["ed25519", "sm2", "ed25519"]);
    let books = Books::of(&hub);
    eventually("all is sealed", || books.number("SELECT count(*) FROM trail_unsealed") == 0).await;
    drop(books);
    assert_eq!(hub.stop(), Some(0));

    // Whichever of the keys somebody has, the rest follows from what they signed of each other.
    for key in keys {
        let file = hub.home().join("trusted.pem");
        fs::write(&file, key["public"].as_str().unwrap()).unwrap();
        let report = hub.ask(&["seal", "verify", "--key", file.to_str().unwrap()]);
        assert_eq!(report["report"]["mismatch"], Value::Null, "{report}");
    }
    let own = hub.ask(&["seal", "verify"]);
    assert_eq!((&own["report"]["mismatch"], &own["contradiction"]), (&Value::Null, &Value::Null), "{own}");
    let all = keys.iter().map(|key| key["public"].as_str().unwrap()).collect::<String>();
    let all = PublicKeys::from_pem(&all).unwrap();
    assert!(receipts.iter().all(|receipt| statement::verify(receipt, &all).is_ok()));

    let sealed = hub.sealed().await;
    let entry = sealed.iter().find(|entry| entry["event"] == "key.rotated").unwrap();
    let data = &entry["data"];
    assert_eq!((&data["predecessor"], &data["reason"]), (&json!(first), &json!("年度更换")), "{entry}");
    let older = PublicKeys::from_pem(keys[0]["public"].as_str().unwrap()).unwrap();
    let said = statement::verify(data["by_predecessor"].as_str().unwrap().as_bytes(), &older).unwrap();
    assert_eq!(said.statement["successor"], keys[1]["public"], "the old key vouches for the new one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_goes_on_with_the_new_key_after_a_restart_wherever_its_file_lies() {
    let mut hub = hub();
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    let (receipts, rotation) = change(&mut hub, &bureau, "sm2", "A").await;
    let new = rotation["new"].as_str().unwrap();
    assert_eq!(hub.stop(), Some(0));
    hub.start();
    assert_eq!(key_of(&bureau.accepted(&result("after", "JY9")).await.body), new);
    assert_eq!(hub.stop(), Some(0));

    let keys = hub.data().join("keys");
    fs::rename(keys.join("next.pem"), keys.join("signing.pem")).unwrap();
    hub.start();
    assert_eq!(key_of(&bureau.accepted(&result("moved", "JY9")).await.body), new);
    let again = bureau.send(&result("A-0", "A-0")).await;
    assert_eq!(again.body, receipts[0], "the receipt of before, as it was");
    assert_eq!(hub.stop(), Some(0));
    let report = hub.ask(&["seal", "verify"]);
    assert_eq!(report["report"]["mismatch"], Value::Null, "the new key leads back to the old one: {report}");

    fs::remove_file(keys.join("signing.pem")).unwrap();
    let refused = hub.run(&["serve"]);
    assert_eq!(refused.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&refused.stderr).contains(new), "it says which key is wanted");
    assert!(!keys.join("signing.pem").exists(), "and makes none in its place");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_somebody_changed_in_the_store_is_found() {
    let mut hub = hub();
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    bureau.accepted(&result("K-0", "JY1")).await;
    change(&mut hub, &bureau, "sm2", "A").await;
    assert_eq!(hub.stop(), Some(0));
    let database = hub.data().join("liandong.db");
    let untouched = fs::read(&database).unwrap();
    let stranger = liandong::evidence::signer::Ed25519::from_seed(&[9; 32]);
    let stranger = liandong::evidence::signer::Signer::public_key(&stranger).to_pem();
    let changes = [
        format!("UPDATE signing_key SET public = '{stranger}' WHERE number = 2"),
        "UPDATE signing_key SET begins = begins - 500000 WHERE number = 2".to_owned(),
        "DELETE FROM signing_key WHERE number = 2".to_owned(),
    ];
    for change in changes {
        Books::of(&hub).tamper(&change);
        let output = hub.run(&["seal", "verify"]);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(said["report"]["mismatch"].as_str().unwrap().contains("signature check"), "{change}: {said}");
        for log in ["liandong.db-wal", "liandong.db-shm"] {
            drop(fs::remove_file(hub.data().join(log)));
        }
        fs::write(&database, &untouched).unwrap();
    }
    let intact = hub.ask(&["seal", "verify"]);
    assert_eq!(intact["report"]["mismatch"], Value::Null, "{intact}");
}
