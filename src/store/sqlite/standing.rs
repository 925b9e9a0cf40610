//! How one delivery stands, read inside the transaction that changes it.

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql};
use uuid::Uuid;

use super::{
    error::unfit,
    value::{Columns as _, Id, InTurn},
};
use crate::{
    domain::id::{DeliveryId, MessageId},
    port::store::Error,
    store::change::{Again, Hold, Lane, Standing},
};

impl Standing {
    /// By id.
    pub(super) fn of(connection: &Connection, id: DeliveryId) -> Result<Option<Self>, Error> {
        Self::read(connection, concat!(include_str!("sql/standing.sql"), "WHERE d.id = ?1"), &Id(id.0))
    }

    /// By row.
    pub(super) fn at(connection: &Connection, number: i64) -> Result<Self, Error> {
        Self::read(connection, concat!(include_str!("sql/standing.sql"), "WHERE d.number = ?1"), &number)?
            .ok_or_else(|| unfit(format!("no delivery in row {number}")))
    }

    fn read(connection: &Connection, sql: &'static str, key: &dyn ToSql) -> Result<Option<Self>, Error> {
        Ok(connection.prepare_cached(sql)?.query_row([key], Self::from_row).optional()?)
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let row = InTurn::of(row);
        let number = row.value("number")?;
        let message = MessageId(row.id("message")?);
        let organisation = row.value("organisation")?;
        let endpoint = row.text_if("endpoint")?;
        let order_key = row.value("order_key")?;
        let sequence = row.value::<i64>("lane_sequence")?.unsigned_abs();
        let created_at = row.time("created_at")?;
        let acknowledgement = row.word("acknowledgement")?;
        let hold = match row.value("first_hop")? {
            None => None,
            Some(first_hop) => Some(Hold {
                first_hop,
                moment: row.word("moment")?,
                mode: row.word("relay")?,
                released: row.value("released")?,
            }),
        };
        let state = row.word("state")?;
        let attempts = row.value("attempts")?;
        let first_attempt_at = row.time_if("first_attempt_at")?;
        let lease = row.value::<i64>("lease")?.unsigned_abs();
        let detail = row.value("detail")?;
        let again = match row.word_if("again")? {
            None => None,
            Some(state) => Some(Again {
                state,
                attempts: row.value("again_attempts")?,
                first_attempt_at,
                since: row.value::<i64>("settled_lease")?.unsigned_abs(),
            }),
        };
        Ok(Self {
            number,
            message,
            organisation,
            lane: endpoint.map(|endpoint| Lane { order_key, endpoint }),
            sequence,
            created_at,
            state,
            acknowledgement,
            attempts,
            first_attempt_at,
            lease,
            detail,
            hold,
            again,
        })
    }
}

/// The row of a delivery that must exist.
pub(super) fn number_of(connection: &Connection, id: DeliveryId) -> Result<i64, Error> {
    let number = connection
        .prepare_cached("SELECT number FROM delivery WHERE id = ?1")?
        .query_row([Id(id.0)], |row| row.get(0))
        .optional()?;
    number.ok_or_else(|| unfit(format!("no delivery {id}")))
}

/// The row of a message, where there is one.
pub(super) fn message_number(connection: &Connection, id: Uuid) -> Result<Option<i64>, Error> {
    Ok(connection
        .prepare_cached("SELECT number FROM message_key WHERE id = ?1")?
        .query_row([Id(id)], |row| row.get(0))
        .optional()?)
}
