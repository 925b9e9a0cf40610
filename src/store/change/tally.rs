//! Counts of deliveries per organisation and state, collected over one request and written with it, so
//! that nobody ever counts millions of rows on the way to a screen.

use std::collections::HashMap;

use crate::domain::delivery::{Acknowledgement, Transport};

/// What a delivery is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::store) struct Bucket {
    /// Transport.
    pub(in crate::store) state: Transport,
    /// Acknowledgement.
    pub(in crate::store) acknowledgement: Acknowledgement,
    /// Counted attempts.
    pub(in crate::store) attempts: u32,
}

impl Bucket {
    fn retried(self) -> bool {
        self.attempts > 1
    }
}

/// Changes of counts not yet written.
#[derive(Debug, Default)]
pub(in crate::store) struct Tally {
    changes: HashMap<String, HashMap<(Transport, Acknowledgement, bool), i64>>,
}

/// One count that changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct CountChange {
    /// Recipient; empty for audiences that came to nothing.
    pub(in crate::store) organisation: String,
    /// Transport.
    pub(in crate::store) state: Transport,
    /// Acknowledgement.
    pub(in crate::store) acknowledgement: Acknowledgement,
    /// Whether more than one attempt counted.
    pub(in crate::store) retried: bool,
    /// By how many; never 0.
    pub(in crate::store) by: i64,
}

impl Tally {
    /// A delivery that was not there before.
    pub(in crate::store) fn added(&mut self, organisation: Option<&str>, bucket: Bucket) {
        self.change(organisation, bucket, 1);
    }

    /// A delivery that is counted elsewhere now.
    pub(in crate::store) fn moved(&mut self, organisation: Option<&str>, from: Bucket, to: Bucket) {
        self.change(organisation, from, -1);
        self.change(organisation, to, 1);
    }

    /// Takes another's changes over.
    pub(in crate::store) fn absorb(&mut self, other: Self) {
        for (organisation, changes) in other.changes {
            let mine = self.changes.entry(organisation).or_default();
            for (bucket, by) in changes {
                *mine.entry(bucket).or_default() += by;
            }
        }
    }

    /// What changed. Increases first, so that no count is below zero in between.
    pub(in crate::store) fn into_changes(self) -> Vec<CountChange> {
        let mut changes: Vec<CountChange> = self
            .changes
            .into_iter()
            .flat_map(|(organisation, changes)| {
                changes.into_iter().map(move |((state, acknowledgement, retried), by)| CountChange {
                    organisation: organisation.clone(),
                    state,
                    acknowledgement,
                    retried,
                    by,
                })
            })
            .filter(|change| change.by != 0)
            .collect();
        changes.sort_unstable_by_key(|change| -change.by);
        changes
    }

    fn change(&mut self, organisation: Option<&str>, bucket: Bucket, by: i64) {
        let key = (bucket.state, bucket.acknowledgement, bucket.retried());
        let organisation = organisation.unwrap_or_default();
        if let Some(changes) = self.changes.get_mut(organisation) {
            *changes.entry(key).or_default() += by;
        } else {
            self.changes.insert(organisation.to_owned(), HashMap::from([(key, by)]));
        }
    }
}
