//! Mailboxes: an endpoint that connects to the hub takes its deliveries out of one and answers each.
//!
//! The other side is a [`super::connector::Connector`], so that a mailbox is one more way to a target: mapped by
//! the adapter, retried by the schedule, kept as attempts. How the endpoint connects is the interface's matter.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use super::{
    bus::LeaseToken,
    connector::{Answer, Error, Parcel},
};
use crate::domain::{
    delivery::Outcome,
    id::{DeliveryId, EndpointId},
};

/// The mailboxes of a hub.
pub trait Mailboxes: fmt::Debug + Send + Sync {
    /// Opens the mailbox of an endpoint once more; none when it has none. Those who have it open share it.
    fn open(&self, endpoint: &EndpointId) -> Option<Box<dyn Mailbox>>;

    /// Hands out nothing more; what was handed out may still be answered.
    fn close(&self);

    /// Waits for no more answers: the outcome of what was handed out is unknown.
    fn end(&self);
}

/// One who has a mailbox open. Dropped, it is closed, and the outcome of what it did not answer is unknown.
///
/// - *Flow control*: hands out no more than it was granted.
/// - *Order*: of one lane one delivery is under way, since no more are claimed.
/// - *Fencing*: an answer counts once, from the one who was handed the copy, under its lease; one that comes when
///   nobody waits any more is for [`Acknowledgements`].
#[async_trait]
pub trait Mailbox: fmt::Debug + Send {
    /// Deliveries under way at once, over all who have it open.
    fn window(&self) -> usize;

    /// So many more deliveries may be handed out.
    fn grant(&mut self, credit: u32);

    /// The next delivery; none when mailboxes are closed. Waits for credit too. Cancel-safe.
    async fn next(&mut self) -> Option<Parcel>;

    /// Answers a delivery.
    fn answer(&mut self, delivery: DeliveryId, lease: LeaseToken, answer: Answer) -> Heard;

    /// Handed out and not answered.
    fn unanswered(&self) -> usize;
}

/// Whether an answer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It does.
    Yes,
    /// It changes nothing: the copy was answered before, or is another's.
    Stale,
}

/// What a mailbox knows of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Somebody waited for it.
    Here(Counted),
    /// The copy is not under way here: its lease is over, or another hub handed it out. The store knows.
    Elsewhere,
}

/// Takes answers that nobody waits for.
///
/// - *Fencing*: one counts under the lease it names as any end of an attempt does: while that stands, and a success
///   later too (promise 6).
/// - *Identity*: the endpoint is who answers, as verified; the delivery must be its own.
/// - *Idempotence*: the same answer twice counts once.
#[async_trait]
pub trait Acknowledgements: fmt::Debug + Send + Sync {
    /// Settles answers; whether each counts, in their order. Waits for a store that is out of order.
    async fn settle(&self, answers: Vec<Acknowledgement>) -> Result<Vec<Counted>, Failure>;
}

/// Why nothing can be settled any more: a person is needed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A recipient's answer to a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Who answers, as verified.
    pub endpoint: EndpointId,
    /// What.
    pub delivery: DeliveryId,
    /// Under which lease.
    pub lease: LeaseToken,
    /// What it means.
    pub outcome: Outcome,
    /// What was said beside it.
    pub said: Bytes,
    /// How it came, for the trail and for people.
    pub peer: Box<str>,
    /// What is known of the copy that was handed out.
    pub handed: Option<Handed>,
}

/// Puts copies of deliveries where recipients fetch them.
///
/// - *Honesty*: [`Error::NotSent`] only when the recipient surely does not find it.
/// - *Bounds*: a copy is gone when its time is over; what does not fit is not sent.
#[async_trait]
pub trait Post: fmt::Debug + Send + Sync {
    /// Lays a copy out for `left`, under the ticket that its answer brings back.
    async fn hand_out(
        &self,
        endpoint: &EndpointId,
        ticket: &str,
        parcel: Parcel,
        left: Duration,
    ) -> Result<(), Error>;
}

/// Reads tickets.
///
/// *Pure*: the same ticket says the same at every hub of one store.
pub trait Tickets: fmt::Debug + Send + Sync {
    /// The copy that was handed out to this endpoint under a ticket; none when there is no such.
    fn read(&self, endpoint: &EndpointId, ticket: &str) -> Option<Copied>;

    /// How the endpoint fetches, for the trail and for people.
    fn peer(&self, endpoint: &EndpointId) -> String;
}

/// A copy by its ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// What.
    pub delivery: DeliveryId,
    /// Under which lease.
    pub lease: LeaseToken,
    /// How.
    pub handed: Handed,
}

/// A copy that was handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// When.
    pub at: Timestamp,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// When the delivery was first tried; none at the first attempt.
    pub first_attempt_at: Option<Timestamp>,
    /// SHA-256 of the bytes sent.
    pub sent_digest: [u8; 32],
    /// SM3 of the bytes sent; none of a copy that a hub of a version before handed out.
    pub sent_sm3: Option<[u8; 32]>,
    /// Version of the adapter's configuration.
    pub adapter_version: Box<str>,
}

/// Hears how much an endpoint can take, so that nothing is claimed that nobody would fetch.
pub trait Attendance: fmt::Debug + Send + Sync {
    /// The endpoint may have `places` deliveries under way: those it has, and as many as it granted.
    fn places(&self, endpoint: &EndpointId, places: usize);
}
