//! The backends a store's contract is run on.

use std::{fs, sync::Arc};

use async_trait::async_trait;
use liandong::{
    port::{clock::SystemClock, store::Store},
    store::{
        postgres::{self, DatabaseClock, PostgresStore},
        sqlite::{Options, SqliteStore},
    },
};
use tempfile::TempDir;

use crate::harness::database::Database;

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

/// PostgreSQL in a database of its own.
#[derive(Debug)]
pub(crate) struct Postgres {
    database: Arc<Database>,
}

impl Postgres {
    /// With nothing stored.
    pub(crate) fn new() -> Self {
        Self { database: Arc::new(Database::new()) }
    }

    /// The database, made and migrated.
    pub(crate) async fn database(&self) -> &Database {
        self.database.made().await;
        &self.database
    }

    /// How it is opened.
    pub(crate) fn options(&self) -> postgres::Options {
        self.database.options()
    }

    /// The store itself.
    pub(crate) async fn store(&self) -> PostgresStore {
        self.database.made().await;
        PostgresStore::open(&self.options(), DatabaseClock::new(Arc::new(SystemClock))).await.unwrap()
    }
}

#[async_trait]
impl Backend for Postgres {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store().await)
    }

    fn fresh(&self) -> Box<dyn Backend> {
        Box::new(Self::new())
    }

    /// The hub is gone in the middle of whatever it did: every session of the database is ended, and what they
    /// had not committed with them. That the server itself keeps its commits over a crash is tested on a server of
    /// its own.
    async fn crashed(&self) -> Box<dyn Backend> {
        self.database.end_sessions().await;
        Box::new(Self { database: Arc::clone(&self.database) })
    }
}
