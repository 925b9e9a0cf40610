//! Promise 8: an endpoint that is down or hangs, whatever waits for it, keeps its trouble to itself: its own
//! window, breaker and parking. The others keep their speed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{
    department::{Behaviour, Department, status},
    hub::{Hub, eventually},
    sender::{BUREAU, REGULATOR, Sender, hub_of, receives, result_of, sends},
};

/// Results of one measurement.
const RUN: usize = 300;
/// Results that wait for each sick endpoint.
const BACKLOG: usize = 300;

/// Bureau and regulator of a county.
type County = (&'static str, &'static str);

const HEALTHY: County = (BUREAU, REGULATOR);
const DOWN: County = ("610921-xzspj", "610921-scjgj");
const HANGING: County = ("610922-xzspj", "610922-scjgj");

/// One licence each, so that nothing waits for its lane.
fn results(county: County, name: &str, count: usize) -> Vec<Value> {
    (0..count)
        .map(|number| result_of(county.0, &format!("{name}-{number}"), &format!("{name}-{number}")))
        .collect()
}

async fn hand_in(sender: &Sender, messages: &[Value]) {
    for batch in messages.chunks(100) {
        let answers = sender.send_all(batch).await;
        assert!(answers.iter().all(|answer| answer["status"] == 201), "{answers:?}");
    }
}

