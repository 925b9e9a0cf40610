//! Migrations: numbered, forward only, each applied once in a transaction of its own, its SHA-256 kept so
//! that a changed file is noticed.

use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use super::error::{damaged, number};
use crate::port::store::Error;

/// File name and text, in order; the first is number 1.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_store", include_str!("migrations/0001_store.sql")),
    ("0002_archive", include_str!("migrations/0002_archive.sql")),
    ("0003_sm3", include_str!("migrations/0003_sm3.sql")),
    ("0004_signing_key", include_str!("migrations/0004_signing_key.sql")),
    ("0005_stamp", include_str!("migrations/0005_stamp.sql")),
    ("0006_attempt_salt", include_str!("migrations/0006_attempt_salt.sql")),
    ("0007_resend", include_str!("migrations/0007_resend.sql")),
    ("0008_refusal", include_str!("migrations/0008_refusal.sql")),
    ("0009_frontier", include_str!("migrations/0009_frontier.sql")),
];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migration (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 BLOB NOT NULL) STRICT";

/// Brings the database to the form this version knows.
pub(super) fn apply(connection: &mut Connection) -> Result<(), Error> {
    apply_all(connection, MIGRATIONS)
}

/// Refuses a database of another form, without changing it.
pub(super) fn must_be_current(connection: &Connection) -> Result<(), Error> {
    let newest: i64 =
        connection.query_row("SELECT coalesce(max(number), 0) FROM migration", [], |row| row.get(0))?;
    let known: i64 = number(MIGRATIONS.len())?;
    if newest == known {
        return Ok(());
    }
    Err(damaged(format_args!(
        "the database has migration {newest}, this version knows {known}; a start of the hub brings an older one up to date"
    )))
}

fn apply_all(connection: &mut Connection, migrations: &[(&str, &str)]) -> Result<(), Error> {
    connection.execute_batch(TABLE)?;
    let newest: i64 =
        connection.query_row("SELECT coalesce(max(number), 0) FROM migration", [], |row| row.get(0))?;
    let known: i64 = number(migrations.len())?;
    if newest > known {
        return Err(damaged(format_args!(
            "the database has migration {newest}, this version knows {known}; run the version that wrote it or a later one"
        )));
    }
    for (index, (name, sql)) in (1_i64..).zip(migrations) {
        step(connection, index, name, sql)?;
    }
    Ok(())
}

fn step(connection: &mut Connection, index: i64, name: &str, sql: &str) -> Result<(), Error> {
    let digest: [u8; 32] = Sha256::digest(sql.as_bytes()).into();
    let applied: Option<[u8; 32]> = connection
        .query_row("SELECT sha256 FROM migration WHERE number = ?1", [index], |row| row.get(0))
        .optional()?;
    match applied {
        Some(kept) if kept == digest => Ok(()),
        Some(_) => Err(damaged(format_args!("migration {name} was applied with another text"))),
        None => {
            let transaction = connection.transaction()?;
            transaction.execute_batch(sql)?;
            transaction.execute(
                "INSERT INTO migration VALUES (?1, ?2, ?3)",
                params![index, name, digest.as_slice()],
            )?;
            Ok(transaction.commit()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: (&str, &str) = ("0001_a", "CREATE TABLE a (x)");
    const TWO: (&str, &str) = ("0002_b", "ALTER TABLE a ADD COLUMN y");

    #[test]
    fn each_is_applied_once_and_later_ones_follow() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply_all(&mut connection, &[ONE]).unwrap();
        apply_all(&mut connection, &[ONE, TWO]).unwrap();
        apply_all(&mut connection, &[ONE, TWO]).unwrap();
        connection.execute("INSERT INTO a (x, y) VALUES (1, 2)", []).unwrap();
    }

    #[test]
    fn a_changed_text_and_a_newer_database_are_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply_all(&mut connection, &[ONE, TWO]).unwrap();
        let changed = apply_all(&mut connection, &[ONE, ("0002_b", "SELECT 1")]).unwrap_err();
        assert!(changed.to_string().contains("0002_b"), "{changed}");
        let newer = apply_all(&mut connection, &[ONE]).unwrap_err();
        assert!(newer.to_string().contains("migration 2"), "{newer}");
    }

    #[test]
    fn one_that_fails_leaves_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply_all(&mut connection, &[("0001_a", "CREATE TABLE a (x); CREATE TABLE a (x)")]).unwrap_err();
        apply_all(&mut connection, &[ONE]).unwrap();
    }
}
