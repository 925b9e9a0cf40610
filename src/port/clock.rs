//! Time, from one place, so that tests own it and hubs on one database can share it.

use std::fmt;

use jiff::Timestamp;

/// Tells the time. Never goes back by more than the clock below it does.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the port's own implementation")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
