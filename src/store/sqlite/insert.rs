//! The rows of an accepted message: key, message, deliveries in their lanes, obligations, trail.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    change::Change,
    error::number,
    standing::number_of,
    value::{Day, Id, Time},
};
use crate::{
    domain::{
        decision::{ParkReason, Relay},
        delivery::{Acknowledgement, Transport},
        id::{DeliveryId, EndpointId, OrganisationId},
        obligation::ObligationState,
    },
    port::store::{Acceptance, Error, Moment, NewDelivery, NewEntry, NewState},
    store::{
        change::{Bucket, Lane, Mode, Standing},
        words,
    },
};

/// Writes key and message and returns their row.
pub(super) fn message(change: &Change<'_>, acceptance: &Acceptance) -> Result<i64, Error> {
    let connection = change.rows.0;
    connection.prepare_cached(include_str!("sql/key_insert.sql"))?.execute(params![
        Id(acceptance.id.0),
        acceptance.key.business_key,
        acceptance.key.kind.as_str(),
        acceptance.key.organisation.as_str(),
        acceptance.revision,
        acceptance.received_digest.0.as_slice(),
        acceptance.content_digest.0.as_slice(),
        acceptance.receipt.as_ref(),
    ])?;
    let number = connection.last_insert_rowid();
    connection.prepare_cached(include_str!("sql/message_insert.sql"))?.execute(params![
        number,
        acceptance.matter.as_str(),
        acceptance.endpoint.as_str(),
        Time(change.now),
        acceptance.received.as_ref(),
        acceptance.salt.as_slice(),
        acceptance.canonical.as_ref(),
        acceptance.decision.as_ref(),
    ])?;
    Ok(number)
}

/// Rows of deliveries.
pub(super) type Numbers = HashMap<DeliveryId, i64>;

/// Writes the deliveries, each at the end of its lane, and returns their rows.
pub(super) fn deliveries(
    change: &mut Change<'_>,
    message: i64,
    acceptance: &Acceptance,
) -> Result<Numbers, Error> {
    let mut numbers = Numbers::with_capacity(acceptance.deliveries.len());
    if acceptance.deliveries.is_empty() {
        return Ok(numbers);
    }
    let count: i64 = number(acceptance.deliveries.len())?;
    let (order_key, last) = take(change.rows.0, acceptance.order_key.as_str(), count)?;
    for (sequence, new) in (last + 1..).zip(&acceptance.deliveries) {
        let written = delivery(change, new, &Place { message, order_key, sequence })?;
        numbers.insert(new.id, written);
    }
    Ok(numbers)
}

/// Takes lane sequences of an order key: its row, and the last that was taken before. Looking first is
/// cheaper than a statement that returns what it wrote, for which SQLite makes a table.
fn take(connection: &Connection, order_key: &str, count: i64) -> Result<(i64, i64), Error> {
    let known: Option<(i64, i64)> = connection
        .prepare_cached("SELECT number, last_sequence FROM order_key WHERE name = ?1")?
        .query_row([order_key], |row| row.try_into())
        .optional()?;
    if let Some((number, last)) = known {
        connection
            .prepare_cached("UPDATE order_key SET last_sequence = last_sequence + ?2 WHERE number = ?1")?
            .execute([number, count])?;
        return Ok((number, last));
    }
    connection
        .prepare_cached("INSERT INTO order_key (name, last_sequence) VALUES (?1, ?2)")?
        .execute(params![order_key, count])?;
    Ok((connection.last_insert_rowid(), 0))
}

/// Writes the obligations; `own` are the deliveries of the same message.
pub(super) fn obligations(
    connection: &Connection,
    message: i64,
    own: &Numbers,
    acceptance: &Acceptance,
) -> Result<(), Error> {
    for obligation in &acceptance.obligations {
        let row = |id| own.get(&id).map_or_else(|| number_of(connection, id), |number| Ok(*number));
        let delivery = obligation.delivery.map(row).transpose()?;
        connection.prepare_cached(include_str!("sql/obligation_insert.sql"))?.execute(params![
            message,
            delivery,
            obligation.organisation.as_str(),
            obligation.duty.as_str(),
            Day(obligation.due),
            words::calendar(obligation.calendar),
            words::term(obligation.term),
            obligation.rule.as_str(),
            obligation.basis,
            words::obligation_state(ObligationState::Open),
        ])?;
    }
    Ok(())
}

/// Writes trail entries, unsealed.
pub(super) fn entries<'a>(
    connection: &Connection,
    entries: impl IntoIterator<Item = &'a NewEntry>,
) -> Result<(), Error> {
    for entry in entries {
        write_entry(connection, include_str!("sql/trail_insert.sql"), entry)?;
    }
    Ok(())
}

/// Writes trail entries, unsealed, and leaves alone those that are there.
pub(super) fn missing_entries(connection: &Connection, entries: &[NewEntry]) -> Result<(), Error> {
    for entry in entries {
        write_entry(
            connection,
            concat!(include_str!("sql/trail_insert.sql"), "ON CONFLICT (id) DO NOTHING"),
            entry,
        )?;
    }
    Ok(())
}

