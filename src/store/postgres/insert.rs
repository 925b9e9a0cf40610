//! The rows of accepted messages, in sets: keys, messages, deliveries in their lanes, obligations, trail.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    error::Failure,
    session::Session,
    value::{Columns as _, Day, Time, clean, column},
};
use crate::{
    domain::{
        decision::{ParkReason, Relay},
        delivery::Transport,
        id::{DeliveryId, EndpointId, OrganisationId},
        obligation::ObligationState,
    },
    port::store::{Acceptance, Moment, NewDelivery, NewEntry, NewObligation},
    store::{
        change::Lane,
        fault::{number, unfit},
        words,
    },
};

/// Takes numbers for messages and for deliveries.
pub(super) async fn numbers(
    session: &Session<'_>,
    messages: usize,
    deliveries: usize,
) -> Result<(Vec<i64>, Vec<i64>), Failure> {
    let (of_messages, of_deliveries): (i64, i64) = (number(messages)?, number(deliveries)?);
    let rows = session.rows(include_str!("sql/numbers_take.sql"), &[&of_messages, &of_deliveries]).await?;
    let mut taken: Vec<i64> = rows.iter().map(|row| row.value("number")).collect::<Result<_, _>>()?;
    let for_deliveries = taken.split_off(messages.min(taken.len()));
    Ok((taken, for_deliveries))
}

/// Writes keys and messages.
pub(super) async fn messages(
    session: &Session<'_>,
    messages: &[(i64, &Acceptance)],
    now: Timestamp,
) -> Result<(), Failure> {
    futures::try_join!(keys(session, messages, now), contents(session, messages, now))?;
    Ok(())
}

async fn keys(
    session: &Session<'_>,
    messages: &[(i64, &Acceptance)],
    now: Timestamp,
) -> Result<u64, Failure> {
    session
        .execute(
            include_str!("sql/key_insert.sql"),
            &[
                &column(messages, |(number, _)| *number),
                &column(messages, |(_, one)| one.id.0),
                &column(messages, |(_, one)| &*one.key.business_key),
                &column(messages, |(_, one)| one.key.kind.as_str()),
                &column(messages, |(_, one)| one.key.organisation.as_str()),
                &column(messages, |(_, one)| i64::from(one.revision)),
                &Time(now),
                &column(messages, |(_, one)| one.received_digest.0.as_slice()),
                &column(messages, |(_, one)| one.content_digest.0.as_slice()),
                &column(messages, |(_, one)| one.receipt.as_ref()),
            ],
        )
        .await
}

async fn contents(
    session: &Session<'_>,
    messages: &[(i64, &Acceptance)],
    now: Timestamp,
) -> Result<u64, Failure> {
    session
        .execute(
            include_str!("sql/message_insert.sql"),
            &[
                &column(messages, |(number, _)| *number),
                &Time(now),
                &column(messages, |(_, one)| one.matter.as_str()),
                &column(messages, |(_, one)| one.endpoint.as_str()),
                &column(messages, |(_, one)| one.received.as_ref()),
                &column(messages, |(_, one)| one.salt.as_slice()),
                &column(messages, |(_, one)| one.canonical.as_ref()),
                &column(messages, |(_, one)| one.decision.as_ref()),
            ],
        )
        .await
}

/// Order keys with the sequences taken from each: the row, the first one taken, and whether the key is new.
#[derive(Debug)]
pub(super) struct OrderKey {
    /// Its row.
    pub(super) number: i64,
    /// The next sequence to give.
    pub(super) next: i64,
    /// Whether nothing was in its lanes before.
    pub(super) is_new: bool,
}

