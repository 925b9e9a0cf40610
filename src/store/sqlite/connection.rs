//! Connections: one that writes, durable at each commit, and some that only read.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::Options;
use crate::port::store::Error;

/// Statements kept compiled on a connection; more than there are files in `sql/`.
const STATEMENTS: usize = 128;
/// Waits for a lock that a support person's own tool may hold.
const BUSY_MS: i64 = 5_000;
/// Pages of the log before the writer moves them into the database: 16 MiB.
const CHECKPOINT_PAGES: i64 = 4_096;
/// The log is cut back to this after a burst.
const LOG_LIMIT_BYTES: i64 = 64 * 1024 * 1024;

/// The connection that writes. `synchronous = FULL`: a commit is on the disk before it returns.
pub(super) fn writer(path: &Path, options: &Options) -> Result<Connection, Error> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    common(&connection, options.cache_kib)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT_BYTES)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    if let Some(limit) = options.size_limit_bytes {
        let page: u64 = connection.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0))?.into();
        let pages = i64::try_from(limit / page).unwrap_or(i64::MAX).max(1);
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(connection)
}

/// A connection that only reads; it never waits for the writer.
pub(super) fn reader(path: &Path, options: &Options) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    common(&connection, options.cache_kib / 4)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Moves the log into the database, cuts it, and lets SQLite renew what it knows of the tables.
pub(super) fn finish(connection: &Connection) -> Result<(), Error> {
    // What it writes makes look-ups faster and is not worth failing for: a full disk may have no room for it.
    if let Err(error) = connection.execute_batch("PRAGMA optimize") {
        tracing::debug!(%error, "statistics of the store were not renewed");
    }
    let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy {
        tracing::warn!("log was not moved into the database at close, it will be at the next start");
    }
    Ok(())
}

fn common(connection: &Connection, cache_kib: u32) -> Result<(), Error> {
    connection.pragma_update(None, "busy_timeout", BUSY_MS)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
    // A statement keeps the plan it was compiled with: else SQLite compiles it again whenever another value
    // is bound that a partial index might depend on.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}
