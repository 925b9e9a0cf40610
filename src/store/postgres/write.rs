//! Writes back what one transaction decided, in sets: one statement a kind of change.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::{
    book::{AgainChange, Book, DutyChange, Ended, Kept, Placed, Said},
    error::Failure,
    session::Session,
    value::{Columns as _, Time, clean, column},
};
use crate::{
    domain::{decision::ParkReason, id::EndpointId},
    store::{
        change::{Lane, Tally},
        fault::number,
    },
};

/// Heads of lanes that became claimable, and from when.
pub(super) type Promoted = HashMap<Lane, Timestamp>;

/// Deliveries that became claimable: where, and from when.
pub(super) type Claimable = Vec<(EndpointId, Timestamp)>;

/// What a transaction found out, and what to look at when it is durable.
#[derive(Debug)]
pub(super) struct Done<T> {
    /// The answer of the port.
    pub(super) told: T,
    /// For the floors of claims.
    pub(super) claimable: Claimable,
}

/// The promoted heads as the floors want them.
pub(super) fn claimable(promoted: &Promoted) -> impl Iterator<Item = (EndpointId, Timestamp)> + '_ {
    promoted.iter().map(|(lane, at)| (lane.endpoint.clone(), *at))
}

/// Writes all changes of the book and makes the heads of the lanes touched claimable.
pub(super) async fn book(session: &Session<'_>, book: &Book, now: Timestamp) -> Result<Promoted, Failure> {
    duties(session, &book.duties, now).await?;
    acknowledged(session, book).await?;
    placed(session, book).await?;
    ended(session, book).await?;
    again(session, book).await?;
    promote(session, book.touched().iter()).await
}

/// Makes the head of each lane claimable, if it may be tried.
pub(super) async fn promote<'l>(
    session: &Session<'_>,
    lanes: impl Iterator<Item = &'l Lane>,
) -> Result<Promoted, Failure> {
    let lanes: Vec<&Lane> = lanes.collect::<HashSet<_>>().into_iter().collect();
    if lanes.is_empty() {
        return Ok(Promoted::new());
    }
    let rows = session
        .rows(
            include_str!("sql/lane_promote.sql"),
            &[&column(&lanes, |lane| lane.order_key), &column(&lanes, |lane| lane.endpoint.as_str())],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let lane = Lane { order_key: row.value("order_key")?, endpoint: row.text("endpoint")? };
            Ok((lane, row.time("claim_at")?))
        })
        .collect()
}

/// Appends the changes of counts.
pub(super) async fn counts(session: &Session<'_>, tally: Tally) -> Result<(), Failure> {
    let changes = tally.into_changes();
    if changes.is_empty() {
        return Ok(());
    }
    session
        .execute(
            include_str!("sql/count_add.sql"),
            &[
                &column(&changes, |change| change.organisation.as_str()),
                &column(&changes, |change| change.state.as_str()),
                &column(&changes, |change| change.acknowledgement.as_str()),
                &column(&changes, |change| change.retried),
                &column(&changes, |change| change.by),
            ],
        )
        .await?;
    Ok(())
}

/// A duty is met before others are released, and not after.
async fn duties(session: &Session<'_>, changes: &[DutyChange], now: Timestamp) -> Result<(), Failure> {
    let mut released: Vec<i64> = Vec::new();
    let (mut of, mut met) = (Vec::new(), Vec::new());
    for change in changes {
        match change {
            DutyChange::Released(delivery) => released.push(*delivery),
            DutyChange::Met(delivery, duty) if !released.contains(delivery) => {
                of.push(*delivery);
                met.push(duty.as_str());
            }
            DutyChange::Met(..) => {}
        }
    }
    if !of.is_empty() {
        session.execute(include_str!("sql/obligation_meet.sql"), &[&of, &met, &Time(now)]).await?;
    }
    if !released.is_empty() {
        session.execute(include_str!("sql/obligation_release.sql"), &[&released, &Time(now)]).await?;
    }
    Ok(())
}

