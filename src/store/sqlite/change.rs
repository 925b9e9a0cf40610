//! The rows of one SQLite transaction, as changes of deliveries are made of them.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    error::number,
    value::{Columns as _, Time},
};
use crate::{
    domain::{decision::ParkReason, delivery::Acknowledgement, obligation::Duty},
    port::store::Error,
    store::change::{self, End, Lane, Place, Rows, Standing},
};

/// Inside a transaction on this connection; every change is written at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open<'c>(pub(super) &'c Connection);

/// The changes of one request.
pub(super) type Change<'c> = change::Change<Open<'c>>;

impl Rows for Open<'_> {
    fn standing(&mut self, delivery: i64) -> Result<Standing, Error> {
        Standing::at(self.0, delivery)
    }

    fn place(&mut self, delivery: i64, place: &Place<'_>) -> Result<(), Error> {
        self.0.prepare_cached(include_str!("sql/open_place.sql"))?.execute(params![
            delivery,
            place.state.as_str(),
            Time(place.at),
            place.reason.map(ParkReason::as_str),
            place.detail,
            place.attempts,
            place.first_attempt_at.map(Time),
            place.released,
        ])?;
        Ok(())
    }

    fn end(&mut self, standing: &Standing, end: &End<'_>, at: Timestamp) -> Result<(), Error> {
        self.0.prepare_cached(include_str!("sql/open_remove.sql"))?.execute([standing.number])?;
        self.0.prepare_cached(include_str!("sql/delivery_end.sql"))?.execute(params![
            standing.number,
            end.state.as_str(),
            Time(at),
            end.attempts,
            number::<_, i64>(standing.lease)?,
            end.detail,
            end.handed_over_at.map(Time),
            end.document,
        ])?;
        Ok(())
    }

    fn acknowledge(&mut self, delivery: i64, said: Acknowledgement, at: Timestamp) -> Result<(), Error> {
        self.0.prepare_cached(include_str!("sql/delivery_acknowledge.sql"))?.execute(params![
            delivery,
            said.as_str(),
            Time(at)
        ])?;
        Ok(())
    }

    fn meet(&mut self, delivery: i64, duty: Duty, at: Timestamp) -> Result<(), Error> {
        self.0.prepare_cached(include_str!("sql/obligation_meet.sql"))?.execute(params![
            delivery,
            duty.as_str(),
            Time(at)
        ])?;
        Ok(())
    }

    fn release_duties(&mut self, delivery: i64, at: Timestamp) -> Result<(), Error> {
        self.0
            .prepare_cached(include_str!("sql/obligation_release.sql"))?
            .execute(params![delivery, Time(at)])?;
        Ok(())
    }

    fn held_behind(&mut self, first: i64) -> Result<Vec<i64>, Error> {
        let mut statement = self.0.prepare_cached(include_str!("sql/hop_held.sql"))?;
        let rows = statement.query_map([first], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn reopen(&mut self, standing: &Standing, lane: &Lane, at: Timestamp) -> Result<(), Error> {
        self.0
            .prepare_cached(include_str!("sql/lane_wait.sql"))?
            .execute(params![lane.order_key, lane.endpoint.as_str()])?;
        self.0.prepare_cached(include_str!("sql/open_again.sql"))?.execute(params![
            standing.number,
            lane.endpoint.as_str(),
            lane.order_key,
            number::<_, i64>(standing.sequence)?,
            Time(at),
            number::<_, i64>(standing.lease)?,
        ])?;
        Ok(())
    }

    fn close_again(&mut self, standing: &Standing) -> Result<(), Error> {
        self.0.prepare_cached(include_str!("sql/open_remove.sql"))?.execute([standing.number])?;
        self.0
            .prepare_cached("UPDATE delivery SET lease = ?2 WHERE number = ?1")?
            .execute(params![standing.number, number::<_, i64>(standing.lease)?])?;
        Ok(())
    }

    fn promote(&mut self, lane: &Lane) -> Result<Option<Timestamp>, Error> {
        let head = self
            .0
            .prepare_cached(include_str!("sql/lane_head.sql"))?
            .query_row(params![lane.order_key, lane.endpoint.as_str()], |row| {
                Ok((row.get::<_, i64>("number")?, row.time("next_attempt_at")?))
            })
            .optional()?;
        let Some((number, at)) = head else { return Ok(None) };
        let promoted = self.0.prepare_cached(include_str!("sql/open_promote.sql"))?.execute([number])?;
        Ok((promoted > 0).then_some(at))
    }
}
