//! Changes of deliveries: each leaves its lane's head claimable, its counts right, and what follows from
//! it (second hops, obligations) done in the same transaction.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    error::number,
    standing::{Hold, Lane, Mode, Standing},
    tally::Tally,
    value::{Columns as _, Time},
};
use crate::{
    domain::{
        decision::ParkReason,
        delivery::{Acknowledgement, Transport},
        id::EndpointId,
        obligation::Duty,
    },
    port::store::Error,
};

/// The changes of one request, or of one part of it that may be taken back.
#[derive(Debug)]
pub(super) struct Change<'c> {
    /// Inside a transaction.
    pub(super) connection: &'c Connection,
    /// The call's time.
    pub(super) now: Timestamp,
    /// Counts to write.
    pub(super) tally: Tally,
    ready: BTreeSet<EndpointId>,
}

/// A state that is not final, with what belongs to it.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// Held, ready, scheduled or parked.
    pub(super) state: Transport,
    /// From when it may be tried.
    pub(super) at: Timestamp,
    /// Why it is parked.
    pub(super) reason: Option<ParkReason>,
    /// In words.
    pub(super) detail: Option<&'a str>,
    /// Counted attempts.
    pub(super) attempts: u32,
    /// When the first of them began.
    pub(super) first_attempt_at: Option<Timestamp>,
    /// Whether a second hop has been let go.
    pub(super) released: bool,
}

/// A final state, with what belongs to it.
#[derive(Debug)]
pub(super) struct End<'a> {
    /// Which.
    pub(super) state: Transport,
    /// When the target confirmed it.
    pub(super) handed_over_at: Option<Timestamp>,
    /// Number of the paper.
    pub(super) document: Option<&'a str>,
    /// In words.
    pub(super) detail: Option<&'a str>,
    /// Counted attempts.
    pub(super) attempts: u32,
}

impl<'c> Change<'c> {
    /// Nothing changed yet.
    pub(super) fn new(connection: &'c Connection, now: Timestamp) -> Self {
        Self { connection, now, tally: Tally::default(), ready: BTreeSet::new() }
    }

    /// The endpoints to look at since it was last asked.
    pub(super) fn take_ready(&mut self) -> Vec<EndpointId> {
        std::mem::take(&mut self.ready).into_iter().collect()
    }

    /// Puts an open delivery into another open state.
    pub(super) fn place(&mut self, standing: &Standing, place: &Place<'_>) -> Result<(), Error> {
        self.connection.prepare_cached(include_str!("sql/open_place.sql"))?.execute(params![
            standing.number,
            place.state.as_str(),
            Time(place.at),
            place.reason.map(ParkReason::as_str),
            place.detail,
            place.attempts,
            place.first_attempt_at.map(Time),
            place.released,
        ])?;
        let mut to = standing.bucket();
        (to.state, to.attempts) = (place.state, place.attempts);
        self.tally.moved(standing.organisation.as_deref(), standing.bucket(), to);
        self.head(standing.lane.as_ref())
    }

    /// Ends an open delivery; its lane goes on.
    pub(super) fn end(&mut self, standing: &Standing, end: &End<'_>) -> Result<(), Error> {
        self.connection.prepare_cached(include_str!("sql/open_remove.sql"))?.execute([standing.number])?;
        self.connection.prepare_cached(include_str!("sql/delivery_end.sql"))?.execute(params![
            standing.number,
            end.state.as_str(),
            Time(self.now),
            end.attempts,
            number::<_, i64>(standing.lease)?,
            end.detail,
            end.handed_over_at.map(Time),
            end.document,
        ])?;
        let ended = Standing { state: end.state, attempts: end.attempts, ..standing.clone() };
        self.tally.moved(standing.organisation.as_deref(), standing.bucket(), ended.bucket());
        self.head(standing.lane.as_ref())?;
        match end.state {
            Transport::Delivered => self.follow(&ended),
            Transport::ServedOffline => {
                self.meet(standing.number, Duty::Sign)?;
                self.follow(&ended)
            }
            _ => self.release_duties(standing.number),
        }
    }

