//! Obligations, read.

use async_trait::async_trait;
use jiff::civil::Date;
use rusqlite::Row;

use super::{
    SqliteStore,
    error::number,
    value::{Columns as _, Day, Id},
};
use crate::{
    domain::id::{DeliveryId, MessageId},
    port::store::{Error, Obligation, Obligations, Overdue, Place},
};

#[async_trait]
impl Obligations for SqliteStore {
    async fn overdue(&self, day: Date, after: Place, limit: usize) -> Result<Vec<Overdue>, Error> {
        self.readers
            .read(move |connection| {
                let limit: i64 = number(limit)?;
                let mut statement = connection.prepare_cached(include_str!("sql/overdue.sql"))?;
                let place = rusqlite::params![Day(day), Day(after.due), after.number, limit];
                let rows = statement.query_map(place, overdue)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn of_message(&self, message: MessageId) -> Result<Vec<Obligation>, Error> {
        self.readers
            .read(move |connection| {
                let sql = concat!(include_str!("sql/obligation.sql"), "WHERE k.id = ?1 ORDER BY b.number");
                let mut statement = connection.prepare_cached(sql)?;
                let rows = statement.query_map([Id(message.0)], obligation)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }
}

fn overdue(row: &Row<'_>) -> rusqlite::Result<Overdue> {
    let obligation = obligation(row)?;
    Ok(Overdue {
        place: Place { due: obligation.due, number: row.get("number")? },
        obligation,
        calendar: row.word("calendar")?,
        term: row.word("term")?,
        rule: row.text("rule")?,
        basis: row.text::<String>("basis")?.into(),
    })
}

fn obligation(row: &Row<'_>) -> rusqlite::Result<Obligation> {
    Ok(Obligation {
        message: MessageId(row.id("message")?),
        delivery: row.get::<_, Option<Id>>("delivery")?.map(|id| DeliveryId(id.0)),
        organisation: row.text("organisation")?,
        duty: row.word("duty")?,
        due: row.get::<_, Day>("due")?.0,
        state: row.word("state")?,
        closed_at: row.time_if("closed_at")?,
    })
}