async fn acknowledged(session: &Session<'_>, book: &Book) -> Result<(), Failure> {
    let said =
        |kept: &'_ Kept| kept.said.map(|said| (kept.standing.number, kept.standing.acknowledgement, said));
    let rows: Vec<(i64, _, Said)> = book.kept.values().filter_map(said).collect();
    if rows.is_empty() {
        return Ok(());
    }
    session
        .execute(
            include_str!("sql/delivery_acknowledge.sql"),
            &[
                &column(&rows, |(number, ..)| *number),
                &column(&rows, |(_, said, _)| said.as_str()),
                &column(&rows, |(.., said)| Time(said.at)),
                &column(&rows, |(.., said)| said.keeps_earlier),
            ],
        )
        .await?;
    Ok(())
}

async fn placed(session: &Session<'_>, book: &Book) -> Result<(), Failure> {
    let rows: Vec<(&Kept, &Placed)> =
        book.kept.values().filter_map(|kept| Some((kept, kept.placed.as_ref()?))).collect();
    if rows.is_empty() {
        return Ok(());
    }
    session
        .execute(
            include_str!("sql/open_place.sql"),
            &[
                &column(&rows, |(kept, _)| kept.standing.number),
                &column(&rows, |(kept, _)| kept.open().0.as_str()),
                &column(&rows, |(_, placed)| Time(placed.at)),
                &column(&rows, |(_, placed)| placed.reason.map(ParkReason::as_str)),
                &column(&rows, |(kept, _)| kept.standing.detail.as_deref().map(clean)),
                &column(&rows, |(kept, _)| i64::from(kept.open().1)),
                &column(&rows, |(kept, _)| kept.open().2.map(Time)),
                &column(&rows, |(_, placed)| placed.released),
            ],
        )
        .await?;
    Ok(())
}

async fn ended(session: &Session<'_>, book: &Book) -> Result<(), Failure> {
    let rows: Vec<(&Kept, &Ended)> =
        book.kept.values().filter_map(|kept| Some((kept, kept.ended.as_ref()?))).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let leases: Vec<i64> =
        rows.iter().map(|(kept, _)| number(kept.standing.lease)).collect::<Result<_, _>>()?;
    session
        .execute(
            include_str!("sql/delivery_end.sql"),
            &[
                &column(&rows, |(kept, _)| kept.standing.number),
                &column(&rows, |(kept, _)| kept.standing.state.as_str()),
                &column(&rows, |(_, ended)| Time(ended.at)),
                &column(&rows, |(kept, _)| i64::from(kept.standing.attempts)),
                &leases,
                &column(&rows, |(kept, _)| kept.standing.detail.as_deref().map(clean)),
                &column(&rows, |(_, ended)| ended.handed_over_at.map(Time)),
                &column(&rows, |(_, ended)| ended.document.as_deref().map(clean)),
            ],
        )
        .await?;
    Ok(())
}

/// What is sent again is opened beside its end, and closed without touching it but for the latest lease.
async fn again(session: &Session<'_>, book: &Book) -> Result<(), Failure> {
    let (mut begun, mut over) = (Vec::new(), Vec::new());
    for kept in book.kept.values() {
        match (kept.again, &kept.standing.lane) {
            (Some(AgainChange::Begun(at)), Some(lane)) => begun.push((kept, lane, at)),
            (Some(AgainChange::Over(lease)), _) => over.push((kept.standing.number, lease)),
            _ => {}
        }
    }
    if !over.is_empty() {
        let leases: Vec<i64> = over.iter().map(|(_, lease)| number(*lease)).collect::<Result<_, _>>()?;
        let numbers = column(&over, |(row, _)| *row);
        session.execute(include_str!("sql/open_again_close.sql"), &[&numbers, &leases]).await?;
    }
    if begun.is_empty() {
        return Ok(());
    }
    let places: Vec<i64> =
        begun.iter().map(|(kept, ..)| number(kept.standing.sequence)).collect::<Result<_, _>>()?;
    let leases: Vec<i64> =
        begun.iter().map(|(kept, ..)| number(kept.standing.lease)).collect::<Result<_, _>>()?;
    session
        .execute(
            include_str!("sql/open_again.sql"),
            &[
                &column(&begun, |(kept, ..)| kept.standing.number),
                &column(&begun, |(_, lane, _)| lane.endpoint.as_str()),
                &column(&begun, |(_, lane, _)| lane.order_key),
                &places,
                &column(&begun, |(.., at)| Time(*at)),
                &leases,
            ],
        )
        .await?;
    Ok(())
}