    /// Ends an open delivery as delivered.
    pub(super) fn deliver(&mut self, standing: &Standing, handed_over_at: Timestamp) -> Result<(), Error> {
        self.end(
            standing,
            &End {
                state: Transport::Delivered,
                handed_over_at: Some(handed_over_at),
                document: None,
                detail: standing.detail.as_deref(),
                attempts: standing.attempts,
            },
        )
    }

    /// Records what the recipient said. A held delivery has not been sent and stays held.
    pub(super) fn acknowledge(&mut self, standing: &Standing, said: Acknowledgement) -> Result<(), Error> {
        let settled = Standing { acknowledgement: said, ..standing.clone() };
        if said != standing.acknowledgement {
            self.connection
                .prepare_cached(include_str!("sql/delivery_acknowledge.sql"))?
                .execute(params![standing.number, said.as_str(), Time(self.now)])?;
            self.tally.moved(standing.organisation.as_deref(), standing.bucket(), settled.bucket());
        }
        if said != Acknowledgement::Answered
            && !standing.state.is_final()
            && standing.state != Transport::Held
        {
            return self.deliver(&settled, self.now);
        }
        self.follow(&settled)
    }

    /// Lets a held second hop go.
    pub(super) fn release(&mut self, standing: &Standing) -> Result<(), Error> {
        self.place(
            standing,
            &Place {
                state: Transport::Ready,
                at: self.now,
                reason: None,
                detail: None,
                attempts: standing.attempts,
                first_attempt_at: standing.first_attempt_at,
                released: true,
            },
        )?;
        self.meet(standing.number, Duty::Relay)
    }

    /// Whether the first hop has reached the moment that is waited for.
    pub(super) fn may_follow(&self, hold: &Hold) -> Result<bool, Error> {
        Ok(Standing::at(self.connection, hold.first_hop)?.has_reached(hold.moment))
    }

    /// Meets a duty about one delivery.
    pub(super) fn meet(&self, delivery: i64, duty: Duty) -> Result<(), Error> {
        self.connection.prepare_cached(include_str!("sql/obligation_meet.sql"))?.execute(params![
            delivery,
            duty.as_str(),
            Time(self.now)
        ])?;
        Ok(())
    }

    /// Makes the head of a lane claimable, if it may be tried.
    pub(super) fn head(&mut self, lane: Option<&Lane>) -> Result<(), Error> {
        let Some(lane) = lane else { return Ok(()) };
        let head = self
            .connection
            .prepare_cached(include_str!("sql/lane_head.sql"))?
            .query_row(params![lane.order_key, lane.endpoint.as_str()], |row| {
                Ok((row.get::<_, i64>("number")?, row.time("next_attempt_at")?))
            })
            .optional()?;
        let Some((number, at)) = head else { return Ok(()) };
        let promoted =
            self.connection.prepare_cached(include_str!("sql/open_promote.sql"))?.execute([number])?;
        if promoted > 0 && at <= self.now {
            self.ready.insert(lane.endpoint.clone());
        }
        Ok(())
    }

    /// Reports an endpoint to look at.
    pub(super) fn report(&mut self, endpoint: &EndpointId) {
        if !self.ready.contains(endpoint) {
            self.ready.insert(endpoint.clone());
        }
    }

    /// Lets the second hops of a delivery go that need nobody's word.
    fn follow(&mut self, first: &Standing) -> Result<(), Error> {
        let waiting: Vec<i64> = self
            .connection
            .prepare_cached(include_str!("sql/hop_held.sql"))?
            .query_map([first.number], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for number in waiting {
            let second = Standing::at(self.connection, number)?;
            if let Some(Hold { moment, mode: Mode::StandingAuthorisation, .. }) = second.hold
                && first.has_reached(moment)
            {
                self.release(&second)?;
            }
        }
        Ok(())
    }

    fn release_duties(&self, delivery: i64) -> Result<(), Error> {
        self.connection
            .prepare_cached(include_str!("sql/obligation_release.sql"))?
            .execute(params![delivery, Time(self.now)])?;
        Ok(())
    }
}
