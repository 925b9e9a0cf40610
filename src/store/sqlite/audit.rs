//! Rows by the page, for checks: one turn of a reader for all of them.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    SqliteStore,
    error::number,
    query,
    value::{Columns as _, Id},
};
use crate::{
    domain::id::{DeliveryId, MessageId},
    port::store::{Asked, Audit, Error, Exchanged, MessageRow, Rows, Sha256Digest},
};

#[async_trait]
impl Audit for SqliteStore {
    async fn rows_of(&self, asked: Asked) -> Result<Rows, Error> {
        self.readers.read(move |connection| rows(connection, &asked)).await
    }

    async fn exchanged(&self, from: u64, limit: usize) -> Result<Vec<Exchanged>, Error> {
        self.readers
            .read(move |connection| {
                let (from, limit): (i64, i64) = (number(from)?, number(limit)?);
                let mut statement = connection.prepare_cached(include_str!("sql/exchanged.sql"))?;
                let rows = statement.query_map([from, limit], exchanged)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }
}

fn exchanged(row: &Row<'_>) -> rusqlite::Result<Exchanged> {
    Ok(Exchanged {
        number: row.get::<_, i64>("number")?.unsigned_abs(),
        delivery: DeliveryId(row.id("id")?),
        created_at: row.time("created_at")?,
        sender: row.text("organisation")?,
        recipient: row.text_if("recipient")?,
        kind: row.word("kind")?,
        business_key: row.text("business_key")?,
        revision: row.get("revision")?,
        sent_by: row.text_if("sent_by")?,
        endpoint: row.text_if("endpoint")?,
        state: row.word("state")?,
        handed_over_at: row.time_if("handed_over_at")?,
        received_digest: kept(row.get("received_digest")?),
        sent_digest: row.get::<_, Option<[u8; 32]>>("sent_digest")?.map(Sha256Digest),
    })
}

/// A digest that is not erased.
fn kept(digest: [u8; 32]) -> Option<Sha256Digest> {
    (digest != [0; 32]).then_some(Sha256Digest(digest))
}

fn rows(connection: &Connection, asked: &Asked) -> Result<Rows, Error> {
    let mut rows = Rows::default();
    let mut bytes = 0;
    for id in &asked.messages {
        let row = connection
            .prepare_cached(include_str!("sql/message.sql"))?
            .query_row([Id(id.0)], query::message)
            .optional()?;
        if let (Some(row), Some(word)) = (&row, asked.erased)
            && row.is_erased()
            && is_told(connection, row.id, word)?
        {
            rows.erased.insert(row.id);
        }
        bytes += row.as_ref().map_or(0, size);
        if !rows.messages.is_empty() && bytes > asked.limit_bytes {
            break;
        }
        rows.messages.push(row);
        deliveries(connection, "k.id = ?1", Id(id.0), &mut rows)?;
    }
    for id in &asked.deliveries {
        deliveries(connection, "d.id = ?1", Id(id.0), &mut rows)?;
    }
    let ids: Vec<_> = rows.deliveries.iter().map(|row| (row.id, row.message)).collect();
    for (id, message) in ids {
        history(connection, id, asked, &mut rows)?;
        if let Some(word) = asked.erased
            && rows.attempts.get(&id).is_some_and(|attempts| attempts.iter().any(|row| row.erased))
            && is_told(connection, message, word)?
        {
            rows.erased.insert(message);
        }
    }
    Ok(rows)
}

fn is_told(connection: &Connection, id: MessageId, word: &str) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM trail WHERE message = ?1 AND event = ?2)";
    Ok(connection.prepare_cached(sql)?.query_row(params![Id(id.0), word], |row| row.get(0))?)
}

fn size(row: &MessageRow) -> usize {
    row.received.len() + row.canonical.len() + row.decision.len() + row.receipt.len()
}

fn deliveries(connection: &Connection, of: &str, id: Id, rows: &mut Rows) -> Result<(), Error> {
    let sql = format!("{}WHERE {of} ORDER BY d.number", include_str!("sql/delivery.sql"));
    let mut statement = connection.prepare_cached(&sql)?;
    for row in statement.query_map([id], query::delivery)? {
        rows.deliveries.push(row?);
    }
    Ok(())
}

fn history(connection: &Connection, id: DeliveryId, asked: &Asked, rows: &mut Rows) -> Result<(), Error> {
    if rows.attempts.contains_key(&id) {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(include_str!("sql/attempt.sql"))?;
    let attempts = statement.query_map([Id(id.0)], query::attempt)?;
    rows.attempts.insert(id, attempts.collect::<Result<_, _>>()?);
    let mut statement = connection.prepare_cached("SELECT event FROM trail WHERE delivery = ?1")?;
    let mut told = 0;
    for event in statement.query_map([Id(id.0)], |row| row.get::<_, String>(0))? {
        let event = event?;
        told += usize::from(asked.told.iter().any(|word| *word == event));
    }
    rows.told.insert(id, told);
    Ok(())
}
