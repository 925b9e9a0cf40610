//! Promise 5: one delivery of a lane at a time, in the order of acceptance, whatever its kind; a later one is
//! attempted only when the earlier is final. A correction takes the place of its own parked original, and a
//! person can let a lane go on.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::future::join_all;
use liandong::{
    port::intake::Code,
    store::sqlite::{Options, SqliteStore},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    department::{Arrival, Behaviour, Department, say, status},
    front::Front,
    hub::{Hub, eventually},
    sender::{BUREAU, ENFORCEMENT, REGULATOR, Sender, and_sends, hub_of, penalty, receives, result, sends},
};

/// The regulator, with a bureau and enforcement that send; the bureau receives too.
struct Stage {
    hub: Hub,
    bureau: Sender,
    enforcement: Sender,
    regulator: Department,
    at_bureau: Department,
}

impl Stage {
    async fn open(more: &str) -> Self {
        let (regulator, at_bureau) = (Department::anywhere().await, Department::anywhere().await);
        let bureau = and_sends(receives("hanbin-spj", BUREAU, &at_bureau.address(), ""));
        let mut hub = hub_of(&[
            ("hanbin-spj", bureau),
            ("hanbin-cgj", sends("hanbin-cgj", &[ENFORCEMENT])),
            ("hanbin-scjg", receives("hanbin-scjg", REGULATOR, &regulator.address(), more)),
        ]);
        hub.set("breaker.failures", 1000);
        hub.set("retry.max_ms", 100);
        hub.start();
        let (bureau, enforcement) = (Sender::at(&hub, "hanbin-spj"), Sender::at(&hub, "hanbin-cgj"));
        Self { hub, bureau, enforcement, regulator, at_bureau }
    }

    /// Has a result accepted; its delivery to the regulator.
    async fn result(&self, key: &str, licence: &str) -> String {
        self.bureau.accepted(&result(key, licence)).await.delivery_to(REGULATOR)
    }
}

fn keys(department: &Department) -> Vec<String> {
    department.look(|ledger| ledger.arrivals.iter().map(|arrival| arrival.text("key")).collect())
}

