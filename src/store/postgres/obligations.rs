//! Obligations, read.

use async_trait::async_trait;
use jiff::civil::Date;
use tokio_postgres::{Row, types::ToSql};
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
    port::store::{Error, Obligation, Obligations, Overdue, Place},
    store::fault::number,
};

#[async_trait]
impl Obligations for PostgresStore {
    async fn overdue(&self, day: Date, after: Place, limit: usize) -> Result<Vec<Overdue>, Error> {
        self.runner.read(OfDay { day, after, limit }).await
    }

    async fn of_message(&self, message: MessageId) -> Result<Vec<Obligation>, Error> {
        self.runner.read(OfMessage(message)).await
    }
}

struct OfDay {
    day: Date,
    after: Place,
    limit: usize,
}

#[async_trait]
impl Job for OfDay {
    type Output = Vec<Overdue>;

    async fn run(&self, session: &Session<'_>) -> Result<Vec<Overdue>, Failure> {
        let limit: i64 = number(self.limit)?;
        let place =
            &[&Day(self.day) as &(dyn ToSql + Sync), &Day(self.after.due), &self.after.number, &limit];
        session.rows(include_str!("sql/overdue.sql"), place).await?.iter().map(overdue).collect()
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

fn overdue(row: &Row) -> Result<Overdue, Failure> {
    let obligation = obligation(row)?;
    Ok(Overdue {
        place: Place { due: obligation.due, number: row.value("number")? },
        obligation,
        calendar: row.word("calendar")?,
        term: row.word("term")?,
        rule: row.text("rule")?,
        basis: row.text::<String>("basis")?.into(),
    })
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
