//! The contract of the bus, on every bus.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use liandong::{
    bus::local::LocalBus,
    domain::{
        decision::{Part, Redaction},
        delivery::Outcome,
        id::{DeliveryId, EndpointId, MessageId},
        kind::Kind,
    },
    port::bus::{AttemptRecord, Bus, Error, LeaseToken, OutcomeSource, Work, WorkOutcome, WorkSource},
    task::Supervisor,
};

use crate::harness::{
    broker::Broker,
    hub::PATIENCE,
    sample::{at, id, organisation_at},
};

/// A kind of bus.
#[async_trait]
pub(crate) trait Transport: Send + Sync {
    /// The bus of a process that serves these endpoints, each with room for so much.
    async fn open(&self, lanes: &[(&str, usize)]) -> Arc<dyn Bus>;
}

/// In the process.
pub(crate) struct Local;

#[async_trait]
impl Transport for Local {
    async fn open(&self, lanes: &[(&str, usize)]) -> Arc<dyn Bus> {
        Arc::new(LocalBus::new(lanes.iter().map(|(endpoint, limit)| (EndpointId::from(*endpoint), *limit))))
    }
}

/// On a RabbitMQ.
pub(crate) struct Rabbitmq {
    broker: Broker,
    tasks: Mutex<Vec<Supervisor>>,
}

impl Rabbitmq {
    /// A virtual host of its own.
    pub(crate) async fn new() -> Self {
        Self { broker: Broker::new().await, tasks: Mutex::new(Vec::new()) }
    }
}

#[async_trait]
impl Transport for Rabbitmq {
    async fn open(&self, lanes: &[(&str, usize)]) -> Arc<dyn Bus> {
        let end = self.broker.open(self.broker.options(lanes)).await;
        self.tasks.lock().unwrap().push(end.tasks);
        end.bus
    }
}

macro_rules! on_every_bus {
    ($($name:ident),+ $(,)?) => {
        mod local {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(&super::Local).await;
                }
            )+
        }
        mod rabbitmq {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::$name(&super::Rabbitmq::new().await).await;
                }
            )+
        }
    };
}

on_every_bus!(
    work_of_an_endpoint_arrives_in_the_order_sent,
    each_endpoint_gets_its_own_work,
    several_consumers_share_the_work_of_an_endpoint,
    work_beyond_the_limit_is_handed_back_at_once,
    work_of_an_endpoint_without_queue_is_handed_back,
    a_wait_given_up_loses_nothing,
    outcomes_come_in_batches_no_longer_than_asked,
    a_closed_bus_takes_no_work_and_ends_after_what_is_queued,
    outcomes_end_when_every_endpoint_has_finished,
);

