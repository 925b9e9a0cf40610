//! Evidence for those who ask a running hub: a few files at a time, each within a bound of what is read and made for it.
//!
//! The bytes are those that the command writes of the same state of the store.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{Semaphore, TryAcquireError};

use super::{
    export::{self, Content, Exporter, Subject},
    source::Archives,
    statements::Configured,
};
use crate::{
    domain::id::DeliveryId,
    engine::keys::{Keyring, NoKey},
    evidence::signer::PublicKeys,
    port::{
        clock::Clock,
        store::{self, Store},
    },
};

/// Files that are made at once.
const AT_ONCE: usize = 2;
/// Entries of the log that are read for one file: a few seconds of work.
const LOG_LIMIT: u64 = 1_000_000;
/// Largest file that is given out: it is in memory as a whole.
const LIMIT_BYTES: usize = 16 << 20;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others are made just now.
    #[error("{AT_ONCE} evidence files are being made already; ask again")]
    Busy,
    /// It is too large for an interface.
    #[error(
        "the evidence file has {found} bytes, {LIMIT_BYTES} are given out here; write it with 'liandong evidence export'"
    )]
    TooLarge {
        /// Its size.
        found: usize,
    },
    /// Nothing can be signed.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// It cannot be made.
    #[error(transparent)]
    Export(#[from] export::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Export(error.into())
    }
}

/// Makes evidence files.
#[derive(Debug)]
pub struct Issuer {
    store: Arc<dyn Store>,
    keys: Arc<Keyring>,
    clock: Arc<dyn Clock>,
    configured: Configured,
    places: Semaphore,
}

/// A file, and the keys by which it was checked.
#[derive(Debug)]
pub struct Issued {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Keys that the hub trusts.
    pub keys: PublicKeys,
}

impl Issuer {
    /// On a store, with the keys of the hub.
    pub fn new(
        store: Arc<dyn Store>,
        keys: Arc<Keyring>,
        clock: Arc<dyn Clock>,
        configured: Configured,
    ) -> Self {
        Self { store, keys, clock, configured, places: Semaphore::new(AT_ONCE) }
    }

    /// The evidence of one delivery.
    pub async fn of_delivery(&self, delivery: DeliveryId, content: Content) -> Result<Issued, Error> {
        let _place = match self.places.try_acquire() {
            Ok(place) => place,
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => return Err(Error::Busy),
        };
        self.keys.confirm().await;
        let (signer, signs_since) = self.keys.signing(self.clock.now())?;
        let keys = self.keys.trusted();
        let exporter = Exporter {
            store: Arc::clone(&self.store),
            signer,
            signs_since: signs_since.unwrap_or(Timestamp::UNIX_EPOCH),
            keys: keys.clone(),
            configured: self.configured.clone(),
            archives: Archives::default(),
            log_limit: LOG_LIMIT,
        };
        let bytes = exporter.export(Subject::Delivery(delivery), content).await?;
        if bytes.len() > LIMIT_BYTES {
            return Err(Error::TooLarge { found: bytes.len() });
        }
        Ok(Issued { bytes, keys })
    }
}
