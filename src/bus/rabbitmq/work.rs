//! Work of one endpoint as it comes from its queue.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use lapin::{message::Delivery, options::BasicRejectOptions};
use metrics::counter;
use tokio_util::sync::CancellationToken;

use super::{
    Role,
    hand::{Admission, Hand},
    message::{self, Slip},
    tap::Tap,
};
use crate::{
    domain::id::EndpointId,
    port::bus::{Brought, Work, WorkOutcome, WorkSource},
    task::metrics::BUS_REFUSED,
};

/// How often a bus that is closing asks whether the queue is empty.
const EMPTY_LOOK: Duration = Duration::from_millis(50);

/// The consumers of this process, so that what is reported can be acknowledged.
#[derive(Debug, Default)]
pub(super) struct Hands(Mutex<HashMap<EndpointId, Vec<Weak<Hand>>>>);

impl Hands {
    /// A hand for another consumer of an endpoint.
    pub(super) fn add(&self, endpoint: &EndpointId) -> Arc<Hand> {
        let hand = Arc::new(Hand::default());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hands = all.entry(endpoint.clone()).or_default();
        hands.retain(|hand| hand.strong_count() > 0);
        hands.push(Arc::downgrade(&hand));
        hand
    }

    fn of(&self, endpoint: &EndpointId) -> Vec<Arc<Hand>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(endpoint).into_iter().flatten().filter_map(Weak::upgrade).collect()
    }

    /// The slip of work that is in hand here.
    pub(super) fn slip(&self, work: &Work) -> Option<Slip> {
        self.of(&work.endpoint).iter().find_map(|hand| hand.slip(&work.copy()))
    }

    /// These outcomes are confirmed: their work need not come again.
    pub(super) async fn reported(&self, outcomes: &[WorkOutcome], limit: Duration) {
        let mut keys: HashMap<&EndpointId, Vec<_>> = HashMap::new();
        for outcome in outcomes {
            keys.entry(&outcome.work.endpoint).or_default().push(outcome.work.copy());
        }
        for (endpoint, keys) in keys {
            for hand in self.of(endpoint) {
                hand.finish(&keys);
                hand.acknowledge(limit).await;
            }
        }
    }
}

/// The stream of one consumer.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) endpoint: EndpointId,
    pub(super) tap: Tap,
    pub(super) hand: Arc<Hand>,
    /// All of this process.
    pub(super) hands: Arc<Hands>,
    pub(super) role: Role,
    /// Cancelled when the bus is closed.
    pub(super) closing: CancellationToken,
    pub(super) limit: Duration,
    pub(super) stage: Stage,
}

/// How far a source is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Takes what comes.
    Open,
    /// Nothing new is brought; what is at hand remains.
    Cancelled,
    /// Nothing remains.
    Ended,
}

#[async_trait]
impl WorkSource for Source {
    async fn next(&mut self) -> Option<Work> {
        loop {
            self.hand.acknowledge(self.limit).await;
            let delivery = match self.stage {
                Stage::Ended => return None,
                Stage::Cancelled => {
                    let Some(delivery) = self.tap.at_hand() else {
                        self.stage = Stage::Ended;
                        continue;
                    };
                    delivery
                }
                Stage::Open if self.closing.is_cancelled() => match self.last().await {
                    Some(delivery) => delivery,
                    None => continue,
                },
                Stage::Open => tokio::select! {
                    delivery = self.tap.next() => delivery,
                    () = self.closing.cancelled() => continue,
                },
            };
            if let Some(work) = self.admit(delivery).await {
                return Some(work);
            }
        }
    }

    async fn dismiss(&mut self, work: Work) {
        self.hand.finish(&[work.copy()]);
        self.hand.acknowledge(self.limit).await;
    }

    async fn leave(&mut self) {
        if self.stage == Stage::Open {
            self.tap.cancel().await;
            self.stage = Stage::Cancelled;
        }
    }
}

impl Source {
    /// The bus is closing. What was brought is worked on. What is queued is left to others that take it; where
    /// there are none, a hub's workers finish it.
    async fn last(&mut self) -> Option<Delivery> {
        if self.role == Role::Hub {
            if let Some(delivery) = self.tap.at_hand() {
                return Some(delivery);
            }
            let own = self.hands.of(&self.endpoint).len();
            if self.tap.left_to_us(own, self.limit).await {
                return tokio::time::timeout(EMPTY_LOOK, self.tap.next()).await.ok();
            }
        }
        self.tap.cancel().await;
        self.stage = Stage::Cancelled;
        None
    }

    async fn admit(&mut self, delivery: Delivery) -> Option<Work> {
        let (mut work, slip) = match message::read_work(&delivery.data) {
            Ok((work, slip)) if work.endpoint == self.endpoint => (work, slip),
            Ok((work, _)) => {
                tracing::error!(endpoint = %self.endpoint, found = %work.endpoint, "work in the wrong queue");
                refuse(&delivery, "wrong_queue").await;
                return None;
            }
            Err(error) => {
                tracing::error!(endpoint = %self.endpoint, %error, "work cannot be read");
                refuse(&delivery, "unreadable").await;
                return None;
            }
        };
        work.brought = if delivery.redelivered { Brought::Again } else { Brought::First };
        match self.hand.admit(work.copy(), slip, &delivery) {
            Admission::Work => Some(work),
            Admission::Again => None,
        }
    }
}

/// To the dead letters, where a person finds it.
pub(super) async fn refuse(delivery: &Delivery, reason: &'static str) {
    counter!(BUS_REFUSED, "reason" => reason).increment(1);
    // Where this fails the message comes again, and is refused again.
    drop(delivery.acker.reject(BasicRejectOptions { requeue: false }).await);
}