/// From the first handed in to the last delivered.
async fn time_of_a_run(sender: &Sender, department: &Department, name: &str) -> Duration {
    let (before, begun) = (department.kept(), Instant::now());
    hand_in(sender, &results(HEALTHY, name, RUN)).await;
    eventually("the run is delivered", || department.kept() == before + RUN).await;
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_down_and_one_hanging_with_a_backlog_leave_another_its_speed() {
    let healthy = Department::anywhere().await;
    let (down, hanging) = (Department::anywhere().await, Department::anywhere().await);
    let long = "on_unknown = \"resend\"\n[limits]\ntimeout_ms = 60000\nwindow = 8";
    let files = |name: &str, county: County, department: &Department| {
        receives(name, county.1, &department.address(), long)
    };
    let mut hub = hub_of(&[
        ("bureaus", sends("bureaus", &[HEALTHY.0, DOWN.0, HANGING.0])),
        ("healthy", files("healthy", HEALTHY, &healthy)),
        ("down", files("down", DOWN, &down)),
        ("hanging", files("hanging", HANGING, &hanging)),
    ]);
    hub.set("breaker.failures", 5);
    hub.set("breaker.pause_ms", 500);
    hub.start();
    let sender = Sender::at(&hub, "bureaus");
    down.shut().await;
    hanging.behave(|_| Behaviour::Hang);

    let alone = time_of_a_run(&sender, &healthy, "alone").await;
    hand_in(&sender, &results(DOWN, "down", BACKLOG)).await;
    hand_in(&sender, &results(HANGING, "hanging", BACKLOG)).await;
    eventually("the sick ones are under way", || hanging.arrivals() >= 8).await;
    let beside = time_of_a_run(&sender, &healthy, "beside").await;
    assert!(hanging.arrivals() < BACKLOG, "the backlog stood all the while");
    let bound = alone * 4 + Duration::from_secs(2);
    assert!(beside < bound, "{RUN} took {alone:?} alone and {beside:?} beside the sick, more than {bound:?}");

    down.reopen();
    hanging.behave(|_| Behaviour::Take);
    hanging.shut().await;
    hanging.reopen();
    eventually("what waited arrives", || down.kept() == BACKLOG && hanging.kept() == BACKLOG).await;
    assert!(hub.get("/v1/deliveries?state=parked&endpoint=down").await.as_array().unwrap().is_empty());
}

/// One endpoint that answers 500 to everything, with a backlog and few attempts a delivery.
async fn sick_stage(backlog: usize, attempts: u32, pause: Duration) -> (Hub, Department) {
    let department = Department::anywhere().await;
    let mut hub = hub_of(&[
        ("bureau", sends("bureau", &[BUREAU])),
        ("regulator", receives("regulator", REGULATOR, &department.address(), "[limits]\nwindow = 8")),
    ]);
    hub.set("breaker.failures", 3);
    hub.set("breaker.pause_ms", pause.as_millis());
    hub.set("retry.max_attempts", attempts);
    hub.set("retry.max_ms", 100);
    department.behave(|_| status(500));
    hub.start();
    hand_in(&Sender::at(&hub, "bureau"), &results(HEALTHY, "K", backlog)).await;
    (hub, department)
}

const BREAKER: &str = r#"liandong_breaker_state{endpoint="regulator"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_breaker_opens_probes_with_one_and_closes() {
    const PAUSE: Duration = Duration::from_millis(400);
    let (mut hub, department) = sick_stage(40, 40, PAUSE).await;
    hub.until_metric(BREAKER, 2).await;
    hub.until_metric(r#"liandong_deliveries_in_flight{endpoint="regulator"}"#, 0).await;
    let before = department.arrivals();
    eventually("it is probed again and again", || department.arrivals() >= before + 4).await;
    department.look(|ledger| {
        let probes = &ledger.arrivals[before..];
        for pair in probes.windows(2) {
            let apart = pair[1].at - pair[0].at;
            assert!(apart >= PAUSE, "two probes {apart:?} apart, the pause is {PAUSE:?}");
        }
    });

    department.behave(|_| Behaviour::Take);
    eventually("all arrives", || department.kept() == 40).await;
    hub.until_metric(BREAKER, 0).await;
    assert_eq!(hub.stop(), Some(0));
    let sealed = hub.sealed().await;
    let events: Vec<_> = sealed
        .iter()
        .filter(|entry| entry["data"]["endpoint"] == "regulator")
        .map(|entry| entry["event"].as_str().unwrap())
        .filter(|event| event.starts_with("endpoint."))
        .collect();
    assert_eq!(events, ["endpoint.paused", "endpoint.resumed"], "told once each");
}

/// Without the breaker each of the backlog would use up its three attempts in less than a second.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_behind_a_breaker_burns_no_attempts() {
    const BACKLOG: usize = 60;
    const PAUSE: Duration = Duration::from_millis(200);
    let (hub, department) = sick_stage(BACKLOG, 3, PAUSE).await;
    let begun = Instant::now();
    eventually("it is sick for ten pauses", || begun.elapsed() > PAUSE * 10 && department.arrivals() > 8)
        .await;
    let parked = hub.get("/v1/deliveries?state=parked&endpoint=regulator").await;
    assert_eq!(parked, json!([]), "nobody was given up");
    department.behave(|_| Behaviour::Take);
    eventually("all arrives", || department.kept() == BACKLOG).await;
    let rows = hub.get("/v1/deliveries?endpoint=regulator").await;
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), BACKLOG);
    let untouched = rows.iter().filter(|row| row["attempts"] == json!(1)).count();
    assert!(untouched > BACKLOG / 2, "{untouched} of {BACKLOG} needed one attempt only");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_window_at_one_is_no_window_less_at_another() {
    let (slow, other) = (Department::anywhere().await, Department::anywhere().await);
    let window = "[limits]\nwindow = 2\nqueue = 2\ntimeout_ms = 60000";
    let mut hub = hub_of(&[
        ("bureaus", sends("bureaus", &[HEALTHY.0, HANGING.0])),
        ("other", receives("other", HEALTHY.1, &other.address(), window)),
        ("slow", receives("slow", HANGING.1, &slow.address(), window)),
    ]);
    hub.start();
    slow.behave(|_| Behaviour::Hang);
    let sender = Sender::at(&hub, "bureaus");
    hand_in(&sender, &results(HANGING, "slow", 50)).await;
    eventually("its window is full", || slow.arrivals() == 2).await;
    hand_in(&sender, &results(HEALTHY, "other", 50)).await;
    eventually("the other has all", || other.kept() == 50).await;
    assert_eq!(slow.arrivals(), 2, "and no more than its window is with the slow one");
    assert_eq!(hub.metric(r#"liandong_deliveries_in_flight{endpoint="slow"}"#).await, 2);
}
