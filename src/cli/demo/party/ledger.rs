//! The ledger (台账) of one party: every delivery it was offered, in the order of arrival.
//!
//! A party tells a delivery by the delivery id alone, as DESIGN promise 6 lets it: what comes again under
//! the same id is counted, not taken twice. The ledger knows nothing of the hub's store; the checks at the
//! end of the demo lay the two side by side.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::domain::id::{DeliveryId, EndpointId};

/// What a party read from one delivery it was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The delivery id the record carried.
    pub delivery: DeliveryId,
    /// What the record says, in the party's own words: kind, key, revision, organisation. Two records
    /// with the same fact are the same fact.
    pub fact: String,
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What was offered.
    pub offered: Offered,
    /// How often it came.
    pub seen: u32,
    /// Place among what the party took, from 0; none while the party has refused it.
    pub taken: Option<usize>,
}

/// What the party does with an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Takes it into its books.
    Take,
    /// Does not: it is out of order, or refuses the record.
    Decline,
}

/// Whether the party sees a delivery for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Taken now.
    Now,
    /// Had been taken before: nothing happens a second time.
    Before,
    /// Declined.
    No,
}

/// A party's ledger.
#[derive(Debug)]
pub struct Ledger {
    endpoint: EndpointId,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    lines: Vec<Line>,
    index: HashMap<DeliveryId, usize>,
    taken: usize,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(endpoint: EndpointId) -> Self {
        Self { endpoint, inner: Mutex::default() }
    }

    /// Whose.
    pub fn endpoint(&self) -> &EndpointId {
        &self.endpoint
    }

    /// Writes one offer down.
    pub fn write(&self, offered: Offered, decision: Decision) -> Taken {
        let mut inner = self.lock();
        let at = match inner.index.get(&offered.delivery) {
            Some(&at) => at,
            None => inner.open(offered),
        };
        inner.lines[at].seen += 1;
        match (decision, inner.lines[at].taken) {
            (_, Some(_)) => Taken::Before,
            (Decision::Decline, None) => Taken::No,
            (Decision::Take, None) => {
                inner.lines[at].taken = Some(inner.taken);
                inner.taken += 1;
                Taken::Now
            }
        }
    }

    /// A copy of every line, in order of arrival.
    pub fn lines(&self) -> Vec<Line> {
        self.lock().lines.clone()
    }

    /// How many deliveries the party has taken.
    pub fn taken(&self) -> usize {
        self.lock().taken
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn open(&mut self, offered: Offered) -> usize {
        let at = self.lines.len();
        self.index.insert(offered.delivery, at);
        self.lines.push(Line { offered, seen: 0, taken: None });
        at
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn offered(number: u128) -> Offered {
        Offered { delivery: DeliveryId(Uuid::from_u128(number)), fact: format!("fact {number}") }
    }

    #[test]
    fn a_delivery_that_comes_again_is_counted_and_taken_once() {
        let ledger = Ledger::new("a".into());
        assert_eq!(ledger.write(offered(1), Decision::Take), Taken::Now);
        assert_eq!(ledger.write(offered(1), Decision::Take), Taken::Before);
        assert_eq!(ledger.taken(), 1);
        assert_eq!(ledger.lines()[0].seen, 2);
    }

    #[test]
    fn what_was_declined_takes_its_place_when_it_is_taken() {
        let ledger = Ledger::new("a".into());
        assert_eq!(ledger.write(offered(1), Decision::Decline), Taken::No);
        assert_eq!(ledger.write(offered(2), Decision::Take), Taken::Now);
        assert_eq!(ledger.write(offered(1), Decision::Take), Taken::Now);
        let places: Vec<_> = ledger.lines().into_iter().map(|line| line.taken).collect();
        assert_eq!(places, [Some(1), Some(0)]);
    }
}
