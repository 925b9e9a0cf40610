//! What the end of an attempt does to its delivery: it moves it under the lease it carries; a late success
//! settles too.

use jiff::Timestamp;

use super::{Change, End, Place, Rows, Standing};
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
