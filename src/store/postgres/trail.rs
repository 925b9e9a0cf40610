//! The trail: entries are written once; sealing gives positions beside them and never touches them.

use async_trait::async_trait;
use bytes::Bytes;
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
    port::store::{EntryId, Error, NewEntry, Seal, SealedEntry, SealerState, Trail},
    store::fault::{damaged, number},
};

#[async_trait]
impl Trail for PostgresStore {
    async fn append(&self, entries: Vec<NewEntry>) -> Result<(), Error> {
        self.runner.write(Append(entries)).await
    }

    async fn sealer_state(&self) -> Result<SealerState, Error> {
        self.runner.read(State).await
    }

    async fn unsealed(&self, limit: usize) -> Result<Vec<(EntryId, Bytes)>, Error> {
        self.runner.read(Unsealed { limit }).await
    }

    async fn seal(&self, seal: Seal) -> Result<bool, Error> {
        let sealed = self.runner.write(Sealing(seal)).await?;
        self.upkeep.run(&self.runner).await;
        Ok(sealed)
    }

    async fn sealed(&self, from: u64, limit: usize) -> Result<Vec<SealedEntry>, Error> {
        self.runner.read(Sealed { from, limit }).await
    }

    async fn checkpoints(&self, after: u64, limit: usize) -> Result<Vec<(u64, String)>, Error> {
        self.runner.read(Checkpoints { after, limit }).await
    }

    async fn frontier_before(&self, position: u64) -> Result<Option<Bytes>, Error> {
        self.runner.read(FrontierBefore { position }).await
    }

    async fn unsealed_count(&self) -> Result<(u64, Option<Timestamp>), Error> {
        self.runner.read(Count).await
    }
}

struct Append(Vec<NewEntry>);

#[async_trait]
impl Job for Append {
    type Output = ();

    async fn run(&self, session: &Session<'_>) -> Result<(), Failure> {
        insert::missing_entries(session, &self.0.iter().collect::<Vec<_>>()).await
    }
}

struct State;

#[async_trait]
impl Job for State {
    type Output = SealerState;

    async fn run(&self, session: &Session<'_>) -> Result<SealerState, Failure> {
        let row = session.row("SELECT size, frontier, checkpoint FROM sealer", &[]).await?;
        Ok(SealerState {
            size: row.number("size")?,
            frontier: row.bytes("frontier")?,
            checkpoint: row.value("checkpoint")?,
        })
    }
}

struct Unsealed {
    limit: usize,
}

#[async_trait]
impl Job for Unsealed {
    type Output = Vec<(EntryId, Bytes)>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let limit: i64 = number(self.limit)?;
        let rows = session.rows(include_str!("sql/trail_unsealed.sql"), &[&limit]).await?;
        rows.iter().map(|row| Ok((EntryId(row.id("id")?), row.bytes("body")?))).collect()
    }
}

struct Sealing(Seal);

#[async_trait]
impl Job for Sealing {
    type Output = bool;

    async fn run(&self, session: &Session<'_>) -> Result<bool, Failure> {
        let seal = &self.0;
        let alone = session.row("SELECT pg_try_advisory_xact_lock(19524, 3) AS alone", &[]).await?;
        if !alone.value("alone")? {
            return Ok(false);
        }
        let (from, count): (i64, i64) = (number(seal.from_size)?, number(seal.entries.len())?);
        let size = from.saturating_add(count);
        let fenced = session
            .execute(
                include_str!("sql/sealer_move.sql"),
                &[&from, &size, &seal.frontier.as_ref(), &seal.checkpoint],
            )
            .await?;
        if fenced == 0 {
            return Ok(false);
        }
        let ids: Vec<_> = seal.entries.iter().map(|entry| entry.0).collect();
        let taken = session.execute(include_str!("sql/trail_seal.sql"), &[&ids, &from]).await?;
        if taken != seal.entries.len() as u64 {
            let missing = seal.entries.len() as u64 - taken;
            return Err(damaged(format_args!("{missing} entries are not among the unsealed")).into());
        }
        session
            .execute(
                "INSERT INTO checkpoint (size, at, note, frontier) VALUES ($1, $2, $3, $4)",
                &[&size, &Time(seal.at), &seal.checkpoint, &seal.frontier.as_ref()],
            )
            .await?;
        Ok(true)
    }
}

struct Sealed {
    from: u64,
    limit: usize,
}

#[async_trait]
impl Job for Sealed {
    type Output = Vec<SealedEntry>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let (from, limit): (i64, i64) = (number(self.from)?, number(self.limit)?);
        let rows = session.rows(include_str!("sql/trail_sealed.sql"), &[&from, &limit]).await?;
        rows.iter()
            .map(|row| Ok(SealedEntry { position: row.number("position")?, body: row.bytes("body")? }))
            .collect()
    }
}

struct Checkpoints {
    after: u64,
    limit: usize,
}

#[async_trait]
impl Job for Checkpoints {
    type Output = Vec<(u64, String)>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let (after, limit): (i64, i64) = (number(self.after)?, number(self.limit)?);
        let rows = session
            .rows(
                "SELECT size, note FROM checkpoint WHERE size > $1 ORDER BY size, number LIMIT $2",
                &[&after, &limit],
            )
            .await?;
        rows.iter().map(|row| Ok((row.number("size")?, row.value("note")?))).collect()
    }
}

struct FrontierBefore {
    position: u64,
}

#[async_trait]
impl Job for FrontierBefore {
    type Output = Option<Bytes>;

    async fn run(&self, session: &Session<'_>) -> Result<Option<Bytes>, Failure> {
        let position: i64 = number(self.position)?;
        let rows = session.rows(include_str!("sql/frontier_before.sql"), &[&position]).await?;
        rows.first().map(|row| row.bytes("frontier")).transpose()
    }
}

struct Count;

#[async_trait]
impl Job for Count {
    type Output = (u64, Option<Timestamp>);

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let row = session.row(include_str!("sql/trail_unsealed_count.sql"), &[]).await?;
        Ok((row.number("entries")?, row.time_if("oldest")?))
    }
}
