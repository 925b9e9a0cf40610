//! The embedded store: one SQLite file in a data directory that one process holds.
//!
//! Promises of the ports it keeps by: one writer thread with group commit and `synchronous = FULL`
//! ([`writer`]), read-only connections beside it ([`readers`]), and an exclusive lock on the directory.
//! Never on a network file system: locks and fsync are not honoured there.

mod accept;
mod access;
mod audit;
mod change;
mod claim;
mod connection;
mod deliveries;
mod directory;
mod effect;
mod error;
mod history;
mod insert;
mod keys;
mod migrate;
mod obligations;
mod operate;
#[cfg(test)]
mod plan;
mod query;
mod readers;
mod refusals;
mod replay;
mod retention;
mod settle;
mod stamps;
mod standing;
mod tally;
mod trail;
mod value;
mod writer;

use std::path::PathBuf;

use error::of_file;
use readers::Readers;
use writer::Writer;

use crate::{port::store::Error, store::directory::Directory};

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory; made where it is missing.
    pub directory: PathBuf,
    /// Reading connections, each with a thread; at least 1.
    pub readers: usize,
    /// Requests that may wait for the writer, and again for the readers.
    pub queue_limit: usize,
    /// Rows after which a transaction takes no further request.
    pub max_batch: usize,
    /// Page cache of the writer, KiB; each reader has a quarter of it.
    pub cache_kib: u32,
    /// Size of the database beyond which it says that the disk is full; none for no limit of its own.
    pub size_limit_bytes: Option<u64>,
}

impl Options {
    /// The usual numbers for a directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            readers: 2,
            queue_limit: 1_024,
            max_batch: 500,
            cache_kib: 64 * 1024,
            size_limit_bytes: None,
        }
    }
}

/// All the ports of the store on one SQLite database.
#[derive(Debug)]
pub struct SqliteStore {
    // Readers go first, so that the writer's connection is the last and moves the log at its end.
    readers: Readers,
    writer: Writer,
}

impl SqliteStore {
    /// Locks the directory, brings the database to this version's form and starts the threads. Blocks.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process holds the directory, [`Error::Damaged`] when a newer version
    /// wrote it.
    pub fn open(options: &Options) -> Result<Self, Error> {
        let directory = Directory::lock(&options.directory)?;
        let path = directory::database(&options.directory);
        let mut connection = connection::writer(&path, options)?;
        migrate::apply(&mut connection)?;
        let readers = (0..options.readers.max(1))
            .map(|_| connection::reader(&path, options))
            .collect::<Result<_, _>>()?;
        let readers = Readers::start(readers, options.queue_limit).map_err(|error| of_file(&path, error))?;
        let writer = Writer::start(connection, directory, options.queue_limit, options.max_batch)
            .map_err(|error| of_file(&path, error))?;
        Ok(Self { readers, writer })
    }

    /// Opens what is there for reading alone, whether or not another process writes it: no lock, no
    /// migration, and no file but those that SQLite keeps beside a log. Writes are refused. Blocks.
    ///
    /// # Errors
    /// [`Error::Absent`] without a database, [`Error::Damaged`] when another version wrote it.
    pub fn look(options: &Options) -> Result<Self, Error> {
        let path = directory::existing(&options.directory)?;
        let connection = connection::reader(&path, options)?;
        migrate::must_be_current(&connection)?;
        let readers =
            Readers::start(vec![connection], options.queue_limit).map_err(|error| of_file(&path, error))?;
        Ok(Self { readers, writer: Writer::none() })
    }

    /// Takes no more, finishes what is queued, moves the log into the database and frees the directory.
    pub async fn close(&self) -> Result<(), Error> {
        self.readers.close().await;
        self.writer.close().await
    }
}
