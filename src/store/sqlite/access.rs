//! Tokens by their hash, versions of registry and rules, settings of the data directory.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    SqliteStore,
    error::number,
    insert,
    value::{Columns as _, Time},
};
use crate::port::store::{Access, Error, Grant, NewEntry, NewToken, Scope, Sha256Digest, Token};

#[async_trait]
impl Access for SqliteStore {
    async fn add_token(&self, token: NewToken, entry: NewEntry) -> Result<bool, Error> {
        self.writer
            .write(1, move |connection, _| {
                let scope = token.scope.to_text();
                let added =
                    connection.prepare_cached(include_str!("sql/token_add.sql"))?.execute(params![
                        token.name,
                        token.hash.0.as_slice(),
                        scope.as_deref(),
                        Time(token.created_at)
                    ])?;
                note(connection, added, &entry)
            })
            .await
    }

    async fn revoke_token(&self, name: &str, entry: NewEntry, now: Timestamp) -> Result<bool, Error> {
        let name = name.to_owned();
        self.writer
            .write(1, move |connection, _| {
                let revoked = connection
                    .prepare_cached(
                        "UPDATE token SET revoked_at = ?2 WHERE name = ?1 AND revoked_at IS NULL",
                    )?
                    .execute(params![name, Time(now)])?;
                note(connection, revoked, &entry)
            })
            .await
    }

    async fn tokens(&self) -> Result<Vec<Token>, Error> {
        self.readers
            .read(|connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT name, endpoint, created_at, revoked_at FROM token ORDER BY number",
                )?;
                let rows = statement.query_map([], |row| {
                    Ok(Token {
                        name: row.get("name")?,
                        scope: scope(row)?,
                        created_at: row.time("created_at")?,
                        revoked_at: row.time_if("revoked_at")?,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn grants(&self) -> Result<Vec<Grant>, Error> {
        self.readers
            .read(|connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT name, hash, endpoint FROM token WHERE revoked_at IS NULL ORDER BY number",
                )?;
                let rows = statement.query_map([], |row| {
                    Ok(Grant {
                        name: row.get("name")?,
                        hash: Sha256Digest(row.get("hash")?),
                        scope: scope(row)?,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn publish(
        &self,
        table: &'static str,
        digest: Sha256Digest,
        content: Vec<u8>,
        now: Timestamp,
    ) -> Result<u64, Error> {
        self.writer.write(1, move |connection, _| publish(connection, table, digest, &content, now)).await
    }

    async fn snapshot(&self, table: &'static str, version: u64) -> Result<Option<Vec<u8>>, Error> {
        self.readers
            .read(move |connection| {
                Ok(connection
                    .prepare_cached("SELECT content FROM snapshot WHERE subject = ?1 AND version = ?2")?
                    .query_row(params![table, number::<_, i64>(version)?], |row| row.get(0))
                    .optional()?)
            })
            .await
    }

    async fn keep_setting(&self, name: &'static str, value: Vec<u8>) -> Result<Vec<u8>, Error> {
        self.writer
            .write(1, move |connection, _| {
                connection
                    .prepare_cached(
                        "INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
                    )?
                    .execute(params![name, value])?;
                Ok(connection
                    .prepare_cached("SELECT value FROM setting WHERE name = ?1")?
                    .query_row([name], |row| row.get(0))?)
            })
            .await
    }

    async fn setting(&self, name: &'static str) -> Result<Option<Vec<u8>>, Error> {
        self.readers
            .read(move |connection| {
                Ok(connection
                    .prepare_cached("SELECT value FROM setting WHERE name = ?1")?
                    .query_row([name], |row| row.get(0))
                    .optional()?)
            })
            .await
    }

    async fn take_setting(&self, name: &'static str, entry: NewEntry) -> Result<bool, Error> {
        self.writer
            .write(1, move |connection, _| {
                let taken =
                    connection.prepare_cached("DELETE FROM setting WHERE name = ?1")?.execute([name])?;
                note(connection, taken, &entry)
            })
            .await
    }
}

fn note(connection: &Connection, changed: usize, entry: &NewEntry) -> Result<bool, Error> {
    if changed == 0 {
        return Ok(false);
    }
    insert::entries(connection, [entry])?;
    Ok(true)
}

fn scope(row: &Row<'_>) -> rusqlite::Result<Scope> {
    Ok(Scope::of_text(row.text_if("endpoint")?))
}

fn publish(
    connection: &Connection,
    table: &str,
    digest: Sha256Digest,
    content: &[u8],
    now: Timestamp,
) -> Result<u64, Error> {
    let kept: Option<i64> = connection
        .prepare_cached("SELECT version FROM snapshot WHERE subject = ?1 AND digest = ?2")?
        .query_row(params![table, digest.0.as_slice()], |row| row.get(0))
        .optional()?;
    let version = match kept {
        Some(version) => version,
        None => connection
            .prepare_cached(include_str!("sql/snapshot_add.sql"))?
            .query_row(params![table, digest.0.as_slice(), content, Time(now)], |row| row.get(0))?,
    };
    Ok(version.unsigned_abs())
}
