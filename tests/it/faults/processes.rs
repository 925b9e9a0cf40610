//! A hub or a worker is killed.

use std::time::Duration;

use super::{Stage, beside_others};
use crate::harness::{department::Behaviour, worker::Worker};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hub_killed_under_load_loses_nothing_and_overwrites_nothing() {
    let stage = Stage::open(beside_others().await).await;
    let report = stage
        .under_load("kill -9 of a hub", async |stage| {
            stage.hubs[0].kill();
            stage.until_more_arrived().await;
            stage.hubs[0].start();
        })
        .await;
    assert!(report.unanswered > 0, "it was not in anybody's way: {report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_worker_killed_under_load_leaves_its_work_to_another() {
    let stage = Stage::open(beside_others().await).await;
    // So that it is killed with work under way.
    stage.regulator.behave(|_| Behaviour::TakeAfter(Duration::from_millis(20)));
    stage
        .under_load("kill -9 of a worker", async |stage| {
            stage.workers.remove(0).kill();
            stage.until_more_arrived().await;
            stage.workers.push(Worker::start(&stage.hubs[1]));
        })
        .await;
}
