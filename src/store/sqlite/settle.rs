//! Settling: an attempt's end moves its delivery under the lease it carries; a late success settles too.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    change::{Change, End, Place},
    error::number,
    insert,
    standing::Standing,
    value::Time,
};
use crate::{
    domain::delivery::{Next, Outcome, Transport},
    port::store::{Counts, Error, Settled, Settlement},
};

/// Settles each in turn.
pub(super) fn settle(
    connection: &Connection,
    settlements: &[Settlement],
    now: Timestamp,
) -> Result<Vec<Settled>, Error> {
    let mut change = Change::new(connection, now);
    let settled =
        settlements.iter().map(|settlement| one(&mut change, settlement)).collect::<Result<_, _>>()?;
    change.tally.write(connection)?;
    Ok(settled)
}

fn one(change: &mut Change<'_>, settlement: &Settlement) -> Result<Settled, Error> {
    let given = |standing: &Standing| (1..=standing.lease).contains(&settlement.lease.0);
    let Some(standing) = Standing::of(change.connection, settlement.delivery)?.filter(given) else {
        return Ok(Settled::Unknown);
    };
    if record(change, &standing, settlement)? {
        insert::entries(change.connection, [&settlement.entry])?;
    }
    if standing.state == Transport::Leased && standing.lease == settlement.lease.0 {
        apply(change, &standing, settlement)?;
        return Ok(Settled::Applied { ready: change.take_ready() });
    }
    if settlement.outcome == Outcome::Delivered && !standing.state.is_final() {
        deliver(change, &standing, settlement, standing.attempts)?;
        return Ok(Settled::LateSuccess { ready: change.take_ready() });
    }
    Ok(Settled::LateIgnored)
}

/// Keeps what was tried; false when the same end of the same lease is there already.
fn record(change: &Change<'_>, standing: &Standing, settlement: &Settlement) -> Result<bool, Error> {
    let record = &settlement.record;
    let written =
        change.connection.prepare_cached(include_str!("sql/attempt_insert.sql"))?.execute(params![
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
        ])?;
    Ok(written > 0)
}

fn apply(change: &mut Change<'_>, standing: &Standing, settlement: &Settlement) -> Result<(), Error> {
    let (attempts, first_attempt_at) = match settlement.counts {
        Counts::Nothing => (standing.attempts, standing.first_attempt_at),
        Counts::Attempt => (
            standing.attempts.saturating_add(1),
            standing.first_attempt_at.or(Some(settlement.record.started_at)),
        ),
    };
    let (state, at, reason) = match settlement.next {
        Next::Delivered => return deliver(change, standing, settlement, attempts),
        Next::Scheduled { at } => (Transport::Scheduled, at, None),
        Next::Parked { reason } => (Transport::Parked, change.now, Some(reason)),
    };
    let detail = Some(&*settlement.record.detail);
    change.place(standing, &Place { state, at, reason, detail, attempts, first_attempt_at, released: true })
}

fn deliver(
    change: &mut Change<'_>,
    standing: &Standing,
    settlement: &Settlement,
    attempts: u32,
) -> Result<(), Error> {
    // The worker's clock may be wrong, but not before the delivery was made nor after it is told here.
    let at = settlement.record.ended_at.min(change.now).max(standing.created_at);
    let end = End {
        state: Transport::Delivered,
        handed_over_at: Some(at),
        document: None,
        detail: Some(&settlement.record.detail),
        attempts,
    };
    change.end(standing, &end)
}
