//! Promise 10, `provable`: sealed entries cannot be changed, removed or reordered unnoticed, nor can a row that
//! follows from them; receipts prove themselves; the tail that is not sealed yet is counted.
//!
//! Each test tampers with the store of a real hub and asks `liandong seal verify`.

use std::{fs, os::unix::fs::PermissionsExt as _};

use base64::Engine as _;
use ed25519_dalek::{Signature, VerifyingKey, pkcs8::DecodePublicKey as _};
use lapin::types::FieldTable;
use liandong::evidence::{
    signer::{Ed25519, PublicKeys, Signer as _},
    statement,
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use sha2::{Digest as _, Sha256};

use crate::harness::{
    books::Books,
    broker::Broker,
    department::{Behaviour, Department, status},
    hub::{Hub, eventually},
    sender::{BUREAU, REGULATOR, Sender, hub_of, receives, result, sends},
};

const DATABASE: &str = "liandong.db";

/// A stopped hub whose store holds three messages, a failed attempt among them, and some checkpoints.
struct Sealed {
    hub: Hub,
    untouched: Vec<u8>,
}

impl Sealed {
    async fn new() -> Self {
        let target = Department::anywhere().await;
        target.behave(|arrival| if arrival.times == 1 { status(500) } else { Behaviour::Take });
        let regulator = receives(REGULATOR, REGULATOR, &target.address(), "");
        let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU])), (REGULATOR, regulator)]);
        hub.set("seal.every_ms", 100);
        hub.start();
        let bureau = Sender::at(&hub, BUREAU);
        let books = Books::of(&hub);
        for key in ["1", "2", "3"] {
            let delivery = bureau.accepted(&result(key, key)).await.delivery_to(REGULATOR);
            hub.until(&delivery, "delivered").await;
            eventually("all is sealed", || books.number("SELECT count(*) FROM trail_unsealed") == 0).await;
        }
        drop(books);
        assert_eq!(hub.stop(), Some(0));
        let untouched = fs::read(hub.data().join(DATABASE)).unwrap();
        Self { hub, untouched }
    }

    /// What the check says of the store as it is.
    fn verify(&self, arguments: &[&str]) -> (bool, Value) {
        let output = self.hub.run(&[&["seal", "verify"], arguments].concat());
        let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
            panic!("no report: {}", String::from_utf8_lossy(&output.stderr));
        });
        assert!(matches!(output.status.code(), Some(0 | 1)), "{said}");
        (output.status.success(), said)
    }

    /// The finding after tampering; the store is as it was afterwards.
    fn finding(&self, sql: &str, place: &str) -> String {
        Books::of(&self.hub).tamper(sql);
        let (intact, said) = self.verify(&[]);
        self.restore();
        assert!(!intact, "not found: {sql}");
        said.pointer(place).and_then(Value::as_str).unwrap_or_else(|| panic!("{sql}: {said}")).to_owned()
    }

    fn restore(&self) {
        for log in ["liandong.db-wal", "liandong.db-shm"] {
            drop(fs::remove_file(self.hub.data().join(log)));
        }
        fs::write(self.hub.data().join(DATABASE), &self.untouched).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_worker_was_given_is_told_from_an_attempt_that_somebody_invented() {
    let (broker, target) = (Broker::new().await, Department::anywhere().await);
    let regulator = receives(REGULATOR, REGULATOR, &target.address(), "");
    let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU])), (REGULATOR, regulator)]);
    hub.set("bus.backend", "rabbitmq");
    hub.variable("LIANDONG_AMQP_URL", broker.url());
    hub.start();
    let own = broker.channel().await;
    let (queue, nothing) = (format!("liandong.work.{REGULATOR}"), FieldTable::default());
    own.channel.queue_unbind(queue.into(), "liandong.work".into(), REGULATOR.into(), nothing).await.unwrap();
    let delivery = Sender::at(&hub, BUREAU).accepted(&result("1", "JY1")).await.delivery_to(REGULATOR);
    // The queue is bound again with the connection that follows.
    hub.until(&delivery, "delivered").await;
    assert_eq!(hub.stop(), Some(0));
    let handed_back = "SELECT count(*) FROM trail WHERE event = 'delivery.handed_back'";
    assert!(Books::of(&hub).number(handed_back) > 0, "the broker took it");
    let untouched = fs::read(hub.data().join(DATABASE)).unwrap();
    let sealed = Sealed { hub, untouched };
    let (intact, said) = sealed.verify(&[]);
    assert!(intact, "{said}");
    for changed in ["DELETE FROM attempt WHERE peer = ''", "UPDATE attempt SET peer = 'x' WHERE peer = ''"] {
        assert!(sealed.finding(changed, "/contradiction/what").contains("an attempt is gone"), "{changed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_tampers_with_the_sealed_trail_is_found_out() {
    let store = Sealed::new().await;
    let (intact, said) = store.verify(&[]);
    assert!(intact && said["report"]["unsealed"] == 0, "{said}");
    assert!(said["report"]["checkpoints"].as_u64().unwrap() > 2, "{said}");

    let at = |position: u64| format!("(SELECT entry FROM trail_sealed WHERE position = {position})");
    let swap = format!(
        "CREATE TEMP TABLE kept AS SELECT number, body FROM trail WHERE number IN ({one}, {two});\
         UPDATE trail SET body = (SELECT body FROM kept WHERE kept.number <> trail.number)\
         WHERE number IN (SELECT number FROM kept);",
        one = at(1),
        two = at(2),
    );
    let cases = [
        (
            format!(
                "UPDATE trail SET body = CAST(replace(CAST(body AS TEXT), '\"event\"', '\"Event\"') AS BLOB) \
                 WHERE number = {}",
                at(3)
            ),
            "changed, swapped or replaced",
        ),
        ("DELETE FROM trail_sealed WHERE position = 2".to_owned(), "entry at 2 is missing"),
        (
            "DELETE FROM trail_sealed WHERE position = 2;\
             UPDATE trail_sealed SET position = position - 1 WHERE position > 2;"
                .to_owned(),
            "changed, swapped or replaced",
        ),
        (swap, "changed, swapped or replaced"),
        (
            "UPDATE checkpoint SET note = replace(note, 'time 20', 'time 19') WHERE number = 2".to_owned(),
            "changed after it was signed",
        ),
        ("DELETE FROM trail_sealed WHERE position > 6".to_owned(), "the log was cut"),
    ];
    for (sql, expected) in &cases {
        let found = store.finding(sql, "/report/mismatch");
        assert!(found.contains(expected), "{sql}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_counts_for_nothing_and_a_store_rolled_back_is_found_by_an_anchor() {
    let store = Sealed::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("other.pem"), Ed25519::from_seed(&[9; 32]).public_key().to_pem()).unwrap();
    let (intact, said) = store.verify(&["--key", &path("other.pem")]);
    assert!(!intact && said["report"]["mismatch"].as_str().unwrap().contains("trusted key"), "{said}");

    let books = Books::of(&store.hub);
    let last = "(SELECT max(size) FROM checkpoint)";
    fs::write(path("anchor"), books.text(&format!("SELECT note FROM checkpoint WHERE size = {last}")))
        .unwrap();
    let (intact, said) = store.verify(&["--anchor", &path("anchor")]);
    assert!(intact && said["report"]["anchors"] == 1, "{said}");
    books.tamper(&format!(
        "DELETE FROM checkpoint WHERE size = {last}; DELETE FROM trail_sealed WHERE position >= {last};"
    ));
    let found = store.verify(&[]).1["report"]["mismatch"].as_str().unwrap().to_owned();
    assert!(found.contains("sealer continues from"), "the sealer knows better: {found}");
    books.tamper(&format!(
        "UPDATE sealer SET size = {last}, checkpoint = (SELECT note FROM checkpoint WHERE size = {last})"
    ));
    drop(books);
    assert!(store.verify(&[]).1["report"]["mismatch"].is_null(), "alone, an earlier state looks whole");
    let (intact, said) = store.verify(&["--anchor", &path("anchor")]);
    assert!(!intact && said["report"]["mismatch"].as_str().unwrap().contains("the log was cut"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_no_longer_says_what_was_sealed_is_found_out() {
    let store = Sealed::new().await;
    let blob = |column: &str| format!("{column} = CAST(CAST({column} AS TEXT) || ' ' AS BLOB)");
    let stays = "delivery WHERE final_state IS NULL";
    let cases = [
        (format!("UPDATE message SET {} WHERE number = 2", blob("received")), "bytes received"),
        (format!("UPDATE message SET {} WHERE number = 2", blob("canonical")), "its content"),
        (format!("UPDATE message SET {} WHERE number = 2", blob("decision")), "its routing"),
        (format!("UPDATE message_key SET {} WHERE number = 2", blob("receipt")), "its receipt"),
        ("UPDATE message_key SET business_key = 'other' WHERE number = 2".to_owned(), "another sender"),
        ("UPDATE message_key SET organisation = '610902-wjj' WHERE number = 2".to_owned(), "another sender"),
        ("DELETE FROM message WHERE number = 2".to_owned(), "is gone"),
        (
            format!("UPDATE delivery SET organisation = '610902-wjj' WHERE organisation = '{REGULATOR}'"),
            "not the one that was planned",
        ),
        ("UPDATE delivery SET rule = 'other' WHERE number = 1".to_owned(), "not the one that was planned"),
        (
            format!(
                "DELETE FROM open_delivery; UPDATE delivery SET final_state = 'delivered', ended_at = 1, \
                 attempts = 0, lease = 0 WHERE number IN (SELECT number FROM {stays})"
            ),
            "no attempt delivered",
        ),
        (
            "UPDATE delivery SET handed_over_at = handed_over_at - 86400000000 WHERE handed_over_at > 0"
                .to_owned(),
            "another time",
        ),
        ("UPDATE attempt SET status = 200 WHERE status = 500".to_owned(), "not as it was sealed"),
        ("UPDATE attempt SET peer = 'http://elsewhere/'".to_owned(), "not as it was sealed"),
        ("UPDATE attempt SET answer_digest = zeroblob(32)".to_owned(), "not as it was sealed"),
        ("UPDATE attempt SET sent_sm3 = zeroblob(32)".to_owned(), "not as it was sealed"),
        ("UPDATE attempt SET answer_sm3 = NULL".to_owned(), "not as it was sealed"),
        ("DELETE FROM attempt WHERE outcome = 'transient'".to_owned(), "an attempt is gone"),
        (
            "INSERT INTO attempt SELECT delivery, lease + 9, outcome, recorded_at, attempt, started_at, ended_at, \
             peer, sent_digest, answer_digest, status, detail, adapter_version, sent_sm3, answer_sm3, salt \
             FROM attempt LIMIT 1"
                .to_owned(),
            "the trail does not know",
        ),
    ];
    for (sql, expected) in &cases {
        let found = store.finding(sql, "/contradiction/what");
        assert!(found.contains(expected), "{sql}: {found}");
    }
}

/// The steps of `docs/evidence.md`, with nothing of ours: whether the receipt is in its batch and signed.
fn by_hand(receipt: &[u8], public_pem: &str) -> Result<(), &'static str> {
    let text = std::str::from_utf8(receipt).map_err(|_| "no text")?;
    let cut = text.rfind(r#","proof":"#).ok_or("no proof")?;
    let statement = text.get(r#"{"statement":"#.len()..cut).ok_or("no statement")?;
    let whole: Value = serde_json::from_str(text).map_err(|_| "no JSON")?;
    let proof = &whole["proof"];
    let hash = |prefix: u8, parts: &[&[u8]]| -> Vec<u8> {
        Sha256::digest([&[prefix][..], &parts.concat()].concat()).to_vec()
    };
    let size = proof["batch_size"].as_u64().ok_or("no size")?;
    let (mut place, mut last) = (proof["index"].as_u64().ok_or("no index")?, size - 1);
    let mut node = hash(0, &[statement.as_bytes()]);
    for other in proof["path"].as_array().ok_or("no path")? {
        let other = hex::decode(other.as_str().unwrap_or_default()).map_err(|_| "no hash")?;
        if place % 2 == 1 || place == last {
            node = hash(1, &[&other, &node]);
            while place % 2 == 0 && place > 0 {
                (place, last) = (place / 2, last / 2);
            }
        } else {
            node = hash(1, &[&node, &other]);
        }
        (place, last) = (place / 2, last / 2);
    }
    if proof["root"] != hex::encode(&node) || last != 0 {
        return Err("the statement is not in the batch");
    }
    let base64 = base64::engine::general_purpose::STANDARD;
    let signed = format!("liandong/statement-batch/v1\n{size}\n{}\n", base64.encode(&node));
    let signature =
        base64.decode(proof["signature"].as_str().unwrap_or_default()).map_err(|_| "no base64")?;
    let signature = Signature::from_slice(&signature).map_err(|_| "no signature")?;
    let key = VerifyingKey::from_public_key_pem(public_pem).map_err(|_| "no key")?;
    key.verify_strict(signed.as_bytes(), &signature).map_err(|_| "the signature does not fit")
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    receipt: &'a RawValue,
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_prove_themselves_to_whoever_has_the_public_key() {
    let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))]);
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    let message = result("alone", "L").to_string();
    let alone = bureau.send_text("approval.result", &message).await;
    let events: Vec<_> = (0..60)
        .map(|number| {
            json!({ "specversion": "1.0", "id": "1", "source": "test", "type": "liandong.approval.result",
                "data": result(&format!("K-{number}"), &format!("L-{number}")) })
        })
        .collect();
    let media = "application/cloudevents-batch+json";
    let answer = bureau.post("/v1/messages", media, Value::Array(events).to_string()).await;
    let entries: Vec<Entry<'_>> = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(hub.stop(), Some(0));

    let signer = Ed25519::load(&hub.data().join("keys/signing.pem")).unwrap();
    let public = signer.public_key().to_pem();
    let keys: PublicKeys = [signer.public_key().clone()].into_iter().collect();
    let received = format!("sha256:{}", hex::encode(Sha256::digest(&message)));
    assert_eq!(alone.statement()["received"], received.as_str(), "it says which bytes were received");

    let receipts = entries.iter().map(|entry| entry.receipt.get().as_bytes()).chain([alone.body.as_slice()]);
    let mut largest = 0;
    for receipt in receipts {
        by_hand(receipt, &public).unwrap();
        largest = largest.max(statement::verify(receipt, &keys).unwrap().batch_size);
    }
    assert!(largest > 1, "some were signed together");

    let receipt = String::from_utf8(entries[59].receipt.get().into()).unwrap();
    let reformatted =
        serde_json::to_string_pretty(&serde_json::from_str::<Value>(&receipt).unwrap()).unwrap();
    let index = serde_json::from_str::<Value>(&receipt).unwrap()["proof"]["index"].as_u64().unwrap();
    let tampered = [
        receipt.replace("K-59", "K-58"),
        receipt.replace("\"revision\":1", "\"revision\":2"),
        receipt.replace(&format!("\"index\":{index}"), &format!("\"index\":{}", index + 1)),
        receipt.replace("\"signature\":\"", "\"signature\":\"AAAA"),
        reformatted,
    ];
    for forged in &tampered {
        assert_ne!(*forged, receipt);
        assert!(by_hand(forged.as_bytes(), &public).is_err(), "{forged}");
        assert!(statement::verify(forged.as_bytes(), &keys).is_err(), "{forged}");
    }
    let stranger = Ed25519::from_seed(&[9; 32]).public_key().to_pem();
    assert_eq!(by_hand(receipt.as_bytes(), &stranger), Err("the signature does not fit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tail_that_is_not_sealed_yet_is_counted_and_sealed_at_the_next_stop() {
    let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))]);
    hub.set("seal.every_ms", 3_600_000);
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    for key in ["1", "2", "3"] {
        bureau.accepted(&result(key, key)).await;
    }
    hub.kill();
    let said = hub.ask(&["seal", "verify"]);
    assert_eq!(said["report"]["entries"], 0, "{said}");
    assert!(said["report"]["unsealed"].as_u64().unwrap() > 3, "{said}");
    hub.start();
    assert_eq!(hub.stop(), Some(0));
    let said = hub.ask(&["seal", "verify"]);
    assert_eq!(said["report"]["unsealed"], 0, "{said}");
    assert!(said["report"]["sealed"].as_u64().unwrap() > 6, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_signed_with_one_key() {
    let Sealed { mut hub, .. } = Sealed::new().await;
    let key = hub.data().join("keys/signing.pem");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    for command in [&["serve"][..], &["token", "new", "someone"]] {
        let refused = hub.run(command);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(64), "{said}");
        assert!(said.contains("what is stored is signed with key"), "{said}");
        assert!(!key.exists(), "a key that signed nothing is not left behind");
    }
    fs::write(&key, kept).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    hub.start();
    assert_eq!(hub.stop(), Some(0));
    let report = hub.ask(&["seal", "verify"]);
    assert_eq!(report["report"]["entries"], report["report"]["sealed"], "{report}");
}
