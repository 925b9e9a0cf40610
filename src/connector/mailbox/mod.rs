//! Mailboxes (收件箱) in memory: where deliveries wait for a system that connects to the hub.
//!
//! Nothing is claimed for an endpoint that has no room here, so work waits in the store and burns no attempt.
//! What waits here was claimed for somebody who has left since; it goes to the next who comes, or back.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use metrics::{counter, gauge};
use tokio::sync::{Notify, oneshot};

use crate::{
    domain::id::{DeliveryId, EndpointId},
    port::{
        bus::{CopyKey, LeaseToken},
        clock::Clock,
        connector::{Answer, Connector, Error, Parcel},
        mailbox::{self as port, Attendance, Counted, Heard},
    },
    task::metrics::{MAILBOX_ANSWERS, MAILBOX_STREAMS},
};

/// Copies that are remembered after their answer.
const ANSWERED: usize = 1_024;

/// The mailboxes of a hub.
#[derive(Debug)]
pub struct Mailboxes {
    attendance: Arc<dyn Attendance>,
    clock: Arc<dyn Clock>,
    slots: Mutex<BTreeMap<EndpointId, Arc<Slot>>>,
}

/// One mailbox.
#[derive(Debug)]
struct Slot {
    endpoint: EndpointId,
    window: usize,
    attendance: Arc<dyn Attendance>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Debug)]
struct State {
    /// Handed in, not yet out; bounded by the worker's window.
    waiting: VecDeque<Waiting>,
    out: HashMap<CopyKey, Out>,
    /// Answered here of late, so that an answer that is said twice counts once though it is not settled yet.
    answered: VecDeque<CopyKey>,
    /// What each who has it open may still be handed.
    credits: HashMap<u64, usize>,
    opened: u64,
    door: Door,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Open,
    Closed,
}

type Told = oneshot::Sender<Result<Answer, Error>>;

#[derive(Debug)]
struct Waiting {
    copy: CopyKey,
    parcel: Parcel,
    told: Told,
}

#[derive(Debug)]
struct Out {
    to: u64,
    told: Told,
}

impl Mailboxes {
    /// None yet.
    pub fn new(attendance: Arc<dyn Attendance>, clock: Arc<dyn Clock>) -> Self {
        Self { attendance, clock, slots: Mutex::default() }
    }

    /// The way into the mailbox of an endpoint, `window` deliveries at once; it is there from now on.
    pub fn connector(&self, endpoint: &EndpointId, window: usize) -> Arc<dyn Connector> {
        let state = State {
            waiting: VecDeque::new(),
            out: HashMap::new(),
            answered: VecDeque::new(),
            credits: HashMap::new(),
            opened: 0,
            door: Door::Open,
        };
        let slot = Arc::new(Slot {
            endpoint: endpoint.clone(),
            window,
            attendance: Arc::clone(&self.attendance),
            clock: Arc::clone(&self.clock),
            state: Mutex::new(state),
            bell: Notify::new(),
        });
        slot.report(&slot.lock());
        lock(&self.slots).insert(endpoint.clone(), Arc::clone(&slot));
        Arc::new(Way(slot))
    }

    fn each(&self, act: impl Fn(&Slot)) {
        lock(&self.slots).values().for_each(|slot| act(slot));
    }
}

impl port::Mailboxes for Mailboxes {
    fn open(&self, endpoint: &EndpointId) -> Option<Box<dyn port::Mailbox>> {
        let slot = Arc::clone(lock(&self.slots).get(endpoint)?);
        let mut state = slot.lock();
        state.opened += 1;
        let id = state.opened;
        state.credits.insert(id, 0);
        slot.report(&state);
        drop(state);
        Some(Box::new(Opened { slot, id }))
    }

    fn close(&self) {
        self.each(|slot| {
            let mut state = slot.lock();
            state.door = Door::Closed;
            for waiting in state.waiting.drain(..) {
                // Who no longer listens needs no answer.
                waiting.told.send(Err(stopping())).ok();
            }
            slot.report(&state);
            slot.bell.notify_waiters();
        });
    }

    fn end(&self) {
        self.each(|slot| slot.lock().out.clear());
    }
}

fn stopping() -> Error {
    Error::NotSent("the hub is stopping".to_owned())
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Under the lock, so that what is told last is what holds.
    #[expect(clippy::cast_precision_loss, reason = "a gauge of small counts")]
    fn report(&self, state: &State) {
        let places = match state.door {
            Door::Open => state.credits.values().fold(state.out.len(), |sum, more| sum.saturating_add(*more)),
            Door::Closed => 0,
        };
        self.attendance.places(&self.endpoint, places);
        gauge!(MAILBOX_STREAMS, "endpoint" => self.endpoint.to_string()).set(state.credits.len() as f64);
    }

    /// Takes a copy back: where it was.
    fn take_back(&self, copy: CopyKey) -> Place {
        let mut state = self.lock();
        if state.out.remove(&copy).is_some() {
            self.report(&state);
            return Place::Out;
        }
        let before = state.waiting.len();
        state.waiting.retain(|waiting| waiting.copy != copy);
        if state.waiting.len() < before { Place::Waiting } else { Place::Answered }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Waiting,
    Out,
    Answered,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The way in.
#[derive(Debug)]
struct Way(Arc<Slot>);

/// Takes a copy back when nobody waits for its answer any more.
struct Hold<'s> {
    slot: &'s Slot,
    copy: CopyKey,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.slot.take_back(self.copy);
    }
}

