//! The store: several small ports, all implemented by one backend, so that what belongs together is
//! durable together.
//!
//! Every call takes `now` where time matters. Every write returns only after its commit is durable. A
//! cancelled call may have been done; each is safe to repeat, as its contract says.

mod accept;
mod access;
mod audit;
mod deliveries;
mod keys;
mod obligations;
mod query;
mod refusals;
mod replay;
mod retention;
mod stamps;
mod trail;

use std::{fmt, sync::Arc};

pub use accept::{Accept, Acceptance, Effect, NewDelivery, NewObligation, NewState, Verdict};
pub use access::{Access, Grant, NewToken, Scope, Token};
pub use audit::{Asked, Audit, Exchanged, Rows};
pub use deliveries::{
    Claim, Counts, Deliveries, ExpiredLease, NotConfirmable, NotPossible, Operated, Operation, Settled,
    Settlement, Waiting, Want,
};
pub use keys::{Keys, SigningKey};
pub use obligations::{Obligation, Obligations, Overdue, Place};
pub use query::{
    AnsweredRow, AttemptRow, DeliveryFilter, DeliveryRow, HistoryRequest, HistoryRow, MessageRow,
    OrganisationCount, Page, Query, Selector, StandingRow, TrailRow,
};
pub use refusals::{Refusals, Refused};
pub use replay::{Redo, Step, Way};
pub use retention::{Archived, Retention, Stock};
pub use stamps::{StampRow, Stamps};
pub use trail::{EntryId, NewEntry, Seal, SealedEntry, SealerState, Trail};

pub use crate::domain::delivery::Moment;

/// All the ports of one backend.
pub trait Store:
    Accept
    + Deliveries
    + Trail
    + Obligations
    + Query
    + Audit
    + Access
    + Keys
    + Refusals
    + Retention
    + Stamps
    + fmt::Debug
    + Send
    + Sync
{
}

impl<T> Store for T where
    T: Accept
        + Deliveries
        + Trail
        + Obligations
        + Query
        + Audit
        + Access
        + Keys
        + Refusals
        + Retention
        + Stamps
        + fmt::Debug
        + Send
        + Sync
{
}

/// Why a store call failed. Nothing of the call was done, unless the variant says otherwise.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The disk is full: stop taking messages, nothing is torn.
    #[error("disk is full: {0}")]
    DiskFull(Arc<str>),
    /// Busy or closing: try again later.
    #[error("store is unavailable: {0}")]
    Unavailable(Arc<str>),
    /// Another process holds the data directory.
    #[error("data directory {0} is in use by another liandong process")]
    InUse(Arc<str>),
    /// There is nothing to look at: no hub has run on the directory.
    #[error(
        "there is no store in {0}; 'liandong serve' makes one, or name another configuration with --config"
    )]
    Absent(Arc<str>),
    /// A row that should not exist, or cannot be read: a person is needed.
    #[error("store is damaged: {0}")]
    Damaged(Arc<str>),
    /// The backend failed in another way.
    #[error("store failed: {message}")]
    Backend {
        /// What it said.
        message: Arc<str>,
        /// Its own error.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Whether the same call can succeed later.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::DiskFull(_) | Self::Unavailable(_))
    }
}

/// A digest over exact bytes, SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256Digest(pub [u8; 32]);

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}
