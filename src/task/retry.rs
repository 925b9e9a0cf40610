//! In-process retries: how long to wait before a connection or a call is tried again.
//!
//! The one place that knows the crate `backoff`, as the calculator of delays; `backon` behind the same
//! types is the way out. When a delivery is tried again is a durable schedule of its own
//! (`domain::retry`), kept in the store.

use std::time::Duration;

use backoff::{SystemClock, backoff::Backoff as _, exponential::ExponentialBackoff};

/// How fast delays grow.
const MULTIPLIER: f64 = 2.0;
/// How far a delay is drawn from its middle, either way, so that many do not come back at once.
const JITTER: f64 = 0.5;

/// Bounds of the delays between tries. There is no end: who tries decides when to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Middle of the first delay.
    pub first: Duration,
    /// No delay is longer.
    pub max: Duration,
}

impl Policy {
    /// For connections to a server of ours.
    pub const CONNECTION: Self = Self { first: Duration::from_millis(200), max: Duration::from_secs(10) };

    /// For places outside that take what is not urgent.
    pub const OUTSIDE: Self = Self { first: Duration::from_secs(1), max: Duration::from_mins(5) };

    /// The delays of one series of tries.
    pub fn delays(self) -> Delays {
        let calculator = ExponentialBackoff {
            current_interval: self.first,
            initial_interval: self.first,
            randomization_factor: JITTER,
            multiplier: MULTIPLIER,
            max_interval: self.max,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Delays { calculator, max: self.max }
    }
}

/// Delays, growing until they are reset.
#[derive(Debug)]
pub struct Delays {
    calculator: ExponentialBackoff<SystemClock>,
    max: Duration,
}

impl Delays {
    /// Before the next try.
    pub fn draw(&mut self) -> Duration {
        // The calculator bounds its middle and draws around that.
        self.calculator.next_backoff().unwrap_or(self.max).min(self.max)
    }

    /// It worked: begin anew.
    pub fn reset(&mut self) {
        self.calculator.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { first: Duration::from_millis(100), max: Duration::from_secs(1) };

    #[test]
    fn delays_grow_to_their_bound_and_never_end() {
        let mut delays = POLICY.delays();
        let first = delays.draw();
        assert!((Duration::from_millis(50)..=Duration::from_millis(151)).contains(&first), "{first:?}");
        let later: Vec<_> = (0..1000).map(|_| delays.draw()).collect();
        assert!(later.iter().all(|delay| *delay <= POLICY.max));
        assert!(later[10..].iter().all(|delay| *delay >= POLICY.max / 2));
    }

    #[test]
    fn a_success_begins_anew() {
        let mut delays = POLICY.delays();
        for _ in 0..20 {
            delays.draw();
        }
        delays.reset();
        assert!(delays.draw() <= Duration::from_millis(151));
    }
}
