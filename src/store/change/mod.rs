//! Changes of deliveries, the same on every store: each leaves its lane's head claimable, its counts right,
//! and what follows from it (second hops, obligations) done in the same transaction.
//!
//! What is decided stands here and nowhere else; how rows are read and written is each backend's own
//! ([`Rows`]).

pub(in crate::store) mod effect;
pub(in crate::store) mod operate;
pub(in crate::store) mod replay;
pub(in crate::store) mod settle;
mod standing;
mod tally;

use std::collections::BTreeSet;

use jiff::Timestamp;

pub(in crate::store) use standing::{Again, Hold, Lane, Mode, Standing};
pub(in crate::store) use tally::{Bucket, Tally};

use crate::{
    domain::{
        decision::ParkReason,
        delivery::{Acknowledgement, Transport},
        id::EndpointId,
        obligation::Duty,
    },
    port::store::Error,
};

/// The rows that changes are made of, inside one transaction. Deliveries are named by their row.
pub(in crate::store) trait Rows {
    /// How a delivery stands, with all changes made so far.
    fn standing(&mut self, delivery: i64) -> Result<Standing, Error>;

    /// Puts an open delivery into another open state; it is not claimable until [`Rows::promote`] says so.
    fn place(&mut self, delivery: i64, place: &Place<'_>) -> Result<(), Error>;

    /// Ends an open delivery.
    fn end(&mut self, standing: &Standing, end: &End<'_>, at: Timestamp) -> Result<(), Error>;

    /// Keeps what the recipient said; the time of an answer does not take the place of an earlier time.
    fn acknowledge(&mut self, delivery: i64, said: Acknowledgement, at: Timestamp) -> Result<(), Error>;

    /// Meets an open duty about a delivery, where there is one.
    fn meet(&mut self, delivery: i64, duty: Duty, at: Timestamp) -> Result<(), Error>;

    /// Releases every open duty about a delivery.
    fn release_duties(&mut self, delivery: i64, at: Timestamp) -> Result<(), Error>;

    /// The held second hops of a delivery that go by a standing authorisation.
    fn held_behind(&mut self, first: i64) -> Result<Vec<i64>, Error>;

    /// Opens a delivery that has ended, to be sent again; what was claimable in its lane waits, until
    /// [`Rows::promote`] has looked.
    fn reopen(&mut self, standing: &Standing, lane: &Lane, at: Timestamp) -> Result<(), Error>;

    /// Ends sending it again: how it ended before stays, but for the latest lease.
    fn close_again(&mut self, standing: &Standing) -> Result<(), Error>;

    /// Makes the head of a lane claimable if it may be tried; from when, where that is new.
    fn promote(&mut self, lane: &Lane) -> Result<Option<Timestamp>, Error>;
}

/// The changes of one request, or of one part of it that may be taken back.
#[derive(Debug)]
pub(in crate::store) struct Change<R> {
    /// Inside a transaction.
    pub(in crate::store) rows: R,
    /// The call's time.
    pub(in crate::store) now: Timestamp,
    /// Counts to write.
    pub(in crate::store) tally: Tally,
    ready: BTreeSet<EndpointId>,
}

/// A state that is not final, with what belongs to it.
#[derive(Debug)]
pub(in crate::store) struct Place<'a> {
    /// Held, ready, scheduled or parked.
    pub(in crate::store) state: Transport,
    /// From when it may be tried.
    pub(in crate::store) at: Timestamp,
    /// Why it is parked.
    pub(in crate::store) reason: Option<ParkReason>,
    /// In words.
    pub(in crate::store) detail: Option<&'a str>,
    /// Counted attempts.
    pub(in crate::store) attempts: u32,
    /// When the first of them began.
    pub(in crate::store) first_attempt_at: Option<Timestamp>,
    /// Whether a second hop has been let go.
    pub(in crate::store) released: bool,
}

/// A final state, with what belongs to it.
#[derive(Debug)]
pub(in crate::store) struct End<'a> {
    /// Which.
    pub(in crate::store) state: Transport,
    /// When the target confirmed it.
    pub(in crate::store) handed_over_at: Option<Timestamp>,
    /// Number of the paper.
    pub(in crate::store) document: Option<&'a str>,
    /// In words.
    pub(in crate::store) detail: Option<&'a str>,
    /// Counted attempts.
    pub(in crate::store) attempts: u32,
}

