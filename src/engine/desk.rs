//! The desk: what this hub has with workers now, endpoint by endpoint, and which endpoints to look at.
//!
//! Memory only, rebuilt at start: the store is the truth. Bounded by the number of endpoints. Where hubs settle
//! each other's leases, the store alone knows what is under way and keeps the window; the desk then says how wide
//! that is, and looks again whenever an outcome was settled here.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use metrics::gauge;
use tokio::sync::Notify;

use super::{
    EndpointPolicy, Reach,
    breaker::{Breaker, Change, Passage},
};
use crate::{
    domain::id::EndpointId,
    port::{
        bus::{CopyKey, Work},
        mailbox::Attendance,
        store::Want,
    },
    task::metrics::{BREAKER, IN_FLIGHT},
};

/// Who has work, who has room, who is paused.
#[derive(Debug)]
pub struct Desk {
    places: Mutex<Places>,
    bell: Notify,
    leases: Leases,
}

/// Who settles what this hub leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leases {
    /// This hub.
    Own,
    /// Any of the hubs on the bus.
    Shared,
}

#[derive(Debug)]
struct Places {
    by_endpoint: BTreeMap<EndpointId, Place>,
    /// Endpoints that have work though nobody here serves them.
    strangers: BTreeSet<EndpointId>,
    due: Option<Timestamp>,
}

#[derive(Debug)]
struct Place {
    policy: EndpointPolicy,
    /// What this hub leased and will settle itself, until nobody may be at it any more.
    in_flight: HashMap<CopyKey, Timestamp>,
    breaker: Breaker,
    look: Look,
    /// Under way at most, by what its system that connects granted.
    places: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Needed,
    Idle,
}

impl Desk {
    /// A desk for these endpoints; all are looked at first.
    pub fn new(policies: HashMap<EndpointId, EndpointPolicy>, leases: Leases) -> Self {
        let by_endpoint = policies
            .into_iter()
            .map(|(endpoint, policy)| {
                (
                    endpoint,
                    Place {
                        policy,
                        in_flight: HashMap::new(),
                        breaker: Breaker::default(),
                        look: Look::Needed,
                        places: match policy.reach {
                            Reach::Called | Reach::Fetches => usize::MAX,
                            Reach::Connects => 0,
                        },
                    },
                )
            })
            .collect();
        let places = Places { by_endpoint, strangers: BTreeSet::new(), due: None };
        Self { places: Mutex::new(places), bell: Notify::new(), leases }
    }

    /// Endpoints that may have something ready. One that nobody here serves is looked at too: its work is
    /// claimed to be parked, since nothing waits in silence (promise 3).
    pub fn ready(&self, endpoints: &[EndpointId]) {
        if endpoints.is_empty() {
            return;
        }
        let mut places = self.lock();
        for endpoint in endpoints {
            places.look_at(endpoint);
        }
        drop(places);
        self.bell.notify_one();
    }

    /// Something falls due at `at`.
    pub fn due(&self, at: Timestamp) {
        let mut places = self.lock();
        if places.due.is_none_or(|due| at < due) {
            places.due = Some(at);
            drop(places);
            self.bell.notify_one();
        }
    }

    /// Waits for something to look at.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Room at endpoints worth looking at, and marks them as looked at.
    pub fn wants(&self, claim_limit: usize, now: Timestamp) -> Vec<Want> {
        let mut places = self.lock();
        let strangers = std::mem::take(&mut places.strangers).into_iter();
        let stranger = |endpoint| Want { endpoint, limit: claim_limit, window: None };
        let mut wants: Vec<_> = strangers.map(stranger).collect();
        for (endpoint, place) in &mut places.by_endpoint {
            // Where a copy was dropped, another hub may settle its lease.
            place.in_flight.retain(|_, not_after| *not_after > now);
            let open = place.open(now);
            let (room, window) = match place.leases(self.leases) {
                Leases::Own => (open.saturating_sub(place.in_flight.len()), None),
                Leases::Shared => (open, Some(open)),
            };
            let limit = room.min(claim_limit);
            if place.look == Look::Needed && limit > 0 {
                place.look = Look::Idle;
                wants.push(Want { endpoint: endpoint.clone(), limit, window });
            }
        }
        wants
    }

