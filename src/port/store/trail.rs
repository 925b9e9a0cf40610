//! The trail (留痕记录): entries commit with the work they describe; one sealer positions them later.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use super::Error;
use crate::domain::id::{DeliveryId, MessageId};

/// The trail.
///
/// - *Unchained*: entries carry no position when written, so writers never wait for each other.
/// - *Sealing*: positions are given from the set of unsealed entries, never by a watermark, so that a
///   late commit is not skipped; a seal is refused unless it continues the stored size (fence).
#[async_trait]
pub trait Trail {
    /// Writes entries that belong to no other write. An entry that is there already is left alone.
    async fn append(&self, entries: Vec<NewEntry>) -> Result<(), Error>;

    /// Where the log stands.
    async fn sealer_state(&self) -> Result<SealerState, Error>;

    /// Up to `limit` unsealed entries, oldest first.
    async fn unsealed(&self, limit: usize) -> Result<Vec<(EntryId, Bytes)>, Error>;

    /// Gives positions and stores the checkpoint; false when `from_size` is not the stored size. An entry
    /// that is not among the unsealed is [`Error::Damaged`].
    async fn seal(&self, seal: Seal) -> Result<bool, Error>;

    /// Sealed entries from a position on, in order.
    async fn sealed(&self, from: u64, limit: usize) -> Result<Vec<SealedEntry>, Error>;

    /// Checkpoints with a size above `after`, in order.
    async fn checkpoints(&self, after: u64, limit: usize) -> Result<Vec<(u64, String)>, Error>;

    /// The tree's frontier at the last checkpoint that has nothing of a position or after it; none where it was not kept.
    async fn frontier_before(&self, position: u64) -> Result<Option<Bytes>, Error>;

    /// How many entries wait for the sealer, and since when the oldest.
    async fn unsealed_count(&self) -> Result<(u64, Option<Timestamp>), Error>;
}

/// Names one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub Uuid);

/// One entry to write.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// Its id, version 7.
    pub id: EntryId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened: a word of `engine::trail`.
    pub event: &'static str,
    /// Message it belongs to.
    pub message: Option<MessageId>,
    /// Delivery it belongs to.
    pub delivery: Option<DeliveryId>,
    /// The exact bytes that are sealed: canonical JSON, no personal value.
    pub body: Bytes,
    /// Salt of what a refusal commits to; kept apart from the entry ([`super::Refusals`]).
    pub salt: Option<[u8; 16]>,
}

/// Where the log stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealerState {
    /// Entries sealed.
    pub size: u64,
    /// The tree's frontier, in the evidence room's own form; empty at the start.
    pub frontier: Bytes,
    /// The latest checkpoint.
    pub checkpoint: Option<String>,
}

/// One step of sealing.
#[derive(Clone, Debug)]
pub struct Seal {
    /// Size it continues.
    pub from_size: u64,
    /// Entries in the order of their positions, from `from_size`.
    pub entries: Vec<EntryId>,
    /// Frontier after them.
    pub frontier: Bytes,
    /// Signed checkpoint after them.
    pub checkpoint: String,
    /// When.
    pub at: Timestamp,
}

/// A sealed entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedEntry {
    /// Position from 0.
    pub position: u64,
    /// Its bytes.
    pub body: Bytes,
}
