//! A clock that stands until a test moves it.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use liandong::port::clock::Clock;

/// Time as the test sets it.
#[derive(Debug)]
pub(crate) struct TestClock(Mutex<Timestamp>);

impl TestClock {
    /// Stands at `now`.
    pub(crate) fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// Stands at `now` from here on.
    pub(crate) fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Goes on by so many milliseconds.
    pub(crate) fn advance_ms(&self, by: i64) {
        self.set(self.now() + SignedDuration::from_millis(by));
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[test]
fn the_clock_stands_until_it_is_moved() {
    let start: Timestamp = "2026-03-05T01:30:00Z".parse().unwrap();
    let clock = TestClock::at(start);
    assert_eq!(clock.now(), start);
    clock.advance_ms(1_500);
    assert_eq!(clock.now(), start + SignedDuration::from_millis(1_500));
}
