//! The database is away for a while, in the ways in which databases are: senders are told to try later, the hub goes
//! on by itself when it is back, and nothing is half done.

use super::{arrived, hub_at};
use crate::harness::{
    database::{Server, run},
    department::{Behaviour, Department, status},
    hub::{Hub, eventually},
    sender::{BUREAU, REGULATOR, Sender, result},
};

/// A way to be away, and back.
#[derive(Clone, Copy, Debug)]
enum Away {
    /// The server is stopped.
    Stopped,
    /// It runs and lets nobody into the database.
    Closed,
}

impl Away {
    async fn begin(self, server: &Server) {
        match self {
            Self::Stopped => server.control("stop"),
            Self::Closed => {
                let close = "ALTER DATABASE hub ALLOW_CONNECTIONS false; \
                             SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = 'hub'";
                run(&server.url(), close).await;
            }
        }
    }

    async fn end(self, server: &Server) {
        match self {
            Self::Stopped => server.control("start"),
            Self::Closed => {
                run(&server.url(), "ALTER DATABASE hub ALLOW_CONNECTIONS true; SELECT 1").await;
            }
        }
    }
}

async fn told_to_try_later(bureau: &Sender, hub: &Hub) {
    for number in 1..=3 {
        let refused = bureau.send(&result(&format!("JY1-{number}"), "JY1")).await;
        assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"), "{}", refused.json());
    }
    let (ready, why) = hub.probe("/readyz").await.unwrap();
    assert!(ready == 503 && why.contains("store"), "{why}");
    assert_eq!(hub.probe("/livez").await.unwrap().0, 200, "it waits, it is not dead");
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_are_told_to_try_later_while_the_database_is_away() {
    for away in [Away::Stopped, Away::Closed] {
        let (server, target) = (Server::start(), Department::anywhere().await);
        target.behave(|_| status(503));
        let mut hub = hub_at(&server.database("hub", "").await, &target);
        hub.set("postgres.connect_timeout_ms", 1_000);
        hub.set("retry.min_ms", 50);
        hub.set("retry.first_ms", 100);
        hub.start();
        let bureau = Sender::at(&hub, BUREAU);
        let first = bureau.accepted(&result("JY1-0", "JY1")).await;
        eventually("the first is under way", || target.arrivals() > 0).await;

        away.begin(&server).await;
        told_to_try_later(&bureau, &hub).await;
        target.behave(|_| Behaviour::Take);
        away.end(&server).await;

        for number in 1..=3 {
            bureau.until_answered(&result(&format!("JY1-{number}"), "JY1"), 201).await;
        }
        let again = bureau.send(&result("JY1-0", "JY1")).await;
        assert_eq!((again.status, again.statement()), (200, first.statement()), "{away:?}");
        hub.until(&first.delivery_to(REGULATOR), "delivered").await;
        eventually("all have arrived", || target.kept() == 4).await;
        assert_eq!(arrived(&target)["JY1"], [0, 1, 2, 3], "{away:?}");
        assert_eq!(hub.stop(), Some(0));
        let report = hub.ask(&["seal", "verify"]);
        assert_eq!(report["report"]["entries"], report["report"]["sealed"], "{away:?}: {report}");
    }
}
