//! How one delivery stands, as read inside the transaction that changes it.

use jiff::Timestamp;
use serde::Deserialize;

use super::Bucket;
use crate::domain::{
    delivery::{Acknowledgement, Moment, Transport},
    id::{EndpointId, MessageId},
};

/// One delivery.
#[derive(Clone, Debug)]
pub(in crate::store) struct Standing {
    /// Its row.
    pub(in crate::store) number: i64,
    /// Its message.
    pub(in crate::store) message: MessageId,
    /// Recipient.
    pub(in crate::store) organisation: Option<String>,
    /// Its lane, where it is in one.
    pub(in crate::store) lane: Option<Lane>,
    /// Its place among all of its order key.
    pub(in crate::store) sequence: u64,
    /// When it was created.
    pub(in crate::store) created_at: Timestamp,
    /// Transport.
    pub(in crate::store) state: Transport,
    /// Acknowledgement.
    pub(in crate::store) acknowledgement: Acknowledgement,
    /// Counted attempts since it was last told to start again.
    pub(in crate::store) attempts: u32,
    /// When the first of them began.
    pub(in crate::store) first_attempt_at: Option<Timestamp>,
    /// The latest lease given, 0 for none.
    pub(in crate::store) lease: u64,
    /// Last detail, in words.
    pub(in crate::store) detail: Option<String>,
    /// What it waits for, or waited for.
    pub(in crate::store) hold: Option<Hold>,
    /// Being sent again, though it has ended.
    pub(in crate::store) again: Option<Again>,
}

/// A delivery that was delivered and is sent again: what has ended of it stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Again {
    /// Ready, leased or scheduled.
    pub(in crate::store) state: Transport,
    /// Counted attempts since it was told to.
    pub(in crate::store) attempts: u32,
    /// When the first of them began.
    pub(in crate::store) first_attempt_at: Option<Timestamp>,
    /// The latest lease of before.
    pub(in crate::store) since: u64,
}

/// A lane: one endpoint and one order key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::store) struct Lane {
    /// Row of the order key.
    pub(in crate::store) order_key: i64,
    /// Endpoint.
    pub(in crate::store) endpoint: EndpointId,
}

/// Why a second hop is held.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Hold {
    /// Row of the first hop.
    pub(in crate::store) first_hop: i64,
    /// The moment it waits for.
    pub(in crate::store) moment: Moment,
    /// How it is let go.
    pub(in crate::store) mode: Mode,
    /// Whether it has been let go.
    pub(in crate::store) released: bool,
}

/// The mode of a [`crate::domain::decision::Relay`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::store) enum Mode {
    /// In the supervisor's own system.
    OwnSystem,
    /// By a person's word.
    Confirm,
    /// By 代推授权.
    StandingAuthorisation,
}

impl Standing {
    /// What it is counted under.
    pub(in crate::store) fn bucket(&self) -> Bucket {
        Bucket { state: self.state, acknowledgement: self.acknowledgement, attempts: self.attempts }
    }

    /// Whether a second hop may follow it. A returned one lets none go; paper stands for both moments.
    pub(in crate::store) fn has_reached(&self, moment: Moment) -> bool {
        if self.state == Transport::ServedOffline {
            return true;
        }
        match (moment, self.acknowledgement) {
            (_, Acknowledgement::Returned) => false,
            (Moment::HandedOver, _) => self.state == Transport::Delivered,
            (Moment::Signed, acknowledgement) => acknowledgement != Acknowledgement::None,
        }
    }
}
