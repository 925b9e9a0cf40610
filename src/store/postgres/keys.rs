//! The history of the keys that sign.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::{
    PostgresStore,
    error::Failure,
    insert,
    runner::Job,
    session::Session,
    value::{Columns as _, Time},
};
use crate::port::store::{Error, Keys, NewEntry, SigningKey};

#[async_trait]
impl Keys for PostgresStore {
    async fn signing_keys(&self) -> Result<Vec<SigningKey>, Error> {
        self.runner.read(All).await
    }

    async fn add_signing_key(&self, key: SigningKey, entry: Option<NewEntry>) -> Result<bool, Error> {
        self.runner.write(Add { key, entry }).await
    }
}

struct All;

#[async_trait]
impl Job for All {
    type Output = Vec<SigningKey>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let sql = "SELECT number, public, begins, by_predecessor, by_itself FROM signing_key ORDER BY number";
        session.rows(sql, &[]).await?.iter().map(key).collect()
    }
}

fn key(row: &Row) -> Result<SigningKey, Failure> {
    Ok(SigningKey {
        number: row.number("number")?,
        public: row.value("public")?,
        from: row.time("begins")?,
        by_predecessor: row.value("by_predecessor")?,
        by_itself: row.value("by_itself")?,
    })
}

struct Add {
    key: SigningKey,
    entry: Option<NewEntry>,
}

#[async_trait]
impl Job for Add {
    type Output = bool;

    async fn run(&self, session: &Session<'_>) -> Result<bool, Failure> {
        // Of hubs that add at the same time one does it.
        session.rows("SELECT pg_advisory_xact_lock(19524, 11)::text", &[]).await?;
        let SigningKey { number, public, from, by_predecessor, by_itself } = &self.key;
        let added = session
            .execute(
                include_str!("sql/signing_key_add.sql"),
                &[&i64::from(*number), public, &Time(*from), by_predecessor, by_itself],
            )
            .await?;
        if added == 0 {
            return Ok(false);
        }
        // Where a hub of the version before looks for the key that signs.
        let sql = "INSERT INTO setting (name, value) VALUES ('signing_key', $1)
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        session.execute(sql, &[&public.as_bytes()]).await?;
        if let Some(entry) = &self.entry {
            insert::entries(session, &[entry]).await?;
        }
        Ok(true)
    }
}
