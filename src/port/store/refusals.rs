//! What opens the entries of refusals.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use super::{EntryId, Error, NewEntry};

/// Salts of refusals. The bytes refused are not kept; with the salt whoever has them can show that they are those.
/// Written with the entry itself ([`NewEntry::salt`]), gone with its archived month at the latest.
#[async_trait]
pub trait Refusals {
    /// Refusals whose salt is kept, oldest first, after an id.
    async fn refusals(&self, after: Option<EntryId>, limit: usize) -> Result<Vec<Refused>, Error>;

    /// Erases the salts of refusals from before a time, with the entry that says so; how many. Without an entry they are
    /// only counted; where there are none it is not written.
    async fn erase_refusals(&self, before: Timestamp, entry: Option<NewEntry>) -> Result<u64, Error>;
}

/// A refusal whose salt is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The entry.
    pub id: EntryId,
    /// Its position once sealed.
    pub position: Option<u64>,
    /// Canonical JSON, as it is sealed.
    pub body: Bytes,
    /// The salt of its commitments.
    pub salt: [u8; 16],
}
