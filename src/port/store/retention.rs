//! What leaves the store: months that were archived.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use super::{Error, NewEntry, Sha256Digest};
use crate::domain::id::MessageId;

/// Retention. Payloads, attempts and trail entries leave the store, months at a time and oldest first; keys,
/// deliveries, obligations, positions and checkpoints stay for ever; of a key that is erased the receipt and the digest of
/// the bytes received go, its keyed digest stays.
///
/// - *Archived first*: nothing is removed that [`Retention::retire`] has not recorded as archived.
/// - *Nothing unfinished*: a time is not retired while anything from before it is open, owed or unsealed.
/// - *Repeatable*: a sweep that was cut off is taken up by the next.
#[async_trait]
pub trait Retention {
    /// What was archived last.
    async fn archived(&self) -> Result<Option<Archived>, Error>;

    /// When the earliest of what is stored was accepted or happened; none of an empty store.
    async fn begins(&self) -> Result<Option<Timestamp>, Error>;

    /// What is stored of the time from `from` to before `until`, and what of before `until` is not finished.
    async fn stock(&self, from: Timestamp, until: Timestamp) -> Result<Stock, Error>;

    /// Messages accepted from `from` to before `until`, in order of acceptance, after a number.
    async fn accepted_in(
        &self,
        from: Timestamp,
        until: Timestamp,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, MessageId)>, Error>;

    /// Records that everything from before a time is archived, with the entry that says so. False, and nothing is
    /// written, when something from before it is unfinished or it is not later than what was recorded before.
    async fn retire(&self, archived: Archived, entry: NewEntry) -> Result<bool, Error>;

    /// Erases what these messages said, with their salt, their receipts, digests of what was received, sent and answered and
    /// the words of answers, each with the entry that says so; how many. Those with a
    /// delivery that is not final or an open obligation, and those erased or removed before, are left alone, and their
    /// entries are not written.
    async fn erase(&self, messages: Vec<(MessageId, NewEntry)>) -> Result<u64, Error>;

    /// Erases what is left in the store of archived messages that are erased there: receipts, digests, words of answers.
    async fn erase_rest(&self, messages: Vec<MessageId>) -> Result<(), Error>;

    /// Removes up to about `limit` rows of what is archived; how many, 0 when nothing is left.
    async fn sweep(&self, limit: usize) -> Result<u64, Error>;
}

/// Where the archive ends and the store begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// What was accepted or happened before is archived.
    pub until: Timestamp,
    /// Entries of the trail that are archived, all before this position; a checkpoint has this size.
    pub size: u64,
    /// The tree's frontier there, in the evidence room's own form.
    pub frontier: Bytes,
    /// The checkpoint there; none where no entry is archived.
    pub checkpoint: Option<String>,
    /// SHA-256 of the archive's manifest.
    pub manifest: Sha256Digest,
}

/// What is stored of a time, and what holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Messages accepted in it.
    pub messages: u64,
    /// Trail entries that happened in it.
    pub entries: u64,
    /// Position after the last sealed entry from before its end; 0 when there is none.
    pub trail_end: u64,
    /// Deliveries from before its end that are not final.
    pub open_deliveries: u64,
    /// Obligations from before its end that are open.
    pub open_obligations: u64,
    /// Entries from before its end that are not sealed.
    pub unsealed: u64,
}

impl Stock {
    /// Whether something in it is not finished.
    pub fn is_held(&self) -> bool {
        self.open_deliveries + self.open_obligations + self.unsealed > 0
    }
}
