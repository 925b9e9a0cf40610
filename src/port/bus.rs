//! The bus: carries claimed work to workers and outcomes back. The store is the truth, the bus is
//! transport: what it loses, the reconciler finds by its lease.

use std::{fmt, pin::Pin};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    decision::{Part, Redaction},
    delivery::Outcome,
    id::{DeliveryId, EndpointId, MessageId, OrganisationId},
    kind::Kind,
    personal,
};

/// Carries work out and outcomes back.
///
/// - *Order*: work of one endpoint arrives in the order sent; nothing is promised across endpoints.
/// - *Durability*: none asked for; a lost copy is found by its lease. Where a bus keeps what it carries,
///   work is brought again until its outcome was reported or it was dismissed, and outcomes until they are
///   said to be settled.
/// - *Bounds*: every queue is bounded; work that does not fit is handed back at once, never waited for.
/// - *Idempotence*: a copy may arrive twice; workers and the store tell by lease token.
/// - *Processes*: several may share one bus; each closes its own end of it. What is queued for an endpoint
///   when one closes is left to the others that take its work, if there are any.
#[async_trait]
pub trait Bus: fmt::Debug + Send + Sync {
    /// Waits until work can be sent: at once, unless what carries it is out of order. Cancel-safe.
    async fn ready(&self);

    /// Whether somebody takes work of this endpoint now. What is sent to it otherwise lies until its lease
    /// ends, and is called unknown though nobody began it.
    fn has_workers(&self, endpoint: &EndpointId) -> bool;

    /// Queues work for its endpoint's workers. What could not be queued comes back with the reason.
    async fn send_work(&self, work: Vec<Work>) -> Vec<(Error, Work)>;

    /// Work that was queued and that surely nobody began, since its workers have left and the bus does not keep
    /// it for the next. Never returns while there is none. Cancel-safe.
    async fn handed_back(&self) -> Vec<Work> {
        std::future::pending().await
    }

    /// The stream of work of one endpoint. Several consumers share it.
    async fn work(&self, endpoint: &EndpointId) -> Result<Box<dyn WorkSource>, Error>;

    /// Reports outcomes. Waits for room and for what carries them, since an outcome must not be thrown away.
    async fn send_outcomes(&self, outcomes: Vec<WorkOutcome>) -> Result<(), Error>;

    /// Reports outcomes that whoever brought them keeps until they are safe: waits like
    /// [`Bus::send_outcomes`], and gives what tells when they need be kept no more.
    async fn hand_in(&self, outcomes: Vec<WorkOutcome>) -> Result<Kept, Error> {
        self.send_outcomes(outcomes).await?;
        Ok(Box::pin(std::future::ready(Safe::Yes)))
    }

    /// The stream of outcomes, in batches.
    async fn outcomes(&self) -> Result<Box<dyn OutcomeSource>, Error>;

    /// The workers of one endpoint have reported all they will; after [`Bus::close`] outcomes end when
    /// every endpoint has said so.
    async fn finish(&self, endpoint: &EndpointId);

    /// Takes no more work; the sources of work end after what is queued.
    async fn close(&self);
}

/// Tells when outcomes are settled and durable, or with what keeps them until they are.
pub type Kept = Pin<Box<dyn Future<Output = Safe> + Send>>;

/// Whether outcomes may be forgotten by whoever reported them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safe {
    /// They may.
    Yes,
    /// The bus ended first: they are to be reported again, to the next.
    No,
}

/// Work of one endpoint. Dropped, its work that was neither reported nor dismissed is brought to others, as work
/// that somebody may have begun.
#[async_trait]
pub trait WorkSource: fmt::Debug + Send {
    /// The next piece; none when the bus is closed and drained. Cancel-safe.
    async fn next(&mut self) -> Option<Work>;

    /// No attempt will be made at this copy, nor an outcome reported: it is not to be brought again.
    async fn dismiss(&mut self, work: Work);

    /// Nothing more is taken from others who take this endpoint's work: `next` gives what was brought already,
    /// then none. What it gave may still be reported or dismissed.
    async fn leave(&mut self);
}

/// Outcomes of all endpoints.
#[async_trait]
pub trait OutcomeSource: fmt::Debug + Send {
    /// At least one and at most `limit` outcomes; empty when the bus is closed and drained. Cancel-safe.
    async fn next(&mut self, limit: usize) -> Vec<WorkOutcome>;

    /// All that `next` gave is settled and durable. What was given and not settled when this process ended
    /// comes again; settling it twice changes nothing.
    async fn settled(&mut self);
}

