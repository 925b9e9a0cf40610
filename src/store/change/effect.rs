//! What an accepted message does to deliveries that are already stored.

use super::{Change, End, Mode, Rows, Standing};
use crate::{
    domain::{
        delivery::{Acknowledgement, Transport},
        obligation::Duty,
    },
    port::store::Error,
};

/// Whether an effect could be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Applied {
    /// Done.
    Done,
    /// What is stored is not what routing knew; nothing of the acceptance may stay.
    Moved,
}

/// A receipt: meets the duty to sign; a late signature does not undo an answer.
pub(in crate::store) fn acknowledge<R: Rows>(
    change: &mut Change<R>,
    standing: &Standing,
    said: Acknowledgement,
) -> Result<(), Error> {
    change.meet(standing.number, Duty::Sign)?;
    let undoes_answer =
        said == Acknowledgement::Signed && standing.acknowledgement == Acknowledgement::Answered;
    let said = if undoes_answer { standing.acknowledgement } else { said };
    change.acknowledge(standing, said)
}

/// A confirmation: lets a held second hop go whose first hop has reached its moment.
pub(in crate::store) fn confirm<R: Rows>(
    change: &mut Change<R>,
    standing: &Standing,
) -> Result<Applied, Error> {
    match standing.hold {
        Some(hold)
            if standing.state == Transport::Held
                && hold.mode == Mode::Confirm
                && change.may_follow(&hold)? =>
        {
            change.release(standing)?;
            Ok(Applied::Done)
        }
        _ => Ok(Applied::Moved),
    }
}

/// A higher revision took its place.
pub(in crate::store) fn supersede<R: Rows>(change: &mut Change<R>, standing: &Standing) -> Result<(), Error> {
    let end = End {
        state: Transport::Superseded,
        handed_over_at: None,
        document: None,
        detail: standing.detail.as_deref(),
        attempts: standing.attempts,
    };
    change.end(standing, &end)
}
