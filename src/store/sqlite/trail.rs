//! The trail: entries are written once; sealing gives positions beside them and never touches them.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    SqliteStore,
    error::{damaged, number},
    insert,
    value::{Columns as _, Id, Time},
};
use crate::port::store::{EntryId, Error, NewEntry, Seal, SealedEntry, SealerState, Trail};

#[async_trait]
impl Trail for SqliteStore {
    async fn append(&self, entries: Vec<NewEntry>) -> Result<(), Error> {
        self.writer
            .write(entries.len(), move |connection, _| insert::missing_entries(connection, &entries))
            .await
    }

    async fn sealer_state(&self) -> Result<SealerState, Error> {
        self.readers.read(state).await
    }

    async fn unsealed(&self, limit: usize) -> Result<Vec<(EntryId, Bytes)>, Error> {
        self.readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(include_str!("sql/trail_unsealed.sql"))?;
                let rows = statement.query_map([number::<_, i64>(limit)?], |row| {
                    Ok((EntryId(row.id("id")?), row.get::<_, Vec<u8>>("body")?.into()))
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn seal(&self, seal: Seal) -> Result<bool, Error> {
        self.writer.write(seal.entries.len(), move |connection, _| write_seal(connection, &seal)).await
    }

    async fn sealed(&self, from: u64, limit: usize) -> Result<Vec<SealedEntry>, Error> {
        self.readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(include_str!("sql/trail_sealed.sql"))?;
                let rows =
                    statement.query_map([number::<_, i64>(from)?, number::<_, i64>(limit)?], |row| {
                        Ok(SealedEntry {
                            position: row.get::<_, i64>("position")?.unsigned_abs(),
                            body: row.get::<_, Vec<u8>>("body")?.into(),
                        })
                    })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn checkpoints(&self, after: u64, limit: usize) -> Result<Vec<(u64, String)>, Error> {
        self.readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(include_str!("sql/checkpoint_after.sql"))?;
                let rows = statement
                    .query_map([number::<_, i64>(after)?, number::<_, i64>(limit)?], |row| {
                        Ok((row.get::<_, i64>("size")?.unsigned_abs(), row.get("note")?))
                    })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn frontier_before(&self, position: u64) -> Result<Option<Bytes>, Error> {
        self.readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(include_str!("sql/frontier_before.sql"))?;
                let found =
                    statement.query_row([number::<_, i64>(position)?], |row| row.get::<_, Vec<u8>>(0));
                Ok(found.optional()?.map(Bytes::from))
            })
            .await
    }

    async fn unsealed_count(&self) -> Result<(u64, Option<Timestamp>), Error> {
        self.readers
            .read(|connection| {
                Ok(connection
                    .prepare_cached(include_str!("sql/trail_unsealed_count.sql"))?
                    .query_row([], |row| {
                        Ok((row.get::<_, i64>("entries")?.unsigned_abs(), row.time_if("oldest")?))
                    })?)
            })
            .await
    }
}

fn state(connection: &Connection) -> Result<SealerState, Error> {
    Ok(connection.prepare_cached("SELECT size, frontier, checkpoint FROM sealer")?.query_row([], |row| {
        Ok(SealerState {
            size: row.get::<_, i64>("size")?.unsigned_abs(),
            frontier: row.get::<_, Vec<u8>>("frontier")?.into(),
            checkpoint: row.get("checkpoint")?,
        })
    })?)
}

fn write_seal(connection: &Connection, seal: &Seal) -> Result<bool, Error> {
    let from: i64 = number(seal.from_size)?;
    let size: i64 = from + number::<_, i64>(seal.entries.len())?;
    let fenced = connection.prepare_cached(include_str!("sql/sealer_move.sql"))?.execute(params![
        from,
        size,
        seal.frontier.as_ref(),
        seal.checkpoint
    ])?;
    if fenced == 0 {
        return Ok(false);
    }
    for (position, entry) in (from..).zip(&seal.entries) {
        seal_entry(connection, position, *entry)?;
    }
    connection
        .prepare_cached("INSERT INTO checkpoint (size, at, note, frontier) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![size, Time(seal.at), seal.checkpoint, seal.frontier.as_ref()])?;
    Ok(true)
}

fn seal_entry(connection: &Connection, position: i64, entry: EntryId) -> Result<(), Error> {
    let missing = || damaged(format_args!("entry {} is not among the unsealed", entry.0));
    let number: i64 = connection
        .prepare_cached("SELECT number FROM trail WHERE id = ?1")?
        .query_row([Id(entry.0)], |row| row.get(0))
        .optional()?
        .ok_or_else(missing)?;
    let taken =
        connection.prepare_cached("DELETE FROM trail_unsealed WHERE entry = ?1")?.execute([number])?;
    if taken == 0 {
        return Err(missing());
    }
    connection
        .prepare_cached("INSERT INTO trail_sealed (position, entry) VALUES (?1, ?2)")?
        .execute([position, number])?;
    Ok(())
}
