//! Deliveries that one transaction changes, held in memory: read under lock, decided about, written back in
//! sets ([`super::write`]).
//!
//! Locks, always in this order: the keys of accepted messages, the order keys of all lanes concerned by name, the
//! open deliveries by number. A delivery enters or leaves a lane only under the lock of its order key, so what
//! heads a lane cannot change under a transaction that looks at it; claims alone go by without, and take
//! nothing that is locked here.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{error::Failure, session::Session, value::Columns as _};
use crate::{
    domain::{
        decision::ParkReason,
        delivery::{Acknowledgement, Transport},
        id::{DeliveryId, MessageId},
        obligation::Duty,
    },
    port::store::Error,
    store::{
        change::{Again, End, Hold, Lane, Mode, Place, Rows, Standing},
        fault::{damaged, unfit},
    },
};

/// What to read: these deliveries, and order keys to lock besides.
#[derive(Debug, Default)]
pub(super) struct Seeds {
    /// By id.
    pub(super) ids: Vec<Uuid>,
    /// By row.
    pub(super) numbers: Vec<i64>,
    /// Order keys by name.
    pub(super) names: Vec<String>,
}

/// The deliveries read, with the first hops they wait for and the second hops that wait for them.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// By row.
    pub(super) kept: BTreeMap<i64, Kept>,
    /// Duties met and released, in turn.
    pub(super) duties: Vec<DutyChange>,
    ids: HashMap<Uuid, i64>,
    touched: Vec<Lane>,
}

/// One delivery and what is to be written of it.
#[derive(Debug)]
pub(super) struct Kept {
    /// With the changes so far.
    pub(super) standing: Standing,
    /// Its new place, if it is still open.
    pub(super) placed: Option<Placed>,
    /// Its end.
    pub(super) ended: Option<Ended>,
    /// What its recipient said.
    pub(super) said: Option<Said>,
    /// Its being sent again, begun or over.
    pub(super) again: Option<AgainChange>,
}

impl Kept {
    /// Its state, attempts and the first of them as far as it is open.
    pub(super) fn open(&self) -> (Transport, u32, Option<Timestamp>) {
        let standing = &self.standing;
        match standing.again {
            Some(again) => (again.state, again.attempts, again.first_attempt_at),
            None => (standing.state, standing.attempts, standing.first_attempt_at),
        }
    }
}

/// A change of what is sent again.
#[derive(Clone, Copy, Debug)]
pub(super) enum AgainChange {
    /// From when it may be tried.
    Begun(Timestamp),
    /// With this as the latest lease.
    Over(u64),
}

/// A place, beyond what the standing says.
#[derive(Debug)]
pub(super) struct Placed {
    /// From when it may be tried.
    pub(super) at: Timestamp,
    /// Why it is parked.
    pub(super) reason: Option<ParkReason>,
    /// Whether a second hop has been let go.
    pub(super) released: bool,
}

/// An end, beyond what the standing says.
#[derive(Debug)]
pub(super) struct Ended {
    /// When.
    pub(super) at: Timestamp,
    /// When the target confirmed it.
    pub(super) handed_over_at: Option<Timestamp>,
    /// Number of the paper.
    pub(super) document: Option<String>,
}

/// What a recipient said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    /// When.
    pub(super) at: Timestamp,
    /// Whether an earlier time stays.
    pub(super) keeps_earlier: bool,
}

/// A change of the duties about a delivery.
#[derive(Clone, Copy, Debug)]
pub(super) enum DutyChange {
    /// One is met.
    Met(i64, Duty),
    /// All are released.
    Released(i64),
}

impl Book {
    /// Reads under lock. Ids that name nothing are left out.
    pub(super) async fn open(session: &Session<'_>, seeds: &Seeds) -> Result<Self, Failure> {
        let Seeds { ids, numbers, names } = seeds;
        let mut locked: HashSet<i64> = HashSet::new();
        let closed = loop {
            for row in session.rows(include_str!("sql/lane_lock.sql"), &[ids, numbers, names]).await? {
                locked.insert(row.value("number")?);
            }
            let rows = session.rows(include_str!("sql/standing.sql"), &[ids, numbers]).await?;
            // A second hop may have come between the two statements: its lane is locked by the next round.
            let mut all = true;
            for row in &rows {
                all &= locked.contains(&row.value("order_key")?);
            }
            if all {
                break rows;
            }
        };
        let numbers: Vec<i64> = closed.iter().map(|row| row.value("number")).collect::<Result<_, _>>()?;
        let open = session.rows(include_str!("sql/standing_open.sql"), &[&numbers]).await?;
        let mut open: HashMap<i64, Row> =
            open.into_iter().map(|row| Ok((row.value("number")?, row))).collect::<Result<_, Failure>>()?;
        let mut book = Self::default();
        for row in &closed {
            let standing = standing(row, open.remove(&row.value("number")?).as_ref())?;
            book.ids.insert(row.id("id")?, standing.number);
            let kept = Kept { standing, placed: None, ended: None, said: None, again: None };
            book.kept.insert(kept.standing.number, kept);
        }
        Ok(book)
    }

    /// The row of a delivery, if it was read.
    pub(super) fn number_of(&self, id: DeliveryId) -> Option<i64> {
        self.ids.get(&id.0).copied()
    }

    /// Whether the delivery of this row was read.
    pub(super) fn has(&self, number: i64) -> bool {
        self.kept.contains_key(&number)
    }

    /// How a delivery that must exist stands.
    pub(super) fn of(&mut self, id: DeliveryId) -> Result<Standing, Error> {
        let number = self.number_of(id).ok_or_else(|| unfit(format!("no delivery {id}")))?;
        self.standing(number)
    }

