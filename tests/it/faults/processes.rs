//! A hub or a worker is killed.

use std::time::Duration;

use super::{Stage, beside_others};
use crate::harness::department::Behaviour;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hub_killed_under_load_loses_nothing_and_overwrites_nothing() {
    let stage = Stage::open(beside_others().await).await;
    let strike = async |stage: &mut Stage| stage.hubs[0].kill();
    let mend = async |stage: &mut Stage| {
        stage.until_more_arrived().await;
        stage.hubs[0].start();
    };
    let report = stage.under_load("kill -9 of a hub", strike, mend).await;
    assert!(report.unanswered > 0, "it was not in anybody's way: {report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_worker_killed_under_load_leaves_its_work_to_another() {
    /// Deliveries that the target has taken and not answered; each worker brings half of them.
    const UNDER_WAY: usize = 16;
    let stage = Stage::open(beside_others().await).await;
    let strike = async |stage: &mut Stage| {
        let regulator = stage.regulator.clone();
        regulator.behave(|_| Behaviour::TakeAfter(Duration::from_secs(1)));
        let before = regulator.arrivals();
        stage.until("work is under way", || regulator.arrivals() >= before + UNDER_WAY).await;
        stage.workers.remove(0).kill();
        regulator.behave(|_| Behaviour::Take);
    };
    let mend = async |stage: &mut Stage| {
        stage.until_more_arrived().await;
        stage.hire();
    };
    let report = stage.under_load("kill -9 of a worker", strike, mend).await;
    assert!(report.repeats.all > 0, "it had no work in hand: {report:?}");
}
