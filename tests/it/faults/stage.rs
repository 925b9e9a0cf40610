//! Two hubs on one PostgreSQL and one RabbitMQ, two workers apart from them, two targets, and a load.

use std::{any::Any, sync::Arc, time::Instant};

use super::{books, report::Report};
use crate::{
    harness::{
        department::Department,
        hub::{Hub, wait_until, wait_until_told},
        line::Line,
        load::Load,
        sender::{BUREAU, ENFORCEMENT, REGULATOR, Sender, and_sends, hub_of, receives, sends},
        worker::Worker,
    },
    on_postgres::share_key,
};

/// What a target takes at once from all workers, and how long it may take. A repeat does no harm there.
const TARGET: &str = "on_unknown = \"resend\"\n[limits]\nwindow = 32\nqueue = 500\ntimeout_ms = 2000";

/// What a stage stands on.
pub(crate) struct Ground {
    /// The database of both hubs.
    pub(crate) database: String,
    /// How the first hub reaches the broker.
    pub(crate) first_broker: String,
    /// How the second hub and the workers reach it.
    pub(crate) broker: String,
    /// What must be there until the end.
    pub(crate) held: Vec<Box<dyn Any + Send>>,
}

pub(crate) struct Stage {
    pub(crate) hubs: [Hub; 2],
    pub(crate) workers: Vec<Worker>,
    pub(crate) regulator: Department,
    /// The regulator's line, which hangs when it is told to.
    pub(crate) line: Line,
    pub(crate) load: Arc<Load>,
    bureau: Department,
    database: String,
    _held: Vec<Box<dyn Any + Send>>,
}

impl Stage {
    /// All of it runs; nothing is handed in yet.
    pub(crate) async fn open(ground: Ground) -> Self {
        let (regulator, bureau) = (Department::anywhere().await, Department::anywhere().await);
        let line = Line::to(regulator.address()).await;
        let configure = |broker: &str| {
            let mut hub = hub_of(&[
                ("hanbin-spj", and_sends(receives("hanbin-spj", BUREAU, &bureau.address(), TARGET))),
                ("hanbin-cgj", sends("hanbin-cgj", &[ENFORCEMENT])),
                ("hanbin-scjg", receives("hanbin-scjg", REGULATOR, &line.address.to_string(), TARGET)),
            ]);
            hub.set("store.backend", "postgres");
            hub.set("postgres.connect_timeout_ms", 1_000);
            hub.set("bus.backend", "rabbitmq");
            hub.set("bus.workers", r#"["guest: hanbin-spj hanbin-scjg"]"#);
            hub.set("bus.publish_timeout_ms", 2_000);
            hub.set("retry.max_ms", 500);
            hub.set("breaker.failures", 1_000);
            // Faults are what this is about; that they are told is tested elsewhere.
            hub.set("log.filter", "error");
            hub.variable("LIANDONG_POSTGRES_URL", &ground.database);
            hub.variable("LIANDONG_AMQP_URL", broker);
            hub
        };
        let [mut one, mut two] = [configure(&ground.first_broker), configure(&ground.broker)];
        one.start();
        let tokens = ["hanbin-spj", "hanbin-cgj"].map(|endpoint| one.token(endpoint));
        share_key(&one, &mut two);
        two.start();
        let [bureau_at, enforcement_at] =
            tokens.map(|token| [&one, &two].map(|hub| Sender::with(hub, &token)).to_vec());
        let workers = vec![Worker::start(&two), Worker::start(&two)];
        Self {
            hubs: [one, two],
            workers,
            regulator,
            line,
            load: Load::new(bureau_at, enforcement_at),
            bureau,
            database: ground.database,
            _held: ground.held,
        }
    }

    /// Waits until it holds, as long as a load of this size may take.
    pub(crate) async fn until(&self, what: &str, holds: impl FnMut() -> bool) {
        assert!(wait_until(self.load.patience(), holds).await, "waited in vain: {what}");
    }

    /// How much has arrived at both targets.
    pub(crate) fn arrived(&self) -> usize {
        self.regulator.kept() + self.bureau.kept()
    }

    /// Waits until an eighth more has arrived, or all.
    pub(crate) async fn until_more_arrived(&self) {
        let wanted = (self.arrived() + self.load.messages() / 8).min(self.expected());
        self.until("the rest goes on", || self.arrived() >= wanted).await;
    }

    /// A load begins, `fault` is done in the midst of it, and all of it arrives as was promised.
    pub(crate) async fn under_load(
        mut self,
        name: &'static str,
        fault: impl AsyncFnOnce(&mut Self),
    ) -> Report {
        let begun = Instant::now();
        let loading = self.load.begin();
        let half = self.load.messages() / 2;
        self.until("much is under way", || self.arrived() >= half / 4).await;
        self.load.go_on();
        self.until("more is handed in", || self.load.accepted() > half).await;
        let ended = books::ended(&self.database).await;
        fault(&mut self).await;
        let limit = self.load.patience();
        tokio::time::timeout(limit, loading).await.expect("the load ends").unwrap();
        let all = self.expected();
        self.until("everything has arrived", || self.arrived() >= all).await;
        let settled = wait_until_told(limit, async || books::open(&self.database).await == 0);
        assert!(settled.await, "waited in vain: everything is settled");
        let seconds = begun.elapsed().as_secs_f64();
        self.load.repeat().await;
        let mut report = Report::new(name, &self.load, seconds);
        report.seen(books::compare(&self.regulator, &self.load, REGULATOR));
        report.seen(books::compare(&self.bureau, &self.load, BUREAU));
        let attempts = books::nothing_overwritten(&self.database, &ended, &self.load).await;
        report.unknown = attempts.unknown;
        report.late = attempts.late;
        self.close();
        report.checking = begun.elapsed().as_secs_f64() - seconds;
        report.write();
        report
    }

    fn expected(&self) -> usize {
        self.load.messages() + self.load.penalties()
    }

    /// Everything stops as it should, and what was sealed holds.
    fn close(self) {
        for worker in self.workers {
            assert_eq!(worker.stop(), Some(0), "a worker that was told to stop");
        }
        let [mut one, mut two] = self.hubs;
        assert_eq!((one.stop(), two.stop()), (Some(0), Some(0)), "hubs that were told to stop");
        let answer = one.ask(&["seal", "verify"]);
        let report = &answer["report"];
        assert!(report["mismatch"].is_null() && answer["contradiction"].is_null(), "{answer}");
        assert_eq!((&report["entries"], &report["unsealed"]), (&report["sealed"], &0.into()), "{answer}");
    }
}