    /// The lanes touched so far, in turn.
    pub(super) fn touched(&self) -> &[Lane] {
        &self.touched
    }

    fn kept(&mut self, number: i64) -> Result<&mut Kept, Error> {
        self.kept.get_mut(&number).ok_or_else(|| damaged(format_args!("no delivery in row {number}")))
    }
}

impl Rows for Book {
    fn standing(&mut self, delivery: i64) -> Result<Standing, Error> {
        Ok(self.kept(delivery)?.standing.clone())
    }

    fn place(&mut self, delivery: i64, place: &Place<'_>) -> Result<(), Error> {
        let kept = self.kept(delivery)?;
        let standing = &mut kept.standing;
        let (attempts, first_attempt_at) = (place.attempts, place.first_attempt_at);
        if let Some(again) = &mut standing.again {
            *again = Again { state: place.state, attempts, first_attempt_at, ..*again };
        } else {
            (standing.state, standing.attempts) = (place.state, attempts);
            standing.first_attempt_at = first_attempt_at;
            standing.detail = place.detail.map(str::to_owned);
        }
        if let Some(hold) = &mut standing.hold {
            hold.released = place.released;
        }
        kept.placed = Some(Placed { at: place.at, reason: place.reason, released: place.released });
        Ok(())
    }

    fn end(&mut self, standing: &Standing, end: &End<'_>, at: Timestamp) -> Result<(), Error> {
        let kept = self.kept(standing.number)?;
        kept.standing.state = end.state;
        kept.standing.attempts = end.attempts;
        kept.standing.detail = end.detail.map(str::to_owned);
        kept.placed = None;
        kept.ended =
            Some(Ended { at, handed_over_at: end.handed_over_at, document: end.document.map(str::to_owned) });
        Ok(())
    }

    fn acknowledge(&mut self, delivery: i64, said: Acknowledgement, at: Timestamp) -> Result<(), Error> {
        let kept = self.kept(delivery)?;
        kept.standing.acknowledgement = said;
        let fresh_before = kept.said.is_some_and(|said| !said.keeps_earlier);
        kept.said = Some(Said { at, keeps_earlier: said == Acknowledgement::Answered && !fresh_before });
        Ok(())
    }

    fn meet(&mut self, delivery: i64, duty: Duty, _: Timestamp) -> Result<(), Error> {
        self.duties.push(DutyChange::Met(delivery, duty));
        Ok(())
    }

    fn release_duties(&mut self, delivery: i64, _: Timestamp) -> Result<(), Error> {
        self.duties.push(DutyChange::Released(delivery));
        Ok(())
    }

    fn held_behind(&mut self, first: i64) -> Result<Vec<i64>, Error> {
        let waits = |kept: &&Kept| {
            kept.standing.state == Transport::Held
                && kept
                    .standing
                    .hold
                    .is_some_and(|hold| hold.first_hop == first && hold.mode == Mode::StandingAuthorisation)
        };
        Ok(self.kept.values().filter(waits).map(|kept| kept.standing.number).collect())
    }

    fn reopen(&mut self, standing: &Standing, _: &Lane, at: Timestamp) -> Result<(), Error> {
        let kept = self.kept(standing.number)?;
        kept.again = Some(AgainChange::Begun(at));
        let since = standing.lease;
        kept.standing.again =
            Some(Again { state: Transport::Ready, attempts: 0, first_attempt_at: None, since });
        Ok(())
    }

    fn close_again(&mut self, standing: &Standing) -> Result<(), Error> {
        let kept = self.kept(standing.number)?;
        kept.again = Some(AgainChange::Over(standing.lease));
        kept.standing.again = None;
        kept.placed = None;
        Ok(())
    }

    /// Heads are found when all is written: until then nobody else can see a difference.
    fn promote(&mut self, lane: &Lane) -> Result<Option<Timestamp>, Error> {
        self.touched.push(lane.clone());
        Ok(None)
    }
}

fn standing(row: &Row, open: Option<&Row>) -> Result<Standing, Failure> {
    let number = row.value("number")?;
    let ended: Option<Transport> = row.word_if("final_state")?;
    let (state, released) = match (ended, open) {
        (Some(state), _) => (state, true),
        (None, Some(open)) => (open.word("state")?, open.value("released")?),
        (None, None) => {
            return Err(damaged(format_args!("delivery in row {number} neither open nor ended")).into());
        }
    };
    let first_attempt_at = open.map(|open| open.time_if("first_attempt_at")).transpose()?.flatten();
    let again = match open.filter(|_| ended.is_some()) {
        None => None,
        Some(open) => Some(Again {
            state: open.word("state")?,
            attempts: open.number("attempts")?,
            first_attempt_at,
            since: row.number("lease")?,
        }),
    };
    let place = open.filter(|_| ended.is_none()).unwrap_or(row);
    let hold = match row.value("first_hop")? {
        None => None,
        Some(first_hop) => {
            Some(Hold { first_hop, moment: row.word("moment")?, mode: row.word("relay")?, released })
        }
    };
    let order_key = row.value("order_key")?;
    Ok(Standing {
        number,
        message: MessageId(row.id("message")?),
        organisation: row.value("organisation")?,
        lane: row.text_if("endpoint")?.map(|endpoint| Lane { order_key, endpoint }),
        sequence: row.number("lane_sequence")?,
        created_at: row.time("created_at")?,
        state,
        acknowledgement: row.word("acknowledgement")?,
        attempts: place.number("attempts")?,
        first_attempt_at,
        lease: open.unwrap_or(row).number("lease")?,
        detail: place.value("detail")?,
        hold,
        again,
    })
}
