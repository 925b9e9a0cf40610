//! Counts, written with the request that changed them.

use rusqlite::{Connection, params};

use crate::{port::store::Error, store::change::Tally};

impl Tally {
    /// Writes what changed.
    pub(super) fn write(self, connection: &Connection) -> Result<(), Error> {
        let mut add = connection.prepare_cached(include_str!("sql/count_add.sql"))?;
        let mut take = connection.prepare_cached(include_str!("sql/count_take.sql"))?;
        for change in self.into_changes() {
            let statement = if change.by > 0 { &mut add } else { &mut take };
            statement.execute(params![
                change.organisation,
                change.state.as_str(),
                change.acknowledgement.as_str(),
                change.retried,
                change.by.abs()
            ])?;
        }
        Ok(())
    }
}