impl<R: Rows> Change<R> {
    /// Nothing changed yet.
    pub(in crate::store) fn new(rows: R, now: Timestamp) -> Self {
        Self { rows, now, tally: Tally::default(), ready: BTreeSet::new() }
    }

    /// The endpoints to look at since it was last asked.
    pub(in crate::store) fn take_ready(&mut self) -> Vec<EndpointId> {
        std::mem::take(&mut self.ready).into_iter().collect()
    }

    /// Reports an endpoint to look at.
    pub(in crate::store) fn report(&mut self, endpoint: &EndpointId) {
        if !self.ready.contains(endpoint) {
            self.ready.insert(endpoint.clone());
        }
    }

    /// Puts an open delivery into another open state.
    pub(in crate::store) fn place(&mut self, standing: &Standing, place: &Place<'_>) -> Result<(), Error> {
        self.rows.place(standing.number, place)?;
        let mut to = standing.bucket();
        (to.state, to.attempts) = (place.state, place.attempts);
        self.tally.moved(standing.organisation.as_deref(), standing.bucket(), to);
        self.head(standing.lane.as_ref())
    }

    /// Ends an open delivery; its lane goes on.
    pub(in crate::store) fn end(&mut self, standing: &Standing, end: &End<'_>) -> Result<(), Error> {
        self.rows.end(standing, end, self.now)?;
        let ended = Standing { state: end.state, attempts: end.attempts, ..standing.clone() };
        self.tally.moved(standing.organisation.as_deref(), standing.bucket(), ended.bucket());
        self.head(standing.lane.as_ref())?;
        match end.state {
            Transport::Delivered => self.follow(&ended),
            Transport::ServedOffline => {
                self.meet(standing.number, Duty::Sign)?;
                self.follow(&ended)
            }
            _ => self.rows.release_duties(standing.number, self.now),
        }
    }

    /// Ends an open delivery as delivered.
    pub(in crate::store) fn deliver(
        &mut self,
        standing: &Standing,
        handed_over_at: Timestamp,
    ) -> Result<(), Error> {
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
    pub(in crate::store) fn acknowledge(
        &mut self,
        standing: &Standing,
        said: Acknowledgement,
    ) -> Result<(), Error> {
        let settled = Standing { acknowledgement: said, ..standing.clone() };
        if said != standing.acknowledgement {
            self.rows.acknowledge(standing.number, said, self.now)?;
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
    pub(in crate::store) fn release(&mut self, standing: &Standing) -> Result<(), Error> {
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
    pub(in crate::store) fn may_follow(&mut self, hold: &Hold) -> Result<bool, Error> {
        Ok(self.rows.standing(hold.first_hop)?.has_reached(hold.moment))
    }

    /// Meets a duty about one delivery.
    pub(in crate::store) fn meet(&mut self, delivery: i64, duty: Duty) -> Result<(), Error> {
        self.rows.meet(delivery, duty, self.now)
    }

    /// Makes the head of a lane claimable, if it may be tried.
    pub(in crate::store) fn head(&mut self, lane: Option<&Lane>) -> Result<(), Error> {
        if let Some(lane) = lane
            && let Some(at) = self.rows.promote(lane)?
            && at <= self.now
        {
            self.report(&lane.endpoint);
        }
        Ok(())
    }

    /// Lets the second hops of a delivery go that need nobody's word.
    fn follow(&mut self, first: &Standing) -> Result<(), Error> {
        for number in self.rows.held_behind(first.number)? {
            let second = self.rows.standing(number)?;
            if let Some(Hold { moment, mode: Mode::StandingAuthorisation, .. }) = second.hold
                && first.has_reached(moment)
            {
                self.release(&second)?;
            }
        }
        Ok(())
    }
}
