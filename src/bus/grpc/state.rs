//! What a worker has in hand: work that was brought, outcomes that no hub has settled, and what is to be said next.
//! It outlives every stream.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use metrics::{counter, gauge};
use tokio::sync::Notify;

use super::{Lane, Options, wire};
use crate::{
    domain::id::EndpointId,
    port::bus::{CopyKey, Error, Work, WorkOutcome},
    proto::v1::{
        AttachWorker, AttemptOutcome, DismissWork, EndpointWindow, LeaveEndpoint, OutcomeFate,
        OutcomeSettled, PieceOfWork, ReportOutcomes, attach_request::Request,
    },
    task::metrics::{BUS_CONNECTED, BUS_REPEATED},
};

/// Leases remembered after their end, so that a copy that comes again is not worked on again.
const REMEMBERED: usize = 4_096;
/// Outcomes reported in one message.
const TOGETHER: usize = 100;

/// What the connection is, among those of the metric.
const HUB: &str = "hub";

/// The state, and who waits for it to change.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    bell: Notify,
    outcome_limit: usize,
}

#[derive(Debug)]
struct State {
    lanes: BTreeMap<EndpointId, Hold>,
    /// Slips of what was brought and is not finished with.
    slips: HashMap<CopyKey, Bytes>,
    ended: HashSet<CopyKey>,
    ended_in_order: VecDeque<CopyKey>,
    /// Outcomes not settled, in the order they came about.
    unsettled: BTreeMap<u64, (CopyKey, AttemptOutcome)>,
    numbers: HashMap<CopyKey, u64>,
    last: u64,
    /// What is to be said on the stream that is open.
    orders: VecDeque<Request>,
    /// Outcomes after this one have not been said on it.
    reported: u64,
    line: Line,
    closing: bool,
}

/// Work of one endpoint.
#[derive(Debug)]
struct Hold {
    window: usize,
    is_open: bool,
    waiting: VecDeque<Work>,
    /// Nothing more comes.
    is_ended: bool,
    /// Its worker has reported all it will.
    is_finished: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Up,
    Down,
    /// There will be none any more.
    Over,
}

impl Shared {
    pub(super) fn new(options: &Options) -> Self {
        let hold = |Lane { endpoint, window }: &Lane| {
            let waiting = VecDeque::new();
            let hold = Hold { window: *window, is_open: false, waiting, is_ended: false, is_finished: false };
            (endpoint.clone(), hold)
        };
        let state = State {
            lanes: options.lanes.iter().map(hold).collect(),
            slips: HashMap::new(),
            ended: HashSet::new(),
            ended_in_order: VecDeque::new(),
            unsettled: BTreeMap::new(),
            numbers: HashMap::new(),
            last: 0,
            orders: VecDeque::new(),
            reported: 0,
            line: Line::Down,
            closing: false,
        };
        Self { state: Mutex::new(state), bell: Notify::new(), outcome_limit: options.outcome_limit }
    }