/// Takes sequences from order keys, in the order of their names, and locks them.
pub(super) async fn order_keys<'a>(
    session: &Session<'_>,
    wanted: BTreeMap<&'a str, i64>,
) -> Result<HashMap<&'a str, OrderKey>, Failure> {
    let (names, counts): (Vec<&str>, Vec<i64>) = wanted.iter().unzip();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let mut keys = HashMap::with_capacity(names.len());
    for row in session.rows(include_str!("sql/order_key_take.sql"), &[&names, &counts]).await? {
        let name: &str = row.value("name")?;
        let last: i64 = row.value("last_sequence")?;
        let (name, count) =
            wanted.get_key_value(name).ok_or_else(|| unfit("an order key changed its name"))?;
        let key = OrderKey { number: row.value("number")?, next: last - count + 1, is_new: last == *count };
        keys.insert(*name, key);
    }
    Ok(keys)
}

/// Which of these lanes have something open.
pub(super) async fn occupied(session: &Session<'_>, lanes: &[Lane]) -> Result<HashSet<Lane>, Failure> {
    if lanes.is_empty() {
        return Ok(HashSet::new());
    }
    let (keys, endpoints) =
        (column(lanes, |lane| lane.order_key), column(lanes, |lane| lane.endpoint.as_str()));
    let rows = session.rows(include_str!("sql/lane_open.sql"), &[&keys, &endpoints]).await?;
    rows.iter()
        .map(|row| Ok(Lane { order_key: row.value("order_key")?, endpoint: row.text("endpoint")? }))
        .collect()
}

/// A delivery to write, with where it stands and how it starts.
#[derive(Debug)]
pub(super) struct Made<'a> {
    /// Its row.
    pub(super) number: i64,
    /// The row of its message.
    pub(super) message: i64,
    /// What it is.
    pub(super) new: &'a NewDelivery,
    /// The row of its order key.
    pub(super) order_key: i64,
    /// Its place there.
    pub(super) sequence: i64,
    /// How it starts.
    pub(super) state: Transport,
    /// Why it is parked.
    pub(super) reason: Option<ParkReason>,
    /// In words.
    pub(super) detail: Option<&'a str>,
    /// The row of its first hop, the moment waited for and how it goes on.
    pub(super) hold: Option<(i64, Moment, &'a Relay)>,
    /// Whether it waits for no first hop (any more).
    pub(super) released: bool,
    /// Whether it heads its lane and may be tried.
    pub(super) claimable: bool,
}

/// Writes deliveries, open.
pub(super) async fn deliveries(
    session: &Session<'_>,
    made: &[Made<'_>],
    now: Timestamp,
) -> Result<(), Failure> {
    if !made.is_empty() {
        futures::try_join!(facts(session, made, now), places(session, made, now))?;
    }
    Ok(())
}

async fn facts(session: &Session<'_>, made: &[Made<'_>], now: Timestamp) -> Result<u64, Failure> {
    let authorisation = |one: &Made<'_>| match one.hold {
        Some((.., Relay::StandingAuthorisation { document })) => Some(document.to_string()),
        _ => None,
    };
    session
        .execute(
            include_str!("sql/delivery_insert.sql"),
            &[
                &column(made, |one| one.number),
                &column(made, |one| one.new.id.0),
                &column(made, |one| one.message),
                &column(made, |one| one.new.organisation.as_ref().map(OrganisationId::as_str)),
                &column(made, |one| one.new.endpoint.as_ref().map(EndpointId::as_str)),
                &column(made, |one| words::part(one.new.part)),
                &column(made, |one| one.new.share.as_deref().map(clean)),
                &column(made, |one| one.new.on_behalf_of.as_ref().map(OrganisationId::as_str)),
                &column(made, |one| words::redaction(one.new.redaction)),
                &column(made, |one| one.new.rule.as_str()),
                &column(made, |one| one.order_key),
                &column(made, |one| one.sequence),
                &Time(now),
                &column(made, |one| one.hold.map(|(first_hop, ..)| first_hop)),
                &column(made, |one| one.hold.map(|(_, moment, _)| moment.as_str())),
                &column(made, |one| one.hold.map(|(.., relay)| words::relay(relay))),
                &column(made, authorisation),
            ],
        )
        .await
}

