//! The backends a bus's contract is run on, samples of what it carries, and short words for what is done to it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use liandong::{
    bus::local::LocalBus,
    domain::{
        decision::{Part, Redaction},
        delivery::Outcome,
        id::{DeliveryId, MessageId},
        kind::Kind,
    },
    port::bus::{
        AttemptRecord, Brought, Bus, Error, LeaseToken, OutcomeSource, Work, WorkOutcome, WorkSource,
    },
    task::Supervisor,
};

use crate::harness::{
    broker::Broker,
    hub::PATIENCE,
    sample::{at, id, organisation_at},
};

/// A place for one test's bus.
#[async_trait]
pub(crate) trait BusBackend: Send + Sync {
    /// A bus for these endpoints, each with room for so much work.
    async fn open(&self, endpoints: &[(&str, usize)]) -> Arc<dyn Bus>;
}

/// The bus inside one process.
#[derive(Debug)]
pub(crate) struct Local;

impl Local {
    /// Nothing is shared between tests.
    pub(crate) fn new() -> Self {
        Self
    }
}

#[async_trait]
impl BusBackend for Local {
    async fn open(&self, endpoints: &[(&str, usize)]) -> Arc<dyn Bus> {
        Arc::new(LocalBus::new(endpoints.iter().map(|(endpoint, limit)| ((*endpoint).into(), *limit))))
    }
}

/// The bus on a RabbitMQ.
#[derive(Debug)]
pub(crate) struct Rabbitmq {
    broker: Broker,
    /// What the buses are made of.
    tasks: Mutex<Vec<Supervisor>>,
}

impl Rabbitmq {
    /// A virtual host of its own.
    pub(crate) async fn new() -> Self {
        Self { broker: Broker::new().await, tasks: Mutex::new(Vec::new()) }
    }
}

#[async_trait]
impl BusBackend for Rabbitmq {
    async fn open(&self, endpoints: &[(&str, usize)]) -> Arc<dyn Bus> {
        let end = self.broker.open(self.broker.options(endpoints)).await;
        self.tasks.lock().unwrap().push(end.tasks);
        end.bus
    }
}

/// Runs a test that waits for nothing that does not come.
pub(crate) async fn in_time(test: impl Future<Output = ()>) {
    tokio::time::timeout(PATIENCE, test).await.expect("the test waits for what does not come");
}

/// A piece of work for an endpoint, with a place in its lane by which tests tell it.
pub(crate) fn work(endpoint: &str, place: u64) -> Work {
    Work {
        delivery: DeliveryId(id()),
        message: MessageId(id()),
        kind: Kind::ApprovalResult,
        endpoint: endpoint.into(),
        organisation: organisation_at(endpoint),
        on_behalf_of: Some("upper".into()),
        part: Part::Assist,
        share: Some("事中事后监管".into()),
        redaction: Redaction::PersonalNumbers,
        lane_sequence: place,
        attempt: 2,
        lease: LeaseToken(7),
        not_after: at(60),
        accepted_at: at(0),
        first_attempt_at: Some(at(1)),
        relays: vec![DeliveryId(id())],
        body: format!(r#"{{"businessKey":"件-{place}","text":"办理 \"结果\""}}"#).into(),
        brought: Brought::First,
    }
}

/// Several, in order.
pub(crate) fn works(endpoint: &str, places: std::ops::Range<u64>) -> Vec<Work> {
    places.map(|place| work(endpoint, place)).collect()
}

/// The end of an attempt at a piece of work; outcomes travel without the message.
pub(crate) fn outcome(work: Work) -> WorkOutcome {
    let work = Work { body: Bytes::new(), ..work };
    let attempt = AttemptRecord {
        started_at: at(2),
        ended_at: at(3),
        peer: "https://target.invalid/in".into(),
        sent_digest: Some([1; 32]),
        answer_digest: None,
        sent_sm3: Some([3; 32]),
        answer_sm3: None,
        status: Some(503),
        detail: "系统繁忙".into(),
        adapter_version: "7".into(),
    };
    WorkOutcome { work, outcome: Outcome::Throttled { wait_ms: Some(2_000) }, attempt }
}

/// Places of pieces of work.
pub(crate) fn places<'w>(work: impl IntoIterator<Item = &'w Work>) -> Vec<u64> {
    work.into_iter().map(|piece| piece.lane_sequence).collect()
}

/// Their deliveries.
pub(crate) fn ids<'w>(work: impl IntoIterator<Item = &'w Work>) -> BTreeSet<DeliveryId> {
    work.into_iter().map(|piece| piece.delivery).collect()
}

/// The next piece, which must come.
pub(crate) async fn next(source: &mut Box<dyn WorkSource>) -> Work {
    let next = tokio::time::timeout(PATIENCE, source.next()).await;
    next.expect("work that does not come").expect("a bus that is open")
}

/// The next piece, which must come and is done with at once.
pub(crate) async fn take(source: &mut Box<dyn WorkSource>) -> Work {
    let piece = next(source).await;
    source.dismiss(piece.clone()).await;
    piece
}

/// Outcomes until there are so many, each batch settled.
pub(crate) async fn gather(source: &mut Box<dyn OutcomeSource>, count: usize) -> Vec<WorkOutcome> {
    let mut outcomes = Vec::new();
    while outcomes.len() < count {
        let batch =
            tokio::time::timeout(PATIENCE, source.next(100)).await.expect("outcomes that do not come");
        assert!(!batch.is_empty(), "the bus is closed after {} of {count} outcomes", outcomes.len());
        outcomes.extend(batch);
        source.settled().await;
    }
    outcomes
}

/// Sends until the endpoint's queue refuses: what it took, in order. A broker notices a little late that a queue
/// is full.
pub(crate) async fn fill(bus: &dyn Bus, endpoint: &str, limit: usize) -> Vec<Work> {
    let mut taken = Vec::new();
    loop {
        let piece = work(endpoint, taken.len() as u64);
        match bus.send_work(vec![piece.clone()]).await.pop() {
            None => taken.push(piece),
            Some((error, back)) => {
                assert_eq!(error, Error::Full { endpoint: endpoint.into(), limit });
                assert_eq!(back, piece, "it comes back whole");
                return taken;
            }
        }
        assert!(taken.len() < limit + 100, "a queue of {limit} that is never full");
    }
}
