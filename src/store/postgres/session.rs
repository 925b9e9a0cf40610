//! One connection at work: statements by their text, prepared once a connection, columns by their names.

use std::sync::atomic::{AtomicBool, Ordering};

use deadpool_postgres::{ClientWrapper, Transaction};
use tokio_postgres::{Row, Statement, types::ToSql};

use super::error::Failure;
use crate::store::fault::damaged;

/// Parameters of a statement.
pub(super) type Parameters<'p> = &'p [&'p (dyn ToSql + Sync)];

/// A connection, inside a transaction or not.
#[derive(Debug)]
pub(super) struct Session<'c> {
    kind: Kind<'c>,
    failed: AtomicBool,
}

enum Kind<'c> {
    Connection(&'c ClientWrapper),
    Transaction(&'c Transaction<'c>),
}

impl std::fmt::Debug for Kind<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connection(_) => "Connection",
            Self::Transaction(_) => "Transaction",
        })
    }
}

impl<'c> Session<'c> {
    /// Each statement by itself.
    pub(super) fn of_connection(connection: &'c ClientWrapper) -> Self {
        Self { kind: Kind::Connection(connection), failed: AtomicBool::new(false) }
    }

    /// Inside a transaction.
    pub(super) fn of_transaction(transaction: &'c Transaction<'c>) -> Self {
        Self { kind: Kind::Transaction(transaction), failed: AtomicBool::new(false) }
    }

    /// Whether a statement failed since the last savepoint that was gone back to. The server answers the
    /// commit of such a transaction with success and keeps nothing of it, so it must not be committed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// All rows.
    pub(super) async fn rows(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Failure> {
        let statement = self.prepare(sql).await?;
        self.watch(match self.kind {
            Kind::Connection(connection) => connection.query(&statement, parameters).await,
            Kind::Transaction(transaction) => transaction.query(&statement, parameters).await,
        })
    }

    /// The one row, where there is one.
    pub(super) async fn row_if(&self, sql: &str, parameters: Parameters<'_>) -> Result<Option<Row>, Failure> {
        Ok(self.rows(sql, parameters).await?.into_iter().next())
    }

    /// The one row that is always there.
    pub(super) async fn row(&self, sql: &str, parameters: Parameters<'_>) -> Result<Row, Failure> {
        let row = self.row_if(sql, parameters).await?;
        row.ok_or_else(|| damaged("a statement that always has a row has none").into())
    }

    /// How many rows it changed.
    pub(super) async fn execute(&self, sql: &str, parameters: Parameters<'_>) -> Result<u64, Failure> {
        let statement = self.prepare(sql).await?;
        self.watch(match self.kind {
            Kind::Connection(connection) => connection.execute(&statement, parameters).await,
            Kind::Transaction(transaction) => transaction.execute(&statement, parameters).await,
        })
    }

    /// Statements without parameters, as they stand.
    pub(super) async fn run(&self, sql: &str) -> Result<(), Failure> {
        self.watch(match self.kind {
            Kind::Connection(connection) => connection.batch_execute(sql).await,
            Kind::Transaction(transaction) => transaction.batch_execute(sql).await,
        })
    }

    /// Goes back to a savepoint: what failed since is forgotten.
    pub(super) async fn back_to(&self, savepoint: &str) -> Result<(), Failure> {
        self.run(&format!("ROLLBACK TO {savepoint}")).await?;
        self.failed.store(false, Ordering::Relaxed);
        Ok(())
    }

    async fn prepare(&self, sql: &str) -> Result<Statement, Failure> {
        self.watch(match self.kind {
            Kind::Connection(connection) => connection.prepare_cached(sql).await,
            Kind::Transaction(transaction) => transaction.prepare_cached(sql).await,
        })
    }

    fn watch<T>(&self, outcome: Result<T, tokio_postgres::Error>) -> Result<T, Failure> {
        outcome.map_err(|error| {
            self.failed.store(true, Ordering::Relaxed);
            Failure::Server(error)
        })
    }
}