async fn places(session: &Session<'_>, made: &[Made<'_>], now: Timestamp) -> Result<u64, Failure> {
    session
        .execute(
            include_str!("sql/open_insert.sql"),
            &[
                &column(made, |one| one.number),
                &column(made, |one| one.new.endpoint.as_ref().map(EndpointId::as_str)),
                &column(made, |one| one.order_key),
                &column(made, |one| one.sequence),
                &column(made, |one| one.state.as_str()),
                &column(made, |one| one.released),
                &Time(now),
                &column(made, |one| one.claimable.then_some(Time(now))),
                &column(made, |one| one.reason.map(ParkReason::as_str)),
                &column(made, |one| one.detail.map(clean)),
            ],
        )
        .await
}

/// Writes obligations of messages, about deliveries by row.
pub(super) async fn obligations(
    session: &Session<'_>,
    new: &[(i64, Option<i64>, &NewObligation)],
) -> Result<(), Failure> {
    if new.is_empty() {
        return Ok(());
    }
    session
        .execute(
            include_str!("sql/obligation_insert.sql"),
            &[
                &column(new, |(message, ..)| *message),
                &column(new, |(_, delivery, _)| *delivery),
                &column(new, |(.., one)| one.organisation.as_str()),
                &column(new, |(.., one)| one.duty.as_str()),
                &column(new, |(.., one)| Day(one.due)),
                &column(new, |(.., one)| words::calendar(one.calendar)),
                &column(new, |(.., one)| words::term(one.term)),
                &column(new, |(.., one)| one.rule.as_str()),
                &column(new, |(.., one)| clean(&one.basis)),
                &words::obligation_state(ObligationState::Open),
            ],
        )
        .await?;
    Ok(())
}

/// The rows of stored deliveries that are only named.
pub(super) async fn numbers_of(
    session: &Session<'_>,
    ids: &[Uuid],
) -> Result<HashMap<DeliveryId, i64>, Failure> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = session.rows("SELECT id, number FROM delivery WHERE id = ANY ($1)", &[&ids]).await?;
    rows.iter().map(|row| Ok((DeliveryId(row.id("id")?), row.value("number")?))).collect()
}

/// Writes trail entries, unsealed.
pub(super) async fn entries(session: &Session<'_>, entries: &[&NewEntry]) -> Result<(), Failure> {
    write_entries(session, include_str!("sql/trail_insert.sql"), entries).await
}

/// Writes trail entries, unsealed, and leaves alone those that are there.
pub(super) async fn missing_entries(session: &Session<'_>, entries: &[&NewEntry]) -> Result<(), Failure> {
    write_entries(session, include_str!("sql/trail_insert_missing.sql"), entries).await
}

async fn write_entries(session: &Session<'_>, sql: &str, entries: &[&NewEntry]) -> Result<(), Failure> {
    if entries.is_empty() {
        return Ok(());
    }
    session
        .execute(
            sql,
            &[
                &column(entries, |entry| entry.id.0),
                &column(entries, |entry| Time(entry.at)),
                &column(entries, |entry| entry.event),
                &column(entries, |entry| entry.message.map(|id| id.0)),
                &column(entries, |entry| entry.delivery.map(|id| id.0)),
                &column(entries, |entry| entry.body.as_ref()),
            ],
        )
        .await?;
    write_salts(session, entries).await
}

/// Of entries that have a salt apart, as refusals do.
async fn write_salts(session: &Session<'_>, entries: &[&NewEntry]) -> Result<(), Failure> {
    let salted: Vec<_> = entries.iter().filter_map(|entry| Some((*entry, entry.salt?.to_vec()))).collect();
    if salted.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO refusal (entry, at, salt) SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::bytea[])
               ON CONFLICT (entry) DO NOTHING";
    let ids = column(&salted, |(entry, _)| entry.id.0);
    let times = column(&salted, |(entry, _)| Time(entry.at));
    session.execute(sql, &[&ids, &times, &column(&salted, |(_, salt)| salt.as_slice())]).await?;
    Ok(())
}
