//! Accepting: whole batches in a few statements; what depends on a neighbour, or may have to be taken back, by
//! itself.
//!
//! Two hubs that accept the same key wait for each other: the lock is on a hash of the key, and lasts as long as
//! the transaction. A batch with more keys than the server's lock table should hold takes all of them at once.

use std::{collections::HashSet, sync::Arc, time::Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    PostgresStore,
    batch::{self, Run},
    error::Failure,
    runner::Job,
    session::Session,
    write::{Claimable, Done},
};
use crate::{
    port::store::{Accept, Acceptance, Effect, Error, NewState, Verdict},
    store::fault::why_unfit,
};

/// Keys locked one by one at most.
const KEYS: usize = 600;

#[async_trait]
impl Accept for PostgresStore {
    async fn accept(&self, acceptances: Vec<Acceptance>, now: Timestamp) -> Result<Vec<Verdict>, Error> {
        let acceptances: Arc<[Acceptance]> = acceptances.into();
        let together = Accepting { acceptances: Arc::clone(&acceptances), now, care: Care::Together };
        let done = match self.runner.write(together).await {
            Err(error) if why_unfit(&error).is_some() => {
                self.runner.write(Accepting { acceptances, now, care: Care::Alone }).await?
            }
            done => done?,
        };
        self.lower(&done.claimable);
        Ok(done.told)
    }
}

impl PostgresStore {
    /// Lets claims see what became claimable.
    pub(super) fn lower(&self, claimable: &Claimable) {
        let now = Instant::now();
        for (endpoint, at) in claimable {
            self.floors.lower(endpoint, *at, now);
        }
    }
}

/// How a batch is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Care {
    /// With its neighbours: the first fault ends it, nothing of it stays.
    Together,
    /// Each alone, after a fault: the bad are sorted from the good.
    Alone,
}

struct Accepting {
    acceptances: Arc<[Acceptance]>,
    now: Timestamp,
    care: Care,
}

#[async_trait]
impl Job for Accepting {
    type Output = Done<Vec<Verdict>>;

    async fn run(&self, session: &Session<'_>) -> Result<Done<Vec<Verdict>>, Failure> {
        let mut done = Done { told: Vec::with_capacity(self.acceptances.len()), claimable: Claimable::new() };
        if self.acceptances.is_empty() {
            return Ok(done);
        }
        lock(session, &self.acceptances).await?;
        for run in runs(&self.acceptances, self.care) {
            let ran = match (self.care, &run[..]) {
                (Care::Alone, [one]) => guarded(session, one, self.now).await?,
                (_, [one]) if may_move(one) => undone_if_moved(session, one, self.now).await?,
                _ => batch::accept(session, &run, self.now).await?,
            };
            done.told.extend(ran.verdicts);
            done.claimable.extend(ran.claimable);
        }
        Ok(done)
    }
}

async fn lock(session: &Session<'_>, acceptances: &[Acceptance]) -> Result<(), Failure> {
    let mut keys: Vec<i64> = acceptances.iter().map(hash).collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.len() > KEYS {
        session.rows("SELECT pg_advisory_xact_lock(19524, 2)::text", &[]).await?;
    } else {
        session.rows(include_str!("sql/key_lock.sql"), &[&keys]).await?;
    }
    Ok(())
}

fn hash(acceptance: &Acceptance) -> i64 {
    let key = &acceptance.key;
    hash_of([key.organisation.as_str(), key.kind.as_str(), &key.business_key])
}

/// The same on every hub and in every version: they lock against each other by it.
fn hash_of(parts: [&str; 3]) -> i64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

/// Cuts a batch where one needs the rows of another before it, and around those that may be taken back.
fn runs(acceptances: &[Acceptance], care: Care) -> Vec<Vec<&Acceptance>> {
    let mut runs: Vec<Vec<&Acceptance>> = Vec::new();
    let mut own: HashSet<Uuid> = HashSet::new();
    let mut open = false;
    for acceptance in acceptances {
        let alone = care == Care::Alone || may_move(acceptance);
        if alone || !open || names(acceptance, &own) {
            runs.push(Vec::new());
            own.clear();
        }
        open = !alone;
        own.insert(acceptance.id.0);
        own.extend(acceptance.deliveries.iter().map(|delivery| delivery.id.0));
        if let Some(run) = runs.last_mut() {
            run.push(acceptance);
        }
    }
    runs
}

/// Whether it names a message or delivery of these.
fn names(acceptance: &Acceptance, ids: &HashSet<Uuid>) -> bool {
    let by_effect = acceptance.effects.iter().any(|effect| match effect {
        Effect::Acknowledge { delivery, .. } | Effect::ConfirmRelay { delivery } => ids.contains(&delivery.0),
        Effect::Answer { message, .. } => ids.contains(&message.0),
        Effect::Supersede { .. } | Effect::Licence { .. } => false,
    });
    let by_hop = acceptance.deliveries.iter().any(|delivery| match delivery.start {
        NewState::Held { after, .. } => ids.contains(&after.0),
        NewState::Ready | NewState::Parked { .. } => false,
    });
    let by_duty =
        acceptance.obligations.iter().any(|owed| owed.delivery.is_some_and(|id| ids.contains(&id.0)));
    by_effect || by_hop || by_duty
}

/// Whether its effects may find that routing's ground has moved, after something was written.
fn may_move(acceptance: &Acceptance) -> bool {
    acceptance
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::ConfirmRelay { .. } | Effect::Supersede { .. }))
}

async fn undone_if_moved(session: &Session<'_>, one: &Acceptance, now: Timestamp) -> Result<Run, Failure> {
    session.run("SAVEPOINT acceptance").await?;
    let run = batch::accept(session, &[one], now).await?;
    if run.verdicts == [Verdict::Moved] {
        session.back_to("acceptance").await?;
    }
    session.run("RELEASE acceptance").await?;
    Ok(run)
}

/// One at fault is taken back and said; the others go on.
async fn guarded(session: &Session<'_>, one: &Acceptance, now: Timestamp) -> Result<Run, Failure> {
    session.run("SAVEPOINT guarded").await?;
    let run = match undone_if_moved(session, one, now).await {
        Ok(run) => run,
        Err(failure) => {
            let error = Error::from(failure);
            let Some(why) = why_unfit(&error) else { return Err(error.into()) };
            session.back_to("guarded").await?;
            Run { verdicts: vec![Verdict::Unstorable { why }], claimable: Claimable::new() }
        }
    };
    session.run("RELEASE guarded").await?;
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: i64 = 4_219_533_626_760_000_606;

    #[test]
    fn hubs_of_every_version_agree_on_the_hash_of_a_key() {
        assert_eq!(hash_of(["bureau", "approval.result", "K-1"]), HASH);
        assert_ne!(hash_of(["bureau", "approval.resultK", "-1"]), HASH);
    }
}
