//! Salts of refusals.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    PostgresStore,
    error::Failure,
    insert,
    runner::Job,
    session::Session,
    value::{Columns as _, Time},
};
use crate::{
    port::store::{EntryId, Error, NewEntry, Refusals, Refused},
    store::fault::{damaged, number},
};

#[async_trait]
impl Refusals for PostgresStore {
    async fn refusals(&self, after: Option<EntryId>, limit: usize) -> Result<Vec<Refused>, Error> {
        self.runner.read(Kept { after, limit }).await
    }

    async fn erase_refusals(&self, before: Timestamp, entry: Option<NewEntry>) -> Result<u64, Error> {
        match entry {
            Some(entry) => self.runner.write(Erase { before, entry }).await,
            None => self.runner.read(Count { before }).await,
        }
    }
}

struct Kept {
    after: Option<EntryId>,
    limit: usize,
}

#[async_trait]
impl Job for Kept {
    type Output = Vec<Refused>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let limit: i64 = number(self.limit)?;
        let sql = "SELECT r.entry, r.salt, t.body, s.position FROM refusal r JOIN trail t ON t.id = r.entry AND t.at = r.at
                   LEFT JOIN trail_sealed s ON s.id = t.id
                   WHERE $1::uuid IS NULL OR r.entry > $1 ORDER BY r.entry LIMIT $2";
        let rows = session.rows(sql, &[&self.after.map(|id| id.0), &limit]).await?;
        let kept = rows.iter().map(|row| {
            let position: Option<i64> = row.value("position")?;
            let salt = row.salt_if("salt")?.ok_or_else(|| damaged("a refusal has no salt"))?;
            Ok(Refused {
                id: EntryId(row.id("entry")?),
                position: position.map(i64::unsigned_abs),
                body: row.bytes("body")?,
                salt,
            })
        });
        kept.collect()
    }
}

struct Count {
    before: Timestamp,
}

#[async_trait]
impl Job for Count {
    type Output = u64;

    async fn run(&self, session: &Session<'_>) -> Result<u64, Failure> {
        let sql = "SELECT count(*) AS found FROM refusal WHERE at < $1";
        session.row(sql, &[&Time(self.before)]).await?.number("found")
    }
}

struct Erase {
    before: Timestamp,
    entry: NewEntry,
}

#[async_trait]
impl Job for Erase {
    type Output = u64;

    async fn run(&self, session: &Session<'_>) -> Result<u64, Failure> {
        let erased = session.execute("DELETE FROM refusal WHERE at < $1", &[&Time(self.before)]).await?;
        if erased > 0 {
            insert::entries(session, &[&self.entry]).await?;
        }
        Ok(erased)
    }
}
