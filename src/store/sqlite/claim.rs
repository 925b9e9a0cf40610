//! Claiming: due lane heads become work under lease, by one range of one small index an endpoint.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    error::number,
    value::{Columns as _, Id, InTurn, Time},
};
use crate::{
    domain::{
        delivery::Transport,
        id::{DeliveryId, MessageId},
    },
    port::{
        bus::{Brought, LeaseToken, Work},
        store::{Claim, Error, ExpiredLease, Waiting, Want},
    },
    store::change::{Bucket, Tally},
};

/// Leases what is wanted and due.
pub(super) fn claim(connection: &Connection, claim: &Claim, now: Timestamp) -> Result<Vec<Work>, Error> {
    let mut tally = Tally::default();
    let mut claimed = Vec::new();
    for want in &claim.wants {
        for mut due in due(connection, want, claim, now)? {
            lease(connection, &mut due, claim)?;
            if due.counted == Counted::Open {
                let leased = Bucket { state: Transport::Leased, ..due.bucket };
                tally.moved(Some(due.work.organisation.as_str()), due.bucket, leased);
            }
            claimed.push(due.work);
        }
    }
    tally.write(connection)?;
    Ok(claimed)
}

/// Leases that ended before `now`, oldest first, without bodies.
pub(super) fn expired(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<ExpiredLease>, Error> {
    let mut statement = connection.prepare_cached(include_str!("sql/lease_expired.sql"))?;
    let rows = statement.query_map(params![Time(now), number::<_, i64>(limit)?], |row| {
        let row = InTurn::of(row);
        let number = row.value("number")?;
        let lease = LeaseToken(row.value::<i64>("lease")?.unsigned_abs());
        let not_after = row.time("not_after")?;
        Ok((number, work(&row, lease, not_after)?))
    })?;
    let rows: Vec<(i64, Work)> = rows.collect::<Result<_, _>>()?;
    rows.into_iter()
        .map(|(number, mut work)| {
            work.relays = relays(connection, number)?;
            Ok(ExpiredLease { work })
        })
        .collect()
}

/// Endpoints with something claimable, and when the next scheduled delivery falls due.
pub(super) fn waiting(connection: &Connection, now: Timestamp) -> Result<Waiting, Error> {
    let mut statement = connection.prepare_cached(include_str!("sql/claim_waiting.sql"))?;
    let rows = statement.query_map([Time(now)], |row| {
        Ok((row.text("endpoint")?, row.get::<_, bool>("ready")?, row.time_if("next_due")?))
    })?;
    let mut waiting = Waiting::default();
    for row in rows {
        let (endpoint, ready, due) = row?;
        if ready {
            waiting.ready.push(endpoint);
        }
        waiting.next_due = waiting.next_due.into_iter().chain(due).min();
    }
    Ok(waiting)
}

/// How a delivery is counted while it is with a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    /// By its open state.
    Open,
    /// By its end: it is only sent again.
    Ended,
}

struct Due {
    number: i64,
    counted: Counted,
    bucket: Bucket,
    work: Work,
}

fn due(connection: &Connection, want: &Want, claim: &Claim, now: Timestamp) -> Result<Vec<Due>, Error> {
    let limit: i64 = number(room(connection, want)?)?;
    let mut statement = connection.prepare_cached(include_str!("sql/claim_due.sql"))?;
    let rows = statement.query_map(params![want.endpoint.as_str(), Time(now), limit], |row| {
        let row = InTurn::of(row);
        let number = row.value("number")?;
        let counted = if row.value("again")? { Counted::Ended } else { Counted::Open };
        let (state, acknowledgement) = (row.word::<Transport>("state")?, row.word("acknowledgement")?);
        let lease = LeaseToken(row.value::<i64>("lease")?.unsigned_abs() + 1);
        let work = work(&row, lease, claim.not_after)?;
        let bucket = Bucket { state, acknowledgement, attempts: work.attempt - 1 };
        Ok(Due { number, counted, bucket, work })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What may be leased: where a window is named, no more than what is left of it.
fn room(connection: &Connection, want: &Want) -> Result<usize, Error> {
    let Some(window) = want.window else { return Ok(want.limit) };
    let leased: i64 = connection
        .prepare_cached(include_str!("sql/claim_leased.sql"))?
        .query_row([want.endpoint.as_str()], |row| row.get(0))?;
    Ok(want.limit.min(window.saturating_sub(number(leased)?)))
}

fn lease(connection: &Connection, due: &mut Due, claim: &Claim) -> Result<(), Error> {
    connection.prepare_cached(include_str!("sql/claim_lease.sql"))?.execute(params![
        due.number,
        number::<_, i64>(due.work.lease.0)?,
        Time(claim.lease_until),
        Time(claim.not_after),
    ])?;
    due.work.relays = relays(connection, due.number)?;
    Ok(())
}

/// Held second hops that wait for this delivery's recipient to confirm.
fn relays(connection: &Connection, number: i64) -> Result<Vec<DeliveryId>, Error> {
    let mut statement = connection.prepare_cached(include_str!("sql/claim_relays.sql"))?;
    let ids = statement.query_map([number], |row| row.get::<_, Id>(0))?;
    Ok(ids.map(|id| id.map(|id| DeliveryId(id.0))).collect::<Result<_, _>>()?)
}

fn work(row: &InTurn<'_, '_>, lease: LeaseToken, not_after: Timestamp) -> rusqlite::Result<Work> {
    Ok(Work {
        delivery: DeliveryId(row.id("id")?),
        message: MessageId(row.id("message")?),
        kind: row.word("kind")?,
        endpoint: row.text("endpoint")?,
        organisation: row.text("organisation")?,
        on_behalf_of: row.text_if("on_behalf_of")?,
        part: row.word("part")?,
        share: row.text_if("share")?,
        redaction: row.word("redaction")?,
        lane_sequence: row.value::<i64>("lane_sequence")?.unsigned_abs(),
        attempt: row.value::<u32>("attempts")? + 1,
        lease,
        not_after,
        accepted_at: row.time("accepted_at")?,
        first_attempt_at: row.time_if("first_attempt_at")?,
        relays: Vec::new(),
        body: row.value::<Vec<u8>>("body")?.into(),
        brought: Brought::First,
    })
}
