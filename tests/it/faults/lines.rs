//! The network hangs without closing: between a hub and the broker, and between the workers and a target.

use super::{Stage, behind_a_line, beside_others, publishes};
use crate::harness::line::Passes;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hub_whose_line_to_the_broker_hangs_under_load_holds_nobody_up() {
    let (ground, line) = behind_a_line(beside_others().await).await;
    let stage = Stage::open(ground).await;
    let strike = async |_: &mut Stage| line.let_pass(Passes::Nothing);
    let mend = async |stage: &mut Stage| {
        stage.until_told("the hub notices it", async || !publishes(&stage.hubs[0]).await).await;
        stage.until_more_arrived().await;
        line.let_pass(Passes::Both);
        stage.until_told("the hub comes back", async || publishes(&stage.hubs[0]).await).await;
    };
    stage.under_load("the line of a hub to RabbitMQ hangs", strike, mend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_target_whose_answers_do_not_come_through_is_sent_the_same_again_under_the_same_id() {
    let stage = Stage::open(beside_others().await).await;
    let strike = async |stage: &mut Stage| stage.line.let_pass(Passes::Questions);
    let mend = async |stage: &mut Stage| {
        let regulator = stage.regulator.clone();
        let repeated = || regulator.look(|ledger| ledger.arrivals.len() > ledger.times.len() + 4);
        stage.until("what was not answered comes again", repeated).await;
        stage.line.let_pass(Passes::Both);
    };
    let report = stage.under_load("the line of a target hangs after the request", strike, mend).await;
    assert!(report.unknown > 0 && report.repeats.all > 4, "{report:?}");
}
