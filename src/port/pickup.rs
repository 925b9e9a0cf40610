//! The way in for systems that put files down: a place where files are found, read and moved away.

use std::{fmt, path::PathBuf};

use async_trait::async_trait;
use bytes::Bytes;

/// A place where a system puts files.
///
/// - *Whole*: only files that have settled are found; a file being written is not.
/// - *Order*: files come in order of name.
/// - *Durability*: a file is moved only by [`Pickup::done`] or [`Pickup::failed`]; after a crash before
///   that it is found again, and intake answers with the same receipts.
/// - *Bounds*: no more than `limit` files a look; a file beyond the size limit is not read.
#[async_trait]
pub trait Pickup: fmt::Debug + Send + Sync {
    /// Looks once.
    async fn look(&mut self, limit: usize) -> Result<Vec<Found>, Error>;

    /// Reads a file.
    async fn read(&self, found: &Found) -> Result<Content, Error>;

    /// Writes the receipts of a file, before it is moved.
    async fn write_receipts(&self, found: &Found, receipts: &[u8]) -> Result<(), Error>;

    /// Moves an accepted file away.
    async fn done(&self, found: &Found) -> Result<(), Error>;

    /// Moves a refused file away, with the explanation beside it.
    async fn failed(&self, found: &Found, explanation: &str) -> Result<(), Error>;
}

/// A file that has settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

impl Found {
    /// Its name, for people.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// All of it.
    Whole(Bytes),
    /// It is larger than the limit and was not read.
    TooLarge {
        /// Its size.
        found_bytes: u64,
        /// The limit.
        limit_bytes: usize,
    },
}

/// A folder or file could not be worked on. Nothing was moved; look again later.
#[derive(Debug, thiserror::Error)]
#[error("{what} {path} failed; check that the folder is there and the hub may write to it")]
pub struct Error {
    /// What was tried.
    pub what: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: std::io::Error,
}
