//! Promise 11: a failed attempt keeps what was tried, whom it spoke to, what was answered and when, without
//! credentials; it is seen by a look-up and sealed in the trail. That something was given up is stated.

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{
    books::Books,
    department::{Behaviour, Department, TAKEN, say},
    hub::{Hub, eventually},
    sender::{BUREAU, REGULATOR, Sender, hub_of, receives, result, sends},
};

const SECRET: &str = "s3cr3t-of-the-regulator";
const BUSY: &str = r#"{"code":1,"msg":"数据库忙"}"#;

async fn stage() -> (Hub, Department) {
    let department = Department::anywhere().await;
    let more = r#"
http.credential = { type = "bearer", secret = "env:REGULATOR_TOKEN" }
transient = "status == 200 and answer.code == 1"
on_unknown = "resend"
"#;
    let mut hub = hub_of(&[
        ("hanbin-spj", sends("hanbin-spj", &[BUREAU])),
        ("hanbin-scjg", receives("hanbin-scjg", REGULATOR, &department.address(), more)),
    ]);
    hub.variable("REGULATOR_TOKEN", SECRET);
    hub.set("breaker.failures", 1000);
    hub.set("retry.max_ms", 100);
    (hub, department)
}

/// An answer that repeats what the hub authenticated itself with, and goes on for long.
fn indiscreet() -> String {
    format!("error for Authorization: Bearer {SECRET} {}", "x".repeat(5000))
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn sm3(bytes: &[u8]) -> String {
    hex::encode(sm3::Sm3::digest(bytes))
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

fn attempts(delivery: &Value) -> &[Value] {
    delivery["attempts_made"].as_array().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failed_attempt_keeps_what_was_tried_and_answered() {
    let (mut hub, department) = stage().await;
    hub.start();
    department.behave(|arrival| match arrival.times {
        1 => say(500, &indiscreet()),
        2 => say(200, BUSY),
        3 => Behaviour::Cut,
        _ => Behaviour::Take,
    });
    let sender = Sender::at(&hub, "hanbin-spj");
    let id = sender.accepted(&result("K-1", "JY1")).await.delivery_to(REGULATOR);
    let delivered = hub.until(&id, "delivered").await;
    let tried = attempts(&delivered);
    let (sent, sent_sm3) = department.look(|ledger| {
        assert_eq!(ledger.arrivals[0].authorization, format!("Bearer {SECRET}"));
        (sha256(&ledger.arrivals[0].body), sm3(&ledger.arrivals[0].body))
    });
    let indiscreet = indiscreet();
    let expected = [
        ("transient", json!(500), Some(indiscreet.as_bytes())),
        ("transient", json!(200), Some(BUSY.as_bytes())),
        ("unknown", Value::Null, None),
        ("delivered", json!(200), Some(TAKEN.as_bytes())),
    ];
    assert_eq!(tried.len(), expected.len(), "{delivered}");
    for (number, (attempt, (outcome, status, answer))) in tried.iter().zip(expected).enumerate() {
        assert_eq!(attempt["attempt"], json!(number + 1));
        assert_eq!((&attempt["outcome"], &attempt["status"]), (&json!(outcome), &status), "{attempt}");
        assert_eq!(attempt["peer"], format!("http://{}/receive", department.address()));
        assert_eq!(attempt["sent_digest"], sent, "the very bytes that the department received");
        assert_eq!(attempt["answer_digest"], json!(answer.map(sha256)), "and those it answered: {attempt}");
        assert_eq!(attempt["sent_sm3"], sent_sm3, "by SM3 as well");
        assert_eq!(attempt["answer_sm3"], json!(answer.map(sm3)), "{attempt}");
        assert!(attempt["adapter_version"].as_str().unwrap().starts_with("sha256:"), "{attempt}");
        assert!(time(&attempt["started_at"]) <= time(&attempt["ended_at"]));
    }
    assert!(tried.windows(2).all(|pair| time(&pair[0]["ended_at"]) <= time(&pair[1]["started_at"])));
    assert_eq!(tried[1]["detail"], BUSY, "in the target's words");
    let long = tried[0]["detail"].as_str().unwrap();
    assert!(long.starts_with("error for Authorization: Bearer ") && long.chars().count() <= 512, "{long}");
    assert!(!delivered.to_string().contains(SECRET), "no credential stands in the record");

    let seen_by_sender = sender.get(&format!("/v1/deliveries/{id}")).await;
    assert_eq!((seen_by_sender.status, seen_by_sender.json()), (200, delivered));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_sent_says_so() {
    let (mut hub, department) = stage().await;
    hub.start();
    department.shut().await;
    let id = Sender::at(&hub, "hanbin-spj").accepted(&result("K-1", "JY1")).await.delivery_to(REGULATOR);
    hub.until(&id, "scheduled").await;
    department.reopen();
    let delivered = hub.until(&id, "delivered").await;
    let first = &attempts(&delivered)[0];
    assert_eq!((&first["outcome"], &first["status"]), (&json!("transient"), &Value::Null), "{first}");
    assert!(first["sent_digest"].is_null() && first["answer_digest"].is_null(), "{first}");
    assert!(first["detail"].as_str().unwrap().contains("refused"), "{first}");
    assert_eq!(first["peer"], format!("http://{}/receive", department.address()));
}

/// The salt of an attempt, which no view shows.
fn opening(hub: &Hub, delivery: &str, attempt: &Value) -> Vec<u8> {
    let id = delivery.replace('-', "");
    let salt = Books::of(hub).text(&format!(
        "SELECT hex(a.salt) FROM attempt a JOIN delivery d ON d.number = a.delivery \
         WHERE hex(d.id) = upper('{id}') AND a.attempt = {attempt}"
    ));
    hex::decode(salt).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_up_is_stated_and_the_whole_history_is_sealed_and_kept() {
    let (mut hub, department) = stage().await;
    hub.set("retry.max_attempts", 3);
    hub.start();
    department.behave(|_| say(500, &indiscreet()));
    let accepted = Sender::at(&hub, "hanbin-spj").accepted(&result("K-1", "JY1")).await;
    let id = accepted.delivery_to(REGULATOR);
    let parked = hub.until(&id, "parked").await;
    assert_eq!((&parked["park_reason"], &parked["attempts"]), (&json!("attempts_exhausted"), &json!(3)));
    assert!(!parked.to_string().contains(SECRET), "{parked}");

    hub.kill();
    hub.start();
    assert_eq!(hub.delivery(&id).await, parked, "nothing of a failed message is deleted");
    eventually("it stays as it is", || department.arrivals() == 3).await;
    let kept = hub.get(&format!("/v1/messages/{}", accepted.message())).await;
    assert_eq!(kept["business_key"], "K-1");

    assert_eq!(hub.stop(), Some(0));
    let report = hub.ask(&["seal", "verify"]);
    assert_eq!(report["report"]["unsealed"], 0, "{report}");
    let sealed = hub.sealed().await;
    let entries: Vec<_> = sealed.iter().filter(|entry| entry["delivery"] == id.as_str()).collect();
    assert_eq!(entries.len(), 3, "{entries:?}");
    for (entry, attempt) in entries.iter().zip(attempts(&parked)) {
        let data = &entry["data"];
        assert_eq!(entry["event"], "delivery.attempted");
        assert_eq!(data["outcome"]["class"], attempt["outcome"]);
        for (sealed, seen) in
            [("attempt", "attempt"), ("peer", "peer"), ("status", "status"), ("adapter", "adapter_version")]
        {
            assert_eq!(data[sealed], attempt[seen], "{sealed}: {entry}");
        }
        let opens = opening(&hub, &id, &attempt["attempt"]);
        let hashed = |prefix: &str, digest: &Value| digest.as_str().map(|hex| format!("{prefix}:{hex}"));
        let exchanged = json!({
            "answer": hashed("sha256", &attempt["answer_digest"]),
            "answer_sm3": hashed("sm3", &attempt["answer_sm3"]),
            "said": format!("sha256:{}", sha256(attempt["detail"].as_str().unwrap().as_bytes())),
            "sent": hashed("sha256", &attempt["sent_digest"]), "sent_sm3": hashed("sm3", &attempt["sent_sm3"]),
        });
        let salted = [opens, exchanged.to_string().into_bytes()].concat();
        assert_eq!(data["exchanged"], format!("sha256:{}", sha256(&salted)), "{entry}");
        assert_eq!(data["exchanged_sm3"], format!("sm3:{}", sm3(&salted)), "{entry}");
        for at in ["started_at", "ended_at"] {
            let microseconds = time(&data[at]).as_microsecond();
            assert_eq!(microseconds, time(&attempt[at]).as_microsecond(), "{at}: {entry}");
        }
        assert!(!entry.to_string().contains("error for"), "words of an answer may be personal: {entry}");
    }
    let next: Vec<_> = entries.iter().map(|entry| &entry["data"]["next"]).collect();
    assert_eq!(next[0]["state"], "scheduled");
    assert_eq!(*next[2], json!({"state": "parked", "reason": "attempts_exhausted"}), "that it was given up");
}