    /// `work` was claimed; an endpoint that gave all it was asked for has more.
    pub fn claimed(&self, wants: &[Want], work: &[Work]) {
        let mut places = self.lock();
        for piece in work {
            if let Some(place) = places.by_endpoint.get_mut(&piece.endpoint)
                && place.leases(self.leases) == Leases::Own
            {
                place.in_flight.insert(piece.copy(), piece.not_after);
            }
        }
        for want in wants {
            let taken = work.iter().filter(|piece| piece.endpoint == want.endpoint).count();
            if let Some(place) = places.by_endpoint.get(&want.endpoint) {
                place.show(&want.endpoint);
            }
            if taken == want.limit {
                places.look_at(&want.endpoint);
            }
        }
    }

    /// A claim failed: look again.
    pub fn unclaimed(&self, wants: &[Want]) {
        let mut places = self.lock();
        for want in wants {
            places.look_at(&want.endpoint);
        }
    }

    /// A lease is no longer with a worker; a later one of the same delivery may be.
    pub fn returned(&self, work: &Work) {
        let mut places = self.lock();
        if let Some(place) = places.by_endpoint.get_mut(&work.endpoint) {
            place.in_flight.remove(&work.copy());
            place.look = Look::Needed;
            place.show(&work.endpoint);
        }
        drop(places);
        self.bell.notify_one();
    }

    /// The endpoint's policy.
    pub fn policy(&self, endpoint: &EndpointId) -> Option<EndpointPolicy> {
        self.lock().by_endpoint.get(endpoint).map(|place| place.policy)
    }

    /// Tells the breaker how an attempt went.
    pub fn answered(&self, endpoint: &EndpointId, health: Health, now: Timestamp) -> Option<Change> {
        let mut places = self.lock();
        let place = places.by_endpoint.get_mut(endpoint)?;
        let change = match health {
            Health::Well => place.breaker.succeeded(),
            Health::Sick => place.breaker.failed(place.policy.breaker, now),
        };
        let state = match place.breaker.passage(now) {
            Passage::Open => 0.0,
            Passage::Probe => 1.0,
            Passage::Closed(_) => 2.0,
        };
        gauge!(BREAKER, "endpoint" => endpoint.to_string()).set(state);
        change
    }

    /// When to look again though no bell rings: the next due delivery or probe.
    pub fn next_look(&self, now: Timestamp) -> Option<Timestamp> {
        let places = self.lock();
        let probes = places.by_endpoint.values().filter_map(|place| match place.breaker.passage(now) {
            Passage::Closed(at) if place.look == Look::Needed => Some(at),
            _ => None,
        });
        probes.chain(places.due).min()
    }

    /// Whether something scheduled is due; forgets it then, since the caller asks the store.
    pub fn take_due(&self, now: Timestamp) -> bool {
        let mut places = self.lock();
        let is_due = places.due.is_some_and(|due| due <= now);
        if is_due {
            places.due = None;
        }
        is_due
    }

