//! What a replay plan does: parked and scheduled deliveries are tried again now, and what was delivered is sent again
//! under its id. All of it or nothing.
//!
//! What is sent again takes its old place in its lane, so what waits there waits behind it. It is sent only if nothing
//! that came after it in its lane has been delivered, or is sent again with it: an older fact never comes last.

use std::collections::{HashMap, HashSet};

use super::{Again, Change, Place, Rows, Standing, operate};
use crate::{
    domain::{delivery::Transport, id::EndpointId},
    port::store::{Error, NotPossible, Operation, Redo, Step, Way},
};

/// Deliveries looked through for those that came later in a lane, at most.
pub(in crate::store) const LATER_LIMIT: usize = 1_000_000;
/// How far apart hubs may have numbered what they accepted at once.
const SLACK: i64 = 10_000;

/// A delivery of an order key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::store) struct Known {
    /// Its row.
    pub(in crate::store) number: i64,
    /// Row of its order key.
    pub(in crate::store) order_key: i64,
    /// Its endpoint.
    pub(in crate::store) endpoint: Option<EndpointId>,
    /// Its place among all of its order key.
    pub(in crate::store) sequence: u64,
}

/// What is known of the order keys concerned.
#[derive(Clone, Debug, Default)]
pub(in crate::store) struct Facts {
    known: HashSet<Known>,
    last: HashMap<i64, u64>,
    emptied: HashSet<i64>,
}

impl Facts {
    /// A delivery of a message concerned, how far its order key has gone, and whether what the message said is there.
    pub(in crate::store) fn beside(&mut self, known: Known, last: u64, is_there: Content) {
        self.last.insert(known.order_key, last);
        if is_there == Content::Gone {
            self.emptied.insert(known.number);
        }
        self.known.insert(known);
    }

    /// Another delivery of an order key concerned.
    pub(in crate::store) fn later(&mut self, known: Known) {
        self.known.insert(known);
    }

    /// Takes over what another look found of other messages.
    pub(in crate::store) fn with_later_of(mut self, other: &Self) -> Self {
        self.known.extend(other.known.iter().cloned());
        self
    }

    /// The rows of all that is known, to be read under lock.
    pub(in crate::store) fn numbers(&self) -> Vec<i64> {
        self.known.iter().map(|known| known.number).collect()
    }

    /// Order keys of which not every delivery is known, and the number from which the missing ones are to be sought.
    pub(in crate::store) fn gaps(&self) -> Option<(i64, Vec<i64>)> {
        let mut from = i64::MAX;
        let mut keys = Vec::new();
        for (key, last) in &self.last {
            let of_key: Vec<_> = self.known.iter().filter(|known| known.order_key == *key).collect();
            let first = of_key.iter().map(|known| known.sequence).min().unwrap_or_default();
            if of_key.len() as u64 != last.saturating_sub(first) + 1 {
                from = of_key.iter().map(|known| known.number).fold(from, i64::min);
                keys.push(*key);
            }
        }
        (!keys.is_empty()).then(|| (from.saturating_sub(SLACK).max(0), keys))
    }
}

/// Whether what a message said is still stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Content {
    /// It is.
    There,
    /// It was archived or erased.
    Gone,
}

/// Does all steps, or says of each that is not possible why; `rows` are those of their deliveries.
pub(in crate::store) fn replay<R: Rows>(
    change: &mut Change<R>,
    steps: &[Step],
    rows: &[Option<i64>],
    facts: &Facts,
    way: Way,
) -> Result<Result<(), Vec<NotPossible>>, Error> {
    let resent = steps.iter().zip(rows).filter(|(step, _)| step.redo == Redo::Resend);
    let resent: HashSet<i64> = resent.filter_map(|(_, row)| *row).collect();
    let (mut refused, mut possible) = (Vec::new(), Vec::new());
    for (step, row) in steps.iter().zip(rows) {
        let Some(row) = row else {
            refused.push(NotPossible::Unknown(step.delivery));
            continue;
        };
        let standing = change.rows.standing(*row)?;
        match refusal(change, step, &standing, (facts, &resent))? {
            Some(why) => refused.push(why),
            None => possible.push((standing, step.redo)),
        }
    }
    if !refused.is_empty() {
        return Ok(Err(refused));
    }
    if way == Way::Done {
        for (standing, redo) in &possible {
            match redo {
                Redo::Retry => operate::retry(change, standing)?,
                Redo::Resend => resend(change, standing)?,
            }
        }
    }
    Ok(Ok(()))
}