    /// Waits until something is as it is asked for.
    async fn until<T>(&self, look: impl Fn(&mut State) -> Option<T>) -> T {
        loop {
            let mut rung = std::pin::pin!(self.bell.notified());
            // From here on no ring is missed.
            rung.as_mut().enable();
            if let Some(found) = look(&mut self.lock()) {
                return found;
            }
            rung.await;
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.bell.notify_waiters();
        changed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the worker's own side does.
impl Shared {
    pub(super) fn knows(&self, endpoint: &EndpointId) -> bool {
        self.lock().lanes.contains_key(endpoint)
    }

    pub(super) fn is_attached(&self) -> bool {
        self.lock().line == Line::Up
    }

    pub(super) fn unsettled(&self) -> usize {
        self.lock().unsettled.len()
    }

    /// Somebody takes the work of an endpoint from now on.
    pub(super) fn open(&self, endpoint: &EndpointId) -> Result<(), Error> {
        self.change(|state| {
            let hold =
                state.lanes.get_mut(endpoint).ok_or_else(|| Error::UnknownEndpoint(endpoint.clone()))?;
            if !hold.is_open {
                hold.is_open = true;
                let window = window(endpoint, hold);
                state.orders.push_back(Request::Window(window));
            }
            Ok(())
        })
    }

    /// The next piece; none when nothing more comes. Cancel-safe.
    pub(super) async fn next(&self, endpoint: &EndpointId) -> Option<Work> {
        self.until(|state| {
            let is_over = state.line == Line::Over;
            let hold = state.lanes.get_mut(endpoint)?;
            match hold.waiting.pop_front() {
                Some(work) => Some(Some(work)),
                None => (hold.is_ended || is_over).then_some(None),
            }
        })
        .await
    }

    pub(super) fn dismiss(&self, work: &Work) {
        let key = work.copy();
        self.change(|state| {
            state.slips.remove(&key);
            state.end(key);
            state.orders.push_back(dismissal(key));
        });
    }

    /// Keeps an outcome until it is settled; waits while too many are kept.
    pub(super) async fn report(&self, told: WorkOutcome) -> Result<(), Error> {
        let key = told.work.copy();
        let limit = self.outcome_limit;
        self.until(|state| {
            if state.closing && state.lanes.values().all(|hold| hold.is_finished) {
                return Some(Err(Error::Closed));
            }
            (state.unsettled.len() < limit).then_some(Ok(()))
        })
        .await?;
        self.change(|state| {
            let Some(slip) = state.slips.remove(&key) else {
                let delivery = told.work.delivery;
                tracing::error!(%delivery, "an outcome of work that was not brought here is not reported");
                return;
            };
            state.last += 1;
            state.unsettled.insert(state.last, (key, wire::outcome(&told, slip)));
            state.numbers.insert(key, state.last);
        });
        Ok(())
    }

    pub(super) fn finish(&self, endpoint: &EndpointId) {
        self.change(|state| {
            if let Some(hold) = state.lanes.get_mut(endpoint) {
                hold.is_finished = true;
            }
        });
    }

    pub(super) fn close(&self) {
        self.change(|state| {
            if std::mem::replace(&mut state.closing, true) {
                return;
            }
            if state.line == Line::Up {
                state.leave_all();
            } else {
                state.end_all();
            }
        });
    }
}

/// What the stream does.
impl Shared {
    /// What a new stream begins with: everything is said on it that holds now.
    pub(super) fn begin(&self) -> Request {
        self.change(|state| {
            state.orders.clear();
            state.reported = 0;
            let closing = state.closing;
            let window = |(endpoint, hold): (&EndpointId, &Hold)| {
                let window = window(endpoint, hold);
                if closing { EndpointWindow { window: 0, ..window } } else { window }
            };
            Request::Attach(AttachWorker { endpoints: state.lanes.iter().map(window).collect() })
        })
    }

    /// The stream is open.
    pub(super) fn attached(&self) {
        self.change(|state| {
            state.line = Line::Up;
            gauge!(BUS_CONNECTED, "connection" => HUB).set(1.0);
            if state.closing {
                state.leave_all();
            }
        });
    }

    /// The stream has ended. What was brought is still worked on.
    pub(super) fn lost(&self) {
        self.change(|state| {
            state.line = Line::Down;
            gauge!(BUS_CONNECTED, "connection" => HUB).set(0.0);
            if state.closing {
                state.end_all();
            }
        });
    }

    /// There will be no stream any more.
    pub(super) fn over(&self) {
        self.change(|state| state.line = Line::Over);
    }

    /// Waits until there is something to say. Cancel-safe: nothing is taken.
    pub(super) async fn something(&self) {
        self.until(|state| (!state.orders.is_empty() || state.reported < state.last).then_some(())).await;
    }

    /// What is to be said next.
    pub(super) fn take(&self) -> Option<Request> {
        let mut state = self.lock();
        if let Some(order) = state.orders.pop_front() {
            return Some(order);
        }
        let from = state.reported + 1;
        let next: Vec<_> = state
            .unsettled
            .range(from..)
            .take(TOGETHER)
            .map(|(number, one)| (*number, one.1.clone()))
            .collect();
        // All that came about since may have been settled on an earlier stream.
        state.reported = next.last().map_or(state.last, |(number, _)| *number);
        let outcomes: Vec<_> = next.into_iter().map(|(_, outcome)| outcome).collect();
        (!outcomes.is_empty()).then_some(Request::Report(ReportOutcomes { outcomes }))
    }

    /// A piece was brought.
    pub(super) fn bring(&self, mut piece: PieceOfWork) {
        let Some(key) = wire::key(&piece.delivery, piece.lease) else {
            tracing::error!(delivery = piece.delivery, "work without a delivery id is passed over");
            return;
        };
        let slip = std::mem::take(&mut piece.slip);
        let read = wire::work(&piece);
        self.change(|state| {
            if state.slips.contains_key(&key) || state.numbers.contains_key(&key) {
                // It is worked on, or its outcome is on its way: the hub hears of it.
                counter!(BUS_REPEATED).increment(1);
                return;
            }
            if state.ended.contains(&key) {
                counter!(BUS_REPEATED).increment(1);
                state.orders.push_back(dismissal(key));
                return;
            }
            match read {
                Ok(work) if state.lanes.contains_key(&work.endpoint) => {
                    state.slips.insert(key, slip);
                    if let Some(hold) = state.lanes.get_mut(&work.endpoint) {
                        hold.waiting.push_back(work);
                    }
                }
                Ok(_) => state.orders.push_back(dismissal(key)),
                Err(field) => {
                    tracing::error!(delivery = %key.0, field, "work cannot be read, its lease ends as unknown");
                    state.orders.push_back(dismissal(key));
                }
            }
        });
    }

    /// Outcomes that need be kept no more.
    pub(super) fn settled(&self, outcomes: Vec<OutcomeSettled>) {
        self.change(|state| {
            for one in outcomes {
                if one.fate() == OutcomeFate::Refused {
                    let OutcomeSettled { delivery, lease, reason, .. } = &one;
                    tracing::error!(delivery, lease, reason, "the hub refuses an outcome");
                }
                let Some(key) = wire::key(&one.delivery, one.lease) else { continue };
                if let Some(number) = state.numbers.remove(&key) {
                    state.unsettled.remove(&number);
                    state.end(key);
                }
            }
        });
    }

    /// Nothing more comes for an endpoint.
    pub(super) fn ended(&self, endpoint: &str) {
        self.change(|state| {
            if let Some(hold) = state.lanes.get_mut(endpoint) {
                hold.is_ended = true;
            }
        });
    }

    /// Waits until the bus is closed, everybody has finished and every outcome is settled.
    pub(super) async fn done(&self) {
        self.until(|state| {
            let is_finished = state.closing && state.lanes.values().all(|hold| hold.is_finished);
            (is_finished && state.unsettled.is_empty()).then_some(())
        })
        .await;
    }
}

impl State {
    fn end(&mut self, key: CopyKey) {
        if self.ended.insert(key) {
            self.ended_in_order.push_back(key);
        }
        if self.ended_in_order.len() > REMEMBERED
            && let Some(oldest) = self.ended_in_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }

    fn leave_all(&mut self) {
        let leave = |endpoint: &EndpointId| Request::Leave(LeaveEndpoint { endpoint: endpoint.to_string() });
        self.orders.extend(self.lanes.keys().map(leave));
    }

    fn end_all(&mut self) {
        for hold in self.lanes.values_mut() {
            hold.is_ended = true;
        }
    }
}

fn window(endpoint: &EndpointId, hold: &Hold) -> EndpointWindow {
    let window = if hold.is_open { u32::try_from(hold.window).unwrap_or(u32::MAX) } else { 0 };
    EndpointWindow { endpoint: endpoint.to_string(), window }
}

fn dismissal((delivery, lease): CopyKey) -> Request {
    Request::Dismiss(DismissWork { delivery: delivery.to_string(), lease: lease.0 })
}
