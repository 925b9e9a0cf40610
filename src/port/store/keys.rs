//! The keys that sign, one after the other.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Error, NewEntry};

/// The history of the keys that sign receipts and checkpoints.
///
/// - *One after the other*: a key is added behind the one that the caller knew to be the last, or not at all.
/// - *For ever*: no key leaves the history.
#[async_trait]
pub trait Keys {
    /// All of them, in the order in which they follow each other.
    async fn signing_keys(&self) -> Result<Vec<SigningKey>, Error>;

    /// Adds one as number `key.number`, with the entry that says so; false, and nothing is written, unless the last
    /// in the history is the one before.
    async fn add_signing_key(&self, key: SigningKey, entry: Option<NewEntry>) -> Result<bool, Error>;
}

/// A key that signs, for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// From 1.
    pub number: u32,
    /// In SPKI PEM form.
    pub public: String,
    /// From when on it signs; until the next one does.
    pub from: Timestamp,
    /// What the key before signed about it; none of the first, and of one that took the place of a lost key.
    pub by_predecessor: Option<String>,
    /// What it signed itself about the key before; none of the first.
    pub by_itself: Option<String>,
}
