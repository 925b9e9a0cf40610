//! What a person does to one delivery, where its state allows it.

use jiff::Timestamp;
use rusqlite::Connection;

use super::{
    change::{Change, Open},
    insert,
};
use crate::{
    domain::id::DeliveryId,
    port::store::{Error, NewEntry, NotPossible, Operated, Operation},
    store::change::{Standing, operate},
};

/// Does it, and writes the entry, or says why it cannot be done.
pub(super) fn operate(
    connection: &Connection,
    delivery: DeliveryId,
    operation: &Operation,
    entry: &NewEntry,
    now: Timestamp,
) -> Result<Result<Operated, NotPossible>, Error> {
    let Some(standing) = Standing::of(connection, delivery)? else {
        return Ok(Err(NotPossible::Unknown(delivery)));
    };
    let mut change = Change::new(Open(connection), now);
    if let Err(not_possible) = operate::operate(&mut change, delivery, &standing, operation)? {
        return Ok(Err(not_possible));
    }
    insert::entries(connection, [entry])?;
    let ready = change.take_ready();
    change.tally.write(connection)?;
    let to = Standing::at(connection, standing.number)?.state;
    Ok(Ok(Operated { from: standing.state, to, ready }))
}