fn refusal<R: Rows>(
    change: &mut Change<R>,
    step: &Step,
    standing: &Standing,
    (facts, resent): (&Facts, &HashSet<i64>),
) -> Result<Option<NotPossible>, Error> {
    let (delivery, state) = (step.delivery, standing.state);
    let needs = match step.redo {
        Redo::Retry => Operation::Retry.from(),
        Redo::Resend => &[Transport::Delivered],
    };
    Ok(if state != step.from {
        Some(NotPossible::Moved { delivery, planned: step.from, state })
    } else if !needs.contains(&state) {
        Some(NotPossible::State { delivery, state, needs })
    } else if standing.lane.is_none() {
        Some(NotPossible::NoEndpoint(delivery))
    } else if standing.again.is_some() {
        Some(NotPossible::UnderWay(delivery))
    } else if facts.emptied.contains(&standing.number) {
        Some(NotPossible::Emptied(delivery))
    } else if step.redo == Redo::Resend && !keeps_order(change, standing, facts, resent)? {
        Some(NotPossible::Overtaken(delivery))
    } else {
        None
    })
}

/// Whether all that came after it in its lane is known, and none of it has reached the target or may just now.
fn keeps_order<R: Rows>(
    change: &mut Change<R>,
    standing: &Standing,
    facts: &Facts,
    resent: &HashSet<i64>,
) -> Result<bool, Error> {
    let Some(lane) = &standing.lane else { return Ok(false) };
    let Some(last) = facts.last.get(&lane.order_key) else { return Ok(false) };
    let of_key = facts.known.iter().filter(|known| known.order_key == lane.order_key);
    let later: Vec<_> = of_key.filter(|known| known.sequence > standing.sequence).collect();
    if later.len() as u64 != last.saturating_sub(standing.sequence) {
        return Ok(false);
    }
    for known in later {
        if known.endpoint.as_ref() == Some(&lane.endpoint) && !resent.contains(&known.number) {
            let state = change.rows.standing(known.number)?.state;
            if matches!(state, Transport::Delivered | Transport::Leased) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The delivery stays delivered, with the moment it has; only its work is opened.
fn resend<R: Rows>(change: &mut Change<R>, standing: &Standing) -> Result<(), Error> {
    if let Some(lane) = &standing.lane {
        change.rows.reopen(standing, lane, change.now)?;
    }
    change.head(standing.lane.as_ref())
}

/// Puts what is sent again into another open state; it is counted as it ended.
pub(super) fn again_at<R: Rows>(
    change: &mut Change<R>,
    standing: &Standing,
    again: &Again,
    place: &Place<'_>,
) -> Result<(), Error> {
    let place = Place { attempts: again.attempts, first_attempt_at: again.first_attempt_at, ..*place };
    change.rows.place(standing.number, &place)?;
    change.head(standing.lane.as_ref())
}

/// Ends sending it again, whether it came to something or not; its lane goes on.
pub(super) fn again_over<R: Rows>(change: &mut Change<R>, standing: &Standing) -> Result<(), Error> {
    change.rows.close_again(standing)?;
    change.head(standing.lane.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(number: i64, sequence: u64) -> Known {
        Known { number, order_key: 1, endpoint: Some("a".into()), sequence }
    }

    #[test]
    fn an_order_key_has_a_gap_where_later_messages_are_not_known() {
        let mut facts = Facts::default();
        facts.beside(known(50_007, 7), 8, Content::There);
        facts.beside(known(50_008, 8), 8, Content::There);
        assert_eq!(facts.gaps(), None, "the last two of eight are known");
        facts.beside(known(50_007, 7), 9, Content::There);
        assert_eq!(facts.gaps(), Some((40_007, vec![1])));
        facts.later(known(50_020, 9));
        assert_eq!(facts.gaps(), None);
    }
}