fn write_entry(connection: &Connection, sql: &str, entry: &NewEntry) -> Result<(), Error> {
    let written = connection.prepare_cached(sql)?.execute(params![
        Id(entry.id.0),
        Time(entry.at),
        entry.event,
        entry.message.map(|id| Id(id.0)),
        entry.delivery.map(|id| Id(id.0)),
        entry.body.as_ref(),
    ])?;
    if written > 0 {
        connection
            .prepare_cached("INSERT INTO trail_unsealed (entry) VALUES (?1)")?
            .execute([connection.last_insert_rowid()])?;
        if let Some(salt) = entry.salt {
            connection
                .prepare_cached("INSERT INTO refusal (entry, at, salt) VALUES (?1, ?2, ?3)")?
                .execute(params![Id(entry.id.0), Time(entry.at), salt])?;
        }
    }
    Ok(())
}

struct Place {
    message: i64,
    order_key: i64,
    sequence: i64,
}

/// How a new delivery starts, in columns.
struct Start<'a> {
    state: Transport,
    reason: Option<ParkReason>,
    detail: Option<&'a str>,
    hold: Option<(i64, Moment, &'a Relay)>,
}

fn delivery(change: &mut Change<'_>, new: &NewDelivery, place: &Place) -> Result<i64, Error> {
    let start = start(change.rows.0, new)?;
    let delivery = write_delivery(change, new, place, start.hold)?;
    let lane = new.endpoint.clone().map(|endpoint| Lane { order_key: place.order_key, endpoint });
    let claimable = start.state == Transport::Ready && is_free(change.rows.0, lane.as_ref())?;
    change.rows.0.prepare_cached(include_str!("sql/open_insert.sql"))?.execute(params![
        delivery,
        new.endpoint.as_ref().map(EndpointId::as_str),
        place.order_key,
        place.sequence,
        start.state.as_str(),
        start.hold.is_none(),
        Time(change.now),
        claimable.then_some(Time(change.now)),
        start.reason.map(ParkReason::as_str),
        start.detail,
    ])?;
    let bucket = Bucket { state: start.state, acknowledgement: Acknowledgement::None, attempts: 0 };
    change.tally.added(new.organisation.as_ref().map(OrganisationId::as_str), bucket);
    if claimable && let Some(lane) = &lane {
        change.report(&lane.endpoint);
    }
    if start.state == Transport::Held {
        follow_at_once(change, delivery)?;
    }
    Ok(delivery)
}

fn start<'a>(connection: &Connection, new: &'a NewDelivery) -> Result<Start<'a>, Error> {
    let hold = match &new.start {
        NewState::Held { after, moment, relay } => Some((number_of(connection, *after)?, *moment, relay)),
        NewState::Ready | NewState::Parked { .. } => None,
    };
    let (state, reason, detail) = match &new.start {
        NewState::Parked { reason, detail } => (Transport::Parked, Some(*reason), Some(&**detail)),
        _ if new.endpoint.is_none() => (Transport::Parked, Some(ParkReason::NoEndpoint), None),
        NewState::Ready => (Transport::Ready, None, None),
        NewState::Held { .. } => (Transport::Held, None, None),
    };
    Ok(Start { state, reason, detail, hold })
}

fn write_delivery(
    change: &Change<'_>,
    new: &NewDelivery,
    place: &Place,
    hold: Option<(i64, Moment, &Relay)>,
) -> Result<i64, Error> {
    let authorisation = match hold {
        Some((.., Relay::StandingAuthorisation { document })) => Some(document),
        _ => None,
    };
    change.rows.0.prepare_cached(include_str!("sql/delivery_insert.sql"))?.execute(params![
        Id(new.id.0),
        place.message,
        new.organisation.as_ref().map(OrganisationId::as_str),
        new.endpoint.as_ref().map(EndpointId::as_str),
        words::part(new.part),
        new.share,
        new.on_behalf_of.as_ref().map(OrganisationId::as_str),
        new.rule.as_str(),
        place.order_key,
        place.sequence,
        Time(change.now),
        hold.map(|(first_hop, ..)| first_hop),
        hold.map(|(_, moment, _)| moment.as_str()),
        hold.map(|(.., relay)| words::relay(relay)),
        authorisation,
        words::redaction(new.redaction),
    ])?;
    Ok(change.rows.0.last_insert_rowid())
}

/// Whether a lane has nothing open, so that a new delivery heads it.
fn is_free(connection: &Connection, lane: Option<&Lane>) -> Result<bool, Error> {
    let Some(lane) = lane else { return Ok(false) };
    Ok(!connection
        .prepare_cached(include_str!("sql/lane_head.sql"))?
        .exists(params![lane.order_key, lane.endpoint.as_str()])?)
}

/// A second hop whose first hop has reached its moment long ago waits for nothing.
fn follow_at_once(change: &mut Change<'_>, delivery: i64) -> Result<(), Error> {
    let standing = Standing::at(change.rows.0, delivery)?;
    if let Some(hold) = standing.hold
        && hold.mode == Mode::StandingAuthorisation
        && change.may_follow(&hold)?
    {
        change.release(&standing)?;
    }
    Ok(())
}
