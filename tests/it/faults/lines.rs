//! The network hangs without closing: between a hub and the broker, and between the workers and a target.

use super::{Stage, beside_others};
use crate::harness::{
    hub::wait_until_told,
    line::{Line, Passes},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hub_whose_line_to_the_broker_hangs_under_load_holds_nobody_up() {
    let mut ground = beside_others().await;
    let (_, place) = ground.broker.rsplit_once('@').unwrap();
    let place = place.split('/').next().unwrap().to_owned();
    let line = Line::to(place.clone()).await;
    ground.first_broker = ground.broker.replace(&place, &line.address.to_string());
    let stage = Stage::open(ground).await;
    stage
        .under_load("the line of a hub to RabbitMQ hangs", async |stage| {
            line.let_pass(Passes::Nothing);
            let (hub, limit) = (&stage.hubs[0], stage.load.patience());
            let noticed = wait_until_told(limit, async || {
                hub.metric("liandong_bus_connected{connection=\"publish\"}").await == 0
            });
            assert!(noticed.await, "the hub does not notice that its line hangs");
            stage.until_more_arrived().await;
            line.let_pass(Passes::Both);
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_target_whose_answers_do_not_come_through_is_sent_the_same_again_under_the_same_id() {
    let stage = Stage::open(beside_others().await).await;
    let report = stage
        .under_load("the line of a target hangs after the request", async |stage| {
            stage.line.let_pass(Passes::Questions);
            let regulator = stage.regulator.clone();
            let repeated = || regulator.look(|ledger| ledger.arrivals.len() > ledger.times.len() + 4);
            stage.until("what was not answered comes again", repeated).await;
            stage.line.let_pass(Passes::Both);
        })
        .await;
    assert!(report.unknown > 0 && report.repeats.all > 4, "{report:?}");
}
