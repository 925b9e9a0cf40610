//! Replay plans: what else is in the lanes is looked for by the readers, so that nobody waits for the search; the plan
//! itself is one transaction.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    change::{Change, Open},
    error::number,
    insert,
    value::{Columns as _, Id},
};
use crate::{
    domain::id::{DeliveryId, EndpointId},
    port::store::{Error, NotPossible, Step, Way},
    store::{
        change::replay::{self, Content, Facts, Known, LATER_LIMIT},
        fault::damaged,
    },
};

/// What is known of the order keys of these deliveries, with what other messages brought to them.
pub(super) fn later(connection: &Connection, ids: &[DeliveryId]) -> Result<Facts, Error> {
    let mut facts = beside(connection, ids.iter().copied())?;
    if let Some((from, keys)) = facts.gaps() {
        let keys = serde_json::to_string(&keys).map_err(damaged)?;
        let mut statement = connection.prepare_cached(include_str!("sql/replay_later.sql"))?;
        let rows = statement.query_map(params![from, number::<_, i64>(LATER_LIMIT)?, keys], known)?;
        for row in rows {
            facts.later(row?);
        }
    }
    Ok(facts)
}

/// Does all steps with their entries, or none.
pub(super) fn replay(
    connection: &Connection,
    (steps, way): (&[Step], Way),
    later: &Facts,
    now: Timestamp,
) -> Result<Result<Vec<EndpointId>, Vec<NotPossible>>, Error> {
    let facts = beside(connection, steps.iter().map(|step| step.delivery))?.with_later_of(later);
    let rows: Vec<Option<i64>> =
        steps.iter().map(|step| number_of(connection, step.delivery)).collect::<Result<_, _>>()?;
    let mut change = Change::new(Open(connection), now);
    if let Err(refused) = replay::replay(&mut change, steps, &rows, &facts, way)? {
        return Ok(Err(refused));
    }
    if way == Way::Done {
        insert::entries(connection, steps.iter().map(|step| &step.entry))?;
        std::mem::take(&mut change.tally).write(connection)?;
    }
    Ok(Ok(change.take_ready()))
}

fn number_of(connection: &Connection, id: DeliveryId) -> Result<Option<i64>, Error> {
    Ok(connection
        .prepare_cached("SELECT number FROM delivery WHERE id = ?1")?
        .query_row([Id(id.0)], |row| row.get(0))
        .optional()?)
}

fn beside(connection: &Connection, ids: impl Iterator<Item = DeliveryId>) -> Result<Facts, Error> {
    let mut facts = Facts::default();
    let mut statement = connection.prepare_cached(include_str!("sql/replay_beside.sql"))?;
    for id in ids {
        let rows = statement.query_map([Id(id.0)], |row| {
            let content = if row.get("is_there")? { Content::There } else { Content::Gone };
            Ok((known(row)?, row.get::<_, i64>("last_sequence")?.unsigned_abs(), content))
        })?;
        for row in rows {
            let (known, last, content) = row?;
            facts.beside(known, last, content);
        }
    }
    Ok(facts)
}

fn known(row: &Row<'_>) -> rusqlite::Result<Known> {
    Ok(Known {
        number: row.get("number")?,
        order_key: row.get("order_key")?,
        endpoint: row.text_if("endpoint")?,
        sequence: row.get::<_, i64>("lane_sequence")?.unsigned_abs(),
    })
}
