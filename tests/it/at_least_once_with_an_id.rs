//! Promise 6: a target may see a delivery again, always under the same id. A lease is run by one worker, and
//! given again only when its time is over; a late success is recorded and settles as delivered, a late failure
//! changes nothing.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use liandong::{
    bus::local::LocalBus,
    domain::{
        delivery::{Next, OnUnknown, Outcome, Transport},
        retry,
    },
    engine::{
        EndpointPolicy, Reach,
        breaker::BreakerPolicy,
        desk::{Desk, Health, Leases},
        reconcile::Reconcile,
        settle::{Settle, Teller},
    },
    port::{
        bus::{AttemptRecord, Brought, Bus as _, LeaseToken, Work, WorkOutcome},
        store::{Selector, Store},
    },
    worker::run::{Runner, Target},
};
use serde_json::json;

use crate::{
    contract::backend::{Backend as _, Sqlite},
    harness::{
        clock::TestClock,
        department::{Behaviour, Department, status},
        hub::{Hub, eventually},
        sample::{Draft, at},
        sender::{BUREAU, REGULATOR, Sender, hub_of, receives, result, sends},
        steps::{accept, claim, claim_one, row, settlement},
        wire::Answer,
    },
};

const RESEND: &str = "on_unknown = \"resend\"\n[limits]\ntimeout_ms = 300";

async fn stage(more: &str) -> (Hub, Department) {
    let department = Department::anywhere().await;
    let mut hub = hub_of(&[
        ("hanbin-spj", sends("hanbin-spj", &[BUREAU])),
        ("hanbin-scjg", receives("hanbin-scjg", REGULATOR, &department.address(), more)),
    ]);
    hub.set("breaker.failures", 1000);
    (hub, department)
}

