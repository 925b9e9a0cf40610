//! The backends a bus's contract is run on, and samples of what it carries.

use std::sync::Arc;

use async_trait::async_trait;
use liandong::{
    bus::local::LocalBus,
    domain::{
        decision::{Part, Redaction},
        delivery::Outcome,
        id::{DeliveryId, MessageId},
        kind::Kind,
    },
    port::bus::{AttemptRecord, Bus, LeaseToken, Work, WorkOutcome},
};

use crate::harness::sample::{at, id, organisation_at};

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
        body: format!(r#"{{"businessKey":"件-{place}"}}"#).into(),
    }
}

/// Several, in order.
pub(crate) fn works(endpoint: &str, places: std::ops::Range<u64>) -> Vec<Work> {
    places.map(|place| work(endpoint, place)).collect()
}

/// The end of an attempt at a piece of work.
pub(crate) fn outcome(work: Work) -> WorkOutcome {
    let attempt = AttemptRecord {
        started_at: at(2),
        ended_at: at(3),
        peer: "https://target.invalid/in".into(),
        sent_digest: Some([1; 32]),
        answer_digest: None,
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
