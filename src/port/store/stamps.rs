//! Time stamps that an authority gave for checkpoints.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use super::Error;

/// Time stamps of checkpoints. A stamp of one covers those before it, since the log only grows.
#[async_trait]
pub trait Stamps {
    /// Keeps a stamp; false, and nothing is written, when there is one of that size.
    async fn add_stamp(&self, stamp: StampRow) -> Result<bool, Error>;

    /// Stamps of sizes above `after`, in order.
    async fn stamps(&self, after: u64, limit: usize) -> Result<Vec<StampRow>, Error>;

    /// The one of the largest size.
    async fn last_stamp(&self) -> Result<Option<StampRow>, Error>;
}

/// A stamp with what it was given for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StampRow {
    /// Entries that the checkpoint covers.
    pub size: u64,
    /// The checkpoint.
    pub note: String,
    /// When the authority says that it saw it.
    pub at: Timestamp,
    /// The authority's own bytes (RFC 3161 `TimeStampToken`).
    pub token: Bytes,
}
