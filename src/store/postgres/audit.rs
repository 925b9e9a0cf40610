//! Rows by the page, for checks: five statements for a page of entries.

use std::collections::HashSet;

use async_trait::async_trait;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{PostgresStore, error::Failure, query, runner::Job, session::Session, value::Columns as _};
use crate::{
    domain::id::{DeliveryId, MessageId},
    port::store::{Asked, Audit, DeliveryRow, Error, Exchanged, MessageRow, Rows, Sha256Digest},
    store::fault::number,
};

#[async_trait]
impl Audit for PostgresStore {
    async fn rows_of(&self, asked: Asked) -> Result<Rows, Error> {
        self.runner.read(asked).await
    }

    async fn exchanged(&self, from: u64, limit: usize) -> Result<Vec<Exchanged>, Error> {
        self.runner.read(From { number: from, limit }).await
    }
}

struct From {
    number: u64,
    limit: usize,
}

#[async_trait]
impl Job for From {
    type Output = Vec<Exchanged>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let (from, limit): (i64, i64) = (number(self.number)?, number(self.limit)?);
        session
            .rows(include_str!("sql/exchanged.sql"), &[&from, &limit])
            .await?
            .iter()
            .map(exchanged)
            .collect()
    }
}

fn exchanged(row: &Row) -> Result<Exchanged, Failure> {
    Ok(Exchanged {
        number: row.number("number")?,
        delivery: DeliveryId(row.id("id")?),
        created_at: row.time("created_at")?,
        sender: row.text("organisation")?,
        recipient: row.text_if("recipient")?,
        kind: row.word("kind")?,
        business_key: row.text("business_key")?,
        revision: row.number("revision")?,
        sent_by: row.text_if("sent_by")?,
        endpoint: row.text_if("endpoint")?,
        state: row.word("state")?,
        handed_over_at: row.time_if("handed_over_at")?,
        received_digest: kept(row.digest("received_digest")?),
        sent_digest: row.digest_if("sent_digest")?.map(Sha256Digest),
    })
}

/// A digest that is not erased.
fn kept(digest: [u8; 32]) -> Option<Sha256Digest> {
    (digest != [0; 32]).then_some(Sha256Digest(digest))
}

#[async_trait]
impl Job for Asked {
    type Output = Rows;

    async fn run(&self, session: &Session<'_>) -> Result<Rows, Failure> {
        let mut rows = Rows { messages: messages(session, self).await?, ..Rows::default() };
        let read = self.messages.iter().take(rows.messages.len()).map(|id| id.0).collect();
        rows.deliveries = deliveries(session, "k.id", read).await?;
        let alone = self.deliveries.iter().map(|id| id.0).collect();
        rows.deliveries.extend(deliveries(session, "d.id", alone).await?);
        let ids: Vec<_> = rows.deliveries.iter().map(|row| row.id.0).collect();
        if !ids.is_empty() {
            for row in session.rows(include_str!("sql/audit_attempts.sql"), &[&ids]).await? {
                let delivery = DeliveryId(row.id("delivery")?);
                rows.attempts.entry(delivery).or_default().push(query::attempt(&row)?);
            }
            for row in session.rows(include_str!("sql/audit_told.sql"), &[&ids, &self.told]).await? {
                rows.told.insert(DeliveryId(row.id("delivery")?), row.number("told")?);
            }
        }
        rows.erased = erased(session, self, &rows).await?;
        Ok(rows)
    }
}

async fn messages(session: &Session<'_>, asked: &Asked) -> Result<Vec<Option<MessageRow>>, Failure> {
    if asked.messages.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = asked.messages.iter().map(|id| id.0).collect();
    let limit: i64 = number(asked.limit_bytes)?;
    let rows = session.rows(include_str!("sql/audit_messages.sql"), &[&ids, &limit]).await?;
    let read = rows.iter().map(|row| {
        let is_there = row.time_if("accepted_at")?.is_some();
        if is_there { query::message(row).map(Some) } else { Ok(None) }
    });
    read.collect()
}

async fn erased(session: &Session<'_>, asked: &Asked, read: &Rows) -> Result<HashSet<MessageId>, Failure> {
    let messages = read.messages.iter().flatten().filter(|row| row.is_erased()).map(|row| row.id.0);
    let is_emptied = |row: &&DeliveryRow| {
        read.attempts.get(&row.id).is_some_and(|attempts| attempts.iter().any(|attempt| attempt.erased))
    };
    let emptied = read.deliveries.iter().filter(is_emptied).map(|row| row.message.0);
    let ids: Vec<Uuid> = messages.chain(emptied).collect();
    let Some(word) = asked.erased.filter(|_| !ids.is_empty()) else { return Ok(HashSet::new()) };
    let sql = "SELECT DISTINCT message FROM trail WHERE message = ANY($1) AND event = $2";
    let rows = session.rows(sql, &[&ids, &word]).await?;
    rows.iter().map(|row| row.id("message").map(MessageId)).collect()
}

async fn deliveries(session: &Session<'_>, of: &str, ids: Vec<Uuid>) -> Result<Vec<DeliveryRow>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("{}WHERE {of} = ANY($1) ORDER BY d.number", include_str!("sql/delivery.sql"));
    session.rows(&sql, &[&ids]).await?.iter().map(query::delivery).collect()
}
