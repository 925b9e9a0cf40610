//! Promise 7: where the wire broke after sending, or a lease ended unsettled, the outcome is unknown, said so,
//! and handled as the adapter says: park, resend under a declared id, or ask.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    department::{Behaviour, Department, say},
    hub::{Hub, eventually},
    sender::{Answer, BUREAU, Files, Sender, asks, hub_of, receives, result_of, sends},
    wire,
};

const PARK: &str = "on_unknown = \"park\"";
const RESEND: &str = "on_unknown = \"resend\"";
const BRIEF: &str = "\n[limits]\ntimeout_ms = 300";

/// Three counties, each with a regulator whose adapter handles the unknown in its own way.
struct Stage {
    hub: Hub,
    sender: Sender,
    parks: County,
    resends: County,
    asks: County,
}

struct County {
    bureau: &'static str,
    regulator: &'static str,
    department: Department,
}

impl County {
    async fn open(bureau: &'static str, regulator: &'static str) -> Self {
        Self { bureau, regulator, department: Department::anywhere().await }
    }

    fn files(&self, endpoint: &str, more: &str) -> Files {
        receives(endpoint, self.regulator, &self.department.address(), more)
    }

    fn result(&self, key: &str) -> Value {
        result_of(self.bureau, key, key)
    }

    fn delivery(&self, answer: &Answer) -> String {
        answer.delivery_to(self.regulator)
    }
}

impl Stage {
    async fn open() -> Self {
        let parks = County::open(BUREAU, "610902-scjgj").await;
        let resends = County::open("610921-xzspj", "610921-scjgj").await;
        let asking = County::open("610922-xzspj", "610922-scjgj").await;
        let ask = asks(&asking.department.address());
        let mut hub = hub_of(&[
            ("bureaus", sends("bureaus", &[parks.bureau, resends.bureau, asking.bureau])),
            ("parks", parks.files("parks", &format!("{PARK}{BRIEF}"))),
            ("resends", resends.files("resends", &format!("{RESEND}{BRIEF}"))),
            ("asks", asking.files("asks", &format!("{ask}{BRIEF}"))),
        ]);
        hub.set("breaker.failures", 1000);
        hub.set("retry.max_ms", 100);
        hub.start();
        let sender = Sender::at(&hub, "bureaus");
        Self { hub, sender, parks, resends, asks: asking }
    }

    /// Has a result accepted by a county; its delivery and its message.
    async fn result(&self, county: &County, key: &str) -> (String, String) {
        let answer = self.sender.accepted(&county.result(key)).await;
        (county.delivery(&answer), answer.message())
    }
}

fn outcomes(delivery: &Value) -> Vec<&str> {
    let attempts = delivery["attempts_made"].as_array().unwrap();
    attempts.iter().map(|attempt| attempt["outcome"].as_str().unwrap()).collect()
}

