//! What the end of an attempt does to its delivery: it moves it under the lease it carries; a late success
//! settles too.

use jiff::Timestamp;

use super::{Again, Change, End, Place, Rows, Standing, replay};
use crate::{
    domain::delivery::{Next, Outcome, Transport},
    port::store::{Counts, Error, Settled, Settlement},
};

/// What became of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Moved {
    /// The lease stood.
    Applied,
    /// It did not, but the delivery has arrived.
    LateSuccess,
    /// It was sent again: what its delivery is did not change.
    Again,
    /// It did not: nothing moved.
    Nothing,
}

/// Why a settlement is not recorded at all: its lease was never given, or the delivery is not the one it was
/// said to be.
pub(in crate::store) fn refusal(standing: &Standing, settlement: &Settlement) -> Option<Settled> {
    let lane = standing.lane.as_ref();
    if !(1..=standing.lease).contains(&settlement.lease.0) {
        Some(Settled::Unknown)
    } else if standing.message != settlement.message
        || lane.is_none_or(|lane| lane.endpoint != settlement.endpoint)
    {
        Some(Settled::Foreign)
    } else {
        None
    }
}

/// Moves the delivery.
pub(in crate::store) fn apply<R: Rows>(
    change: &mut Change<R>,
    standing: &Standing,
    settlement: &Settlement,
) -> Result<Moved, Error> {
    if let Some(again) = &standing.again {
        return sent_again(change, standing, again, settlement);
    }
    if standing.state == Transport::Leased && standing.lease == settlement.lease.0 {
        under_lease(change, standing, settlement)?;
        return Ok(Moved::Applied);
    }
    if settlement.outcome == Outcome::Delivered && !standing.state.is_final() {
        deliver(change, standing, settlement, standing.attempts)?;
        return Ok(Moved::LateSuccess);
    }
    Ok(Moved::Nothing)
}

/// The end of an attempt at what is sent again: the delivery was delivered before and is that still, so nothing of it can
/// be parked. Given up is over; the attempt says why.
fn sent_again<R: Rows>(
    change: &mut Change<R>,
    standing: &Standing,
    again: &Again,
    settlement: &Settlement,
) -> Result<Moved, Error> {
    let stands = again.state == Transport::Leased && standing.lease == settlement.lease.0;
    let arrived = settlement.outcome == Outcome::Delivered && settlement.lease.0 > again.since;
    match settlement.next {
        Next::Scheduled { at } if stands && !arrived => {
            let counts = settlement.counts == Counts::Attempt;
            let again = Again {
                attempts: again.attempts.saturating_add(u32::from(counts)),
                first_attempt_at: again
                    .first_attempt_at
                    .or_else(|| counts.then_some(settlement.record.started_at)),
                ..*again
            };
            let place = Place {
                state: Transport::Scheduled,
                at,
                reason: None,
                detail: None,
                attempts: 0,
                first_attempt_at: None,
                released: true,
            };
            replay::again_at(change, standing, &again, &place)?;
        }
        _ if stands || arrived => replay::again_over(change, standing)?,
        _ => return Ok(Moved::Nothing),
    }
    Ok(Moved::Again)
}

fn under_lease<R: Rows>(
    change: &mut Change<R>,
    standing: &Standing,
    settlement: &Settlement,
) -> Result<(), Error> {
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

fn deliver<R: Rows>(
    change: &mut Change<R>,
    standing: &Standing,
    settlement: &Settlement,
    attempts: u32,
) -> Result<(), Error> {
    let end = End {
        state: Transport::Delivered,
        handed_over_at: Some(handed_over_at(standing, settlement, change.now)),
        document: None,
        detail: Some(&settlement.record.detail),
        attempts,
    };
    change.end(standing, &end)
}

/// The worker's clock may be wrong, but not before the delivery was made nor after it is told here.
fn handed_over_at(standing: &Standing, settlement: &Settlement, now: Timestamp) -> Timestamp {
    settlement.record.ended_at.min(now).max(standing.created_at)
}