#[async_trait]
impl Connector for Way {
    async fn send(&self, parcel: Parcel) -> Result<Answer, Error> {
        let slot = &*self.0;
        let Some(envelope) = &parcel.envelope else {
            return Err(Error::NotSent("a mailbox cannot be asked".to_owned()));
        };
        let copy = (parcel.delivery, envelope.lease);
        let left = slot.clock.now().duration_until(parcel.not_after);
        let left = std::time::Duration::try_from(left).unwrap_or_default();
        let (told, mut heard) = oneshot::channel();
        {
            let mut state = slot.lock();
            if state.door == Door::Closed {
                return Err(stopping());
            }
            state.waiting.push_back(Waiting { copy, parcel, told });
        }
        slot.bell.notify_waiters();
        let _hold = Hold { slot, copy };
        if let Ok(answer) = tokio::time::timeout(left, &mut heard).await {
            return answer.unwrap_or_else(|_| Err(lost()));
        }
        match slot.take_back(copy) {
            Place::Waiting => Err(Error::NotSent("nobody took it out of the mailbox in time".to_owned())),
            Place::Out => Err(Error::Unknown("it was not answered in time".to_owned())),
            // It came in the moment between.
            Place::Answered => heard.await.unwrap_or_else(|_| Err(lost())),
        }
    }

    fn peer(&self) -> String {
        format!("mailbox of {}", self.0.endpoint)
    }
}

fn lost() -> Error {
    Error::Unknown("the connection ended before it was answered".to_owned())
}

/// Somebody who has it open.
#[derive(Debug)]
struct Opened {
    slot: Arc<Slot>,
    id: u64,
}

impl Opened {
    /// The next that somebody waits for, if there is credit.
    fn take(&self) -> Option<Parcel> {
        let mut state = self.slot.lock();
        let credit = state.credits.get(&self.id).copied().filter(|credit| *credit > 0)?;
        let next = loop {
            let next = state.waiting.pop_front()?;
            if !next.told.is_closed() {
                break next;
            }
        };
        state.credits.insert(self.id, credit - 1);
        state.out.insert(next.copy, Out { to: self.id, told: next.told });
        Some(next.parcel)
    }
}

#[async_trait]
impl port::Mailbox for Opened {
    fn window(&self) -> usize {
        self.slot.window
    }

    fn grant(&mut self, credit: u32) {
        let mut state = self.slot.lock();
        let more = usize::try_from(credit).unwrap_or(usize::MAX);
        let all = state.credits.entry(self.id).or_default();
        *all = all.saturating_add(more);
        self.slot.report(&state);
        drop(state);
        self.slot.bell.notify_waiters();
    }

    async fn next(&mut self) -> Option<Parcel> {
        let slot = Arc::clone(&self.slot);
        loop {
            let mut rung = std::pin::pin!(slot.bell.notified());
            // From here on no ring is missed.
            rung.as_mut().enable();
            if let Some(parcel) = self.take() {
                return Some(parcel);
            }
            if slot.lock().door == Door::Closed {
                return None;
            }
            rung.await;
        }
    }

    fn answer(&mut self, delivery: DeliveryId, lease: LeaseToken, answer: Answer) -> Heard {
        let mut state = self.slot.lock();
        let copy = (delivery, lease);
        let holder = state.out.get(&copy).map(|out| out.to);
        if holder.is_none() && !state.answered.contains(&copy) {
            return Heard::Elsewhere;
        }
        let out = (holder == Some(self.id)).then(|| state.out.remove(&copy)).flatten();
        let counted = match out.map(|out| out.told.send(Ok(answer))) {
            Some(Ok(())) => Counted::Yes,
            // Who waited has given up in this moment.
            Some(Err(_)) => {
                self.slot.report(&state);
                return Heard::Elsewhere;
            }
            None => Counted::Stale,
        };
        if counted == Counted::Yes {
            state.answered.push_back(copy);
            if state.answered.len() > ANSWERED {
                state.answered.pop_front();
            }
        }
        self.slot.report(&state);
        drop(state);
        let word = if counted == Counted::Yes { "counted" } else { "stale" };
        counter!(MAILBOX_ANSWERS, "count" => word).increment(1);
        Heard::Here(counted)
    }

    fn unanswered(&self) -> usize {
        self.slot.lock().out.values().filter(|out| out.to == self.id).count()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let mut state = self.slot.lock();
        state.credits.remove(&self.id);
        state.out.retain(|_, out| out.to != self.id);
        self.slot.report(&state);
    }
}

#[cfg(test)]
mod tests;
