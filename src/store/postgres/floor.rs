//! From where the claim index is read.
//!
//! What was claimed stays in the index until every transaction that began before has ended; beside a long one
//! (a backup, a report) a claim would step over all of it, and slow down with every delivery. So each endpoint
//! has a floor in memory, below which everything has been claimed, and the index is read from there on. What
//! appears below it lowers it when this hub did it; for what others did, and for claims that were given back,
//! the index is read whole now and then: the rarer, the longer that takes.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

use crate::domain::id::EndpointId;

/// How much later than its time something may appear without being overlooked until the next whole reading:
/// transactions of other hubs that are under way, and their clocks.
const LATE: SignedDuration = SignedDuration::from_secs(1);
/// Between two whole readings of one endpoint, at least.
const WHOLE_EVERY: Duration = Duration::from_secs(1);
/// A whole reading may take this part of the time, at most.
const WHOLE_SHARE: u32 = 20;

/// The floors of all endpoints.
#[derive(Debug, Default)]
pub(super) struct Floors(Mutex<HashMap<EndpointId, Floor>>);

#[derive(Debug)]
struct Floor {
    at: Timestamp,
    /// The latest whole reading: when, and how long it took.
    whole: Option<(Instant, Duration)>,
    /// What lowered it last, and when: a reading that began before has not seen it.
    lowered: Option<(Instant, Timestamp)>,
}

/// From where to read this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// From the beginning.
    Beginning,
    /// From here on.
    Floor(Timestamp),
}

impl Floors {
    /// From where to read for an endpoint.
    pub(super) fn of(&self, endpoint: &EndpointId, now: Instant) -> From {
        match self.lock().get(endpoint) {
            Some(Floor { at, whole: Some((when, took)), .. })
                if now < *when + WHOLE_EVERY.max(*took * WHOLE_SHARE) =>
            {
                From::Floor(*at)
            }
            _ => From::Beginning,
        }
    }

    /// After a reading that began then: everything up to `seen` was claimed by somebody.
    pub(super) fn read(
        &self,
        endpoint: &EndpointId,
        from: From,
        seen: Timestamp,
        begun: Instant,
        took: Duration,
    ) {
        let mut floors = self.lock();
        let floor = floors.entry(endpoint.clone()).or_insert_with(Floor::unread);
        let unseen = floor.lowered.filter(|(when, _)| *when >= begun);
        if from == From::Beginning {
            floor.whole = Some((begun, took));
            floor.at = seen;
        } else {
            floor.at = floor.at.max(seen);
        }
        floor.at = unseen.map_or(floor.at, |(_, at)| floor.at.min(at));
        floor.lowered = unseen;
    }

    /// Something of an endpoint became claimable with this time.
    pub(super) fn lower(&self, endpoint: &EndpointId, at: Timestamp, now: Instant) {
        let mut floors = self.lock();
        let floor = floors.entry(endpoint.clone()).or_insert_with(Floor::unread);
        floor.at = floor.at.min(at);
        floor.lowered = Some((now, floor.lowered.map_or(at, |(_, before)| before.min(at))));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<EndpointId, Floor>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Floor {
    fn unread() -> Self {
        Self { at: Timestamp::MAX, whole: None, lowered: None }
    }
}

/// How far everything has been claimed after a reading at `now` that found less than it wanted, or else up to
/// the `last` it found.
pub(super) fn seen(now: Timestamp, last: Option<Timestamp>) -> Timestamp {
    let late = now.checked_sub(LATE).unwrap_or(Timestamp::MIN);
    last.map_or(late, |last| last.min(late))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000 + second).unwrap()
    }

    #[test]
    fn it_rises_with_what_was_seen_and_is_read_whole_now_and_then() {
        let (floors, endpoint, begun) = (Floors::default(), EndpointId::from("health"), Instant::now());
        assert_eq!(floors.of(&endpoint, begun), From::Beginning);
        floors.read(&endpoint, From::Beginning, at(5), begun, Duration::ZERO);
        assert_eq!(floors.of(&endpoint, begun), From::Floor(at(5)));
        floors.read(&endpoint, From::Floor(at(5)), at(9), begun, Duration::ZERO);
        assert_eq!(floors.of(&endpoint, begun), From::Floor(at(9)));
        assert_eq!(floors.of(&endpoint, begun + WHOLE_EVERY), From::Beginning);
    }

    #[test]
    fn what_this_hub_makes_claimable_lowers_it() {
        let (floors, endpoint, begun) = (Floors::default(), EndpointId::from("health"), Instant::now());
        floors.read(&endpoint, From::Beginning, at(9), begun, Duration::ZERO);
        floors.lower(&endpoint, at(3), begun);
        assert_eq!(floors.of(&endpoint, begun), From::Floor(at(3)));
        floors.lower(&endpoint, at(7), begun);
        assert_eq!(floors.of(&endpoint, begun), From::Floor(at(3)));
    }

    #[test]
    fn a_reading_under_way_does_not_raise_it_over_what_came_meanwhile() {
        let (floors, endpoint, begun) = (Floors::default(), EndpointId::from("health"), Instant::now());
        let later = begun + Duration::from_millis(1);
        floors.lower(&endpoint, at(3), later);
        floors.read(&endpoint, From::Beginning, at(9), begun, Duration::ZERO);
        assert_eq!(floors.of(&endpoint, later), From::Floor(at(3)));
        floors.read(&endpoint, From::Floor(at(3)), at(9), later + Duration::from_millis(1), Duration::ZERO);
        assert_eq!(floors.of(&endpoint, later), From::Floor(at(9)));
    }

    #[test]
    fn a_long_whole_reading_makes_the_next_one_rarer() {
        let (floors, endpoint, begun) = (Floors::default(), EndpointId::from("health"), Instant::now());
        floors.read(&endpoint, From::Beginning, at(9), begun, Duration::from_millis(500));
        assert_eq!(floors.of(&endpoint, begun + Duration::from_secs(9)), From::Floor(at(9)));
        assert_eq!(floors.of(&endpoint, begun + Duration::from_secs(10)), From::Beginning);
    }

    #[test]
    fn what_is_under_way_elsewhere_is_not_passed_over() {
        assert_eq!(seen(at(10), None), at(9));
        assert_eq!(seen(at(10), Some(at(10))), at(9));
        assert_eq!(seen(at(10), Some(at(4))), at(4));
    }
}
