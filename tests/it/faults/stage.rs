//! Two hubs on one PostgreSQL and one RabbitMQ, two workers apart from them, two targets, and a load.

use std::{any::Any, sync::Arc, thread, time::Instant};

use super::{books, report::Report};
use crate::{
    harness::{
        department::Department,
        hub::{Hub, wait_until, wait_until_told},
        line::Line,
        load::{Load, ROUNDS},
        sender::{BUREAU, ENFORCEMENT, REGULATOR, Sender, and_sends, hub_of, receives, sends},
        worker::Worker,
    },
    on_postgres::share_key,
};

/// What a target takes at once from all workers, and how long it may take. A repeat does no harm there.
const TARGET: &str = "on_unknown = \"resend\"\n[limits]\nwindow = 32\nqueue = 500\ntimeout_ms = 1000";

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
    /// What workers are told.
    apart: Hub,
    bureau: Department,
    database: String,
    _held: Vec<Box<dyn Any + Send>>,
}

impl Stage {
    /// All of it runs; nothing is handed in yet.
    pub(crate) async fn open(ground: Ground) -> Self {
        let (regulator, bureau) = (Department::anywhere().await, Department::anywhere().await);
        let line = Line::to(regulator.address()).await;
        let configure = |broker: &str| configured(&ground.database, broker, &bureau, &line);
        let [mut one, mut two] = [configure(&ground.first_broker), configure(&ground.broker)];
        // What workers are told; never started as a hub.
        let apart = configure(&ground.broker);
        one.start();
        share_key(&one, &mut two);
        // Beside each other: each takes its time.
        let (tokens, workers) = thread::scope(|scope| {
            let second = scope.spawn(|| two.start());
            let workers = [(); 2].map(|()| scope.spawn(|| Worker::start(&apart)));
            let tokens = ["hanbin-spj", "hanbin-cgj"].map(|endpoint| one.token(endpoint));
            second.join().unwrap();
            (tokens, workers.map(|worker| worker.join().unwrap()))
        });
        let [bureau_at, enforcement_at] =
            tokens.map(|token| [&one, &two].map(|hub| Sender::with(hub, &token)).to_vec());
        Self {
            hubs: [one, two],
            workers: workers.into(),
            apart,
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
        let holds = wait_until(self.load.patience(), holds).await;
        assert!(holds, "waited in vain: {what}; {}", self.standing());
    }

    /// The same with something that has to be asked for.
    pub(crate) async fn until_told(&self, what: &str, holds: impl AsyncFnMut() -> bool) {
        let holds = wait_until_told(self.load.patience(), holds).await;
        assert!(holds, "waited in vain: {what}; {}", self.standing());
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

    /// Another worker.
    pub(crate) fn hire(&mut self) {
        self.workers.push(Worker::start(&self.apart));
    }

    /// A load begins. In the midst of it, with work under way and more being handed in, `strike` breaks something;
    /// the last quarter is handed in after that. `mend` sees to it that what must go on goes on, and puts right
    /// what was broken. Then all of it arrives as was promised.
    pub(crate) async fn under_load(
        mut self,
        name: &'static str,
        strike: impl AsyncFnOnce(&mut Self),
        mend: impl AsyncFnOnce(&mut Self),
    ) -> Report {
        let begun = Instant::now();
        let (all, expected) = (self.load.messages(), self.expected());
        let loading = self.load.begin();
        self.load.let_on(ROUNDS / 2);
        self.until("much is under way", || self.arrived() >= all / 8).await;
        self.load.let_on(ROUNDS - ROUNDS / 4);
        self.until("more is handed in", || self.load.accepted() > all / 2).await;
        let ended = books::ended(&self.database).await;
        self.until_told("some of it is with workers", async || books::leased(&self.database).await > 0).await;
        strike(&mut self).await;
        let (accepted, arrived) = (self.load.accepted(), self.arrived());
        assert!(
            self.regulator.kept() < accepted && accepted < all,
            "not in the midst of it: {}",
            self.standing()
        );
        self.load.let_on(ROUNDS);
        mend(&mut self).await;
        let limit = self.load.patience();
        tokio::time::timeout(limit, loading).await.expect("the load ends").unwrap();
        self.until("everything has arrived", || self.arrived() >= expected).await;
        self.until_told("everything is settled", async || books::open(&self.database).await == 0).await;
        let seconds = begun.elapsed().as_secs_f64();
        self.load.repeat().await;
        let mut report = Report::new(name, &self.load, seconds);
        report.struck = [accepted, arrived];
        report.seen(books::compare(&self.regulator, &self.load, REGULATOR));
        report.seen(books::compare(&self.bureau, &self.load, BUREAU));
        let attempts = books::nothing_overwritten(&self.database, &ended, &self.load).await;
        report.unknown = attempts.unknown;
        report.late = attempts.late;
        self.close().await;
        report.checking = begun.elapsed().as_secs_f64() - seconds;
        report.write();
        report
    }

    fn expected(&self) -> usize {
        self.load.messages() + self.load.penalties()
    }

    fn standing(&self) -> String {
        let (accepted, later, unanswered) = (self.load.accepted(), self.load.later(), self.load.unanswered());
        let (arrived, expected) = (self.arrived(), self.expected());
        format!(
            "{accepted} accepted, {arrived} of {expected} arrived, {later} told to try later, {unanswered} unanswered"
        )
    }

    /// Everything stops as it should, and what was sealed holds.
    async fn close(mut self) {
        for worker in &self.workers {
            worker.terminate();
        }
        for worker in self.workers {
            assert_eq!(worker.ended(), Some(0), "a worker that was told to stop");
        }
        for hub in &self.hubs {
            hub.terminate();
        }
        for hub in &mut self.hubs {
            assert_eq!(hub.ended().await, 0, "a hub that was told to stop");
        }
        let answer = self.hubs[0].ask(&["seal", "verify"]);
        let report = &answer["report"];
        assert!(report["mismatch"].is_null() && answer["contradiction"].is_null(), "{answer}");
        assert_eq!((&report["entries"], &report["unsealed"]), (&report["sealed"], &0.into()), "{answer}");
    }
}

/// A hub of 汉滨区's bureau, which sends and receives, of its regulator behind a line, and of its enforcement.
fn configured(database: &str, broker: &str, bureau: &Department, line: &Line) -> Hub {
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
    hub.variable("LIANDONG_POSTGRES_URL", database);
    hub.variable("LIANDONG_AMQP_URL", broker);
    hub
}
