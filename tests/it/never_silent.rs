//! Promise 3: nothing is dropped. It is refused to the sender's face, or parked with a reason that a person
//! can act on, seen and counted; and what was accepted is at every moment delivered, parked, held or moving.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::{
    department::{Behaviour, Department, say, status},
    hub::{Hub, eventually},
    sender::{BUREAU, REGULATOR, Sender, hub_of, receives, result, sends},
    wire,
};

const PARKED_NOW: &str = r#"liandong_deliveries{state="parked"}"#;

async fn stage(more: &str) -> (Hub, Department) {
    let department = Department::anywhere().await;
    let hub = hub_of(&[
        ("hanbin-spj", sends("hanbin-spj", &[BUREAU])),
        ("hanbin-scjg", receives("hanbin-scjg", REGULATOR, &department.address(), more)),
    ]);
    (hub, department)
}

fn parked(hub: &Hub) -> Vec<Value> {
    hub.ask(&["deliveries", "list", "--state", "parked"]).as_array().unwrap().clone()
}

/// The registry knows no sports department: the result's supervisors are an audience that comes to nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_audience_that_comes_to_nothing_is_parked_and_the_others_proceed() {
    let portal = Department::anywhere().await;
    let mut hub = hub_of(&[
        ("hanbin-spj", sends("hanbin-spj", &[BUREAU])),
        ("ankang-zwfw", receives("ankang-zwfw", "610900-zwfw", &portal.address(), "")),
    ]);
    hub.start();
    let mut message = result("K-1", "TY1");
    message["items"][0]["code"] = json!("000160003000");
    let accepted = Sender::at(&hub, "hanbin-spj").accepted(&message).await;
    hub.until(&accepted.delivery_to("610900-zwfw"), "delivered").await;

    let rows = parked(&hub);
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = &rows[0];
    assert_eq!((&row["message"], &row["park_reason"]), (&json!(accepted.message()), &json!("no_supervisor")));
    assert!(row["endpoint"].is_null() && row["organisation"].is_null(), "{row}");
    assert!(!row["detail"].as_str().unwrap().is_empty(), "it says what a person can do");
    let stated = accepted.statement();
    let stated = stated["deliveries"].as_array().unwrap().iter().find(|it| it["organisation"].is_null());
    assert_eq!(stated.unwrap()["state"], json!({"parked": "no_supervisor"}), "the sender is told");
    assert_eq!(hub.metric(r#"liandong_deliveries_parked_total{reason="no_supervisor"}"#).await, 1);
    hub.until_metric(PARKED_NOW, 1).await;

    hub.kill();
    hub.start();
    hub.until_metric(PARKED_NOW, 1).await;
    assert_eq!(parked(&hub), rows, "it waits for a person, however long");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_is_refused_to_the_face_with_the_field() {
    let (mut hub, department) = stage("").await;
    hub.start();
    let sender = Sender::at(&hub, "hanbin-spj");
    let with = |field: &str, value: Value| {
        let mut message = result("K-1", "JY1");
        *message.pointer_mut(field).unwrap() = value;
        message
    };
    let cases = [
        (with("/items/0/code", json!("999999999999")), 422, "invalid", "items[0].code"),
        (with("/organisation", json!("610981-xzspj")), 403, "forbidden", "organisation"),
        (with("/organisation", json!("nobody")), 403, "forbidden", "organisation"),
        (
            with("/licences/0", json!({"type": "t", "number": "n", "decidedBy": "nobody"})),
            422,
            "invalid",
            "licences[0].decidedBy",
        ),
        (
            with("/subject/identifiers/0/number", json!("91610902MA70T3X14X")),
            422,
            "invalid",
            "subject.identifiers[0].number",
        ),
        (with("/decidedAt", json!("yesterday")), 422, "invalid", "decidedAt"),
        (with("/items/0/code", json!("000155001000")), 422, "classified", "items[0].code"),
    ];
    for (message, status, code, path) in cases {
        let answer = sender.send(&message).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{}", answer.json());
        assert!(answer.paths().contains(&path.to_owned()), "{path}: {}", answer.json());
    }
    let unknown_kind = sender.send_text("approval.rumour", &result("K-1", "JY1").to_string()).await;
    assert_eq!((unknown_kind.status, unknown_kind.paths()), (422, vec!["type".to_owned()]));
    let stranger = sender.with_token("ld_nobody").send(&result("K-1", "JY1")).await;
    assert_eq!((stranger.status, stranger.code().as_str()), (401, "unauthenticated"));
    assert!(hub.counts().await.is_empty(), "nothing was changed");
    assert_eq!(department.arrivals(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_of_a_known_sender_is_in_the_trail() {
    let (mut hub, _department) = stage("").await;
    hub.set("http.body_limit_bytes", 4096);
    hub.start();
    let sender = Sender::at(&hub, "hanbin-spj");
    let structured = "application/cloudevents+json";
    let mut unknown_item = result("K-1", "JY1");
    unknown_item["items"][0]["code"] = json!("999999999999");
    let mut foreign = result("K-1", "JY1");
    foreign["organisation"] = json!("610981-xzspj");
    let mut classified = result("K-1", "JY1");
    classified["classified"] = json!(true);
    let large = " ".repeat(5000);
    let half_a_batch = format!("[{{\"specversion\": \"1.0\"}}, {}]", json!({"specversion": "1.0"}));

    let refused = [
        (sender.post("/v1/messages", structured, "{\"specversion\": ").await, "malformed"),
        (sender.post("/v1/messages", "text/html", "<p>").await, "malformed"),
        (sender.post("/v1/messages", structured, large).await, "too_large"),
        (sender.send(&unknown_item).await, "invalid"),
        (sender.send(&foreign).await, "forbidden"),
        (sender.send(&classified).await, "classified"),
        (sender.post("/v1/adapters/hanbin-spj", "application/json", "{").await, "malformed"),
        (sender.post("/v1/adapters/hanbin-scjg", "application/json", "{}").await, "forbidden"),
    ];
    for (answer, code) in &refused {
        assert!(answer.status >= 400, "{code}: {}", answer.json());
        assert_eq!(answer.code(), *code, "{}", answer.json());
    }
    let batch = "application/cloudevents-batch+json";
    let answers = sender.post("/v1/messages", batch, half_a_batch).await.json();
    assert!(answers.as_array().unwrap().iter().all(|answer| answer["status"] == 400), "{answers}");
    sender.accepted(&result("K-1", "JY1")).await;
    let mut other = result("K-1", "JY1");
    other["approvalResult"]["content"] = json!("other");
    assert_eq!(sender.send(&other).await.code(), "conflict");

    let total = [("malformed", 5), ("forbidden", 2), ("classified", 1), ("conflict", 1)];
    for (code, count) in total {
        let name = format!(r#"liandong_messages_refused_total{{code="{code}"}}"#);
        assert_eq!(hub.metric(&name).await, count, "{code}");
    }
    assert_eq!(hub.stop(), Some(0));
    let sealed = hub.sealed().await;
    let kept: Vec<_> = sealed.iter().filter(|entry| entry["event"] == "message.refused").collect();
    let codes: Vec<_> = kept.iter().map(|entry| entry["data"]["code"].as_str().unwrap()).collect();
    let mut expected: Vec<_> = refused.iter().map(|(_, code)| *code).collect();
    expected.extend(["malformed", "malformed", "conflict"]);
    assert_eq!(codes, expected);
    for entry in kept {
        let data = &entry["data"];
        assert_eq!(data["endpoint"], "hanbin-spj");
        match data["code"].as_str().unwrap() {
            "classified" => {
                assert!(data["commitment"].is_null(), "of 涉密 content not even the digest: {entry}");
            }
            "invalid" | "conflict" => assert!(data["commitment"].is_string(), "what was refused: {entry}"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_used_up_park_with_the_reason_and_a_person_lets_it_go_on() {
    let (mut hub, department) = stage("").await;
    hub.set("retry.max_attempts", 3);
    hub.start();
    department.behave(|_| status(500));
    let accepted = Sender::at(&hub, "hanbin-spj").accepted(&result("K-1", "JY1")).await;
    let id = accepted.delivery_to(REGULATOR);
    let stopped = hub.until(&id, "parked").await;
    assert_eq!((&stopped["park_reason"], &stopped["attempts"]), (&json!("attempts_exhausted"), &json!(3)));
    assert!(stopped["detail"].as_str().unwrap().contains("系统繁忙"), "in the target's words: {stopped}");
    assert_eq!(department.arrivals(), 3);
    assert_eq!(hub.metric(r#"liandong_deliveries_parked_total{reason="attempts_exhausted"}"#).await, 1);
    assert!(parked(&hub).iter().any(|row| row["id"] == id.as_str()));

    department.behave(|_| Behaviour::Take);
    hub.order(&id, "retry").await;
    hub.until(&id, "delivered").await;
    assert_eq!(department.arrivals(), 4);
}

/// An endpoint that lost its adapter has work and nobody to do it.
#[tokio::test(flavor = "multi_thread")]
async fn work_of_an_endpoint_that_nobody_serves_any_more_is_parked() {
    let (mut hub, department) = stage("").await;
    hub.set("breaker.failures", 1);
    hub.start();
    department.shut().await;
    let sender = Sender::at(&hub, "hanbin-spj");
    let first = sender.accepted(&result("K-1", "JY1")).await.delivery_to(REGULATOR);
    let behind = sender.accepted(&result("K-2", "JY1")).await.delivery_to(REGULATOR);
    hub.until_metric(r#"liandong_breaker_state{endpoint="hanbin-scjg"}"#, 2).await;
    hub.kill();
    hub.take_away("hanbin-scjg");
    hub.start();
    let stopped = hub.until(&first, "parked").await;
    assert_eq!(stopped["park_reason"], "ours");
    assert!(stopped["detail"].as_str().unwrap().contains("no adapter"), "{stopped}");
    assert_eq!(hub.delivery(&behind).await["state"], "ready", "its lane waits behind it");

    hub.kill();
    hub.put_back("hanbin-scjg");
    department.reopen();
    hub.start();
    hub.order(&first, "retry").await;
    hub.until(&behind, "delivered").await;
    let keys = department.look(|ledger| ledger.arrivals.iter().map(|it| it.text("key")).collect::<Vec<_>>());
    assert_eq!(keys, ["K-1", "K-2"]);
}

/// Takes some, and fails others in every way there is.
fn moody(number: usize) -> Behaviour {
    match number % 8 {
        1 => status(500),
        2 => say(200, r#"{"code":1,"msg":"记录被锁定"}"#),
        3 => say(400, r#"{"code":2,"msg":"字段不合规"}"#),
        4 => Behaviour::Cut,
        5 => Behaviour::Say(wire::Answer::new(429, "{}").header("retry-after", "0")),
        _ => Behaviour::Take,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_at_every_moment_delivered_parked_or_moving() {
    const SENDERS: usize = 4;
    const EACH: usize = 40;
    let (mut hub, department) = stage("").await;
    hub.set("breaker.failures", 1000);
    hub.start();
    let numbers = AtomicUsize::new(0);
    department.behave(move |_| moody(numbers.fetch_add(1, Ordering::Relaxed)));
    let sender = Sender::at(&hub, "hanbin-spj");

    let (promised, asked, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let sending = async {
        let all = (0..SENDERS).map(async |who| {
            for number in 0..EACH {
                asked.fetch_add(2, Ordering::SeqCst);
                let message = result(&format!("K-{who}-{number}"), &format!("JY{}", number % 16));
                let answer = sender.accepted(&message).await;
                promised.fetch_add(answer.deliveries() as u64, Ordering::SeqCst);
            }
        });
        join_all(all).await;
        done.store(true, Ordering::SeqCst);
    };
    let looking = async {
        let mut looks = 0;
        while !done.load(Ordering::SeqCst) {
            let before = promised.load(Ordering::SeqCst);
            let counts = hub.counts().await;
            let (sum, after) = (counts.values().sum::<u64>(), asked.load(Ordering::SeqCst));
            assert!((before..=after).contains(&sum), "{before} were promised, {after} asked for: {counts:?}");
            looks += 1;
        }
        looks
    };
    let ((), looks) = tokio::join!(sending, looking);
    assert!(looks > 5, "it was looked at while it moved");
    let promised = promised.into_inner();
    assert_eq!(promised, (2 * SENDERS * EACH) as u64, "regulator and portal");

    department.behave(|_| Behaviour::Take);
    let to_portal = promised / 2;
    loop {
        let counts = hub.counts().await;
        assert_eq!(counts.values().sum::<u64>(), promised, "{counts:?}");
        if counts.get("delivered") == Some(&(promised - to_portal)) {
            assert_eq!(counts["parked"], to_portal, "the portal has no system here: {counts:?}");
            break;
        }
        for row in hub.get("/v1/deliveries?state=parked").await.as_array().unwrap() {
            if row["endpoint"] == "hanbin-scjg" {
                hub.order(row["id"].as_str().unwrap(), "retry").await;
            }
        }
    }
    eventually("all that was accepted is there", || department.kept() == SENDERS * EACH).await;
}