/// One attempt to make: a delivery under lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// The delivery; the target may see it again under this id.
    pub delivery: DeliveryId,
    /// Its message.
    pub message: MessageId,
    /// Kind of the message.
    pub kind: Kind,
    /// Where to.
    pub endpoint: EndpointId,
    /// For whom.
    pub organisation: OrganisationId,
    /// In whose name, when not the source.
    pub on_behalf_of: Option<OrganisationId>,
    /// 牵头, 配合, 知悉.
    pub part: Part,
    /// 职责分工 or condition, in the item's words.
    pub share: Option<Box<str>>,
    /// What is taken out for this recipient.
    pub redaction: Redaction,
    /// Place in its lane, rising.
    pub lane_sequence: u64,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Proves the right to settle.
    pub lease: LeaseToken,
    /// A worker starts only if its time-out ends before this.
    pub not_after: Timestamp,
    /// When the message was accepted.
    pub accepted_at: Timestamp,
    /// When the delivery was first tried; none at the first attempt.
    pub first_attempt_at: Option<Timestamp>,
    /// Held second hops that wait for this delivery's recipient to confirm.
    pub relays: Vec<DeliveryId>,
    /// The message in canonical JSON.
    #[serde(with = "json_text")]
    pub body: Bytes,
    /// How often the bus has brought this copy; said by the bus, never sent.
    #[serde(skip)]
    pub brought: Brought,
}

/// How often a copy was brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Brought {
    /// Nobody had it before.
    #[default]
    First,
    /// Somebody had it and is gone since: an attempt may have been begun, and its outcome is unknown.
    Again,
}

/// Fences a lease: rises with each lease of a delivery, from [`LeaseToken::FIRST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseToken(pub u64);

impl LeaseToken {
    /// The first that a delivery is given.
    pub const FIRST: Self = Self(1);
}

/// How one attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkOutcome {
    /// The work, without its body.
    pub work: Work,
    /// Class.
    pub outcome: Outcome,
    /// What was tried.
    pub attempt: AttemptRecord,
}

/// A copy of a delivery: the delivery under one lease.
pub type CopyKey = (DeliveryId, LeaseToken);

impl Work {
    /// What tells this copy from every other.
    pub fn copy(&self) -> CopyKey {
        (self.delivery, self.lease)
    }
}

/// What was tried, kept as evidence whether it worked or not (promise 11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Whom it spoke to.
    pub peer: Box<str>,
    /// SHA-256 of the bytes sent; none when nothing was.
    pub sent_digest: Option<[u8; 32]>,
    /// SHA-256 of the answer's bytes.
    pub answer_digest: Option<[u8; 32]>,
    /// SM3 of the bytes sent; none when nothing was, and from workers of a version before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_sm3: Option<[u8; 32]>,
    /// SM3 of the answer's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_sm3: Option<[u8; 32]>,
    /// HTTP status, where there is one.
    pub status: Option<u16>,
    /// Beginning of the answer or the error, bounded, without credentials.
    pub detail: Box<str>,
    /// Version of the adapter's configuration.
    pub adapter_version: Box<str>,
}

/// Characters of a text that a record keeps of what somebody told.
const TOLD_CHARACTERS: usize = 512;

impl AttemptRecord {
    /// The record as a worker that runs apart told it: its texts bounded, and none with a number of a person.
    #[must_use]
    pub fn as_told(self) -> Self {
        let bounded = |text: &str| Box::from(text.chars().take(TOLD_CHARACTERS).collect::<String>());
        Self {
            peer: bounded(&self.peer),
            detail: bounded(&personal::without_numbers(&self.detail)),
            adapter_version: bounded(&self.adapter_version),
            ..self
        }
    }
}

/// Why the bus does not take something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The endpoint's queue is full.
    #[error("work queue of endpoint {endpoint} is full ({limit})")]
    Full {
        /// Whose.
        endpoint: EndpointId,
        /// Its limit.
        limit: usize,
    },
    /// Nobody declared the endpoint.
    #[error("endpoint {0} has no work queue")]
    UnknownEndpoint(EndpointId),
    /// It is larger than anything the bus carries, and will be.
    #[error("work of {bytes} bytes is larger than the bus carries ({limit})")]
    TooLarge {
        /// Its size on the way.
        bytes: usize,
        /// The most that is carried.
        limit: usize,
    },
    /// Closed.
    #[error("bus is closed")]
    Closed,
    /// What carries the bus is out of order; nothing was sent.
    #[error("bus cannot be used now: {0}")]
    Unavailable(Box<str>),
    /// No queue took it; it was handed back.
    #[error("no queue of endpoint {0} took the work")]
    Unrouted(EndpointId),
    /// It was sent, and whether it was queued is not known.
    #[error("sent, but not confirmed: {0}")]
    Unconfirmed(Box<str>),
}

impl Error {
    /// Whether no worker can have got it.
    pub fn nothing_sent(&self) -> bool {
        !matches!(self, Self::Unconfirmed(_))
    }
}

mod json_text {
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _, ser::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(bytes).map_err(S::Error::custom)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        String::deserialize(deserializer).map(Bytes::from).map_err(D::Error::custom)
    }
}
