//! Outcomes as they come from their queue, acknowledged only when they are settled.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use lapin::{Acker, message::Delivery, options::BasicAckOptions, types::ShortString};
use metrics::counter;
use tokio::sync::watch;

use super::{
    message::{self, Unfit},
    tap::Tap,
    work::refuse,
};
use crate::{
    domain::id::EndpointId,
    evidence::slip::SlipKey,
    port::bus::{OutcomeSource, WorkOutcome},
    task::metrics::BUS_UNACKNOWLEDGED,
};

/// How often a bus that is closing asks whether the queue is empty.
const EMPTY_LOOK: Duration = Duration::from_millis(50);

/// Whose outcomes count.
#[derive(Debug)]
pub(super) struct Reporters {
    /// Our own account: hubs and their workers.
    pub(super) own: Box<str>,
    /// Others, by endpoint.
    pub(super) others: HashMap<EndpointId, BTreeSet<Box<str>>>,
}

impl Reporters {
    /// Whether an account that the broker vouches for may report for an endpoint.
    fn may_report(&self, user: Option<&str>, endpoint: &EndpointId) -> bool {
        user.is_some_and(|user| {
            *user == *self.own || self.others.get(endpoint).is_some_and(|users| users.contains(user))
        })
    }
}

/// The stream of outcomes of one consumer.
#[derive(Debug)]
pub(super) struct Outcomes {
    pub(super) tap: Tap,
    pub(super) reporters: Arc<Reporters>,
    /// Knows the slips of this store.
    pub(super) slips: SlipKey,
    /// True when the bus is closed and every endpoint served here has said that it is done.
    pub(super) done: watch::Receiver<bool>,
    pub(super) limit: Duration,
    pub(super) stage: Stage,
    /// Read, not given yet; the last of a message carries its acknowledgement.
    pub(super) read: VecDeque<(WorkOutcome, Option<Acker>)>,
    /// Messages given whole, not settled yet.
    pub(super) given: Vec<Acker>,
}

/// How far a source is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Takes what comes.
    Open,
    /// Nothing new is brought.
    Ended,
}

#[async_trait]
impl OutcomeSource for Outcomes {
    async fn next(&mut self, limit: usize) -> Vec<WorkOutcome> {
        while self.read.is_empty() {
            match self.delivery().await {
                Some(delivery) => self.take(&delivery).await,
                None => return Vec::new(),
            }
        }
        while self.read.len() < limit {
            match self.tap.at_hand() {
                Some(delivery) => self.take(&delivery).await,
                None => break,
            }
        }
        let count = limit.min(self.read.len());
        let (outcomes, ackers): (Vec<_>, Vec<_>) = self.read.drain(..count).unzip();
        self.given.extend(ackers.into_iter().flatten());
        outcomes
    }

    async fn settled(&mut self) {
        let given = std::mem::take(&mut self.given);
        let count = given.len() as u64;
        // Given in order: one word for the last that is still on a channel speaks for those before it.
        let Some(last) = given.into_iter().rev().find(|acker| !acker.poisoned()) else {
            counter!(BUS_UNACKNOWLEDGED).increment(count);
            return;
        };
        let word = last.ack(BasicAckOptions { multiple: true });
        if !matches!(tokio::time::timeout(self.limit, word).await, Ok(Ok(true))) {
            counter!(BUS_UNACKNOWLEDGED).increment(count);
        }
    }
}

impl Outcomes {
    /// The next message; none when the bus is closed and drained.
    async fn delivery(&mut self) -> Option<Delivery> {
        loop {
            if self.stage == Stage::Ended {
                return None;
            }
            if !*self.done.borrow() {
                tokio::select! {
                    delivery = self.tap.next() => return Some(delivery),
                    _ = self.done.wait_for(|is_done| *is_done) => {}
                }
            }
            if let Some(delivery) = self.tap.at_hand() {
                return Some(delivery);
            }
            // What is left in the queue is settled by another hub, or after the next start.
            if self.tap.left_to_us(1, self.limit).await {
                if let Ok(delivery) = tokio::time::timeout(EMPTY_LOOK, self.tap.next()).await {
                    return Some(delivery);
                }
                continue;
            }
            self.tap.cancel().await;
            self.stage = Stage::Ended;
            return self.tap.at_hand();
        }
    }

    /// Reads a message; what cannot be read or was forged is refused.
    async fn take(&mut self, delivery: &Delivery) {
        let user = delivery.properties.user_id().as_ref().map(ShortString::as_str);
        let outcomes = match message::read_outcomes(&delivery.data, &self.slips) {
            Ok(outcomes) if !outcomes.is_empty() => outcomes,
            Ok(_) => return refuse(delivery, "empty").await,
            Err(error) => {
                tracing::error!(%error, user, "outcomes are refused");
                let reason = if matches!(error, Unfit::Forged) { "forged" } else { "unreadable" };
                return refuse(delivery, reason).await;
            }
        };
        let alien = outcomes.iter().find(|outcome| !self.reporters.may_report(user, &outcome.work.endpoint));
        if let Some(outcome) = alien {
            let endpoint = &outcome.work.endpoint;
            tracing::error!(%endpoint, user, "account may not report for this endpoint; its outcomes are refused");
            return refuse(delivery, "not_theirs").await;
        }
        let last = outcomes.len() - 1;
        let own = |(index, outcome)| (outcome, (index == last).then(|| delivery.acker.clone()));
        self.read.extend(outcomes.into_iter().enumerate().map(own));
    }
}
