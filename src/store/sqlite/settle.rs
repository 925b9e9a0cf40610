//! Settling: an attempt's end moves its delivery under the lease it carries; a late success settles too.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    change::{Change, Open},
    error::number,
    insert,
    value::Time,
};
use crate::{
    port::store::{Error, Settled, Settlement},
    store::change::{
        Standing,
        settle::{self, Moved},
    },
};

/// Settles each in turn.
pub(super) fn settle(
    connection: &Connection,
    settlements: &[Settlement],
    now: Timestamp,
) -> Result<Vec<Settled>, Error> {
    let mut change = Change::new(Open(connection), now);
    let settled =
        settlements.iter().map(|settlement| one(&mut change, settlement)).collect::<Result<_, _>>()?;
    change.tally.write(connection)?;
    Ok(settled)
}

fn one(change: &mut Change<'_>, settlement: &Settlement) -> Result<Settled, Error> {
    let connection = change.rows.0;
    let Some(standing) = Standing::of(connection, settlement.delivery)? else {
        return Ok(Settled::Unknown);
    };
    if let Some(refused) = settle::refusal(&standing, settlement) {
        return Ok(refused);
    }
    if record(change, &standing, settlement)? {
        insert::entries(connection, [&settlement.entry])?;
    }
    Ok(match settle::apply(change, &standing, settlement)? {
        Moved::Applied => Settled::Applied { ready: change.take_ready() },
        Moved::LateSuccess => Settled::LateSuccess { ready: change.take_ready() },
        Moved::Again => Settled::Again { ready: change.take_ready() },
        Moved::Nothing => Settled::LateIgnored,
    })
}

/// Keeps what was tried; false when the same end of the same lease is there already.
fn record(change: &Change<'_>, standing: &Standing, settlement: &Settlement) -> Result<bool, Error> {
    let record = &settlement.record;
    let written = change.rows.0.prepare_cached(include_str!("sql/attempt_insert.sql"))?.execute(params![
        standing.number,
        number::<_, i64>(settlement.lease.0)?,
        settlement.outcome.as_str(),
        Time(change.now),
        settlement.attempt,
        Time(record.started_at),
        Time(record.ended_at),
        record.peer,
        record.sent_digest,
        record.answer_digest,
        record.status,
        record.detail,
        record.adapter_version,
        record.sent_sm3,
        record.answer_sm3,
        settlement.salt,
    ])?;
    Ok(written > 0)
}
