//! The clock of the database's server. Hubs that share a database follow it, so that leases and schedules mean
//! the same to each of them, whatever their machines believe.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{error::Failure, runner::Job, session::Session, value::Columns as _};
use crate::port::clock::Clock;

/// Beyond it the machine's clock is told to be wrong.
const TOLERATED: SignedDuration = SignedDuration::from_secs(1);

/// A clock of this machine, set by that of the database's server.
#[derive(Clone)]
pub struct DatabaseClock {
    machine: Arc<dyn Clock>,
    ahead_us: Arc<AtomicI64>,
}

impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_micros(self.ahead_us.load(Ordering::Relaxed));
        let now = self.machine.now();
        now.checked_add(ahead).unwrap_or(now)
    }
}

impl DatabaseClock {
    /// Not set yet: it shows the machine's time until a store is opened with it.
    pub fn new(machine: Arc<dyn Clock>) -> Self {
        Self { machine, ahead_us: Arc::default() }
    }

    /// How far the server's clock is ahead of the machine's.
    pub fn ahead(&self) -> SignedDuration {
        SignedDuration::from_micros(self.ahead_us.load(Ordering::Relaxed))
    }

    /// Takes a reading into account: the server said `server` at some time between two of the machine's. What is
    /// believed changes no further than the reading demands, so that time does not jitter with the network.
    fn read(&self, before: Timestamp, server: Timestamp, after: Timestamp) {
        let (least, most) = (after.duration_until(server), before.duration_until(server));
        let micros = |duration: SignedDuration| i64::try_from(duration.as_micros()).unwrap_or_default();
        let (least, most) = (micros(least.min(most)), micros(most.max(least)));
        let believed = self.ahead_us.load(Ordering::Relaxed);
        self.ahead_us.store(believed.clamp(least, most), Ordering::Relaxed);
    }

    /// Tells a machine whose clock is wrong, or a server's.
    pub(super) fn judge(&self) {
        let ahead = self.ahead();
        if ahead.abs() > TOLERATED {
            let ahead_ms = i64::try_from(ahead.as_millis()).unwrap_or_default();
            tracing::warn!(ahead_ms, "clocks of database and machine differ; the hub follows the database's");
        }
    }
}

impl fmt::Debug for DatabaseClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseClock").field("ahead", &self.ahead()).finish_non_exhaustive()
    }
}

/// Reads the server's clock.
pub(super) struct Look(pub(super) DatabaseClock);

#[async_trait]
impl Job for Look {
    type Output = ();

    async fn run(&self, session: &Session<'_>) -> Result<(), Failure> {
        let before = self.0.machine.now();
        let server = session.row("SELECT clock_timestamp() AS now", &[]).await?.time("now")?;
        self.0.read(before, server, self.0.machine.now());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Standing(Timestamp);

    impl Clock for Standing {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    fn clock() -> DatabaseClock {
        DatabaseClock::new(Arc::new(Standing(at(10_000))))
    }

    #[test]
    fn it_is_set_by_the_servers_and_runs_with_the_machines() {
        let clock = clock();
        clock.read(at(1_000), at(4_005), at(1_010));
        assert!((at(12_995)..=at(13_005)).contains(&clock.now()), "{}", clock.now());
    }

    #[test]
    fn a_slower_reading_that_agrees_changes_nothing() {
        let clock = clock();
        clock.read(at(1_000), at(4_005), at(1_010));
        let before = clock.now();
        clock.read(at(2_000), at(5_500), at(3_000));
        assert_eq!(clock.now(), before);
    }

    #[test]
    fn a_reading_that_disagrees_moves_it_as_far_as_it_must() {
        let clock = clock();
        clock.read(at(1_000), at(1_000), at(1_000));
        clock.read(at(2_000), at(1_400), at(2_100));
        assert_eq!(clock.now(), at(10_000 - 600));
    }
}
