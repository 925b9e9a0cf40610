//! The queue of an endpoint whose workers run apart and are connected to this process.
//!
//! A worker that leaves may have begun what it was given and did not report: that is brought to the next, as work that
//! comes again. What nobody was given goes back to the hub when the last has left, so that it burns no attempt.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use async_trait::async_trait;
use metrics::gauge;
use tokio::sync::Notify;

use crate::{
    domain::id::EndpointId,
    port::bus::{Brought, CopyKey, Error, Work, WorkSource},
    task::metrics::BUS_CONSUMERS,
};

/// What was queued and given to nobody.
#[derive(Debug, Default)]
pub(super) struct Returns {
    work: Mutex<Vec<Work>>,
    bell: Notify,
}

impl Returns {
    fn put(&self, work: impl IntoIterator<Item = Work>) {
        let mut all = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(work);
        if !all.is_empty() {
            self.bell.notify_one();
        }
    }

    /// Waits until there is something.
    pub(super) async fn take(&self) -> Vec<Work> {
        loop {
            let work = std::mem::take(&mut *self.work.lock().unwrap_or_else(PoisonError::into_inner));
            if !work.is_empty() {
                return work;
            }
            self.bell.notified().await;
        }
    }
}

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    endpoint: EndpointId,
    limit: usize,
    state: Mutex<State>,
    bell: Notify,
    returns: Arc<Returns>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Work>,
    /// Given, not reported; and to which source.
    held: HashMap<CopyKey, (u64, Work)>,
    sources: u64,
    /// Sources that take what comes.
    taking: usize,
    door: Door,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Door {
    #[default]
    Open,
    Closed,
}

impl Queue {
    pub(super) fn new(endpoint: &EndpointId, limit: usize, returns: &Arc<Returns>) -> Arc<Self> {
        let (state, bell) = (Mutex::default(), Notify::new());
        let queue = Self { endpoint: endpoint.clone(), limit, state, bell, returns: Arc::clone(returns) };
        queue.show(&queue.lock());
        Arc::new(queue)
    }

    /// Whether somebody takes what comes.
    pub(super) fn is_taken(&self) -> bool {
        self.lock().taking > 0
    }

    /// Queues one piece; what is not taken comes back with the reason.
    pub(super) fn offer(&self, work: Work) -> Option<(Error, Work)> {
        let mut state = self.lock();
        let refusal = if state.door == Door::Closed {
            Error::Closed
        } else if state.taking == 0 {
            Error::Unavailable("no worker of the endpoint is connected to this hub".into())
        } else if state.waiting.len() >= self.limit {
            Error::Full { endpoint: self.endpoint.clone(), limit: self.limit }
        } else {
            state.waiting.push_back(work);
            drop(state);
            self.bell.notify_waiters();
            return None;
        };
        Some((refusal, work))
    }

    /// One more who takes its work.
    pub(super) fn source(self: &Arc<Self>) -> Source {
        let mut state = self.lock();
        state.sources += 1;
        let id = state.sources;
        state.taking += 1;
        self.show(&state);
        Source { queue: Arc::clone(self), id, stance: Stance::Takes }
    }

    /// The outcome of this piece was reported.
    pub(super) fn reported(&self, work: &Work) {
        let mut state = self.lock();
        if state.held.remove(&work.copy()).is_none() {
            // It was to be brought again, since whoever had it was lost from sight.
            state.waiting.retain(|waiting| waiting.copy() != work.copy());
        }
    }

    /// Takes no more.
    pub(super) fn close(&self) {
        self.lock().door = Door::Closed;
        self.bell.notify_waiters();
    }

