//! The database is killed, or lets nobody in for a while.

use std::{sync::Arc, time::Instant};

use super::{Ground, Stage, beside_others, outage};
use crate::harness::{
    broker::Broker,
    database::{Server, run, server},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_killed_under_load_keeps_what_was_accepted() {
    let server = Arc::new(tokio::task::spawn_blocking(Server::start).await.unwrap());
    let broker = Broker::new().await;
    let ground = Ground {
        database: server.database("hub", "").await,
        first_broker: broker.url().to_owned(),
        broker: broker.url().to_owned(),
        held: vec![Box::new(broker), Box::new(Arc::clone(&server))],
    };
    let stage = Stage::open(ground).await;
    let strike = async |_: &mut Stage| server.control("kill");
    let mend = async |stage: &mut Stage| {
        let (load, before) = (stage.load.clone(), stage.load.later());
        stage.until("senders are told to try later", || load.later() > before).await;
        server.control("start");
    };
    let report = stage.under_load("kill -9 of PostgreSQL", strike, mend).await;
    assert!(report.told_later > 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn senders_repeat_what_a_closed_database_did_not_take() {
    let ground = beside_others().await;
    let (_, name) = ground.database.rsplit_once('/').unwrap();
    let close = format!(
        "ALTER DATABASE {name} ALLOW_CONNECTIONS false; \
         SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    let open = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true; SELECT 1");
    let stage = Stage::open(ground).await;
    let strike = async |_: &mut Stage| drop(run(&server(), &close).await);
    let mend = async |stage: &mut Stage| {
        let (load, before, end) = (stage.load.clone(), stage.load.later(), Instant::now() + outage());
        let over = || load.later() > before + 4 && Instant::now() > end;
        stage.until("senders are told to try later", over).await;
        run(&server(), &open).await;
    };
    let report = stage.under_load("PostgreSQL refuses connections", strike, mend).await;
    assert!(report.told_later > 4, "{report:?}");
}