#[tokio::test(flavor = "multi_thread")]
async fn however_an_attempt_fails_the_next_comes_under_the_same_id() {
    let (mut hub, department) = stage(RESEND).await;
    hub.start();
    department.behave(|arrival| match arrival.times {
        1 => status(500),
        2 => Behaviour::Hang,
        3 => Behaviour::Cut,
        4 => Behaviour::Say(Answer::new(429, "{}").header("retry-after", "0")),
        5 => Behaviour::Lose,
        _ => Behaviour::Take,
    });
    let id = Sender::at(&hub, "hanbin-spj").accepted(&result("K-1", "JY1")).await.delivery_to(REGULATOR);
    let delivered = hub.until(&id, "delivered").await;
    let outcomes: Vec<_> = delivered["attempts_made"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["transient", "unknown", "unknown", "throttled", "unknown", "delivered"]);
    department.look(|ledger| {
        assert_eq!(ledger.arrivals.len(), 6);
        assert!(ledger.arrivals.iter().all(|arrival| arrival.delivery == id));
        assert!(ledger.arrivals.iter().all(|arrival| arrival.body == ledger.arrivals[0].body));
        assert_eq!(ledger.kept.len(), 1, "told apart by the id, its effect is once");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_cut_down_with_its_hub_comes_again_under_the_same_id() {
    let (mut hub, department) = stage(RESEND).await;
    hub.start();
    department.behave(|arrival| match arrival.times {
        1 => Behaviour::TakeAfter(Duration::from_millis(200)),
        _ => Behaviour::Take,
    });
    let id = Sender::at(&hub, "hanbin-spj").accepted(&result("K-1", "JY1")).await.delivery_to(REGULATOR);
    eventually("it was sent", || department.arrivals() == 1).await;
    hub.kill();
    hub.start();
    let delivered = hub.until(&id, "delivered").await;
    assert_eq!(delivered["attempts_made"][0]["outcome"], "unknown", "{delivered}");
    department.look(|ledger| {
        let [first, second] = &*ledger.arrivals else { panic!("{:?}", ledger.arrivals) };
        assert_eq!((&first.delivery, &second.delivery), (&id, &id));
        let apart = second.at - first.at;
        assert!(apart >= Duration::from_millis(300), "the first may have lasted its time-out: {apart:?}");
    });
}

/// What settles, with a clock that the test moves.
struct Settlers {
    store: Arc<dyn Store>,
    clock: Arc<TestClock>,
    settle: Settle,
    reconcile: Reconcile,
}

impl Settlers {
    fn over(store: Arc<dyn Store>) -> Self {
        let policy = EndpointPolicy {
            window: 4,
            retry: retry::Policy::default(),
            breaker: BreakerPolicy { failures: 1, pause_ms: 1000 },
            on_unknown: OnUnknown::Resend,
            reach: Reach::Called,
        };
        let clock = Arc::new(TestClock::at(at(0)));
        let settle = Settle {
            store: Arc::clone(&store),
            bus: Arc::new(LocalBus::new([("health".into(), 4)])),
            clock: Arc::clone(&clock) as _,
            desk: Arc::new(Desk::new(HashMap::from([("health".into(), policy)]), Leases::Own)),
        };
        let reconcile = Reconcile {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock) as _,
            settle: settle.clone(),
            every: Duration::from_secs(1),
        };
        Self { store, clock, settle, reconcile }
    }

    /// A worker reports the end of an attempt.
    async fn report(&self, work: &Work, outcome: Outcome, now: Timestamp) {
        self.clock.set(now);
        let attempt = settlement(work, outcome.clone(), Next::Delivered, now).record;
        let outcome = WorkOutcome { work: work.clone(), outcome, attempt };
        self.settle.settle(vec![outcome], Teller::Worker).await.unwrap();
    }

    /// One message for one endpoint, leased, its lease over and given again: both leases.
    async fn leased_twice(&self) -> (Draft, Work, Work) {
        let draft = Draft::new("K-1").to("health");
        accept(&*self.store, &draft, at(0)).await;
        let first = claim_one(&*self.store, "health", at(0)).await;
        self.clock.set(at(60));
        self.reconcile.sweep().await.unwrap();
        assert_eq!(
            row(&*self.store, draft.delivery(0)).await.state,
            Transport::Leased,
            "its time is not over"
        );
        assert!(claim(&*self.store, "health", 1, at(60)).await.is_empty(), "one worker at a time");
        self.clock.set(at(61));
        self.reconcile.sweep().await.unwrap();
        assert_eq!(row(&*self.store, draft.delivery(0)).await.state, Transport::Scheduled);
        let second = claim_one(&*self.store, "health", at(120)).await;
        assert_eq!((first.lease, second.lease), (LeaseToken(1), LeaseToken(2)));
        assert_eq!(first.delivery, second.delivery);
        (draft, first, second)
    }

    async fn told(&self, draft: &Draft) -> Vec<String> {
        let attempts = self.store.attempts(draft.delivery(0)).await.unwrap();
        attempts.into_iter().map(|attempt| attempt.outcome).collect()
    }

    async fn entries(&self, draft: &Draft) -> usize {
        self.store.trail_of(Selector::Delivery(draft.delivery(0))).await.unwrap().len()
    }
}

#[tokio::test]
async fn a_late_success_is_recorded_and_settles_as_delivered() {
    let backend = Sqlite::new();
    let settlers = Settlers::over(backend.open().await);
    let (draft, first, second) = settlers.leased_twice().await;
    settlers.report(&first, Outcome::Delivered, at(121)).await;
    let delivered = row(&*settlers.store, draft.delivery(0)).await;
    assert_eq!((delivered.state, delivered.handed_over_at), (Transport::Delivered, Some(at(121))));
    assert_eq!(settlers.told(&draft).await, ["unknown", "delivered"]);

    settlers.report(&second, Outcome::Transient, at(122)).await;
    assert_eq!(row(&*settlers.store, draft.delivery(0)).await, delivered, "a late failure changes nothing");
    assert_eq!(settlers.told(&draft).await, ["unknown", "delivered", "transient"], "and is recorded");
    assert_eq!(settlers.entries(&draft).await, 3);
}

#[tokio::test]
async fn a_late_failure_is_recorded_and_changes_nothing() {
    let backend = Sqlite::new();
    let settlers = Settlers::over(backend.open().await);
    let (draft, first, second) = settlers.leased_twice().await;
    let before = row(&*settlers.store, draft.delivery(0)).await;
    for (second, outcome) in [(121, Outcome::Transient), (122, Outcome::Permanent)] {
        settlers.report(&first, outcome, at(second)).await;
        assert_eq!(row(&*settlers.store, draft.delivery(0)).await, before);
    }
    let endpoint = "health".into();
    let sick = settlers.settle.desk.answered(&endpoint, Health::Well, at(122));
    assert_eq!(sick, None, "neither the lease that ended nor the late failure paused the endpoint");
    settlers.report(&second, Outcome::Delivered, at(123)).await;
    assert_eq!(row(&*settlers.store, draft.delivery(0)).await.state, Transport::Delivered);
    assert_eq!(settlers.told(&draft).await, ["unknown", "transient", "permanent", "delivered"]);
}

/// A target that keeps what it was asked to do.
#[derive(Clone, Debug, Default)]
struct Notebook {
    seen: Arc<Mutex<Vec<Work>>>,
    may_repeat: bool,
}

impl Notebook {
    fn read(&self) -> Vec<Work> {
        self.seen.lock().unwrap().clone()
    }
}

#[async_trait]
impl Target for Notebook {
    async fn attempt(&self, work: &Work) -> Option<(Outcome, AttemptRecord)> {
        self.seen.lock().unwrap().push(work.clone());
        tokio::task::yield_now().await;
        let record = settlement(work, Outcome::Delivered, Next::Delivered, at(0));
        Some((Outcome::Delivered, record.record))
    }

    fn timeout_ms(&self) -> u64 {
        1000
    }

    fn window(&self) -> usize {
        4
    }

    fn may_repeat(&self) -> bool {
        self.may_repeat
    }
}

#[tokio::test]
async fn a_copy_that_somebody_may_have_begun_is_tried_again_only_where_a_repeat_is_allowed() {
    let store = Sqlite::new().open().await;
    accept(&*store, &Draft::new("K-1").to("health"), at(0)).await;
    let work = claim_one(&*store, "health", at(0)).await;
    for (may_repeat, tried) in [(false, 0), (true, 1)] {
        let bus = Arc::new(LocalBus::new([("health".into(), 4)]));
        let target = Notebook { may_repeat, ..Notebook::default() };
        let runner = Runner {
            endpoint: "health".into(),
            bus: Arc::clone(&bus) as _,
            clock: Arc::new(TestClock::at(at(10))),
            target: Arc::new(target.clone()),
        };
        let again = Work { brought: Brought::Again, ..work.clone() };
        assert!(bus.send_work(vec![again]).await.is_empty());
        bus.close().await;
        runner.run().await.unwrap();
        assert_eq!(target.read().len(), tried);
        let reported = bus.outcomes().await.unwrap().next(10).await;
        assert_eq!(reported.len(), tried, "what is not tried is left to its lease");
    }
}

#[tokio::test]
async fn a_worker_starts_only_what_ends_inside_its_lease() {
    let store = Sqlite::new().open().await;
    accept(&*store, &Draft::new("K-1").to("health"), at(0)).await;
    let work = claim_one(&*store, "health", at(0)).await;
    let bus = Arc::new(LocalBus::new([("health".into(), 4)]));
    let target = Notebook::default();
    let runner = Runner {
        endpoint: "health".into(),
        bus: Arc::clone(&bus) as _,
        clock: Arc::new(TestClock::at(at(10))),
        target: Arc::new(target.clone()),
    };
    let until = |after_ms| Work { not_after: at(10) + SignedDuration::from_millis(after_ms), ..work.clone() };
    assert!(bus.send_work(vec![until(999), until(1000)]).await.is_empty());
    bus.close().await;
    runner.run().await.unwrap();
    let tried: Vec<_> = target.read().iter().map(|work| work.not_after).collect();
    assert_eq!(tried, [at(11)], "the other could have outlived its lease");
}

#[tokio::test]
async fn two_workers_share_the_work_and_never_run_one_lease() {
    let store = Sqlite::new().open().await;
    for key in 0..64 {
        accept(&*store, &Draft::new(&format!("K-{key}")).to("health"), at(0)).await;
    }
    let (mine, yours) =
        tokio::join!(claim(&*store, "health", 48, at(0)), claim(&*store, "health", 48, at(0)));
    assert_eq!(mine.len() + yours.len(), 64, "each lease is given once");
    let bus = Arc::new(LocalBus::new([("health".into(), 64)]));
    assert!(bus.send_work([mine, yours].concat()).await.is_empty());
    let books = [Notebook::default(), Notebook::default()];
    let runner = |book: &Notebook| Runner {
        endpoint: "health".into(),
        bus: Arc::clone(&bus) as _,
        clock: Arc::new(TestClock::at(at(0))),
        target: Arc::new(book.clone()),
    };
    let mut outcomes = bus.outcomes().await.unwrap();
    let hub = async {
        let mut reported = 0;
        while reported < 64 {
            reported += outcomes.next(64).await.len();
        }
        bus.close().await;
    };
    let (one, other, ()) = tokio::join!(runner(&books[0]).run(), runner(&books[1]).run(), hub);
    one.and(other).unwrap();
    let [one, other] = books.map(|book| book.read());
    assert!(!one.is_empty() && !other.is_empty(), "both work");
    let run: HashSet<_> = one.iter().chain(&other).map(|work| (work.delivery, work.lease)).collect();
    assert_eq!((one.len() + other.len(), run.len()), (64, 64), "each lease is run once");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_two_attempts_at_one_delivery_overlap() {
    let (mut hub, department) = stage(RESEND).await;
    hub.start();
    let hung = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
    department.behave(move |arrival| {
        let mut hung = hung.lock().unwrap();
        let times = hung.entry(arrival.delivery.clone()).or_default();
        *times += 1;
        if *times < 3 { Behaviour::Hang } else { Behaviour::Take }
    });
    let sender = Sender::at(&hub, "hanbin-spj");
    let mut ids = Vec::new();
    for key in 0..4 {
        ids.push(
            sender.accepted(&result(&format!("K-{key}"), &format!("JY{key}"))).await.delivery_to(REGULATOR),
        );
    }
    for id in &ids {
        let delivered = hub.until(id, "delivered").await;
        let attempts = delivered["attempts_made"].as_array().unwrap();
        assert_eq!(attempts.len(), 3, "{delivered}");
        let time = |value: &serde_json::Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
        for pair in attempts.windows(2) {
            assert!(time(&pair[0]["ended_at"]) <= time(&pair[1]["started_at"]), "{delivered}");
        }
        assert_eq!(delivered["attempts"], json!(3));
    }
}
