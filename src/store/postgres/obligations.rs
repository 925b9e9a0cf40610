//! Obligations, read.

use async_trait::async_trait;
use jiff::civil::Date;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    PostgresStore,
    error::Failure,
    runner::Job,
    session::Session,
    value::{Columns as _, Day},
};
use crate::{
    domain::id::{DeliveryId, MessageId},
    port::store::{Error, Obligation, Obligations},
    store::fault::number,
};

#[async_trait]
impl Obligations for PostgresStore {
    async fn overdue(&self, day: Date, limit: usize) -> Result<Vec<Obligation>, Error> {
        self.runner.read(Overdue { day, limit }).await
    }

    async fn of_message(&self, message: MessageId) -> Result<Vec<Obligation>, Error> {
        self.runner.read(OfMessage(message)).await
    }
}

struct Overdue {
    day: Date,
    limit: usize,
}

#[async_trait]
impl Job for Overdue {
    type Output = Vec<Obligation>;

    async fn run(&self, session: &Session<'_>) -> Result<Vec<Obligation>, Failure> {
        let sql = concat!(
            include_str!("sql/obligation.sql"),
            "WHERE b.state = 'open' AND b.due <= $1 ORDER BY b.due, b.number LIMIT $2"
        );
        let limit: i64 = number(self.limit)?;
        session.rows(sql, &[&Day(self.day), &limit]).await?.iter().map(obligation).collect()
    }
}

struct OfMessage(MessageId);

#[async_trait]
impl Job for OfMessage {
    type Output = Vec<Obligation>;

    async fn run(&self, session: &Session<'_>) -> Result<Vec<Obligation>, Failure> {
        let sql = concat!(include_str!("sql/obligation.sql"), "WHERE k.id = $1 ORDER BY b.number");
        session.rows(sql, &[&self.0.0]).await?.iter().map(obligation).collect()
    }
}

fn obligation(row: &Row) -> Result<Obligation, Failure> {
    Ok(Obligation {
        message: MessageId(row.id("message")?),
        delivery: row.value::<Option<Uuid>>("delivery")?.map(DeliveryId),
        organisation: row.text("organisation")?,
        duty: row.word("duty")?,
        due: row.value::<Day>("due")?.0,
        state: row.word("state")?,
        closed_at: row.time_if("closed_at")?,
    })
}
