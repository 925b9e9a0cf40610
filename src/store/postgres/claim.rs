//! Claiming: due lane heads become work under lease, by one range of one small index an endpoint. What another
//! hub is claiming is skipped, not waited for.

use std::{collections::HashMap, time::Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::{
    error::Failure,
    floor::{From, seen},
    runner::Job,
    session::Session,
    value::{Columns as _, Time, column},
    write,
};
use crate::{
    domain::{
        delivery::{Acknowledgement, Transport},
        id::{DeliveryId, EndpointId, MessageId},
    },
    port::{
        bus::{Brought, LeaseToken, Work},
        store::{Claim, ExpiredLease, Waiting},
    },
    store::{
        change::{Bucket, Tally},
        fault::number,
    },
};

/// Leases what is wanted and due.
pub(super) struct Claiming {
    /// What is wanted, each endpoint once.
    pub(super) wants: Vec<Wanted>,
    /// The lease.
    pub(super) claim: Claim,
    /// The call's time.
    pub(super) now: Timestamp,
}

/// Room at one endpoint.
pub(super) struct Wanted {
    /// Which.
    pub(super) endpoint: EndpointId,
    /// How many.
    pub(super) limit: usize,
    /// How many may be under lease then.
    pub(super) window: Option<usize>,
    /// From where to look.
    pub(super) from: From,
}

impl Wanted {
    /// What may be leased where so much is under lease.
    fn room(&self, leased: usize) -> usize {
        self.window.map_or(self.limit, |window| self.limit.min(window.saturating_sub(leased)))
    }
}

/// What was claimed.
pub(super) struct Claimed {
    /// To do.
    pub(super) work: Vec<Work>,
    /// Up to when everything of each endpoint has been claimed by somebody.
    pub(super) seen: Vec<(EndpointId, From, Timestamp)>,
    /// When the reading began.
    pub(super) begun: Instant,
}

#[async_trait]
impl Job for Claiming {
    type Output = Claimed;

    async fn run(&self, session: &Session<'_>) -> Result<Claimed, Failure> {
        let begun = Instant::now();
        let leased = leased(session, &self.wants).await?;
        let room = |want| Wanted::room(want, leased.get(&want.endpoint).copied().unwrap_or_default());
        let wants = self.wants.iter().map(|want| (want, room(want))).filter(|(_, room)| *room > 0);
        let (wants, room): (Vec<&Wanted>, Vec<usize>) = wants.unzip();
        if wants.is_empty() {
            return Ok(Claimed { work: Vec::new(), seen: Vec::new(), begun });
        }
        let limits: Vec<i64> = room.iter().map(|room| number(*room)).collect::<Result<_, _>>()?;
        let floor = |want: &&Wanted| match want.from {
            From::Beginning => None,
            From::Floor(at) => Some(Time(at)),
        };
        let claim = &self.claim;
        let rows = session
            .rows(
                include_str!("sql/claim.sql"),
                &[
                    &column(&wants, |want| want.endpoint.as_str()),
                    &limits,
                    &column(&wants, floor),
                    &Time(self.now),
                    &Time(claim.lease_until),
                    &Time(claim.not_after),
                ],
            )
            .await?;
        let mut tally = Tally::default();
        let mut work = Vec::with_capacity(rows.len());
        let mut found: HashMap<EndpointId, (usize, Timestamp)> = HashMap::new();
        for row in &rows {
            let leased = self::work(row)?;
            count(&mut tally, row, &leased)?;
            let last = row.time("claim_at")?;
            let (count, latest) = found.entry(leased.endpoint.clone()).or_insert((0, last));
            (*count, *latest) = (*count + 1, last.max(*latest));
            work.push(leased);
        }
        write::counts(session, tally).await?;
        let seen = wants
            .into_iter()
            .zip(room)
            .map(|(want, room)| {
                let full = found.get(&want.endpoint).filter(|(count, _)| *count >= room);
                (want.endpoint.clone(), want.from, seen(self.now, full.map(|(_, last)| *last)))
            })
            .collect();
        Ok(Claimed { work, seen, begun })
    }
}

/// How much is under lease at each endpoint whose window is to be kept. Claims of one endpoint go one after the
/// other then, so that hubs at once do not together exceed it.
async fn leased(session: &Session<'_>, wants: &[Wanted]) -> Result<HashMap<EndpointId, usize>, Failure> {
    let bounded: Vec<&Wanted> = wants.iter().filter(|want| want.window.is_some()).collect();
    if bounded.is_empty() {
        return Ok(HashMap::new());
    }
    let endpoints = column(&bounded, |want| want.endpoint.as_str());
    // Each statement sees what was committed before it: the count comes after the turn.
    session.rows(include_str!("sql/claim_turn.sql"), &[&endpoints]).await?;
    let rows = session.rows(include_str!("sql/claim_leased.sql"), &[&endpoints]).await?;
    rows.iter().map(|row| Ok((row.text("endpoint")?, row.number("leased")?))).collect()
}

/// One that is only sent again stays counted as it ended.
fn count(tally: &mut Tally, row: &Row, work: &Work) -> Result<(), Failure> {
    if row.value("again")? {
        return Ok(());
    }
    let bucket = Bucket {
        state: row.word::<Transport>("was")?,
        acknowledgement: row.word::<Acknowledgement>("acknowledgement")?,
        attempts: row.number("attempts")?,
    };
    tally.moved(Some(work.organisation.as_str()), bucket, Bucket { state: Transport::Leased, ..bucket });
    Ok(())
}

/// Leases that ended before `now`, oldest first, without bodies.
pub(super) struct Expired {
    /// The call's time.
    pub(super) now: Timestamp,
    /// How many at most.
    pub(super) limit: usize,
}

#[async_trait]
impl Job for Expired {
    type Output = Vec<ExpiredLease>;

    async fn run(&self, session: &Session<'_>) -> Result<Vec<ExpiredLease>, Failure> {
        let limit: i64 = number(self.limit)?;
        let rows = session.rows(include_str!("sql/lease_expired.sql"), &[&Time(self.now), &limit]).await?;
        rows.iter().map(|row| Ok(ExpiredLease { work: work(row)? })).collect()
    }
}

/// Endpoints with something claimable, and when the next scheduled delivery falls due.
pub(super) struct Looking {
    /// The call's time.
    pub(super) now: Timestamp,
}

#[async_trait]
impl Job for Looking {
    type Output = Waiting;

    async fn run(&self, session: &Session<'_>) -> Result<Waiting, Failure> {
        let mut waiting = Waiting::default();
        for row in session.rows(include_str!("sql/claim_waiting.sql"), &[&Time(self.now)]).await? {
            if row.value("ready")? {
                waiting.ready.push(row.text("endpoint")?);
            }
            waiting.next_due = waiting.next_due.into_iter().chain(row.time_if("next_due")?).min();
        }
        Ok(waiting)
    }
}

fn work(row: &Row) -> Result<Work, Failure> {
    let relays: Vec<uuid::Uuid> = row.value("relays")?;
    Ok(Work {
        delivery: DeliveryId(row.id("id")?),
        message: MessageId(row.id("message")?),
        kind: row.word("kind")?,
        endpoint: row.text("endpoint")?,
        organisation: row.text("organisation")?,
        on_behalf_of: row.text_if("on_behalf_of")?,
        part: row.word("part")?,
        share: row.text_if("share")?,
        redaction: row.word("redaction")?,
        lane_sequence: row.number("lane_sequence")?,
        attempt: row.number::<u32>("attempts")?.saturating_add(1),
        lease: LeaseToken(row.number("lease")?),
        not_after: row.time("not_after")?,
        accepted_at: row.time("accepted_at")?,
        first_attempt_at: row.time_if("first_attempt_at")?,
        relays: relays.into_iter().map(DeliveryId).collect(),
        body: row.bytes("body")?,
        brought: Brought::First,
    })
}
