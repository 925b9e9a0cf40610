//! Settling: attempts are recorded and deliveries moved, a batch in a few statements.

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    book::{Book, Seeds},
    error::Failure,
    insert,
    runner::Job,
    session::Session,
    value::{Columns as _, Time, clean, column},
    write::{self, Done, Promoted},
};
use crate::{
    domain::id::EndpointId,
    port::store::{Settled, Settlement},
    store::{
        change::{
            Change, Lane, Rows as _, Standing,
            settle::{self, Moved},
        },
        fault::number,
    },
};

/// Settles each in turn.
pub(super) struct Settling {
    /// What ended.
    pub(super) settlements: Arc<[Settlement]>,
    /// The call's time.
    pub(super) now: Timestamp,
}

#[async_trait]
impl Job for Settling {
    type Output = Done<Vec<Settled>>;

    async fn run(&self, session: &Session<'_>) -> Result<Done<Vec<Settled>>, Failure> {
        let ids: Vec<Uuid> = self.settlements.iter().map(|settlement| settlement.delivery.0).collect();
        let book = Book::open(session, &Seeds { ids, ..Seeds::default() }).await?;
        let mut change = Change::new(book, self.now);
        let mut recorded = Vec::with_capacity(self.settlements.len());
        let mut moved = Vec::with_capacity(self.settlements.len());
        for settlement in &*self.settlements {
            let Some(number) = change.rows.number_of(settlement.delivery) else {
                moved.push(Err(Settled::Unknown));
                continue;
            };
            let standing = change.rows.standing(number)?;
            if let Some(refused) = settle::refusal(&standing, settlement) {
                moved.push(Err(refused));
                continue;
            }
            let before = change.rows.touched().len();
            let how = settle::apply(&mut change, &standing, settlement)?;
            moved.push(Ok((how, before..change.rows.touched().len())));
            recorded.push((standing, settlement));
        }
        let tally = std::mem::take(&mut change.tally);
        let ((), promoted, ()) = futures::try_join!(
            record(session, &recorded, self.now),
            write::book(session, &change.rows, self.now),
            write::counts(session, tally)
        )?;
        let touched = change.rows.touched();
        let told = moved
            .into_iter()
            .map(|moved| {
                let (how, lanes) = match moved {
                    Ok(moved) => moved,
                    Err(refused) => return refused,
                };
                let ready = ready(&touched[lanes], &promoted, self.now);
                match how {
                    Moved::Applied => Settled::Applied { ready },
                    Moved::LateSuccess => Settled::LateSuccess { ready },
                    Moved::Again => Settled::Again { ready },
                    Moved::Nothing => Settled::LateIgnored,
                }
            })
            .collect();
        Ok(Done { told, claimable: write::claimable(&promoted).collect() })
    }
}

/// The endpoints of those lanes whose head may be tried now.
pub(super) fn ready(touched: &[Lane], promoted: &Promoted, now: Timestamp) -> Vec<EndpointId> {
    let due = touched.iter().filter(|lane| promoted.get(lane).is_some_and(|at| *at <= now));
    let mut ready: Vec<EndpointId> = due.map(|lane| lane.endpoint.clone()).collect();
    ready.sort_unstable();
    ready.dedup();
    ready
}

/// Keeps what was tried. The same end of the same lease is kept once, and its entry with it.
async fn record(
    session: &Session<'_>,
    tried: &[(Standing, &Settlement)],
    now: Timestamp,
) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    let key = |(standing, settlement): &(Standing, &Settlement)| {
        (standing.number, settlement.lease.0, settlement.outcome.as_str())
    };
    let tried: Vec<&(Standing, &Settlement)> = tried.iter().filter(|one| seen.insert(key(one))).collect();
    if tried.is_empty() {
        return Ok(());
    }
    let leases: Vec<i64> =
        tried.iter().map(|(_, settlement)| number(settlement.lease.0)).collect::<Result<_, _>>()?;
    let written = session
        .rows(
            include_str!("sql/attempt_insert.sql"),
            &[
                &column(&tried, |(standing, _)| standing.number),
                &column(&tried, |(standing, _)| Time(standing.created_at)),
                &leases,
                &column(&tried, |(_, one)| one.outcome.as_str()),
                &Time(now),
                &column(&tried, |(_, one)| i64::from(one.attempt)),
                &column(&tried, |(_, one)| Time(one.record.started_at)),
                &column(&tried, |(_, one)| Time(one.record.ended_at)),
                &column(&tried, |(_, one)| clean(&one.record.peer)),
                &column(&tried, |(_, one)| one.record.sent_digest.map(|digest| digest.to_vec())),
                &column(&tried, |(_, one)| one.record.answer_digest.map(|digest| digest.to_vec())),
                &column(&tried, |(_, one)| one.record.status.map(i32::from)),
                &column(&tried, |(_, one)| clean(&one.record.detail)),
                &column(&tried, |(_, one)| clean(&one.record.adapter_version)),
                &column(&tried, |(_, one)| one.record.sent_sm3.map(|digest| digest.to_vec())),
                &column(&tried, |(_, one)| one.record.answer_sm3.map(|digest| digest.to_vec())),
                &column(&tried, |(_, one)| one.salt.map(|salt| salt.to_vec())),
            ],
        )
        .await?;
    let mut new: HashSet<(i64, u64, String)> = HashSet::with_capacity(written.len());
    for row in &written {
        new.insert((row.value("delivery")?, row.number("lease")?, row.value("outcome")?));
    }
    let is_new = |one: &&(Standing, &Settlement)| {
        let (number, lease, outcome) = key(one);
        new.contains(&(number, lease, outcome.to_owned()))
    };
    let entries: Vec<_> = tried.into_iter().filter(is_new).map(|(_, one)| &one.entry).collect();
    insert::entries(session, &entries).await
}
