//! The broker is killed, or a cluster of three loses a node.

use std::sync::Arc;

use super::{Ground, Stage, on};
use crate::{
    contract::backend::Postgres,
    harness::{broker::Broker, cluster::Cluster},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_broker_killed_under_load_takes_no_message_with_it() {
    let broker = Arc::new(Broker::alone().await);
    let stage = Stage::open(on(Arc::clone(&broker)).await).await;
    stage
        .under_load("kill -9 of RabbitMQ", async |stage| {
            broker.operate("kill").await;
            let load = stage.load.clone();
            let all = load.messages();
            let wanted = (load.accepted() + all / 8).min(all);
            stage.until("messages are taken without a broker", || load.accepted() >= wanted).await;
            broker.operate("start").await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_that_loses_a_node_under_load_goes_on_with_the_others() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let place = Postgres::new();
    let (url, database) = (cluster.url(), place.database().await.url());
    let held = vec![Box::new(place) as _];
    let stage = Stage::open(Ground { database, first_broker: url.clone(), broker: url, held }).await;
    stage
        .under_load("a cluster of three loses a node", async |stage| {
            // Hubs and workers are connected to the first node, where the queues have their leaders.
            cluster.control(1, &["kill"]);
            stage.until_more_arrived().await;
            cluster.control(1, &["start"]);
        })
        .await;
}