    /// One takes no more. Who stays hears of it; where nobody does, what was given to nobody goes back.
    fn left(&self, state: &mut State) {
        state.taking -= 1;
        self.show(state);
        if state.taking == 0 && state.door == Door::Open {
            let (begun, fresh): (VecDeque<_>, VecDeque<_>) =
                state.waiting.drain(..).partition(|work| work.brought == Brought::Again);
            state.waiting = begun;
            self.returns.put(fresh);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge of small counts")]
    fn show(&self, state: &State) {
        gauge!(BUS_CONSUMERS, "endpoint" => self.endpoint.to_string()).set(state.taking as f64);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who takes work.
#[derive(Debug)]
pub(super) struct Source {
    queue: Arc<Queue>,
    id: u64,
    stance: Stance,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stance {
    Takes,
    Left,
}

impl Source {
    /// What there is for it now; none at the end.
    fn look(&self) -> Poll<Option<Work>> {
        let mut state = self.queue.lock();
        let is_closed = state.door == Door::Closed;
        // What is queued is left to others; the last one finishes it where nobody could take it back.
        if self.stance == Stance::Left && !(is_closed && state.taking == 0) {
            return Poll::Ready(None);
        }
        match state.waiting.pop_front() {
            Some(work) => {
                state.held.insert(work.copy(), (self.id, work.clone()));
                Poll::Ready(Some(work))
            }
            None if is_closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

#[async_trait]
impl WorkSource for Source {
    async fn next(&mut self) -> Option<Work> {
        let queue = Arc::clone(&self.queue);
        loop {
            let mut rung = std::pin::pin!(queue.bell.notified());
            // From here on no ring is missed.
            rung.as_mut().enable();
            match self.look() {
                Poll::Ready(found) => return found,
                Poll::Pending => rung.await,
            }
        }
    }

    async fn dismiss(&mut self, work: Work) {
        self.queue.reported(&work);
    }

    async fn leave(&mut self) {
        if self.stance == Stance::Takes {
            self.stance = Stance::Left;
            self.queue.left(&mut self.queue.lock());
            self.queue.bell.notify_waiters();
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        let own: Vec<CopyKey> =
            state.held.iter().filter(|(_, (id, _))| *id == self.id).map(|(key, _)| *key).collect();
        for key in own {
            if let Some((_, work)) = state.held.remove(&key) {
                state.waiting.push_front(Work { brought: Brought::Again, ..work });
            }
        }
        if self.stance == Stance::Takes {
            self.queue.left(&mut state);
        }
        drop(state);
        self.queue.bell.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        decision::{Part, Redaction},
        id::{DeliveryId, MessageId},
        kind::Kind,
    };
    use crate::port::bus::LeaseToken;

    fn queue() -> (Arc<Queue>, Arc<Returns>) {
        let returns = Arc::default();
        (Queue::new(&"a".into(), 3, &returns), returns)
    }

    fn piece(place: u64) -> Work {
        Work {
            delivery: DeliveryId(Uuid::from_u128(place.into())),
            message: MessageId(Uuid::from_u128(1)),
            kind: Kind::ApprovalResult,
            endpoint: "a".into(),
            organisation: "o".into(),
            on_behalf_of: None,
            part: Part::Lead,
            share: None,
            redaction: Redaction::None,
            lane_sequence: place,
            attempt: 1,
            lease: LeaseToken(1),
            not_after: Timestamp::MAX,
            accepted_at: Timestamp::MIN,
            first_attempt_at: None,
            relays: Vec::new(),
            body: "{}".into(),
            brought: Brought::First,
        }
    }

    fn next(source: &mut Source) -> Option<(u64, Brought)> {
        source.next().now_or_never().flatten().map(|work| (work.lane_sequence, work.brought))
    }

    #[test]
    fn work_is_taken_only_while_somebody_is_there_and_within_the_limit() {
        let (queue, _returns) = queue();
        assert!(!queue.is_taken());
        assert!(matches!(queue.offer(piece(0)), Some((Error::Unavailable(_), _))));
        let mut source = queue.source();
        assert!(queue.is_taken());
        assert!((0..3).all(|place| queue.offer(piece(place)).is_none()));
        assert!(matches!(queue.offer(piece(3)), Some((Error::Full { limit: 3, .. }, _))));
        assert_eq!(next(&mut source), Some((0, Brought::First)));
        assert!(queue.offer(piece(3)).is_none());
        queue.close();
        assert!(matches!(queue.offer(piece(4)), Some((Error::Closed, _))));
    }

    #[test]
    fn what_a_lost_worker_had_comes_again_but_what_it_reported_and_dismissed_does_not() {
        let (queue, returns) = queue();
        let (mut first, mut second) = (queue.source(), queue.source());
        for place in 0..3 {
            assert!(queue.offer(piece(place)).is_none());
            assert_eq!(next(&mut first), Some((place, Brought::First)));
        }
        queue.reported(&piece(0));
        first.dismiss(piece(1)).now_or_never().unwrap();
        drop(first);
        assert_eq!(next(&mut second), Some((2, Brought::Again)));
        assert_eq!(next(&mut second), None);
        assert!(returns.take().now_or_never().is_none());
    }

    #[test]
    fn what_nobody_was_given_goes_back_when_the_last_has_left_and_what_was_waits_for_the_next() {
        let (queue, returns) = queue();
        let (mut first, second) = (queue.source(), queue.source());
        assert!((0..3).all(|place| queue.offer(piece(place)).is_none()));
        assert_eq!(next(&mut first), Some((0, Brought::First)));
        drop(second);
        assert!(returns.take().now_or_never().is_none(), "one is still there");
        first.leave().now_or_never().unwrap();
        let back = returns.take().now_or_never().unwrap();
        assert_eq!(back.iter().map(|work| work.lane_sequence).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(next(&mut first), None, "it takes nothing more");
        drop(first);
        assert!(returns.take().now_or_never().is_none(), "it may have been begun");
        assert_eq!(next(&mut queue.source()), Some((0, Brought::Again)));
    }

    #[test]
    fn an_outcome_that_comes_after_its_worker_was_lost_takes_the_copy_back() {
        let (queue, _returns) = queue();
        let mut source = queue.source();
        assert!(queue.offer(piece(0)).is_none());
        assert_eq!(next(&mut source), Some((0, Brought::First)));
        drop(source);
        queue.reported(&piece(0));
        assert_eq!(next(&mut queue.source()), None);
    }
}
