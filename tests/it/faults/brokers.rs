//! The broker is killed, takes no message or tells nobody that it did, or a cluster of three loses a node.

use std::sync::Arc;

use super::{Ground, Stage, behind_a_line, on, publishes};
use crate::{
    contract::backend::Postgres,
    harness::{broker::Broker, cluster::Cluster, hub::Hub, line::Passes},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_broker_killed_under_load_takes_no_message_with_it() {
    let broker = Arc::new(Broker::alone().await);
    let stage = Stage::open(on(Arc::clone(&broker)).await).await;
    let strike = async |_: &mut Stage| broker.operate("kill").await;
    let mend = async |stage: &mut Stage| {
        let load = stage.load.clone();
        let wanted = (load.accepted() + load.messages() / 8).min(load.messages());
        stage.until("messages are taken without a broker", || load.accepted() >= wanted).await;
        broker.operate("start").await;
    };
    stage.under_load("kill -9 of RabbitMQ", strike, mend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn publishes_that_are_nacked_returned_or_never_confirmed_under_load_lose_nothing() {
    const QUEUE: &str = "liandong.work.hanbin-scjg";
    let broker = Arc::new(Broker::new().await);
    let (ground, line) = behind_a_line(on(Arc::clone(&broker)).await).await;
    let stage = Stage::open(ground).await;
    let own = broker.channel().await;
    let full = own.full_queue().await;
    let to = ("liandong.work", "hanbin-scjg");
    let strike = async |stage: &mut Stage| {
        let [one, two] = &stage.hubs;
        // The regulator's work comes to a queue that has no room.
        own.bind(&full, to).await;
        own.unbind(QUEUE, to).await;
        for hub in [one, two] {
            stage.until_told("a hub is told no", async || published(hub, "nacked").await > 0).await;
        }
        own.bind(QUEUE, to).await;
        own.unbind(&full, to).await;
        let before = published(one, "taken").await;
        stage.until_told("its work is taken again", async || published(one, "taken").await > before).await;
        // The first hub is told nothing any more; the second's work has no queue, until it binds it again.
        line.let_pass(Passes::Questions);
        own.unbind(QUEUE, to).await;
    };
    let mend = async |stage: &mut Stage| {
        for (hub, result) in stage.hubs.iter().zip(["unknown", "returned"]) {
            stage.until_told(result, async || published(hub, result).await > 0).await;
        }
        line.let_pass(Passes::Both);
        stage.until_told("the first hub comes back", async || publishes(&stage.hubs[0]).await).await;
    };
    stage.under_load("publishes nacked, returned, not confirmed", strike, mend).await;
}

/// Broker messages with work that a hub has published, and what became of them.
async fn published(hub: &Hub, result: &str) -> u64 {
    let metric = format!("liandong_bus_published_total{{to=\"liandong.work\",result=\"{result}\"}}");
    hub.metric(&metric).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_that_loses_a_node_under_load_goes_on_with_the_others() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let place = Postgres::new();
    let (url, database) = (cluster.url(), place.database().await.url());
    let held = vec![Box::new(place) as _];
    let stage = Stage::open(Ground { database, first_broker: url.clone(), broker: url, held }).await;
    // Hubs and workers take the first address; nobody works on without its queue's leader being chosen anew.
    let (first, queues) =
        (cluster.name(1), cluster.control(1, &["rabbitmqctl", "list_queues", "name", "leader"]));
    assert!(queues.lines().count() >= 4 && queues.lines().all(|queue| queue.ends_with(&first)), "{queues}");
    let strike = async |_: &mut Stage| _ = cluster.control(1, &["kill"]);
    let mend = async |stage: &mut Stage| {
        stage.until_more_arrived().await;
        cluster.control(1, &["start"]);
    };
    stage.under_load("a cluster of three loses a node", strike, mend).await;
}
