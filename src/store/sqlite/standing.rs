//! How one delivery stands, read inside the transaction that changes it.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    error::unfit,
    tally::Bucket,
    value::{Columns as _, Id},
};
use crate::{
    domain::{
        delivery::{Acknowledgement, Transport},
        id::{DeliveryId, EndpointId},
    },
    port::store::{Error, Moment},
};

/// One delivery.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    /// Its row.
    pub(super) number: i64,
    /// Recipient.
    pub(super) organisation: Option<String>,
    /// Its lane, where it is in one.
    pub(super) lane: Option<Lane>,
    /// When it was created.
    pub(super) created_at: Timestamp,
    /// Transport.
    pub(super) state: Transport,
    /// Acknowledgement.
    pub(super) acknowledgement: Acknowledgement,
    /// Counted attempts since it was last told to start again.
    pub(super) attempts: u32,
    /// When the first of them began.
    pub(super) first_attempt_at: Option<Timestamp>,
    /// The latest lease given, 0 for none.
    pub(super) lease: u64,
    /// Last detail, in words.
    pub(super) detail: Option<String>,
    /// What it waits for, or waited for.
    pub(super) hold: Option<Hold>,
}

/// A lane: one endpoint and one order key.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// Row of the order key.
    pub(super) order_key: i64,
    /// Endpoint.
    pub(super) endpoint: EndpointId,
}

/// Why a second hop is held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    /// Row of the first hop.
    pub(super) first_hop: i64,
    /// The moment it waits for.
    pub(super) moment: Moment,
    /// How it is let go.
    pub(super) mode: Mode,
    /// Whether it has been let go.
    pub(super) released: bool,
}

/// The mode of a [`crate::domain::decision::Relay`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    /// In the supervisor's own system.
    OwnSystem,
    /// By a person's word.
    Confirm,
    /// By 代推授权.
    StandingAuthorisation,
}

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

    /// What it is counted under.
    pub(super) fn bucket(&self) -> Bucket {
        Bucket { state: self.state, acknowledgement: self.acknowledgement, attempts: self.attempts }
    }

    /// Whether a second hop may follow it. A returned one lets none go; paper stands for both moments.
    pub(super) fn has_reached(&self, moment: Moment) -> bool {
        if self.state == Transport::ServedOffline {
            return true;
        }
        match (moment, self.acknowledgement) {
            (_, Acknowledgement::Returned) => false,
            (Moment::HandedOver, _) => self.state == Transport::Delivered,
            (Moment::Signed, acknowledgement) => acknowledgement != Acknowledgement::None,
        }
    }

    fn read(connection: &Connection, sql: &'static str, key: &dyn ToSql) -> Result<Option<Self>, Error> {
        Ok(connection.prepare_cached(sql)?.query_row([key], Self::from_row).optional()?)
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let order_key = row.get("order_key")?;
        let hold = match row.get("first_hop")? {
            None => None,
            Some(first_hop) => Some(Hold {
                first_hop,
                moment: row.word("moment")?,
                mode: row.word("relay")?,
                released: row.get("released")?,
            }),
        };
        Ok(Self {
            number: row.get("number")?,
            organisation: row.get("organisation")?,
            lane: row.text_if("endpoint")?.map(|endpoint| Lane { order_key, endpoint }),
            created_at: row.time("created_at")?,
            state: row.word("state")?,
            acknowledgement: row.word("acknowledgement")?,
            attempts: row.get("attempts")?,
            first_attempt_at: row.time_if("first_attempt_at")?,
            lease: row.get::<_, i64>("lease")?.unsigned_abs(),
            detail: row.get("detail")?,
            hold,
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
