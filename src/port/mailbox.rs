//! Mailboxes: an endpoint that connects to the hub takes its deliveries out of one and answers each.
//!
//! The other side is a [`super::connector::Connector`], so that a mailbox is one more way to a target: mapped by
//! the adapter, retried by the schedule, kept as attempts. How the endpoint connects is the interface's matter.

use std::fmt;

use async_trait::async_trait;

use super::{
    bus::LeaseToken,
    connector::{Answer, Parcel},
};
use crate::domain::id::{DeliveryId, EndpointId};

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
/// - *Fencing*: an answer counts once, from the one who was handed the copy, under its lease, in time.
#[async_trait]
pub trait Mailbox: fmt::Debug + Send {
    /// Deliveries under way at once, over all who have it open.
    fn window(&self) -> usize;

    /// So many more deliveries may be handed out.
    fn grant(&mut self, credit: u32);

    /// The next delivery; none when mailboxes are closed. Waits for credit too. Cancel-safe.
    async fn next(&mut self) -> Option<Parcel>;

    /// Answers a delivery.
    fn answer(&mut self, delivery: DeliveryId, lease: LeaseToken, answer: Answer) -> Counted;

    /// Handed out and not answered.
    fn unanswered(&self) -> usize;
}

/// Whether an answer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It does.
    Yes,
    /// The copy is not under way here any more, or never was.
    Stale,
}

/// Hears how much an endpoint can take, so that nothing is claimed that nobody would fetch.
pub trait Attendance: fmt::Debug + Send + Sync {
    /// The endpoint may have `places` deliveries under way: those it has, and as many as it granted.
    fn places(&self, endpoint: &EndpointId, places: usize);
}
