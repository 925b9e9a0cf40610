//! The clock of the demo: its day is always the same one, so that terms, licences and 公示截止期 of its
//! messages stand to the day as they were written. From the start on it goes as every clock does.

use jiff::Timestamp;

use crate::port::clock::{Clock, SystemClock};

/// The day: a Monday, when the messages of the days before are handed in.
const BEGIN: Timestamp = Timestamp::constant(1_795_395_600, 0);

/// The demo's time, the same in all its processes.
#[derive(Clone, Copy, Debug)]
pub(super) struct DayClock {
    /// When the day began, by the machine's clock.
    began: Timestamp,
}

impl DayClock {
    /// Begins the day.
    pub(super) fn start() -> Self {
        Self { began: SystemClock.now() }
    }

    /// The day that another process began.
    pub(super) fn since(began: Timestamp) -> Self {
        Self { began }
    }

    /// When the day began, by the machine's clock.
    pub(super) fn began(self) -> Timestamp {
        self.began
    }
}

impl Clock for DayClock {
    fn now(&self) -> Timestamp {
        BEGIN.saturating_add(self.began.duration_until(SystemClock.now())).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use jiff::{civil::Weekday, tz::Offset};

    use super::*;

    #[test]
    fn the_day_begins_on_a_monday_at_nine_and_goes_on() {
        let begin = Offset::constant(8).to_datetime(BEGIN);
        assert_eq!(begin.to_string(), "2026-11-23T09:00:00");
        assert_eq!(begin.weekday(), Weekday::Monday);
        let clock = DayClock::start();
        let first = clock.now();
        let elsewhere = DayClock::since(clock.began());
        assert!(first >= BEGIN && elsewhere.now() >= first && clock.now() >= first);
    }
}
