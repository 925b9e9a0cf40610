//! The way out: a connector carries bytes to one target system and brings its answer back.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use super::bus::LeaseToken;
use crate::domain::{
    delivery::Outcome,
    id::{DeliveryId, MessageId, OrganisationId},
    kind::Kind,
};

/// Carries parcels to one target.
///
/// - *Identity*: the delivery id travels where the adapter declares it.
/// - *Honesty*: [`Error::NotSent`] only when no byte of the parcel can have reached the target; anything
///   after that is [`Error::Unknown`] (promise 7).
/// - *Bounds*: returns before `not_after`; the answer is cut at the adapter's limit.
/// - *Cancel-safety*: a dropped call may have sent.
#[async_trait]
pub trait Connector: fmt::Debug + Send + Sync {
    /// Sends one parcel and waits for the answer.
    async fn send(&self, parcel: Parcel) -> Result<Answer, Error>;

    /// The target, for the trail and for people: a URL without credentials, a folder.
    fn peer(&self) -> String;
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The delivery it belongs to.
    pub delivery: DeliveryId,
    /// Message in the target's form.
    pub body: Bytes,
    /// Media type of the body with its charset.
    pub content_type: String,
    /// Name for connectors that name things (files), without extension.
    pub name: String,
    /// Latest time the answer is waited for.
    pub not_after: Timestamp,
    /// What goes beside the body where a connector has a place for it; none on a question.
    pub envelope: Option<Box<Envelope>>,
}

/// What a recipient is told of a delivery beside its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The message.
    pub message: MessageId,
    /// Its kind.
    pub kind: Kind,
    /// For whom.
    pub organisation: OrganisationId,
    /// In whose name, when not the source.
    pub on_behalf_of: Option<OrganisationId>,
    /// Place in its lane.
    pub lane_sequence: u64,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Fences the copy.
    pub lease: LeaseToken,
    /// When the message was accepted.
    pub accepted_at: Timestamp,
    /// When the delivery was first tried; none at the first attempt.
    pub first_attempt_at: Option<Timestamp>,
}

/// What the target said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status, where there is one.
    pub status: Option<u16>,
    /// `Retry-After`.
    pub retry_after_ms: Option<u64>,
    /// Body, cut at the limit.
    pub body: Bytes,
    /// Media type of the body.
    pub content_type: Option<String>,
    /// What the target itself says it means, where its interface has words for that.
    pub verdict: Option<Outcome>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing reached the target.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It may have reached the target.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// It lies where the target fetches it, under its lease; the answer comes by itself
    /// ([`super::mailbox::Acknowledgements`]).
    #[error("it was handed out, and is answered later")]
    Later,
}
