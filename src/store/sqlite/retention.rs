//! Retention: what is archived goes in batches, so that the writer is free for others in between.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    SqliteStore,
    error::number,
    insert,
    value::{Columns as _, Id, Time},
};
use crate::{
    domain::id::MessageId,
    port::store::{Archived, Error, NewEntry, Retention, Sha256Digest, Stock},
};

/// Removes what is archived of one table: the time, the size of the archived trail, the rows at most. What refers to
/// a row goes before it.
const SWEEPS: [&str; 5] = [
    "DELETE FROM attempt WHERE (delivery, lease, outcome) IN (
        SELECT a.delivery, a.lease, a.outcome FROM attempt a JOIN delivery d ON d.number = a.delivery
        WHERE d.created_at < ?1 LIMIT ?3) AND ?2 >= 0",
    "DELETE FROM message WHERE number IN (
        SELECT number FROM message WHERE accepted_at < ?1 ORDER BY number LIMIT ?3) AND ?2 >= 0",
    "DELETE FROM trail_sealed WHERE position IN (
        SELECT s.position FROM trail_sealed s JOIN trail t ON t.number = s.entry
        WHERE s.position < ?2 AND t.at < ?1 ORDER BY s.position LIMIT ?3)",
    "DELETE FROM refusal WHERE entry IN (SELECT entry FROM refusal WHERE at < ?1 LIMIT ?3) AND ?2 >= 0",
    "DELETE FROM trail WHERE number IN (
        SELECT t.number FROM trail t WHERE t.at < ?1 AND ?2 >= 0
        AND NOT EXISTS (SELECT 1 FROM trail_sealed s WHERE s.entry = t.number)
        AND NOT EXISTS (SELECT 1 FROM trail_unsealed u WHERE u.entry = t.number) ORDER BY t.number LIMIT ?3)",
];

/// Erases what opens the entries about one message, its receipt, and the words of those whom it went to.
const OPENINGS: [&str; 3] = [
    include_str!("sql/attempt_erase.sql"),
    include_str!("sql/delivery_erase.sql"),
    include_str!("sql/key_erase.sql"),
];

#[async_trait]
impl Retention for SqliteStore {
    async fn archived(&self) -> Result<Option<Archived>, Error> {
        self.readers.read(latest).await
    }

    async fn begins(&self) -> Result<Option<Timestamp>, Error> {
        self.readers
            .read(|connection| {
                let sql = "SELECT min(at) AS begins FROM (
                    SELECT * FROM (SELECT accepted_at AS at FROM message ORDER BY number LIMIT 1)
                    UNION ALL SELECT * FROM (SELECT at FROM trail ORDER BY number LIMIT 1))";
                Ok(connection.prepare_cached(sql)?.query_row([], |row| row.time_if("begins"))?)
            })
            .await
    }

    async fn stock(&self, from: Timestamp, until: Timestamp) -> Result<Stock, Error> {
        self.readers.read(move |connection| stock(connection, from, until)).await
    }

    async fn accepted_in(
        &self,
        from: Timestamp,
        until: Timestamp,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, MessageId)>, Error> {
        self.readers
            .read(move |connection| {
                let sql = "SELECT k.number, k.id FROM message m JOIN message_key k ON k.number = m.number
                           WHERE m.accepted_at >= ?1 AND m.accepted_at < ?2 AND m.number > ?3
                           ORDER BY m.number LIMIT ?4";
                let (after, limit): (i64, i64) = (number(after)?, number(limit)?);
                let mut statement = connection.prepare_cached(sql)?;
                let rows = statement.query_map(params![Time(from), Time(until), after, limit], |row| {
                    Ok((row.get::<_, i64>("number")?.unsigned_abs(), MessageId(row.get::<_, Id>("id")?.0)))
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn retire(&self, archived: Archived, entry: NewEntry) -> Result<bool, Error> {
        self.writer
            .write(1, move |connection, _| {
                if stock(connection, archived.until, archived.until)?.is_held() {
                    return Ok(false);
                }
                let sql = "INSERT INTO archive (until, size, frontier, checkpoint, manifest)
                           SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM archive WHERE until >= ?1)";
                let size: i64 = number(archived.size)?;
                let written = connection.prepare_cached(sql)?.execute(params![
                    Time(archived.until),
                    size,
                    archived.frontier.as_ref(),
                    archived.checkpoint,
                    archived.manifest.0.as_slice()
                ])?;
                if written == 0 {
                    return Ok(false);
                }
                insert::entries(connection, [&entry])?;
                Ok(true)
            })
            .await
    }

    async fn erase(&self, messages: Vec<(MessageId, NewEntry)>) -> Result<u64, Error> {
        self.writer
            .write(messages.len(), move |connection, _| {
                // What was in the pages is overwritten, not only given up.
                connection.pragma_update(None, "secure_delete", true)?;
                let mut erased = 0;
                for (id, entry) in &messages {
                    let sql = include_str!("sql/message_erase.sql");
                    if connection.prepare_cached(sql)?.execute([Id(id.0)])? > 0 {
                        openings(connection, *id)?;
                        insert::entries(connection, [entry])?;
                        erased += 1;
                    }
                }
                Ok(erased)
            })
            .await
    }

    async fn erase_rest(&self, messages: Vec<MessageId>) -> Result<(), Error> {
        self.writer
            .write(messages.len(), move |connection, _| {
                connection.pragma_update(None, "secure_delete", true)?;
                messages.iter().try_for_each(|id| openings(connection, *id))
            })
            .await
    }

    async fn sweep(&self, limit: usize) -> Result<u64, Error> {
        self.writer
            .write(limit, move |connection, _| {
                let Some(archived) = latest(connection)? else { return Ok(0) };
                let (size, limit): (i64, i64) = (number(archived.size)?, number(limit)?);
                let mut removed = 0;
                for sql in SWEEPS {
                    let parameters = params![Time(archived.until), size, limit];
                    removed += connection.prepare_cached(sql)?.execute(parameters)?;
                }
                number(removed)
            })
            .await
    }
}

fn openings(connection: &Connection, message: MessageId) -> Result<(), Error> {
    for sql in OPENINGS {
        connection.prepare_cached(sql)?.execute([Id(message.0)])?;
    }
    Ok(())
}

fn latest(connection: &Connection) -> Result<Option<Archived>, Error> {
    let sql = "SELECT until, size, frontier, checkpoint, manifest FROM archive ORDER BY until DESC LIMIT 1";
    let archived = |row: &Row<'_>| {
        Ok(Archived {
            until: row.time("until")?,
            size: row.get::<_, i64>("size")?.unsigned_abs(),
            frontier: row.get::<_, Vec<u8>>("frontier")?.into(),
            checkpoint: row.get("checkpoint")?,
            manifest: Sha256Digest(row.get("manifest")?),
        })
    };
    Ok(connection.prepare_cached(sql)?.query_row([], archived).optional()?)
}

fn stock(connection: &Connection, from: Timestamp, until: Timestamp) -> Result<Stock, Error> {
    let count = |row: &Row<'_>, column: &str| row.get::<_, i64>(column).map(i64::unsigned_abs);
    let counted = |row: &Row<'_>| {
        Ok(Stock {
            messages: count(row, "messages")?,
            entries: count(row, "entries")?,
            trail_end: count(row, "trail_end")?,
            open_deliveries: count(row, "open_deliveries")?,
            open_obligations: count(row, "open_obligations")?,
            unsealed: count(row, "unsealed")?,
        })
    };
    let mut statement = connection.prepare_cached(include_str!("sql/stock.sql"))?;
    Ok(statement.query_row(params![Time(from), Time(until)], counted)?)
}
