//! What a person does to one delivery, where its state allows it.

use super::{Change, End, Hold, Mode, Place, Rows, Standing};
use crate::{
    domain::{decision::ParkReason, delivery::Transport, id::DeliveryId},
    port::store::{Error, NotConfirmable, NotPossible, Operation},
};

/// Does it, or says why it cannot be done.
pub(in crate::store) fn operate<R: Rows>(
    change: &mut Change<R>,
    delivery: DeliveryId,
    standing: &Standing,
    operation: &Operation,
) -> Result<Result<(), NotPossible>, Error> {
    if let Err(not_possible) = allowed(change, delivery, standing, operation)? {
        return Ok(Err(not_possible));
    }
    apply(change, standing, operation)?;
    Ok(Ok(()))
}

fn allowed<R: Rows>(
    change: &mut Change<R>,
    delivery: DeliveryId,
    standing: &Standing,
    operation: &Operation,
) -> Result<Result<(), NotPossible>, Error> {
    let (state, needs) = (standing.state, operation.from());
    if !needs.contains(&state) {
        return Ok(Err(NotPossible::State { delivery, state, needs }));
    }
    if *operation == Operation::Retry && standing.lane.is_none() {
        return Ok(Err(NotPossible::NoEndpoint(delivery)));
    }
    if *operation == Operation::ConfirmRelay
        && let Some(because) = not_confirmable(change, standing)?
    {
        return Ok(Err(NotPossible::Relay { delivery, because }));
    }
    Ok(Ok(()))
}

fn not_confirmable<R: Rows>(
    change: &mut Change<R>,
    standing: &Standing,
) -> Result<Option<NotConfirmable>, Error> {
    let Some(hold) = standing.hold else { return Ok(Some(NotConfirmable::NoSecondHop)) };
    Ok(match hold.mode {
        Mode::OwnSystem => Some(NotConfirmable::OwnSystem),
        Mode::Confirm | Mode::StandingAuthorisation if change.may_follow(&hold)? => None,
        Mode::Confirm | Mode::StandingAuthorisation => Some(NotConfirmable::TooEarly),
    })
}

fn apply<R: Rows>(change: &mut Change<R>, standing: &Standing, operation: &Operation) -> Result<(), Error> {
    match operation {
        Operation::Retry => retry(change, standing),
        Operation::Park { reason } => change.place(
            standing,
            &Place {
                state: Transport::Parked,
                at: change.now,
                reason: Some(ParkReason::ByOperator),
                detail: Some(reason),
                attempts: standing.attempts,
                first_attempt_at: standing.first_attempt_at,
                released: standing.hold.is_none_or(|hold| hold.released),
            },
        ),
        Operation::Skip => end(change, standing, Transport::Skipped, None),
        Operation::Withdraw => end(change, standing, Transport::Withdrawn, None),
        Operation::ServeOffline { document } => {
            end(change, standing, Transport::ServedOffline, Some(document))
        }
        Operation::ConfirmRelay => change.release(standing),
    }
}

fn end<R: Rows>(
    change: &mut Change<R>,
    standing: &Standing,
    state: Transport,
    document: Option<&str>,
) -> Result<(), Error> {
    let end = End {
        state,
        handed_over_at: None,
        document,
        detail: standing.detail.as_deref(),
        attempts: standing.attempts,
    };
    change.end(standing, &end)
}

/// A second hop that was stopped while it waited goes on waiting: a retry is no confirmation.
pub(super) fn retry<R: Rows>(change: &mut Change<R>, standing: &Standing) -> Result<(), Error> {
    let waits = standing.hold.filter(|hold| !hold.released);
    let place = Place {
        state: if waits.is_some() { Transport::Held } else { Transport::Ready },
        at: change.now,
        reason: None,
        detail: None,
        attempts: 0,
        first_attempt_at: None,
        released: waits.is_none(),
    };
    change.place(standing, &place)?;
    if let Some(hold @ Hold { mode: Mode::StandingAuthorisation, .. }) = waits
        && change.may_follow(&hold)?
    {
        let held = change.rows.standing(standing.number)?;
        change.release(&held)?;
    }
    Ok(())
}
