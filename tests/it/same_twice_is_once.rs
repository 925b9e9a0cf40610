//! Promise 2: (organisation, kind, business key, revision) is unique for ever. The same again gets the first
//! receipt, byte for byte; other content is a conflict, an older revision is stale, and both are said and kept.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::{
    department::Department,
    hub::{Hub, eventually},
    sender::{
        Answer, BUREAU, ENFORCEMENT, REGULATOR, Sender, and_sends, hub_of, penalty, receives, result,
        result_of, sends,
    },
};

/// A hub between 汉滨区's bureau and its regulator.
async fn stage() -> (Hub, Sender, Department) {
    let department = Department::anywhere().await;
    let mut hub = hub_of(&[
        ("hanbin-spj", sends("hanbin-spj", &[BUREAU, "610902-HK-xzspj"])),
        ("hanbin-scjg", receives("hanbin-scjg", REGULATOR, &department.address(), "")),
    ]);
    hub.start();
    let sender = Sender::at(&hub, "hanbin-spj");
    (hub, sender, department)
}

fn assert_first_receipt(again: &Answer, first: &Answer) {
    assert_eq!(again.status, 200, "{}", again.json());
    assert_eq!(again.body, first.body, "the first receipt, byte for byte");
}

/// The same facts: names in the other spelling, another order, space, and the default said.
fn spelt_otherwise(message: &Value) -> String {
    let text = serde_json::to_string_pretty(message).unwrap();
    let mut other: Value = serde_json::from_str(&text.replace("businessKey", "business_key")).unwrap();
    let object = other.as_object_mut().unwrap();
    object.insert("revision".to_owned(), json!(1));
    let first = object.shift_remove("organisation").unwrap();
    object.insert("organisation".to_owned(), first);
    serde_json::to_string_pretty(&other).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_again_gets_the_first_receipt_and_is_delivered_once() {
    let (hub, sender, department) = stage().await;
    let message = result("K-1", "JY1");
    let text = message.to_string();
    let first = sender.send_text("approval.result", &text).await;
    assert_eq!(first.status, 201, "{}", first.json());
    assert_first_receipt(&sender.send_text("approval.result", &text).await, &first);

    let other = spelt_otherwise(&message);
    assert_ne!(other, text);
    assert_first_receipt(&sender.send_text("approval.result", &other).await, &first);
    let in_a_batch = sender.send_all(&[message.clone(), message.clone()]).await;
    for entry in &in_a_batch {
        assert_eq!((&entry["status"], &entry["message"]), (&json!(200), &json!(first.message())));
    }

    let marker = sender.accepted(&result("K-2", "JY1")).await;
    hub.until(&marker.delivery_to(REGULATOR), "delivered").await;
    let seen = department.look(|ledger| ledger.arrivals.iter().map(|it| it.text("key")).collect::<Vec<_>>());
    assert_eq!(seen, ["K-1", "K-2"], "one lane: K-2 came last, and nothing came twice");
    assert_eq!(hub.metric("liandong_messages_repeated_total").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn twice_in_one_batch_is_once() {
    let (hub, sender, _department) = stage().await;
    let message = result("K-1", "JY1");
    let answers = sender.send_all(&[message.clone(), message.clone(), message]).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 200, 200]);
    assert!(answers.iter().all(|answer| answer["receipt"] == answers[0]["receipt"]), "{answers:?}");
    let deliveries = answers[0]["receipt"]["statement"]["deliveries"].as_array().unwrap().len();
    assert_eq!(hub.counts().await.values().sum::<u64>(), deliveries as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn identical_senders_at_the_same_moment_are_one_acceptance() {
    let (hub, sender, department) = stage().await;
    let texts: Vec<_> = (0..8).map(|key| result(&format!("K-{key}"), "JY1").to_string()).collect();
    let sends = (0..64).map(|at| sender.send_text("approval.result", &texts[at % texts.len()]));
    let answers = join_all(sends).await;
    for of_one in 0..texts.len() {
        let mine: Vec<_> = answers.iter().skip(of_one).step_by(texts.len()).collect();
        let firsts = mine.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(firsts, 1, "of {} identical ones", mine.len());
        assert!(mine.iter().all(|answer| answer.body == mine[0].body), "all have one receipt");
    }
    eventually("all are delivered", || department.kept() == texts.len()).await;
    assert_eq!(department.arrivals(), texts.len());
    let deliveries = answers[0].deliveries() * texts.len();
    assert_eq!(hub.counts().await.values().sum::<u64>(), deliveries as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_conflicts_and_an_older_revision_is_stale_and_the_trail_has_both() {
    let (mut hub, sender, department) = stage().await;
    let first = sender.accepted(&result("K-1", "JY1")).await;
    let mut other = result("K-1", "JY1");
    other["approvalResult"]["content"] = json!("热食类食品制售");
    let conflict = sender.send(&other).await;
    assert_eq!((conflict.status, conflict.code().as_str()), (409, "conflict"), "{}", conflict.json());
    assert!(conflict.json()["detail"].as_str().unwrap().contains(&first.message()), "it names what stands");

    let mut third = other.clone();
    third["revision"] = json!(3);
    let third = sender.accepted(&third).await;
    let mut second = other.clone();
    second["revision"] = json!(2);
    let stale = sender.send(&second).await;
    assert_eq!((stale.status, stale.code().as_str()), (409, "stale"), "{}", stale.json());
    assert_eq!(sender.send(&other).await.code(), "conflict", "a revision that stands is compared first");
    assert_first_receipt(&sender.send(&result("K-1", "JY1")).await, &first);

    hub.until(&third.delivery_to(REGULATOR), "delivered").await;
    assert_eq!(department.arrivals(), 2, "what was refused reached nobody");
    assert_eq!(hub.stop(), Some(0));
    let refusals = refused(&hub.sealed().await);
    assert_eq!(refusals, ["conflict", "stale", "conflict"]);
}

/// Codes of the refusals in a trail.
fn refused(trail: &[Value]) -> Vec<String> {
    let refusals = trail.iter().filter(|entry| entry["event"] == "message.refused");
    refusals.map(|entry| entry["data"]["code"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_belongs_to_the_organisation_and_the_kind() {
    let department = Department::anywhere().await;
    let mut hub = hub_of(&[
        ("hanbin", sends("hanbin", &[BUREAU, "610902-HK-xzspj", ENFORCEMENT])),
        ("hanbin-scjg", receives("hanbin-scjg", REGULATOR, &department.address(), "")),
    ]);
    hub.start();
    let sender = Sender::at(&hub, "hanbin");
    for message in [result("K-1", "JY1"), result_of("610902-HK-xzspj", "K-1", "JY1"), penalty("K-1", "JY1")] {
        sender.accepted(&message).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_receipt_outlives_the_hub() {
    let (mut hub, sender, department) = stage().await;
    let message = result("K-1", "JY1");
    let first = sender.accepted(&message).await;
    hub.until(&first.delivery_to(REGULATOR), "delivered").await;
    hub.kill();
    hub.start();
    assert_first_receipt(&sender.send(&message).await, &first);
    let text = spelt_otherwise(&message);
    assert_first_receipt(&sender.send_text("approval.result", &text).await, &first);
    let mut other = message;
    other["approvalResult"]["content"] = json!("other");
    assert_eq!(sender.send(&other).await.code(), "conflict");
    assert_eq!(department.arrivals(), 1);
}

/// What was accepted once is not judged again: by then the relay has been let go, so that a second word
/// about it would be refused.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_again_gets_the_first_receipt_though_it_would_be_refused_by_now() {
    let (county, city) = (Department::anywhere().await, Department::anywhere().await);
    let mut hub = hub_of(&[
        ("hanbin-spj", sends("hanbin-spj", &[BUREAU])),
        ("hanbin-scjg", and_sends(receives("hanbin-scjg", REGULATOR, &county.address(), ""))),
        ("ankang-scjg", receives("ankang-scjg", "610900-scjgj", &city.address(), "")),
    ]);
    hub.start();
    let mut message = result("K-1", "YJ1");
    message["items"][0]["code"] = json!("000172012000");
    let accepted = Sender::at(&hub, "hanbin-spj").accepted(&message).await;
    hub.until(&accepted.delivery_to(REGULATOR), "delivered").await;

    let relay = json!({
        "organisation": REGULATOR, "businessKey": "R-1", "decidedAt": "2026-03-06T09:30:00+08:00",
        "publicity": {"level": "PUBLICITY_LEVEL_NOT_PUBLIC", "reason": "内部流转"},
        "receipt": {"delivery": accepted.delivery_to("610900-scjgj"), "action": "RECEIPT_ACTION_RELAY_CONFIRMED"},
    });
    let regulator = Sender::at(&hub, "hanbin-scjg");
    let first = regulator.accepted(&relay).await;
    hub.until(&accepted.delivery_to("610900-scjgj"), "delivered").await;
    assert_first_receipt(&regulator.send(&relay).await, &first);
    let spelt = spelt_otherwise(&relay);
    assert_first_receipt(&regulator.send_text("receipt", &spelt).await, &first);
    let mut other = relay;
    other["receipt"]["signer"] = json!("值班员");
    assert_eq!(regulator.send(&other).await.code(), "conflict", "what stands is said before what is wrong");
}
