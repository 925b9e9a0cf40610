//! What one consumer of work has in hand: each copy until its outcome is confirmed, then its
//! acknowledgement. Many are acknowledged with one word where no earlier copy is still worked on.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lapin::{Acker, message::Delivery, options::BasicAckOptions};
use metrics::counter;

use super::message::Slip;
use crate::port::bus::CopyKey;
use crate::task::metrics::{BUS_REPEATED, BUS_UNACKNOWLEDGED};

/// Leases remembered after their end, so that a copy that comes again is not worked on again.
const REMEMBERED: usize = 4_096;

/// Copies in hand.
#[derive(Debug, Default)]
pub(super) struct Hand {
    copies: Mutex<Copies>,
    /// Acknowledgements go out one after the other: one word for many must not overtake one for one.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Copies {
    /// Being worked on, with the way to acknowledge.
    held: HashMap<CopyKey, Ticket>,
    /// Finished with, by tag.
    done: BTreeMap<u64, Acker>,
    ended: HashSet<CopyKey>,
    order: VecDeque<CopyKey>,
}

#[derive(Debug)]
struct Ticket {
    tag: u64,
    acker: Acker,
    /// Goes back with the outcome.
    slip: Slip,
}

/// What to do with a copy that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is to be worked on.
    Work,
    /// It is being worked on, or was.
    Again,
}

impl Hand {
    /// Takes note of a copy that arrived.
    pub(super) fn admit(&self, key: CopyKey, slip: Slip, delivery: &Delivery) -> Admission {
        let ticket = Ticket { tag: delivery.delivery_tag, acker: delivery.acker.clone(), slip };
        let mut copies = self.lock();
        if copies.ended.contains(&key) {
            copies.done.insert(ticket.tag, ticket.acker);
        } else if let Some(held) = copies.held.get_mut(&key) {
            if held.acker.poisoned() {
                *held = ticket;
            } else {
                copies.done.insert(ticket.tag, ticket.acker);
            }
        } else {
            copies.held.insert(key, ticket);
            return Admission::Work;
        }
        counter!(BUS_REPEATED).increment(1);
        Admission::Again
    }

    /// The slip of what is worked on.
    pub(super) fn slip(&self, key: &CopyKey) -> Option<Slip> {
        self.lock().held.get(key).map(|ticket| ticket.slip.clone())
    }

    /// The outcome of these is confirmed, or they were dismissed.
    pub(super) fn finish(&self, keys: &[CopyKey]) {
        let mut copies = self.lock();
        for key in keys {
            let Some(ticket) = copies.held.remove(key) else { continue };
            if ticket.acker.poisoned() {
                counter!(BUS_UNACKNOWLEDGED).increment(1);
            } else {
                copies.done.insert(ticket.tag, ticket.acker);
            }
            if copies.ended.insert(*key) {
                copies.order.push_back(*key);
            }
            if copies.order.len() > REMEMBERED
                && let Some(oldest) = copies.order.pop_front()
            {
                copies.ended.remove(&oldest);
            }
        }
    }

    /// Acknowledges all that is finished with. One that cannot be acknowledged comes again. Nobody waits for another
    /// who does so already, since that may be a call that its owner does not go on with meanwhile: whoever has the
    /// turn takes along what the others leave.
    pub(super) async fn acknowledge(&self, limit: Duration) {
        while !self.lock().done.is_empty() {
            let Ok(_turn) = self.turn.try_lock() else { return };
            while let Some((acker, multiple, count)) = self.next_word() {
                let word = acker.ack(BasicAckOptions { multiple });
                if !matches!(tokio::time::timeout(limit, word).await, Ok(Ok(true))) {
                    counter!(BUS_UNACKNOWLEDGED).increment(count);
                }
            }
        }
    }

    /// The next acknowledgement: whose, whether of all before it, and of how many.
    fn next_word(&self) -> Option<(Acker, bool, u64)> {
        let mut copies = self.lock();
        // A tag of a channel that is gone says nothing about the others.
        let stale = copies.done.iter().find(|(_, acker)| acker.poisoned()).map(|(tag, _)| *tag);
        if let Some(tag) = stale {
            return copies.done.remove(&tag).map(|acker| (acker, false, 1));
        }
        let is_here = |ticket: &&Ticket| !ticket.acker.poisoned();
        let first_held = copies.held.values().filter(is_here).map(|ticket| ticket.tag).min();
        let later = match first_held {
            Some(held) => copies.done.split_off(&held),
            None => BTreeMap::new(),
        };
        let before = std::mem::replace(&mut copies.done, later);
        match before.len() as u64 {
            0 => copies.done.pop_first().map(|(_, acker)| (acker, false, 1)),
            count => before.into_iter().next_back().map(|(_, acker)| (acker, true, count)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Copies> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::id::DeliveryId, port::bus::LeaseToken};

    const LIMIT: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn who_acknowledges_waits_for_no_call_that_nobody_goes_on_with() {
        let hand = Hand::default();
        let delivery: DeliveryId = "01956000-0000-7000-8000-000000000001".parse().unwrap();
        let key = (delivery, LeaseToken::FIRST);
        let copy = Delivery::mock(1, "".into(), "".into(), false, Vec::new());
        let slip: Slip = serde_json::from_str(r#"{"record":{},"seal":""}"#).unwrap();
        assert_eq!(hand.admit(key, slip, &copy), Admission::Work);
        // A report in the midst of its acknowledgement, while its owner drops another copy.
        let turn = hand.turn.lock().await;
        hand.finish(&[key]);
        let dropped = tokio::time::timeout(LIMIT, hand.acknowledge(LIMIT)).await;
        dropped.expect("it waits for the other");
        drop(turn);
        hand.acknowledge(LIMIT).await;
        assert!(hand.lock().done.is_empty(), "what was left is taken along");
    }
}
