//! The database is killed, or lets nobody in for a while.

use std::{sync::Arc, time::Instant};

use super::{Ground, Stage, outage};
use crate::harness::{
    broker::Broker,
    database::{Server, run},
};

/// A stage on a database server of its own.
async fn on(server: &Arc<Server>) -> Stage {
    let broker = Broker::new().await;
    let ground = Ground {
        database: server.database("hub", "").await,
        first_broker: broker.url().to_owned(),
        broker: broker.url().to_owned(),
        held: vec![Box::new(broker)],
    };
    Stage::open(ground).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_killed_under_load_keeps_what_was_accepted() {
    let server = Arc::new(Server::start());
    let stage = on(&server).await;
    stage
        .under_load("kill -9 of PostgreSQL", async |stage| {
            server.control("kill");
            let (load, before) = (stage.load.clone(), stage.load.later());
            stage.until("senders are told to try later", || load.later() > before).await;
            server.control("start");
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn senders_repeat_what_a_closed_database_did_not_take() {
    let server = Arc::new(Server::start());
    let stage = on(&server).await;
    let report = stage
        .under_load("PostgreSQL refuses connections", async |stage| {
            let close = "ALTER DATABASE hub ALLOW_CONNECTIONS false; \
                         SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = 'hub'";
            run(&server.url(), close).await;
            let (load, before, end) = (stage.load.clone(), stage.load.later(), Instant::now() + outage());
            let over = || load.later() > before + 4 && Instant::now() > end;
            stage.until("senders are told to try later", over).await;
            run(&server.url(), "ALTER DATABASE hub ALLOW_CONNECTIONS true; SELECT 1").await;
        })
        .await;
    assert!(report.told_later > 4, "{report:?}");
}
