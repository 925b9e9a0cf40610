//! The backends a store's contract is run on.

use std::{fs, sync::Arc};

use async_trait::async_trait;
use liandong::{
    port::store::Store,
    store::sqlite::{Options, SqliteStore},
};
use tempfile::TempDir;

/// A place for one test's data.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// Opens the data. Every store opened before on the same data has been dropped.
    async fn open(&self) -> Arc<dyn Store>;

    /// A place beside it with nothing stored.
    fn fresh(&self) -> Box<dyn Backend>;

    /// The data as they would be found after a crash at this moment.
    async fn crashed(&self) -> Box<dyn Backend>;
}

/// SQLite in a directory of its own.
#[derive(Debug)]
pub(crate) struct Sqlite {
    directory: TempDir,
}

impl Sqlite {
    /// With nothing stored.
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// How it is opened.
    pub(crate) fn options(&self) -> Options {
        Options::new(self.directory.path())
    }
}

#[async_trait]
impl Backend for Sqlite {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.options()).unwrap())
    }

    fn fresh(&self) -> Box<dyn Backend> {
        Box::new(Self::new())
    }

    async fn crashed(&self) -> Box<dyn Backend> {
        let copy = Self::new();
        for file in ["liandong.db", "liandong.db-wal"] {
            fs::copy(self.directory.path().join(file), copy.directory.path().join(file)).unwrap();
        }
        Box::new(copy)
    }
}
