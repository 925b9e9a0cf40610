//! The breaker of one endpoint, pure: after `failures` transient failures in a row the endpoint is paused,
//! then probed with one delivery at a time until one succeeds. Waiting burns no attempts, since nothing
//! is claimed.

use jiff::{SignedDuration, Timestamp};

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long before the next probe.
    pub pause_ms: u64,
}

/// Consecutive failures of one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    probe_at: Option<Timestamp>,
}

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// As much as the window.
    Open,
    /// One delivery.
    Probe,
    /// Nothing before this time.
    Closed(Timestamp),
}

/// A change worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The endpoint was paused.
    Paused,
    /// It answers again.
    Resumed,
}

impl Breaker {
    /// What may pass at `now`.
    pub fn passage(&self, now: Timestamp) -> Passage {
        match self.probe_at {
            None => Passage::Open,
            Some(at) if at <= now => Passage::Probe,
            Some(at) => Passage::Closed(at),
        }
    }

    /// The target answered.
    pub fn succeeded(&mut self) -> Option<Change> {
        let was_paused = self.probe_at.is_some();
        *self = Self::default();
        was_paused.then_some(Change::Resumed)
    }

    /// The target could not be reached or was out of order.
    pub fn failed(&mut self, policy: BreakerPolicy, now: Timestamp) -> Option<Change> {
        self.failures = self.failures.saturating_add(1);
        if self.failures < policy.failures {
            return None;
        }
        let pause = SignedDuration::from_millis(i64::try_from(policy.pause_ms).unwrap_or(i64::MAX));
        let was_paused = self.probe_at.is_some();
        self.probe_at = Some(now.checked_add(pause).unwrap_or(Timestamp::MAX));
        (!was_paused).then_some(Change::Paused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: BreakerPolicy = BreakerPolicy { failures: 3, pause_ms: 1000 };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.failed(POLICY, at(0)), None);
        assert_eq!(breaker.failed(POLICY, at(0)), None);
        assert_eq!(breaker.succeeded(), None);
        assert_eq!(breaker.failed(POLICY, at(0)), None);
        assert_eq!(breaker.failed(POLICY, at(0)), None);
        assert_eq!(breaker.failed(POLICY, at(0)), Some(Change::Paused));
        assert_eq!(breaker.passage(at(0)), Passage::Closed(at(1)));
    }

    #[test]
    fn it_probes_one_at_a_time_until_one_succeeds() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            breaker.failed(POLICY, at(0));
        }
        assert_eq!(breaker.passage(at(1)), Passage::Probe);
        assert_eq!(breaker.failed(POLICY, at(1)), None);
        assert_eq!(breaker.passage(at(1)), Passage::Closed(at(2)));
        assert_eq!(breaker.succeeded(), Some(Change::Resumed));
        assert_eq!(breaker.passage(at(1)), Passage::Open);
    }
}
