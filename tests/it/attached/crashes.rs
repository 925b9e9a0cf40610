//! A worker is killed or hangs, a hub is killed or stops: nothing is lost, nothing comes twice but under its id.

use serde_json::json;

use super::{A_WHILE, On, REGULATED, RESENDS, Stage};
use crate::harness::{
    department::{Arrival, Behaviour},
    hub::eventually,
    rpc::soon,
    stream::delivered,
};

/// What a department does that is reached, and hears no more of whoever reached it.
fn hang_the_first_time(arrival: &Arrival) -> Behaviour {
    if arrival.times == 1 { Behaviour::Hang } else { Behaviour::Take }
}

async fn what_a_killed_worker_had_begun_comes_again_under_its_id(on: On) {
    let stage = Stage::open(on).await;
    let token = stage.token("north");
    let worker = stage.worker(&token);
    stage.regulator.behave(hang_the_first_time);
    let deliveries = stage.results("A", 4).await;
    let regulator = &stage.regulator;
    eventually("the worker is at all of it", || regulator.arrivals() == 4).await;
    worker.kill();
    let second = stage.worker(&token);
    stage.until_delivered(&deliveries).await;
    let times = regulator.look(|ledger| ledger.times.clone());
    assert_eq!(times.len(), 4, "each came under one id: {times:?}");
    assert!(deliveries.iter().all(|delivery| times[delivery] == 2), "{times:?}");
    assert_eq!(second.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_had_begun_comes_again_under_its_id_inside_one_hub() {
    what_a_killed_worker_had_begun_comes_again_under_its_id(On::Local).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_had_begun_comes_again_under_its_id_over_a_broker() {
    what_a_killed_worker_had_begun_comes_again_under_its_id(On::Rabbitmq).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_had_begun_waits_for_a_person_where_a_repeat_may_do_harm() {
    let parks = "on_unknown = \"park\"\n[limits]\ntimeout_ms = 500\n";
    // Margins wide enough for the copy to be brought to the second worker in time for an attempt.
    let stage = Stage::with(On::Local, parks, 3_000).await;
    let token = stage.token("north");
    let worker = stage.worker(&token);
    stage.regulator.behave(hang_the_first_time);
    let deliveries = stage.results("A", 2).await;
    let regulator = &stage.regulator;
    eventually("the worker is at all of it", || regulator.arrivals() == 2).await;
    worker.kill();
    let second = stage.worker(&token);
    stage.regulator.behave(|_| Behaviour::Take);
    let later = stage.results("B", 1).await;
    stage.until_delivered(&later).await;
    for delivery in &deliveries {
        let row = stage.hub.until(delivery, "parked").await;
        assert_eq!(row["park_reason"], json!("outcome_unknown"), "{row}");
    }
    assert_eq!(stage.repeated(), [], "sent again");
    assert_eq!(second.stop(), Some(0));
}

async fn two_workers_share_an_endpoint_and_one_goes_on_when_the_other_is_killed(on: On) {
    let stage = Stage::open(on).await;
    let (north, south) = (stage.token("north"), stage.token("south"));
    let (first, second) = (stage.worker(&north), stage.worker(&south));
    stage.regulator.behave(|_| Behaviour::TakeAfter(A_WHILE / 10));
    let deliveries = stage.results("A", 100).await;
    let regulator = &stage.regulator;
    eventually("the workers are at it", || regulator.arrivals() > 20).await;
    first.kill();
    stage.until_delivered(&deliveries).await;
    assert_eq!(regulator.look(|ledger| ledger.times.len()), 100, "each delivery came under one id");
    assert_eq!(second.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_an_endpoint_and_one_goes_on_when_the_other_is_killed_inside_one_hub() {
    two_workers_share_an_endpoint_and_one_goes_on_when_the_other_is_killed(On::Local).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_an_endpoint_and_one_goes_on_when_the_other_is_killed_over_a_broker() {
    two_workers_share_an_endpoint_and_one_goes_on_when_the_other_is_killed(On::Rabbitmq).await;
}

async fn a_worker_keeps_its_outcomes_for_a_hub_that_was_killed(on: On) {
    // Leases outlast the restart, so that each outcome comes under its own.
    let more = "on_unknown = \"park\"\n[limits]\ntimeout_ms = 5000\n";
    let mut stage = Stage::with(on, more, 20_000).await;
    let worker = stage.worker(&stage.token("north"));
    stage.until_delivered(&stage.results("A", 3).await).await;
    stage.regulator.behave(|_| Behaviour::TakeAfter(A_WHILE));
    let under_way = stage.results("B", 8).await;
    let regulator = &stage.regulator;
    eventually("the worker is at all of it", || regulator.arrivals() == 11).await;
    stage.hub.kill();
    eventually("the worker goes on without a hub", || regulator.kept() == 11).await;
    stage.hub.start();
    for delivery in &under_way {
        let row = stage.hub.until(delivery, "delivered").await;
        assert_eq!(row["attempts"], json!(1), "{row}");
    }
    assert_eq!(stage.repeated(), []);
    stage.until_delivered(&stage.results("C", 3).await).await;
    assert_eq!(worker.stop(), Some(0));
    assert_eq!(stage.hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_keeps_its_outcomes_for_a_hub_that_was_killed_with_a_bus_of_its_own() {
    a_worker_keeps_its_outcomes_for_a_hub_that_was_killed(On::Local).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_keeps_its_outcomes_for_a_hub_that_was_killed_beside_its_broker() {
    a_worker_keeps_its_outcomes_for_a_hub_that_was_killed(On::Rabbitmq).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_hangs_loses_its_lease_and_its_late_success_settles() {
    let stage = Stage::with(On::Local, "on_unknown = \"park\"\n[limits]\ntimeout_ms = 500\n", 200).await;
    let mut hangs = stage.stream(&stage.token("north"), 4).await;
    let deliveries = stage.results("A", 1).await;
    let piece = hangs.piece().await;
    assert_eq!((&piece.delivery, piece.comes_again), (&deliveries[0], false));
    let row = stage.hub.until(&deliveries[0], "parked").await;
    assert_eq!(row["park_reason"], json!("outcome_unknown"), "{row}");
    stage.hub.order(&deliveries[0], "retry").await;
    let again = hangs.piece().await;
    assert_eq!(again.delivery, piece.delivery, "under the same id");
    assert!(again.lease > piece.lease, "under a lease of its own");
    // The success under the first lease comes late, while the second is out.
    let settled = hangs.report(vec![delivered(&piece)]).await;
    assert_eq!(settled[0].reason, "");
    stage.hub.until(&deliveries[0], "delivered").await;
    // The later lease adds nothing that could take that back.
    assert_eq!(hangs.report(vec![delivered(&again)]).await[0].reason, "");
    assert_eq!(stage.hub.delivery(&deliveries[0]).await["state"], "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hung_worker_process_has_is_done_by_another_when_its_leases_end() {
    let stage = Stage::with(On::Local, RESENDS, 500).await;
    let (north, south) = (stage.token("north"), stage.token("south"));
    let hangs = stage.worker(&north);
    stage.regulator.behave(hang_the_first_time);
    let stuck = stage.results("A", 3).await;
    let regulator = &stage.regulator;
    eventually("the worker is at it", || regulator.arrivals() == 3).await;
    hangs.signal("STOP");
    let other = stage.worker(&south);
    stage.regulator.behave(|_| Behaviour::Take);
    stage.until_delivered(&stage.results("B", 5).await).await;
    // Its leases end, and the same deliveries come by the other.
    stage.until_delivered(&stuck).await;
    hangs.signal("CONT");
    stage.until_delivered(&stage.results("C", 20).await).await;
    assert_eq!((hangs.stop(), other.stop()), (Some(0), Some(0)));
    for delivery in &stuck {
        assert_eq!(stage.hub.delivery(delivery).await["state"], "delivered");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_stops_waits_for_what_its_workers_are_at() {
    let mut stage = Stage::open(On::Local).await;
    let worker = stage.worker(&stage.token("north"));
    stage.regulator.behave(|_| Behaviour::TakeAfter(A_WHILE));
    let deliveries = stage.results("A", 10).await;
    let regulator = &stage.regulator;
    eventually("the worker is at all of it", || regulator.arrivals() == 10).await;
    assert_eq!(stage.hub.stop(), Some(0));
    assert_eq!(stage.regulator.kept(), 10);
    stage.hub.start();
    for delivery in &deliveries {
        let row = stage.hub.delivery(delivery).await;
        assert_eq!((&row["state"], &row["attempts"]), (&json!("delivered"), &json!(1)), "{row}");
    }
    // The worker attaches to it again by itself.
    stage.until_delivered(&stage.results("B", 3).await).await;
    assert_eq!(worker.stop(), Some(0));
}

async fn a_worker_that_stops_finishes_what_it_was_brought_and_leaves_the_rest(on: On) {
    let stage = Stage::open(on).await;
    let token = stage.token("north");
    let worker = stage.worker(&token);
    stage.regulator.behave(|_| Behaviour::TakeAfter(A_WHILE));
    let deliveries = stage.results("A", 40).await;
    let regulator = &stage.regulator;
    eventually("the worker is at it", || regulator.arrivals() >= 16).await;
    let ended = tokio::task::spawn_blocking(move || worker.stop());
    assert_eq!(soon("the worker ends", ended).await.unwrap(), Some(0));
    let kept = regulator.kept();
    assert!(kept < 40, "it left some");
    assert_eq!(regulator.arrivals(), kept, "what it had begun it finished");
    let second = stage.worker(&token);
    stage.until_delivered(&deliveries).await;
    assert_eq!(stage.repeated(), []);
    for delivery in &deliveries {
        let row = stage.hub.delivery(delivery).await;
        assert_eq!(row["attempts"], json!(1), "an attempt was burnt: {row}");
    }
    assert_eq!(second.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_finishes_what_it_was_brought_and_leaves_the_rest_inside_one_hub() {
    a_worker_that_stops_finishes_what_it_was_brought_and_leaves_the_rest(On::Local).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_finishes_what_it_was_brought_and_leaves_the_rest_over_a_broker() {
    a_worker_that_stops_finishes_what_it_was_brought_and_leaves_the_rest(On::Rabbitmq).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_worker_was_not_given_goes_back_and_burns_no_attempt() {
    let stage = Stage::with(On::Local, "on_unknown = \"park\"\n[limits]\ntimeout_ms = 2000\n", 500).await;
    let token = stage.token("north");
    let mut first = stage.stream(&token, 1).await;
    let answers = ["A", "B", "C"].map(|name| stage.results(name, 1));
    let deliveries = futures::future::join_all(answers).await.concat();
    let given = first.piece().await.delivery;
    for delivery in &deliveries {
        stage.hub.until(delivery, "leased").await;
    }
    drop(first);
    let waiting: Vec<_> = deliveries.iter().filter(|delivery| **delivery != given).collect();
    assert_eq!(waiting.len(), 2);
    let worker = stage.worker(&token);
    for delivery in waiting {
        let row = stage.hub.until(delivery, "delivered").await;
        assert_eq!(row["attempts"], json!(1), "{row}");
        let trail = stage.hub.trail(row["message"].as_str().unwrap()).await;
        let back = trail.iter().filter(|entry| entry["event"] == "delivery.handed_back").count();
        assert_eq!(back, 1, "{trail:?}");
    }
    let row = stage.hub.until(&given, "parked").await;
    assert_eq!(row["park_reason"], json!("outcome_unknown"), "it may have been begun: {row}");
    assert_eq!(worker.stop(), Some(0));
    assert!(stage.regulator.look(|ledger| !ledger.times.contains_key(&given)), "{REGULATED} has it");
}
