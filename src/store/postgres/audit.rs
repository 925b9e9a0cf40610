//! Rows by the page, for checks: five statements for a page of entries.

use async_trait::async_trait;
use uuid::Uuid;

use super::{PostgresStore, error::Failure, query, runner::Job, session::Session, value::Columns as _};
use crate::{
    domain::id::DeliveryId,
    port::store::{Asked, Audit, DeliveryRow, Error, MessageRow, Rows},
    store::fault::number,
};

#[async_trait]
impl Audit for PostgresStore {
    async fn rows_of(&self, asked: Asked) -> Result<Rows, Error> {
        self.runner.read(asked).await
    }
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
        if ids.is_empty() {
            return Ok(rows);
        }
        for row in session.rows(include_str!("sql/audit_attempts.sql"), &[&ids]).await? {
            let delivery = DeliveryId(row.id("delivery")?);
            rows.attempts.entry(delivery).or_default().push(query::attempt(&row)?);
        }
        for row in session.rows(include_str!("sql/audit_told.sql"), &[&ids, &self.told]).await? {
            rows.told.insert(DeliveryId(row.id("delivery")?), row.number("told")?);
        }
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

async fn deliveries(session: &Session<'_>, of: &str, ids: Vec<Uuid>) -> Result<Vec<DeliveryRow>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("{}WHERE {of} = ANY($1) ORDER BY d.number", include_str!("sql/delivery.sql"));
    session.rows(&sql, &[&ids]).await?.iter().map(query::delivery).collect()
}
