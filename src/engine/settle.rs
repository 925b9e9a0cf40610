//! Settle: outcomes from workers become attempts, states and trail entries, in one commit a batch.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use metrics::{counter, histogram};
use serde_json::json;

use super::{
    Reach, attempt,
    breaker::Change,
    desk::{Desk, Health},
    dispatch::{insist, tolerate},
    trail::{self, About},
};
use crate::{
    domain::{
        decision::ParkReason,
        delivery::{Next, OnUnknown, Outcome},
        id::EndpointId,
        retry,
    },
    evidence::digest::{self, Salt},
    port::{
        bus::{Bus, WorkOutcome},
        clock::Clock,
        store::{Counts, Settled, Settlement, Store},
    },
    task::{
        Failure,
        metrics::{ATTEMPT_DURATION, ATTEMPTS, END_TO_END, OUTCOMES_REFUSED, PARKED, RESENDS_GIVEN_UP},
    },
};

/// Outcomes settled in one commit.
const BATCH: usize = 500;

/// How long a store that is out of order is left alone.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

/// Who tells how an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teller {
    /// The worker, which spoke to the target.
    Worker,
    /// The hub itself: the lease ended or nothing could be sent, which says nothing of the target.
    Hub,
}

/// The settling task.
#[derive(Clone, Debug)]
pub struct Settle {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// Brings outcomes.
    pub bus: Arc<dyn Bus>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is with workers.
    pub desk: Arc<Desk>,
}

impl Settle {
    /// Runs until the bus is closed and every outcome is settled.
    pub async fn run(self) -> Result<(), Failure> {
        let mut outcomes = self.bus.outcomes().await?;
        loop {
            let batch = outcomes.next(BATCH).await;
            if batch.is_empty() {
                return Ok(());
            }
            self.settle(batch, Teller::Worker).await?;
            outcomes.settled().await;
        }
    }

    /// Settles a batch, and says what became of each; waits for a store that is out of order, since an outcome must
    /// not be lost.
    pub async fn settle(&self, batch: Vec<WorkOutcome>, teller: Teller) -> Result<Vec<Settled>, Failure> {
        let settlements: Vec<_> =
            batch.iter().map(|outcome| self.settlement(outcome)).collect::<Result<_, _>>()?;
        let settled = insist(PAUSE, || self.store.settle(settlements.clone(), self.clock.now())).await?;
        for ((outcome, settlement), settled) in batch.iter().zip(&settlements).zip(&settled) {
            self.after(outcome, settlement, settled, teller).await?;
        }
        Ok(settled)
    }

    /// The entry tells what was exchanged by commitments alone: digests would confirm whoever guesses the bytes.
    fn settlement(&self, outcome: &WorkOutcome) -> Result<Settlement, digest::Error> {
        let (work, record) = (&outcome.work, &outcome.attempt);
        let next = self.next(outcome);
        let salt = Salt::generate()?;
        let (exchanged, by_sm3) = attempt::reported(record).commit(&salt);
        let data = json!({
            "endpoint": work.endpoint, "organisation": work.organisation, "attempt": work.attempt,
            "lease": work.lease, "outcome": outcome.outcome, "next": next, "started_at": record.started_at,
            "ended_at": record.ended_at, "peer": record.peer, "status": record.status,
            "adapter": record.adapter_version, "on_behalf_of": work.on_behalf_of,
            attempt::EXCHANGED: exchanged, attempt::EXCHANGED_SM3: by_sm3,
        });
        let about = About::delivery(work.message, work.delivery);
        Ok(Settlement {
            delivery: work.delivery,
            message: work.message,
            endpoint: work.endpoint.clone(),
            lease: work.lease,
            attempt: work.attempt,
            outcome: outcome.outcome.clone(),
            record: record.clone(),
            salt: Some(*salt.as_bytes()),
            next,
            counts: Counts::Attempt,
            entry: trail::entry(trail::ATTEMPTED, about, &data, record.ended_at),
        })
    }

    fn next(&self, outcome: &WorkOutcome) -> Next {
        let policy = self.desk.policy(&outcome.work.endpoint);
        match (&outcome.outcome, policy) {
            (Outcome::Delivered, _) => Next::Delivered,
            (Outcome::Permanent, _) => Next::Parked { reason: ParkReason::Refused },
            (Outcome::Unknown, policy)
                if policy.is_none_or(|policy| policy.on_unknown == OnUnknown::Park) =>
            {
                Next::Parked { reason: ParkReason::OutcomeUnknown }
            }
            (Outcome::Ours, _) | (_, None) => Next::Parked { reason: ParkReason::Ours },
            (Outcome::Throttled { wait_ms }, Some(policy)) => {
                again(&policy.retry, outcome, *wait_ms, self.clock.now())
            }
            (Outcome::Transient | Outcome::Unknown, Some(policy)) => {
                again(&policy.retry, outcome, None, self.clock.now())
            }
        }
    }