/// Work for an endpoint, the nth of its test.
pub(crate) fn work(endpoint: &str, number: u64) -> Work {
    Work {
        delivery: DeliveryId(id()),
        message: MessageId(id()),
        kind: Kind::ApprovalResult,
        endpoint: EndpointId::from(endpoint),
        organisation: organisation_at(endpoint),
        on_behalf_of: None,
        part: Part::Lead,
        share: Some("事中事后监管".into()),
        redaction: Redaction::None,
        lane_sequence: number,
        attempt: 1,
        lease: LeaseToken(1),
        not_after: at(60),
        accepted_at: at(0),
        first_attempt_at: None,
        relays: Vec::new(),
        body: Bytes::from(format!(r#"{{"number":{number},"text":"办理 \"结果\""}}"#)),
    }
}

/// So much work for an endpoint.
pub(crate) fn pieces(endpoint: &str, count: u64) -> Vec<Work> {
    (0..count).map(|number| work(endpoint, number)).collect()
}

/// Its outcome.
pub(crate) fn delivered(work: Work) -> WorkOutcome {
    let attempt = AttemptRecord {
        started_at: at(1),
        ended_at: at(2),
        peer: "http://department".into(),
        sent_digest: Some([7; 32]),
        answer_digest: None,
        status: Some(200),
        detail: "收到".into(),
        adapter_version: "1".into(),
    };
    WorkOutcome { work, outcome: Outcome::Delivered, attempt }
}

/// The next piece, which must come.
pub(crate) async fn next(source: &mut Box<dyn WorkSource>) -> Work {
    let next = tokio::time::timeout(PATIENCE, source.next()).await;
    next.expect("work that does not come").expect("a bus that is open")
}

/// Outcomes until there are so many.
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

/// Deliveries, as a set.
pub(crate) fn ids<'a>(works: impl IntoIterator<Item = &'a Work>) -> BTreeSet<DeliveryId> {
    works.into_iter().map(|work| work.delivery).collect()
}

async fn work_of_an_endpoint_arrives_in_the_order_sent(transport: &dyn Transport) {
    let bus = transport.open(&[("a", 1000)]).await;
    bus.ready().await;
    let sent = pieces("a", 300);
    for batch in sent.chunks(70) {
        assert_eq!(bus.send_work(batch.to_vec()).await, []);
    }
    let mut source = bus.work(&"a".into()).await.unwrap();
    for piece in sent {
        let came = next(&mut source).await;
        assert_eq!(came, piece);
        source.dismiss(came).await;
    }
}

async fn each_endpoint_gets_its_own_work(transport: &dyn Transport) {
    let bus = transport.open(&[("a", 100), ("b", 100)]).await;
    let (a, b) = (pieces("a", 10), pieces("b", 10));
    let mixed = a.iter().zip(&b).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    assert_eq!(bus.send_work(mixed).await, []);
    for (endpoint, sent) in [("a", a), ("b", b)] {
        let mut source = bus.work(&endpoint.into()).await.unwrap();
        for piece in sent {
            assert_eq!(next(&mut source).await, piece);
        }
    }
    assert_eq!(bus.work(&"c".into()).await.unwrap_err(), Error::UnknownEndpoint("c".into()));
}

async fn several_consumers_share_the_work_of_an_endpoint(transport: &dyn Transport) {
    let bus = transport.open(&[("a", 1000)]).await;
    let sent = pieces("a", 200);
    assert_eq!(bus.send_work(sent.clone()).await, []);
    let mut sources = [bus.work(&"a".into()).await.unwrap(), bus.work(&"a".into()).await.unwrap()];
    let mut came = Vec::new();
    while came.len() < sent.len() {
        let [one, other] = &mut sources;
        let (piece, source) = tokio::select! {
            piece = next(one) => (piece, one),
            piece = next(other) => (piece, other),
        };
        source.dismiss(piece.clone()).await;
        came.push(piece);
    }
    assert_eq!(ids(&came), ids(&sent), "each piece once");
}

async fn work_beyond_the_limit_is_handed_back_at_once(transport: &dyn Transport) {
    let bus = transport.open(&[("a", 4), ("b", 100)]).await;
    let mut sent = Vec::new();
    let mut back = Vec::new();
    // A broker notices that a queue is full a little after it is.
    for batch in pieces("a", 400).chunks(20) {
        sent.extend_from_slice(batch);
        back.extend(bus.send_work(batch.to_vec()).await);
    }
    assert!(back.len() >= sent.len() / 2, "only {} of {} were handed back", back.len(), sent.len());
    assert!(
        back.iter().all(|(error, _)| *error == Error::Full { endpoint: "a".into(), limit: 4 }),
        "{back:?}"
    );
    assert!(back.iter().all(|(error, _)| error.nothing_sent()));
    let other = work("b", 0);
    assert_eq!(bus.send_work(vec![other.clone()]).await, [], "another endpoint has its own room");
    let mut source = bus.work(&"a".into()).await.unwrap();
    let mut came = Vec::new();
    while came.len() + back.len() < sent.len() {
        let piece = next(&mut source).await;
        source.dismiss(piece.clone()).await;
        came.push(piece);
    }
    let back = ids(back.iter().map(|(_, work)| work));
    assert!(back.is_disjoint(&ids(&came)));
    assert_eq!(&back | &ids(&came), ids(&sent));
}

async fn work_of_an_endpoint_without_queue_is_handed_back(transport: &dyn Transport) {
    let bus = transport.open(&[("a", 10)]).await;
    let (known, unknown) = (work("a", 0), work("z", 0));
    let back = bus.send_work(vec![unknown.clone(), known.clone()]).await;
    assert_eq!(back, [(Error::UnknownEndpoint("z".into()), unknown)]);
    assert_eq!(next(&mut bus.work(&"a".into()).await.unwrap()).await, known);
}

async fn a_wait_given_up_loses_nothing(transport: &dyn Transport) {
    let bus = transport.open(&[("a", 1000)]).await;
    let mut works = bus.work(&"a".into()).await.unwrap();
    let mut outcomes = bus.outcomes().await.unwrap();
    let sent = pieces("a", 50);
    let mut came = Vec::new();
    let mut settled = Vec::new();
    let exchange = async {
        for piece in &sent {
            assert_eq!(bus.send_work(vec![piece.clone()]).await, []);
            for _ in 0..3 {
                if let Ok(Some(piece)) = tokio::time::timeout(Duration::from_micros(200), works.next()).await
                {
                    bus.send_outcomes(vec![delivered(piece.clone())]).await.unwrap();
                    came.push(piece);
                }
                if let Ok(batch) = tokio::time::timeout(Duration::from_micros(200), outcomes.next(7)).await {
                    settled.extend(batch);
                    outcomes.settled().await;
                }
            }
        }
        while came.len() < sent.len() {
            let piece = next(&mut works).await;
            bus.send_outcomes(vec![delivered(piece.clone())]).await.unwrap();
            came.push(piece);
        }
        let missing = sent.len() - settled.len();
        settled.extend(gather(&mut outcomes, missing).await);
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("something was lost");
    assert_eq!(came, sent);
    assert_eq!(ids(settled.iter().map(|outcome| &outcome.work)), ids(&sent));
}

async fn outcomes_come_in_batches_no_longer_than_asked(transport: &dyn Transport) {
    let bus = transport.open(&[("a", 100), ("b", 100)]).await;
    let mut source = bus.outcomes().await.unwrap();
    let sent: Vec<_> = pieces("a", 25).into_iter().chain(pieces("b", 25)).map(delivered).collect();
    for batch in sent.chunks(20) {
        bus.send_outcomes(batch.to_vec()).await.unwrap();
    }
    let mut came = Vec::new();
    while came.len() < sent.len() {
        let batch = tokio::time::timeout(PATIENCE, source.next(7)).await.unwrap();
        assert!((1..=7).contains(&batch.len()), "{}", batch.len());
        came.extend(batch);
        source.settled().await;
    }
    let bare = |outcome: &WorkOutcome| {
        let mut outcome = outcome.clone();
        outcome.work.body = Bytes::new();
        outcome
    };
    let (came, sent): (Vec<_>, Vec<_>) = (came.iter().map(bare).collect(), sent.iter().map(bare).collect());
    assert_eq!(came, sent);
}

async fn a_closed_bus_takes_no_work_and_ends_after_what_is_queued(transport: &dyn Transport) {
    let bus = transport.open(&[("a", 100)]).await;
    let sent = pieces("a", 40);
    assert_eq!(bus.send_work(sent.clone()).await, []);
    let mut source = bus.work(&"a".into()).await.unwrap();
    let mut came = vec![next(&mut source).await];
    source.dismiss(came[0].clone()).await;
    bus.close().await;
    let late = work("a", 99);
    assert_eq!(bus.send_work(vec![late.clone()]).await, [(Error::Closed, late)]);
    while let Some(piece) = tokio::time::timeout(PATIENCE, source.next()).await.expect("a source that ends") {
        source.dismiss(piece.clone()).await;
        came.push(piece);
    }
    assert_eq!(came, sent);
    assert_eq!(source.next().await, None, "it stays ended");
}

async fn outcomes_end_when_every_endpoint_has_finished(transport: &dyn Transport) {
    let bus = transport.open(&[("a", 100), ("b", 100)]).await;
    let mut source = bus.outcomes().await.unwrap();
    bus.close().await;
    bus.finish(&"a".into()).await;
    bus.send_outcomes(vec![delivered(work("b", 0))]).await.unwrap();
    assert_eq!(gather(&mut source, 1).await.len(), 1);
    bus.send_outcomes(vec![delivered(work("b", 1))]).await.unwrap();
    bus.finish(&"b".into()).await;
    assert_eq!(gather(&mut source, 1).await.len(), 1, "what was reported before comes still");
    assert_eq!(tokio::time::timeout(PATIENCE, source.next(10)).await.unwrap(), []);
}
