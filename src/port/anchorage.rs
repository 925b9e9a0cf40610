//! Where checkpoints are kept outside: with somebody whom whoever holds the store does not hold.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

/// A place outside that keeps checkpoints.
///
/// - *Repeatable*: the same checkpoint twice is once, so that hubs on one store may each send it.
/// - *Write-once*: what is kept is never replaced by another.
#[async_trait]
pub trait Anchorage: fmt::Debug + Send + Sync {
    /// A word for metrics, from a closed set.
    fn place(&self) -> &'static str;

    /// Hands a checkpoint over; returns when the place has it.
    async fn keep(&self, checkpoint: &Anchor) -> Result<(), Error>;
}

/// A checkpoint on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Entries that it covers.
    pub size: u64,
    /// When it was signed.
    pub at: Timestamp,
    /// The signed note, verbatim.
    pub note: String,
}

impl Anchor {
    /// A name of its own that sorts by time: `20260305T013000Z-1234`.
    pub fn name(&self) -> String {
        format!("{}-{}", self.at.strftime("%Y%m%dT%H%M%SZ"), self.size)
    }
}

/// Why a place does not have it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be handed over; the next try may work.
    #[error("{0}")]
    NotKept(String),
    /// The place has another under the same name: a person is needed.
    #[error("{0} holds another checkpoint; two hubs sign one log, or somebody changed it")]
    Another(String),
}