/// The outcomes of the attempts as the trail tells them.
async fn told(hub: &Hub, message: &str, delivery: &str) -> Vec<String> {
    let trail = hub.trail(message).await;
    let attempts =
        trail.iter().filter(|entry| entry["event"] == "delivery.attempted" && entry["delivery"] == delivery);
    attempts.map(|entry| entry["data"]["outcome"]["class"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_after_the_request_is_unknown_and_parked_for_a_person() {
    let stage = Stage::open().await;
    let county = &stage.parks;
    county.department.behave(|arrival| {
        let breaks = arrival.times == 1 && arrival.text("key") == "K-1";
        if breaks { Behaviour::Cut } else { Behaviour::Take }
    });
    let (id, message) = stage.result(county, "K-1").await;
    let parked = stage.hub.until(&id, "parked").await;
    assert_eq!(parked["park_reason"], "outcome_unknown");
    assert_eq!(outcomes(&parked), ["unknown"]);
    let attempt = &parked["attempts_made"][0];
    assert!(attempt["sent_digest"].is_string() && attempt["status"].is_null(), "{attempt}");
    assert_eq!(told(&stage.hub, &message, &id).await, ["unknown"]);
    assert_eq!(stage.hub.metric(r#"liandong_deliveries_parked_total{reason="outcome_unknown"}"#).await, 1);

    let marker = stage.result(county, "K-2").await.0;
    stage.hub.until(&marker, "delivered").await;
    assert_eq!(county.department.look(|ledger| ledger.times[&id]), 1, "it is not sent again by itself");
    stage.hub.order(&id, "retry").await;
    stage.hub.until(&id, "delivered").await;
    assert_eq!(county.department.look(|ledger| ledger.times[&id]), 2, "a person decided, under the same id");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_resent_is_resent_and_what_can_be_asked_is_asked() {
    let stage = Stage::open().await;
    let once = |first: Behaviour| {
        move |arrival: &crate::harness::department::Arrival| {
            if arrival.times == 1 { first.clone() } else { Behaviour::Take }
        }
    };
    stage.resends.department.behave(once(Behaviour::Cut));
    let (id, message) = stage.result(&stage.resends, "K-1").await;
    let delivered = stage.hub.until(&id, "delivered").await;
    assert_eq!(outcomes(&delivered), ["unknown", "delivered"]);
    assert_eq!(told(&stage.hub, &message, &id).await, ["unknown", "delivered"]);
    assert_eq!(stage.resends.department.look(|ledger| ledger.times[&id]), 2);

    let asked = &stage.asks.department;
    asked.behave(once(Behaviour::Cut));
    let (kept, _) = stage.result(&stage.asks, "K-2").await;
    let delivered = stage.hub.until(&kept, "delivered").await;
    assert_eq!(outcomes(&delivered), ["unknown", "delivered"]);
    assert_eq!(asked.look(|ledger| (ledger.times[&kept], ledger.questions.clone())), (1, vec![kept.clone()]));
    let answer = &delivered["attempts_made"][1];
    assert!(answer["peer"].as_str().unwrap().ends_with("/ask"), "{answer}");
    assert!(answer["sent_digest"].is_null(), "nothing was sent: {answer}");

    asked.behave(once(Behaviour::Lose));
    let (lost, _) = stage.result(&stage.asks, "K-3").await;
    let delivered = stage.hub.until(&lost, "delivered").await;
    assert_eq!(outcomes(&delivered), ["unknown", "delivered"]);
    assert_eq!(asked.look(|ledger| (ledger.times[&lost], ledger.questions.len())), (2, 2), "not there: sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_killed_with_attempts_under_way_says_unknown_and_handles_it() {
    let mut stage = Stage::open().await;
    let mut ids = Vec::new();
    for county in [&stage.parks, &stage.resends, &stage.asks] {
        county.department.behave(|arrival| match arrival.times {
            1 => Behaviour::TakeAfter(Duration::from_millis(250)),
            _ => Behaviour::Take,
        });
        ids.push(stage.result(county, "K-1").await);
    }
    let all = [&stage.parks, &stage.resends, &stage.asks].map(|county| county.department.clone());
    eventually("all are under way", || all.iter().all(|department| department.arrivals() == 1)).await;
    stage.hub.kill();
    stage.hub.start();
    let ends = [("parked", 1), ("delivered", 2), ("delivered", 1)];
    for (at, (state, times)) in ends.into_iter().enumerate() {
        let (id, message) = &ids[at];
        let ended = stage.hub.until(id, state).await;
        assert_eq!(outcomes(&ended)[0], "unknown", "{ended}");
        assert_eq!(told(&stage.hub, message, id).await[0], "unknown");
        assert_eq!(all[at].look(|ledger| ledger.times[id]), times, "{ended}");
    }
    assert_eq!(stage.hub.delivery(&ids[0].0).await["park_reason"], "outcome_unknown");
    assert_eq!(all[2].look(|ledger| ledger.questions.clone()), [ids[2].0.clone()]);
    assert_eq!(stage.hub.metric("liandong_leases_expired_total").await, 3);
}

/// The attempts are counted anew when a person orders a retry; that an earlier one may have arrived is not
/// forgotten by that.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_a_person_orders_asks_first_too() {
    let stage = Stage::open().await;
    let department = &stage.asks.department;
    department.behave(|_| Behaviour::Cut);
    department.reply_to_questions(Some(wire::Answer::new(503, "{}")));
    let (id, _) = stage.result(&stage.asks, "K-1").await;
    eventually("the question is put", || department.look(|ledger| ledger.questions.len() > 1)).await;
    assert_eq!(department.arrivals(), 1, "while nobody can tell, nothing is sent");
    while stage.hub.park(&id).await != 200 {}
    department.reply_to_questions(None);
    stage.hub.order(&id, "retry").await;
    let delivered = stage.hub.until(&id, "delivered").await;
    assert_eq!(outcomes(&delivered).last(), Some(&"delivered"));
    assert_eq!(department.arrivals(), 1, "it was there, so it was not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_leaves_it_open_is_unknown() {
    let stage = Stage::open().await;
    let answers = [say(200, "<html>ok</html>"), say(504, "gateway timeout")];
    for (number, answer) in answers.into_iter().enumerate() {
        stage.parks.department.behave(move |_| answer.clone());
        let (id, _) = stage.result(&stage.parks, &format!("K-{number}")).await;
        let parked = stage.hub.until(&id, "parked").await;
        assert_eq!((&parked["park_reason"], outcomes(&parked)), (&json!("outcome_unknown"), vec!["unknown"]));
    }
}

#[test]
fn what_cannot_tell_a_repetition_may_not_be_resent_to() {
    let files = receives("hanbin-scjg", "610902-scjgj", "127.0.0.1:1", RESEND);
    let without_id = |more: &str| {
        let mut files = files.clone();
        files[0].1 = files[0].1.replace("delivery_id = \"header:X-Delivery-Id\"", more);
        files
    };
    let checked = |files: Files| hub_of(&[("hanbin-scjg", files)]).run(&["check"]);
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();

    let refused = checked(without_id(""));
    assert_eq!(refused.status.code(), Some(64), "{}", said(&refused));
    for word in ["adapter.toml", "outbound.on_unknown", "delivery_id"] {
        assert!(said(&refused).contains(word), "{word}: {}", said(&refused));
    }
    let served = hub_of(&[("hanbin-scjg", without_id(""))]).run(&["serve"]);
    assert_eq!(served.status.code(), Some(64), "it does not start either: {}", said(&served));
    for declared in ["effect = \"idempotent\"", "delivery_id = \"field:/id\""] {
        let passed = checked(without_id(declared));
        assert_eq!(passed.status.code(), Some(0), "{declared}: {}", said(&passed));
    }
    let mut asking = files.clone();
    asking[0].1 = asking[0].1.replace("\"resend\"", "\"ask\"");
    assert_eq!(checked(asking).status.code(), Some(64), "asking needs a way to ask");
}

/// Where the id was declared and is not, a repetition could not be told: nothing is sent at all.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_the_mapping_forgets_stops_the_delivery() {
    let county = County::open(BUREAU, "610902-scjgj").await;
    let mut files = county.files("forgets", RESEND);
    files[0].1 = files[0].1.replace("header:X-Delivery-Id", "field:/id");
    let mut hub = hub_of(&[("bureau", sends("bureau", &[BUREAU])), ("forgets", files)]);
    hub.start();
    let answer = Sender::at(&hub, "bureau").accepted(&county.result("K-1")).await;
    let parked = hub.until(&county.delivery(&answer), "parked").await;
    assert_eq!((&parked["park_reason"], outcomes(&parked)), (&json!("ours"), vec!["ours"]));
    assert_eq!(county.department.arrivals(), 0);
}