    /// Work with workers now.
    pub fn in_flight(&self) -> usize {
        self.lock().by_endpoint.values().map(|place| place.in_flight.len()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attendance for Desk {
    fn places(&self, endpoint: &EndpointId, places: usize) {
        let mut all = self.lock();
        let Some(place) = all.by_endpoint.get_mut(endpoint) else { return };
        let has_more = places > place.places;
        place.places = places;
        if has_more {
            place.look = Look::Needed;
            drop(all);
            self.bell.notify_one();
        }
    }
}

/// How a target did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answered.
    Well,
    /// It could not be reached or was out of order.
    Sick,
}

impl Places {
    fn look_at(&mut self, endpoint: &EndpointId) {
        match self.by_endpoint.get_mut(endpoint) {
            Some(place) => place.look = Look::Needed,
            None => drop(self.strangers.insert(endpoint.clone())),
        }
    }
}

impl Place {
    /// Who settles what is leased for it. What a system that connects to this hub is handed stays in this hub.
    fn leases(&self, of_bus: Leases) -> Leases {
        match self.policy.reach {
            Reach::Called | Reach::Fetches => of_bus,
            Reach::Connects => Leases::Own,
        }
    }

    /// Deliveries that may be under way.
    fn open(&self, now: Timestamp) -> usize {
        match self.breaker.passage(now) {
            Passage::Open => self.policy.window.min(self.places),
            Passage::Probe => self.places.min(1),
            Passage::Closed(_) => 0,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge of small counts")]
    fn show(&self, endpoint: &EndpointId) {
        gauge!(IN_FLIGHT, "endpoint" => endpoint.to_string()).set(self.in_flight.len() as f64);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{super::breaker::BreakerPolicy, *};
    use crate::domain::{
        decision::{Part, Redaction},
        delivery::OnUnknown,
        id::{DeliveryId, MessageId},
        kind::Kind,
        retry,
    };
    use crate::port::bus::{Brought, LeaseToken};

    fn desk(window: usize) -> Desk {
        desk_of(window, Leases::Own)
    }

    fn desk_of(window: usize, leases: Leases) -> Desk {
        let policy = EndpointPolicy {
            window,
            retry: retry::Policy::default(),
            breaker: BreakerPolicy { failures: 1, pause_ms: 1000 },
            on_unknown: OnUnknown::Park,
            reach: Reach::Called,
        };
        Desk::new([("a".into(), policy), ("b".into(), policy)].into(), leases)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn limits(wants: &[Want]) -> Vec<(&str, usize)> {
        wants.iter().map(|want| (want.endpoint.as_str(), want.limit)).collect()
    }

    fn work(endpoint: &str, delivery: u128) -> Work {
        Work {
            delivery: DeliveryId(Uuid::from_u128(delivery)),
            message: MessageId(Uuid::from_u128(1)),
            kind: Kind::ApprovalResult,
            endpoint: endpoint.into(),
            organisation: "o".into(),
            on_behalf_of: None,
            part: Part::Lead,
            share: None,
            redaction: Redaction::None,
            lane_sequence: 1,
            attempt: 1,
            lease: LeaseToken(1),
            not_after: at(9),
            accepted_at: at(0),
            first_attempt_at: None,
            relays: Vec::new(),
            body: "{}".into(),
            brought: Brought::First,
        }
    }

    #[test]
    fn an_endpoint_is_asked_only_while_it_has_room() {
        let desk = desk(2);
        let wants = desk.wants(100, at(0));
        assert_eq!(limits(&wants), [("a", 2), ("b", 2)]);
        desk.claimed(&wants, &[work("a", 1), work("a", 2)]);
        assert!(desk.wants(100, at(0)).is_empty(), "a is full, b gave less than asked");
        desk.returned(&work("a", 1));
        assert_eq!(limits(&desk.wants(100, at(0))), [("a", 1)]);
    }

    #[test]
    fn work_of_an_endpoint_that_nobody_serves_is_claimed_until_there_is_none() {
        let desk = desk(1);
        drop(desk.wants(2, at(0)));
        desk.ready(&["c".into()]);
        let wants = desk.wants(2, at(0));
        assert_eq!(limits(&wants), [("c", 2)]);
        desk.claimed(&wants, &[work("c", 1), work("c", 2)]);
        let wants = desk.wants(2, at(0));
        assert_eq!(limits(&wants), [("c", 2)], "it gave all it was asked for");
        desk.claimed(&wants, &[work("c", 3)]);
        assert!(desk.wants(2, at(0)).is_empty());
    }

    #[test]
    fn work_that_another_process_leased_makes_no_room_here() {
        let desk = desk(1);
        let wants = desk.wants(100, at(0));
        desk.claimed(&wants, &[work("a", 1)]);
        desk.returned(&work("a", 7));
        assert_eq!(desk.in_flight(), 1);
        assert!(desk.wants(100, at(0)).is_empty());
    }

    #[test]
    fn where_leases_are_shared_the_store_is_told_the_window_and_asked_again_after_each_outcome() {
        let desk = desk_of(2, Leases::Shared);
        let wants = desk.wants(100, at(0));
        let told: Vec<_> = wants.iter().map(|want| (want.limit, want.window)).collect();
        assert_eq!(told, [(2, Some(2)), (2, Some(2))]);
        desk.claimed(&wants, &[work("a", 1), work("a", 2)]);
        assert_eq!(limits(&desk.wants(100, at(0))), [("a", 2)], "it gave all it was asked for");
        desk.claimed(&[], &[]);
        assert!(desk.wants(100, at(0)).is_empty());
        desk.returned(&work("b", 9));
        assert_eq!(limits(&desk.wants(100, at(0))), [("b", 2)], "what another hub leased was settled here");
    }

    #[test]
    fn a_late_end_of_an_earlier_lease_leaves_the_later_one_in_flight() {
        let desk = desk(1);
        let wants = desk.wants(100, at(0));
        let later = Work { lease: LeaseToken(2), ..work("a", 1) };
        desk.claimed(&wants, std::slice::from_ref(&later));
        desk.returned(&work("a", 1));
        assert_eq!(desk.in_flight(), 1);
        desk.returned(&later);
        assert_eq!(desk.in_flight(), 0);
    }

    #[test]
    fn a_paused_endpoint_is_probed_with_one_and_harms_no_other() {
        let desk = desk(5);
        assert_eq!(desk.answered(&"a".into(), Health::Sick, at(0)), Some(Change::Paused));
        assert_eq!(limits(&desk.wants(100, at(0))), [("b", 5)]);
        assert_eq!(desk.next_look(at(0)), Some(at(1)));
        assert_eq!(limits(&desk.wants(100, at(1))), [("a", 1)]);
        assert_eq!(desk.answered(&"a".into(), Health::Well, at(1)), Some(Change::Resumed));
        desk.ready(&["a".into()]);
        assert_eq!(limits(&desk.wants(100, at(1))), [("a", 5)]);
    }

    #[test]
    fn an_endpoint_that_connects_is_asked_for_no_more_than_it_granted() {
        let policy = EndpointPolicy { reach: Reach::Connects, ..desk(5).policy(&"a".into()).unwrap() };
        let desk = Desk::new([("m".into(), policy)].into(), Leases::Own);
        assert!(desk.wants(100, at(0)).is_empty(), "nobody is there");
        desk.places(&"m".into(), 2);
        let wants = desk.wants(100, at(0));
        assert_eq!(limits(&wants), [("m", 2)]);
        desk.claimed(&wants, &[work("m", 1), work("m", 2)]);
        desk.places(&"m".into(), 9);
        assert_eq!(limits(&desk.wants(100, at(0))), [("m", 3)], "its window holds too");
        desk.places(&"m".into(), 0);
        desk.returned(&work("m", 1));
        assert!(desk.wants(100, at(0)).is_empty());
    }

    #[test]
    fn what_was_leased_for_one_that_connects_is_counted_here_though_others_share_the_bus() {
        let policy = EndpointPolicy { reach: Reach::Connects, ..desk(5).policy(&"a".into()).unwrap() };
        let desk = Desk::new([("m".into(), policy)].into(), Leases::Shared);
        desk.places(&"m".into(), 1);
        let wants = desk.wants(100, at(0));
        assert_eq!((limits(&wants), wants[0].window), (vec![("m", 1)], None));
        desk.claimed(&wants, &[work("m", 1)]);
        assert!(desk.wants(100, at(8)).is_empty());
        assert_eq!(limits(&desk.wants(100, at(9))), [("m", 1)], "nobody may be at it any more");
    }

    #[test]
    fn the_earliest_due_time_is_kept_once() {
        let desk = desk(1);
        desk.due(at(9));
        desk.due(at(5));
        assert!(!desk.take_due(at(4)));
        assert!(desk.take_due(at(5)));
        assert!(!desk.take_due(at(9)));
    }
}
