//! Tokens by their hash, versions of registry and rules, settings of the database.

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::{
    PostgresStore,
    error::Failure,
    insert,
    runner::Job,
    session::Session,
    value::{Columns as _, Time},
};
use crate::{
    port::store::{Access, Error, Grant, NewEntry, NewToken, Scope, Sha256Digest, Token},
    store::fault::number,
};

#[async_trait]
impl Access for PostgresStore {
    async fn add_token(&self, token: NewToken, entry: NewEntry) -> Result<bool, Error> {
        self.runner.write(Add { token, entry }).await
    }

    async fn revoke_token(&self, name: &str, entry: NewEntry, now: Timestamp) -> Result<bool, Error> {
        self.runner.write(Revoke { name: name.to_owned(), entry, now }).await
    }

    async fn tokens(&self) -> Result<Vec<Token>, Error> {
        self.runner.read(Tokens).await
    }

    async fn grants(&self) -> Result<Vec<Grant>, Error> {
        self.runner.read(Grants).await
    }

    async fn publish(
        &self,
        table: &'static str,
        digest: Sha256Digest,
        content: Vec<u8>,
        now: Timestamp,
    ) -> Result<u64, Error> {
        self.runner.write(Publish { table, digest, content, now }).await
    }

    async fn snapshot(&self, table: &'static str, version: u64) -> Result<Option<Vec<u8>>, Error> {
        self.runner.read(Snapshot { table, version }).await
    }

    async fn keep_setting(&self, name: &'static str, value: Vec<u8>) -> Result<Vec<u8>, Error> {
        self.runner.write(Keep { name, value }).await
    }

    async fn setting(&self, name: &'static str) -> Result<Option<Vec<u8>>, Error> {
        self.runner.read(Setting(name)).await
    }

    async fn take_setting(&self, name: &'static str, entry: NewEntry) -> Result<bool, Error> {
        self.runner.write(Take { name, entry }).await
    }
}

struct Add {
    token: NewToken,
    entry: NewEntry,
}

#[async_trait]
impl Job for Add {
    type Output = bool;

    async fn run(&self, session: &Session<'_>) -> Result<bool, Failure> {
        let Self { token, entry } = self;
        let scope = token.scope.to_text();
        let added = session
            .execute(
                include_str!("sql/token_add.sql"),
                &[&token.name, &token.hash.0.as_slice(), &scope.as_deref(), &Time(token.created_at)],
            )
            .await?;
        note(session, added, entry).await
    }
}

struct Revoke {
    name: String,
    entry: NewEntry,
    now: Timestamp,
}

#[async_trait]
impl Job for Revoke {
    type Output = bool;

    async fn run(&self, session: &Session<'_>) -> Result<bool, Failure> {
        let revoked = session
            .execute(
                "UPDATE token SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL",
                &[&self.name, &Time(self.now)],
            )
            .await?;
        note(session, revoked, &self.entry).await
    }
}

async fn note(session: &Session<'_>, changed: u64, entry: &NewEntry) -> Result<bool, Failure> {
    if changed == 0 {
        return Ok(false);
    }
    insert::entries(session, &[entry]).await?;
    Ok(true)
}

struct Tokens;

#[async_trait]
impl Job for Tokens {
    type Output = Vec<Token>;

    async fn run(&self, session: &Session<'_>) -> Result<Vec<Token>, Failure> {
        let sql = "SELECT name, endpoint, created_at, revoked_at FROM token ORDER BY number";
        let rows = session.rows(sql, &[]).await?;
        let token = |row: &Row| {
            Ok(Token {
                name: row.value("name")?,
                scope: scope(row)?,
                created_at: row.time("created_at")?,
                revoked_at: row.time_if("revoked_at")?,
            })
        };
        rows.iter().map(token).collect()
    }
}

struct Grants;

#[async_trait]
impl Job for Grants {
    type Output = Vec<Grant>;

    async fn run(&self, session: &Session<'_>) -> Result<Vec<Grant>, Failure> {
        let sql = "SELECT name, hash, endpoint FROM token WHERE revoked_at IS NULL ORDER BY number";
        let rows = session.rows(sql, &[]).await?;
        let grant = |row: &Row| {
            Ok(Grant {
                name: row.value("name")?,
                hash: Sha256Digest(row.digest("hash")?),
                scope: scope(row)?,
            })
        };
        rows.iter().map(grant).collect()
    }
}

fn scope(row: &Row) -> Result<Scope, Failure> {
    Ok(Scope::of_text(row.text_if("endpoint")?))
}

struct Publish {
    table: &'static str,
    digest: Sha256Digest,
    content: Vec<u8>,
    now: Timestamp,
}

#[async_trait]
impl Job for Publish {
    type Output = u64;

    async fn run(&self, session: &Session<'_>) -> Result<u64, Failure> {
        // Two hubs that start with the same registry publish it once.
        session.rows("SELECT pg_advisory_xact_lock(19524, 6)::text", &[]).await?;
        let digest = self.digest.0.as_slice();
        let kept = session
            .row_if(
                "SELECT version FROM snapshot WHERE subject = $1 AND digest = $2",
                &[&self.table, &digest],
            )
            .await?;
        let row = match kept {
            Some(row) => row,
            None => {
                session
                    .row(
                        include_str!("sql/snapshot_add.sql"),
                        &[&self.table, &digest, &self.content, &Time(self.now)],
                    )
                    .await?
            }
        };
        row.number("version")
    }
}

struct Snapshot {
    table: &'static str,
    version: u64,
}

#[async_trait]
impl Job for Snapshot {
    type Output = Option<Vec<u8>>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let sql = "SELECT content FROM snapshot WHERE subject = $1 AND version = $2";
        let version: i64 = number(self.version)?;
        let row = session.row_if(sql, &[&self.table, &version]).await?;
        row.map(|row| row.value("content")).transpose()
    }
}

struct Keep {
    name: &'static str,
    value: Vec<u8>,
}

#[async_trait]
impl Job for Keep {
    type Output = Vec<u8>;

    async fn run(&self, session: &Session<'_>) -> Result<Vec<u8>, Failure> {
        let sql = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        session.execute(sql, &[&self.name, &self.value]).await?;
        session.row("SELECT value FROM setting WHERE name = $1", &[&self.name]).await?.value("value")
    }
}

struct Setting(&'static str);

#[async_trait]
impl Job for Setting {
    type Output = Option<Vec<u8>>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let row = session.row_if("SELECT value FROM setting WHERE name = $1", &[&self.0]).await?;
        row.map(|row| row.value("value")).transpose()
    }
}

struct Take {
    name: &'static str,
    entry: NewEntry,
}

#[async_trait]
impl Job for Take {
    type Output = bool;

    async fn run(&self, session: &Session<'_>) -> Result<bool, Failure> {
        let taken = session.execute("DELETE FROM setting WHERE name = $1", &[&self.name]).await?;
        note(session, taken, &self.entry).await
    }
}