    async fn after(
        &self,
        outcome: &WorkOutcome,
        settlement: &Settlement,
        settled: &Settled,
        teller: Teller,
    ) -> Result<(), Failure> {
        let work = &outcome.work;
        match settled {
            Settled::Applied { ready } | Settled::LateSuccess { ready } => {
                count_attempt(outcome);
                count_state(outcome, settlement);
                self.desk.ready(ready);
                if let Next::Scheduled { at } = settlement.next {
                    self.desk.due(at);
                }
                self.well_or_sick(outcome, teller).await?;
            }
            Settled::Again { ready } => {
                count_attempt(outcome);
                self.desk.ready(ready);
                match settlement.next {
                    Next::Delivered => {}
                    Next::Scheduled { at } => self.desk.due(at),
                    Next::Parked { .. } => {
                        counter!(RESENDS_GIVEN_UP, "endpoint" => work.endpoint.to_string()).increment(1);
                        tracing::error!(delivery = %work.delivery, "what was sent again was not taken, given up");
                    }
                }
                self.well_or_sick(outcome, teller).await?;
            }
            Settled::LateIgnored => {
                count_attempt(outcome);
                tracing::info!(delivery = %work.delivery, "outcome came after its lease, recorded only");
            }
            Settled::Unknown => {
                counter!(OUTCOMES_REFUSED, "reason" => "unknown").increment(1);
                tracing::warn!(delivery = %work.delivery, "outcome of a lease that was never given, dropped");
                self.refuse(outcome, "no such lease was ever given").await?;
            }
            Settled::Foreign => {
                counter!(OUTCOMES_REFUSED, "reason" => "foreign").increment(1);
                tracing::error!(
                    delivery = %work.delivery, endpoint = %work.endpoint,
                    "outcome of a delivery that is not this endpoint's, dropped"
                );
                self.refuse(outcome, "the delivery is of another endpoint or message").await?;
            }
        }
        self.desk.returned(work);
        Ok(())
    }

    /// Tells the breaker what a worker found.
    async fn well_or_sick(&self, outcome: &WorkOutcome, teller: Teller) -> Result<(), Failure> {
        let endpoint = &outcome.work.endpoint;
        if teller == Teller::Worker
            && let Some(health) = self.health(outcome)
            && let Some(change) = self.desk.answered(endpoint, health, self.clock.now())
        {
            self.tell(endpoint, change).await?;
        }
        Ok(())
    }

    /// What an attempt says of its target. One that connects to the hub, or fetches, and has left is not sick: nothing
    /// is claimed for it until it is back; so there an answer alone counts.
    fn health(&self, outcome: &WorkOutcome) -> Option<Health> {
        let reach = self.desk.policy(&outcome.work.endpoint).map(|policy| policy.reach);
        let answered = outcome.attempt.answer_digest.is_some();
        health(&outcome.outcome).filter(|_| answered || matches!(reach, None | Some(Reach::Called)))
    }

    /// Keeps that an outcome does not count, and what was said.
    async fn refuse(&self, told: &WorkOutcome, because: &'static str) -> Result<(), Failure> {
        let work = &told.work;
        let data = json!({
            "delivery": work.delivery, "endpoint": work.endpoint, "lease": work.lease,
            "outcome": told.outcome, "because": because,
        });
        let entry = trail::entry(trail::OUTCOME_REFUSED, About::default(), &data, self.clock.now());
        self.store.append(vec![entry]).await.or_else(tolerate)
    }

    async fn tell(&self, endpoint: &EndpointId, change: Change) -> Result<(), Failure> {
        let event = match change {
            Change::Paused => trail::BREAKER_OPENED,
            Change::Resumed => trail::BREAKER_CLOSED,
        };
        tracing::info!(%endpoint, event, "breaker changed");
        let entry = trail::entry(event, About::default(), &json!({ "endpoint": endpoint }), self.clock.now());
        self.store.append(vec![entry]).await.or_else(tolerate)
    }
}

fn health(outcome: &Outcome) -> Option<Health> {
    match outcome {
        Outcome::Delivered | Outcome::Permanent => Some(Health::Well),
        Outcome::Transient | Outcome::Unknown => Some(Health::Sick),
        Outcome::Throttled { .. } | Outcome::Ours => None,
    }
}

fn count_attempt(outcome: &WorkOutcome) {
    let (work, record) = (&outcome.work, &outcome.attempt);
    let endpoint = work.endpoint.to_string();
    counter!(ATTEMPTS, "endpoint" => endpoint.clone(), "outcome" => outcome.outcome.as_str()).increment(1);
    histogram!(ATTEMPT_DURATION, "endpoint" => endpoint)
        .record(record.started_at.duration_until(record.ended_at).as_secs_f64());
}

fn count_state(outcome: &WorkOutcome, settlement: &Settlement) {
    let (work, record) = (&outcome.work, &outcome.attempt);
    match settlement.next {
        Next::Delivered => histogram!(END_TO_END, "kind" => work.kind.as_str())
            .record(work.accepted_at.duration_until(record.ended_at).as_secs_f64()),
        Next::Parked { reason } => counter!(PARKED, "reason" => reason.as_str()).increment(1),
        Next::Scheduled { .. } => {}
    }
}

fn again(policy: &retry::Policy, outcome: &WorkOutcome, floor_ms: Option<u64>, now: Timestamp) -> Next {
    let work = &outcome.work;
    let mut hasher = DefaultHasher::new();
    work.copy().hash(&mut hasher);
    let failure = retry::Failure {
        attempts: work.attempt,
        first_attempt_at: work.first_attempt_at.unwrap_or(outcome.attempt.started_at),
        now,
        floor_ms,
        deadline: None,
        seed: hasher.finish(),
    };
    match policy.next(&failure) {
        retry::Next::At { at, .. } => Next::Scheduled { at },
        retry::Next::GiveUp(retry::GiveUp::Attempts { .. }) => {
            Next::Parked { reason: ParkReason::AttemptsExhausted }
        }
        retry::Next::GiveUp(_) => Next::Parked { reason: ParkReason::TooOld },
    }
}