/// Answers 500 to these keys and takes all others.
fn fails(keys: &'static [&str]) -> impl FnMut(&Arrival) -> Behaviour + Send {
    move |arrival| if keys.contains(&&*arrival.text("key")) { status(500) } else { Behaviour::Take }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_delivery_holds_the_later_ones_of_its_lane_and_no_other() {
    let stage = Stage::open("").await;
    stage.regulator.behave(fails(&["A-1"]));
    let mut of_a = Vec::new();
    for number in 1..=3 {
        of_a.push(stage.result(&format!("A-{number}"), "JY-A").await);
    }
    for number in 1..=3 {
        let of_b = stage.result(&format!("B-{number}"), "JY-B").await;
        stage.hub.until(&of_b, "delivered").await;
    }
    eventually("A-1 is tried more than once", || {
        stage.regulator.look(|ledger| ledger.times.get(&of_a[0]).is_some_and(|times| *times > 1))
    })
    .await;
    let tried = keys(&stage.regulator);
    assert!(!tried.iter().any(|key| key == "A-2" || key == "A-3"), "{tried:?}");
    for later in &of_a[1..] {
        let delivery = stage.hub.delivery(later).await;
        assert_eq!((&delivery["state"], &delivery["attempts"]), (&json!("ready"), &json!(0)));
    }

    stage.regulator.behave(|_| Behaviour::Take);
    stage.hub.until(&of_a[2], "delivered").await;
    let of_lane: Vec<_> = keys(&stage.regulator).into_iter().filter(|key| key.starts_with('A')).collect();
    let firsts = of_lane.len() - 2;
    assert!(of_lane[..firsts].iter().all(|key| key == "A-1"), "{of_lane:?}");
    assert_eq!(of_lane[firsts..], ["A-2", "A-3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_penalty_about_a_licence_waits_behind_the_result_of_that_licence() {
    let stage = Stage::open("").await;
    stage.regulator.behave(fails(&["R-1"]));
    stage.result("R-1", "JY1").await;
    let same = stage.enforcement.accepted(&penalty("P-1", "JY1")).await;
    let other = stage.enforcement.accepted(&penalty("P-2", "JY2")).await;
    stage.hub.until(&other.delivery_to(REGULATOR), "delivered").await;
    stage.hub.until(&same.delivery_to(BUREAU), "delivered").await;
    assert_eq!(
        stage.hub.delivery(&same.delivery_to(REGULATOR)).await["state"],
        "ready",
        "kinds share a lane"
    );
    assert!(!keys(&stage.regulator).contains(&"P-1".to_owned()));
    let mut at_bureau = keys(&stage.at_bureau);
    at_bureau.sort();
    assert_eq!(at_bureau, ["P-1", "P-2"], "the same penalty at another endpoint is in a lane of its own");

    stage.regulator.behave(|_| Behaviour::Take);
    stage.hub.until(&same.delivery_to(REGULATOR), "delivered").await;
    assert_eq!(keys(&stage.regulator).last().unwrap(), "P-1");
}

/// Fails one request in three, each in another way.
fn moody(number: usize) -> Behaviour {
    match number % 12 {
        2 => status(500),
        5 => Behaviour::Cut,
        8 => say(200, r#"{"code":1,"msg":"请稍后"}"#),
        11 => Behaviour::Lose,
        _ => Behaviour::Take,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_senders_under_faults_keep_every_lane_in_order() {
    const SENDERS: usize = 6;
    const EACH: usize = 40;
    const LICENCES: usize = 12;
    let more =
        "on_unknown = \"resend\"\ntransient = \"status == 200 and answer.code == 1\"\n[limits]\nwindow = 16";
    let stage = Stage::open(more).await;
    let numbers = AtomicUsize::new(0);
    stage.regulator.behave(move |_| moody(numbers.fetch_add(1, Ordering::Relaxed)));
    let sends = (0..SENDERS).map(async |who| {
        for number in 0..EACH {
            let licence = format!("JY{}", (who + number) % LICENCES);
            stage.bureau.accepted(&result(&format!("{who}-{number}"), &licence)).await;
        }
    });
    join_all(sends).await;
    eventually("all are there", || stage.regulator.kept() == SENDERS * EACH).await;

    let mut lanes: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    stage.regulator.look(|ledger| {
        assert!(ledger.arrivals.len() > SENDERS * EACH, "nothing failed");
        for arrival in &ledger.arrivals {
            let body: Value = serde_json::from_slice(&arrival.body).unwrap();
            let seen = (body["sequence"].as_u64().unwrap(), arrival.text("key"));
            lanes.entry(arrival.text("licence")).or_default().push(seen);
        }
    });
    assert_eq!(lanes.len(), LICENCES);
    for (licence, seen) in lanes {
        assert!(seen.is_sorted_by_key(|(sequence, _)| *sequence), "licence {licence}: {seen:?}");
        let mut last: HashMap<String, usize> = HashMap::new();
        for (_, key) in seen {
            let (who, number) = key.split_once('-').unwrap();
            let number: usize = number.parse().unwrap();
            let before = last.insert(who.to_owned(), number);
            assert!(before.is_none_or(|before| before <= number), "sender {who} at licence {licence}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_takes_the_place_of_its_own_parked_original_only() {
    let stage = Stage::open("").await;
    stage.regulator.behave(|arrival| match arrival.text("key").as_str() {
        "K-1" | "K-3" if arrival.times == 1 => say(400, r#"{"code":2,"msg":"字段不合规"}"#),
        _ => Behaviour::Take,
    });
    let original = stage.bureau.accepted(&result("K-1", "JY1")).await;
    let (first, message) = (original.delivery_to(REGULATOR), original.message());
    assert_eq!(stage.hub.until(&first, "parked").await["park_reason"], "refused");
    let behind = stage.result("K-2", "JY1").await;
    assert_eq!(stage.hub.delivery(&behind).await["state"], "ready", "parked, the first blocks its lane");
    let another = stage.result("K-3", "JY3").await;
    stage.hub.until(&another, "parked").await;

    stage.regulator.behave(|_| Behaviour::Take);
    let mut correction = result("K-1", "JY1");
    correction["revision"] = json!(2);
    let corrected = stage.bureau.accepted(&correction).await;
    assert_eq!(stage.hub.delivery(&first).await["state"], "superseded");
    stage.hub.until(&corrected.delivery_to(REGULATOR), "delivered").await;
    assert_eq!(stage.hub.delivery(&another).await["state"], "parked", "what it does not correct stays");
    let of_lane: Vec<_> = keys(&stage.regulator).into_iter().filter(|key| key != "K-3").collect();
    assert_eq!(of_lane, ["K-1", "K-2", "K-1"], "the lane went on, the correction last");

    let trail = stage.hub.trail(&message).await;
    let superseded: Vec<_> = trail
        .iter()
        .filter(|entry| entry["event"] == "delivery.superseded" && entry["delivery"] == first.as_str())
        .collect();
    assert_eq!(superseded.len(), 1, "{trail:?}");
    assert_eq!(superseded[0]["data"]["by_revision"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_waits_behind_an_original_that_is_still_being_tried() {
    let stage = Stage::open("").await;
    stage.regulator.behave(fails(&["K-1"]));
    let first = stage.result("K-1", "JY1").await;
    let mut correction = result("K-1", "JY1");
    correction["revision"] = json!(2);
    let corrected = stage.bureau.accepted(&correction).await.delivery_to(REGULATOR);
    eventually("the original is tried again", || stage.regulator.arrivals() > 2).await;
    assert_eq!(stage.hub.delivery(&corrected).await["attempts"], 0);
    stage.regulator.behave(|_| Behaviour::Take);
    stage.hub.until(&corrected, "delivered").await;
    assert_eq!(stage.hub.delivery(&first).await["state"], "delivered");
    let seen =
        stage.regulator.look(|ledger| ledger.first_seen.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>());
    assert_eq!(seen, [first, corrected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_lets_a_lane_go_on() {
    let stage = Stage::open("").await;
    stage.regulator.behave(|arrival| {
        let is_head = arrival.text("key").ends_with("-1");
        if is_head { say(400, r#"{"code":2}"#) } else { Behaviour::Take }
    });
    let operations = ["retry", "skip", "withdraw", "offline"];
    let mut lanes = Vec::new();
    for operation in operations {
        let head = stage.result(&format!("{operation}-1"), operation).await;
        let behind = stage.result(&format!("{operation}-2"), operation).await;
        stage.hub.until(&head, "parked").await;
        assert_eq!(stage.hub.delivery(&behind).await["state"], "ready");
        lanes.push((operation, head, behind));
    }
    let skip = format!("/v1/deliveries/{}/skip", lanes[1].1);
    let (status, refused) = stage.hub.operate(Method::POST, &skip, None).await;
    assert_eq!((status, &refused["code"]), (400, &json!("no_reason")), "leaving out is answered for");
    let skip = format!("/v1/deliveries/{}/skip", lanes[1].2);
    let body = Some(json!({ "reason": "not parked" }));
    let (status, refused) = stage.hub.operate(Method::POST, &skip, body).await;
    assert_eq!((status, &refused["code"]), (409, &json!("not_possible")), "only what stopped is left out");

    stage.regulator.behave(|_| Behaviour::Take);
    for (operation, head, behind) in &lanes {
        let body = json!({ "reason": "ordered by a test", "document": "安送字〔2026〕1号" });
        let path = format!("/v1/deliveries/{head}/{operation}");
        let (status, answer) = stage.hub.operate(Method::POST, &path, Some(body)).await;
        assert_eq!(status, 200, "{operation}: {answer}");
        stage.hub.until(behind, "delivered").await;
    }
    let mut ends = Vec::new();
    for (_, head, _) in &lanes {
        ends.push(stage.hub.delivery(head).await["state"].as_str().unwrap().to_owned());
    }
    assert_eq!(ends, ["delivered", "skipped", "withdrawn", "served_offline"]);
    let tried = keys(&stage.regulator);
    assert_eq!(tried.iter().filter(|key| *key == "retry-1").count(), 2);
    assert_eq!(tried.iter().filter(|key| *key == "skip-1").count(), 1, "what a person ended is sent no more");
}

#[tokio::test]
async fn what_is_refused_for_now_is_not_overtaken_by_what_follows_it_in_the_same_call() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&Options::new(folder.path())).unwrap();
    let (front, queue) = Front::new(Arc::new(store), 10);
    let messages = vec![result("1", "A"), result("2", "A"), result("3", "A")];
    let mut submitted = Box::pin(front.submit_all(messages));
    assert!(futures::poll!(&mut submitted).is_pending());
    // The committer goes before it has taken any.
    drop(queue);
    let refusals: Vec<_> = submitted.await.into_iter().map(|result| result.unwrap_err()).collect();
    assert!(refusals.iter().all(|refusal| refusal.code == Code::Unavailable), "{refusals:?}");
    assert!(!refusals[0].detail.contains("one before it"), "{refusals:?}");
    assert!(refusals[1..].iter().all(|refusal| refusal.detail.contains("one before it")), "{refusals:?}");
}
