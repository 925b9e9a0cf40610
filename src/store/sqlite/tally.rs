//! Counts of deliveries per organisation and state, collected over one request and written with it, so
//! that nobody ever counts millions of rows on the way to a screen.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use crate::{
    domain::delivery::{Acknowledgement, Transport},
    port::store::Error,
};

/// What a delivery is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Bucket {
    /// Transport.
    pub(super) state: Transport,
    /// Acknowledgement.
    pub(super) acknowledgement: Acknowledgement,
    /// Counted attempts.
    pub(super) attempts: u32,
}

impl Bucket {
    fn retried(self) -> bool {
        self.attempts > 1
    }
}

/// Changes of counts not yet written.
#[derive(Debug, Default)]
pub(super) struct Tally {
    changes: HashMap<String, HashMap<(Transport, Acknowledgement, bool), i64>>,
}

impl Tally {
    /// A delivery that was not there before.
    pub(super) fn added(&mut self, organisation: Option<&str>, bucket: Bucket) {
        self.change(organisation, bucket, 1);
    }

    /// A delivery that is counted elsewhere now.
    pub(super) fn moved(&mut self, organisation: Option<&str>, from: Bucket, to: Bucket) {
        self.change(organisation, from, -1);
        self.change(organisation, to, 1);
    }

    /// Takes another's changes over.
    pub(super) fn absorb(&mut self, other: Self) {
        for (organisation, changes) in other.changes {
            let mine = self.changes.entry(organisation).or_default();
            for (bucket, by) in changes {
                *mine.entry(bucket).or_default() += by;
            }
        }
    }

    /// Writes what changed. Increases first, so that no count is below zero in between.
    pub(super) fn write(self, connection: &Connection) -> Result<(), Error> {
        let mut rows: Vec<_> = self
            .changes
            .iter()
            .flat_map(|(organisation, changes)| {
                changes.iter().map(move |(bucket, by)| (organisation, bucket, *by))
            })
            .filter(|(.., by)| *by != 0)
            .collect();
        rows.sort_unstable_by_key(|(.., by)| -by);
        let mut add = connection.prepare_cached(include_str!("sql/count_add.sql"))?;
        let mut take = connection.prepare_cached(include_str!("sql/count_take.sql"))?;
        for (organisation, (state, acknowledgement, retried), by) in rows {
            let statement = if by > 0 { &mut add } else { &mut take };
            statement.execute(params![
                organisation,
                state.as_str(),
                acknowledgement.as_str(),
                retried,
                by.abs()
            ])?;
        }
        Ok(())
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
