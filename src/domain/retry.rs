//! The durable retry schedule: when a failed delivery is tried again, or that it no longer is.
//!
//! A pure function of the policy, the attempts so far, the times and a seed; the store keeps the result.
//! The delay is drawn uniformly between a lower bound above zero and an exponentially growing upper one
//! (full jitter), so that deliveries that failed together do not come back together. What the target asks
//! for (`Retry-After`) is a floor under the whole draw. Attempts, age and the statutory deadline end it;
//! near an end the draw is narrowed, so that the last chance is used and not skipped.
//!
//! Delays inside one process are not made here.

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

/// No number of a policy may exceed a leap year.
const LIMIT_MS: u64 = 366 * 24 * 60 * 60 * 1000;

/// Beyond this no exponent changes the outcome.
const LIMIT_FACTOR: u32 = 1000;

/// The numbers of a policy as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// No delay is shorter, in milliseconds.
    pub min_ms: u64,
    /// Upper bound of the first delay, in milliseconds.
    pub first_ms: u64,
    /// The upper bound grows no further than this, in milliseconds.
    pub max_ms: u64,
    /// What the upper bound is multiplied by after each attempt.
    pub factor: u32,
    /// Attempts made before a person is asked, the first one included.
    pub max_attempts: u32,
    /// How long after the first attempt a person is asked, in milliseconds.
    pub max_age_ms: u64,
}

impl Default for Numbers {
    /// 1 s, 5 s times 3 up to 1 h, 40 attempts, 7 days.
    fn default() -> Self {
        Self {
            min_ms: 1_000,
            first_ms: 5_000,
            max_ms: 60 * 60 * 1000,
            factor: 3,
            max_attempts: 40,
            max_age_ms: 7 * 24 * 60 * 60 * 1000,
        }
    }
}

/// Numbers that make no schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    /// A bound lies outside what is allowed.
    #[error("{key} is {found}, allowed is {min} to {max}")]
    Range {
        /// The number's name.
        key: &'static str,
        /// Its value.
        found: u64,
        /// The least value allowed.
        min: u64,
        /// The greatest value allowed.
        max: u64,
    },
}

/// A retry schedule whose bounds are in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy(Numbers);

/// What is known of a delivery whose attempt just failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Attempts made so far, the failed one included; 0 counts as 1.
    pub attempts: u32,
    /// When the first of them started.
    pub first_attempt_at: Timestamp,
    /// The present.
    pub now: Timestamp,
    /// `Retry-After` of the target, in milliseconds.
    pub floor_ms: Option<u64>,
    /// When the obligation to deliver falls due by law.
    pub deadline: Option<Timestamp>,
    /// Seed of the draw; the same seed and attempt give the same delay.
    pub seed: u64,
}

/// What happens after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another attempt.
    At {
        /// When it may start.
        at: Timestamp,
        /// How long after the present that is, in milliseconds.
        delay_ms: u64,
        /// What decided the delay.
        reason: Reason,
    },
    /// No further attempt: the delivery waits for a person.
    GiveUp(GiveUp),
}

/// What decided a delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The policy.
    Backoff,
    /// The target asked to wait longer than the policy's lower bound.
    RetryAfter,
    /// A limit is near, and the attempt still fits in before it.
    BeforeLimit,
}

/// Why there is no further attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GiveUp {
    /// As many attempts as the policy allows were made.
    #[error("{made} attempts were made, {limit} are allowed")]
    Attempts {
        /// Attempts made.
        made: u32,
        /// Attempts allowed.
        limit: u32,
    },
    /// No attempt fits in before the delivery is too old.
    #[error("no attempt fits in before the age limit of {limit_ms} ms after the first attempt")]
    Age {
        /// The limit in milliseconds.
        limit_ms: u64,
    },
    /// No attempt fits in before the statutory deadline.
    #[error("no attempt fits in before the deadline {deadline}")]
    Deadline {
        /// The deadline.
        deadline: Timestamp,
    },
}

impl Policy {
    /// Checks the numbers: bounds in order, none of them zero or beyond a year.
    ///
    /// # Errors
    ///
    /// All numbers that are out of range.
    pub fn from_numbers(numbers: Numbers) -> Result<Self, Vec<Fault>> {
        let Numbers { min_ms, first_ms, max_ms, factor, max_attempts, max_age_ms } = numbers;
        let faults: Vec<Fault> = [
            ("min_ms", min_ms, 1, LIMIT_MS),
            ("first_ms", first_ms, min_ms.max(1), LIMIT_MS),
            ("max_ms", max_ms, first_ms.max(1), LIMIT_MS),
            ("factor", factor.into(), 1, LIMIT_FACTOR.into()),
            ("max_attempts", max_attempts.into(), 1, u32::MAX.into()),
            ("max_age_ms", max_age_ms, 1, LIMIT_MS),
        ]
        .into_iter()
        .filter(|(_, found, min, max)| found < min || found > max)
        .map(|(key, found, min, max)| Fault::Range { key, found, min, max })
        .collect();
        if faults.is_empty() { Ok(Self(numbers)) } else { Err(faults) }
    }

    /// The numbers of this policy.
    pub fn numbers(&self) -> Numbers {
        self.0
    }

    /// When the delivery is tried again.
    ///
    /// The delay is never shorter than `min_ms` nor than `floor_ms`, and the attempt never later than
    /// `max_age_ms` after the first one or than the deadline.
    pub fn next(&self, failure: &Failure) -> Next {
        let Failure { attempts, now, floor_ms, .. } = *failure;
        if attempts >= self.0.max_attempts {
            return Next::GiveUp(GiveUp::Attempts { made: attempts, limit: self.0.max_attempts });
        }
        let (limit, give_up) = self.limit(failure);
        let Some(left_ms) = milliseconds_until(limit, now) else { return Next::GiveUp(give_up) };
        let earliest_ms = self.0.min_ms.max(floor_ms.unwrap_or_default());
        if earliest_ms > left_ms {
            return Next::GiveUp(give_up);
        }
        let wished_ms = earliest_ms.saturating_add(self.ceiling_ms(attempts) - self.0.min_ms);
        let latest_ms = wished_ms.min(left_ms);
        let delay_ms = draw(earliest_ms, latest_ms, failure.seed, attempts);
        let reason = match () {
            () if latest_ms < wished_ms => Reason::BeforeLimit,
            () if earliest_ms > self.0.min_ms => Reason::RetryAfter,
            () => Reason::Backoff,
        };
        Next::At { at: later(now, delay_ms), delay_ms, reason }
    }

    /// The upper bound of the delay after this many attempts: `first_ms * factor^(attempts - 1)`, at most
    /// `max_ms`.
    pub fn ceiling_ms(&self, attempts: u32) -> u64 {
        let growth = u64::from(self.0.factor).saturating_pow(attempts.saturating_sub(1));
        self.0.first_ms.saturating_mul(growth).min(self.0.max_ms)
    }

    /// The nearer of age limit and deadline, and what to say when it is reached.
    fn limit(&self, failure: &Failure) -> (Timestamp, GiveUp) {
        let limit_ms = self.0.max_age_ms;
        let too_old = later(failure.first_attempt_at, limit_ms);
        match failure.deadline {
            Some(deadline) if deadline <= too_old => (deadline, GiveUp::Deadline { deadline }),
            _ => (too_old, GiveUp::Age { limit_ms }),
        }
    }
}

/// Whole milliseconds from `now` to `limit`; `None` once it is passed.
fn milliseconds_until(limit: Timestamp, now: Timestamp) -> Option<u64> {
    u64::try_from(limit.duration_since(now).as_millis()).ok().filter(|_| limit >= now)
}

/// `instant` plus a delay, at most the last instant there is.
fn later(instant: Timestamp, delay_ms: u64) -> Timestamp {
    let delay = SignedDuration::from_millis(i64::try_from(delay_ms).unwrap_or(i64::MAX));
    instant.checked_add(delay).unwrap_or(Timestamp::MAX)
}

/// A number from `low` to `high`, both included. The bias of the remainder is below one in a billion.
fn draw(low: u64, high: u64, seed: u64, attempts: u32) -> u64 {
    let width = (high - low).saturating_add(1);
    low + split_mix(seed ^ split_mix(attempts.into())) % width
}

/// One step of the `SplitMix64` generator (Steele, Lea, Flood 2014).
fn split_mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE_MS: u64 = 60_000;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    fn first_failure() -> Failure {
        let now = at("2026-09-30T08:00:00Z");
        Failure { attempts: 1, first_attempt_at: now, now, floor_ms: None, deadline: None, seed: 7 }
    }

    fn delay_ms(next: Next) -> u64 {
        match next {
            Next::At { delay_ms, .. } => delay_ms,
            Next::GiveUp(reason) => panic!("gave up: {reason}"),
        }
    }

    #[test]
    fn the_generator_is_the_published_one() {
        assert_eq!(split_mix(0), 0xE220_A839_7B1D_CDAF);
        assert_eq!(split_mix(0x9E37_79B9_7F4A_7C15), 0x6E78_9E6A_A1B9_65F4);
    }

    #[test]
    fn the_upper_bound_grows_threefold_up_to_an_hour() {
        let policy = Policy::default();
        let bounds: Vec<u64> = (0..9).map(|attempts| policy.ceiling_ms(attempts) / 1000).collect();
        assert_eq!(bounds, [5, 5, 15, 45, 135, 405, 1215, 3600, 3600]);
        assert_eq!(policy.ceiling_ms(u32::MAX), 3_600_000);
    }

    #[test]
    fn the_default_numbers_are_in_order() {
        assert_eq!(Policy::from_numbers(Numbers::default()), Ok(Policy::default()));
    }

    #[test]
    fn numbers_out_of_order_are_refused_all_at_once() {
        let numbers =
            Numbers { min_ms: 0, first_ms: 9, max_ms: 8, factor: 0, max_attempts: 0, max_age_ms: u64::MAX };
        let faults = Policy::from_numbers(numbers).expect_err("five slips");
        let keys: Vec<&str> = faults.iter().map(|Fault::Range { key, .. }| *key).collect();
        assert_eq!(keys, ["min_ms", "max_ms", "factor", "max_attempts", "max_age_ms"]);
        assert_eq!(faults[1].to_string(), "max_ms is 8, allowed is 9 to 31622400000");
    }

    #[test]
    fn the_last_attempt_allowed_is_the_last_one_made() {
        let policy = Policy::default();
        let after = |attempts| policy.next(&Failure { attempts, ..first_failure() });
        assert!(matches!(after(39), Next::At { .. }));
        assert_eq!(after(40), Next::GiveUp(GiveUp::Attempts { made: 40, limit: 40 }));
        assert!(matches!(after(u32::MAX), Next::GiveUp(GiveUp::Attempts { .. })));
    }

    #[test]
    fn the_age_limit_is_kept_to_the_millisecond() {
        let policy = Policy::default();
        let start = first_failure().first_attempt_at;
        let after_ms =
            |age_ms| policy.next(&Failure { attempts: 9, now: later(start, age_ms), ..first_failure() });
        let limit_ms = policy.numbers().max_age_ms;
        let last = after_ms(limit_ms - 1_000);
        let expected = Next::At { at: later(start, limit_ms), delay_ms: 1_000, reason: Reason::BeforeLimit };
        assert_eq!(last, expected);
        assert_eq!(after_ms(limit_ms - 999), Next::GiveUp(GiveUp::Age { limit_ms }));
        assert_eq!(after_ms(limit_ms + 1), Next::GiveUp(GiveUp::Age { limit_ms }));
    }

    #[test]
    fn a_statutory_deadline_narrows_the_draw_and_then_ends_it() {
        let policy = Policy::default();
        let failure = Failure { attempts: 9, ..first_failure() };
        let due_in = |ms| policy.next(&Failure { deadline: Some(later(failure.now, ms)), ..failure });
        for minutes in 1..59 {
            let Next::At { delay_ms, reason, .. } = due_in(minutes * MINUTE_MS) else {
                panic!("an attempt fits into {minutes} minutes")
            };
            assert!(delay_ms <= minutes * MINUTE_MS);
            assert_eq!(reason, Reason::BeforeLimit);
        }
        assert!(matches!(due_in(999), Next::GiveUp(GiveUp::Deadline { .. })));
        let passed = Failure { deadline: Some(at("2026-09-30T07:59:59.9999Z")), ..failure };
        assert!(matches!(policy.next(&passed), Next::GiveUp(GiveUp::Deadline { .. })));
    }

    #[test]
    fn what_the_target_asked_for_is_waited_and_spread() {
        let policy = Policy::default();
        let asked = |seed| {
            policy.next(&Failure { floor_ms: Some(120 * MINUTE_MS), attempts: 9, seed, ..first_failure() })
        };
        let delays: Vec<u64> = (0..50).map(|seed| delay_ms(asked(seed))).collect();
        assert!(delays.iter().all(|ms| (120 * MINUTE_MS..=180 * MINUTE_MS).contains(ms)));
        assert!(
            delays.iter().any(|ms| *ms > 150 * MINUTE_MS) && delays.iter().any(|ms| *ms < 150 * MINUTE_MS)
        );
        assert!(matches!(asked(1), Next::At { reason: Reason::RetryAfter, .. }));
    }

    #[test]
    fn a_wait_beyond_the_limit_asks_a_person_at_once() {
        let next = Policy::default().next(&Failure { floor_ms: Some(u64::MAX), ..first_failure() });
        assert!(matches!(next, Next::GiveUp(GiveUp::Age { .. })));
    }

    #[test]
    fn deliveries_that_failed_together_come_back_apart() {
        let policy = Policy::default();
        let mut delays: Vec<u64> = (0..1000)
            .map(|seed| delay_ms(policy.next(&Failure { attempts: 8, seed, ..first_failure() })))
            .collect();
        let mean = delays.iter().sum::<u64>() / 1000;
        assert!((28 * MINUTE_MS..32 * MINUTE_MS).contains(&mean), "mean {mean} ms of 1 s to 1 h");
        delays.sort_unstable();
        delays.dedup();
        assert!(delays.len() > 990);
    }

    prop_compose! {
        fn any_policy()(
            min_ms in 1..10_000_u64, first in 0..100_000_u64, more in 0..LIMIT_MS / 2, factor in 1..=LIMIT_FACTOR,
            max_attempts in 1..=u32::MAX, max_age_ms in 1..=LIMIT_MS,
        ) -> Policy {
            let first_ms = min_ms + first;
            let numbers = Numbers { min_ms, first_ms, max_ms: first_ms + more, factor, max_attempts, max_age_ms };
            Policy::from_numbers(numbers).expect("bounds in order")
        }
    }

    fn any_instant() -> impl Strategy<Value = Timestamp> {
        (Timestamp::MIN.as_millisecond()..=Timestamp::MAX.as_millisecond())
            .prop_map(|ms| Timestamp::from_millisecond(ms).expect("within the bounds"))
    }

    fn any_failure() -> impl Strategy<Value = Failure> {
        let around = prop_oneof![any_instant().boxed(), (0..1_000_000_000_i64).prop_map(near).boxed()];
        let deadline = proptest::option::of((0..1_000_000_000_i64).prop_map(near));
        let floor_ms = proptest::option::of(prop_oneof![0..100_000_u64, any::<u64>()]);
        (prop_oneof![0..60_u32, any::<u32>()], around.clone(), around, floor_ms, deadline, any::<u64>())
            .prop_map(|(attempts, first_attempt_at, now, floor_ms, deadline, seed)| Failure {
                attempts,
                first_attempt_at,
                now,
                floor_ms,
                deadline,
                seed,
            })
    }

    fn near(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_000 + ms).expect("a day of our years")
    }

    proptest! {
        #[test]
        fn every_attempt_keeps_every_bound(policy in any_policy(), failure in any_failure()) {
            let numbers = policy.numbers();
            let next = policy.next(&failure);
            prop_assert_eq!(next, policy.next(&failure), "the same seed gives the same answer");
            let Next::At { at, delay_ms, .. } = next else { return Ok(()) };
            let floor_ms = failure.floor_ms.unwrap_or_default();
            prop_assert!(failure.attempts < numbers.max_attempts);
            prop_assert!(delay_ms >= numbers.min_ms.max(floor_ms));
            prop_assert!(delay_ms <= policy.ceiling_ms(failure.attempts).saturating_add(floor_ms));
            prop_assert_eq!(at, later(failure.now, delay_ms));
            prop_assert!(at <= later(failure.first_attempt_at, numbers.max_age_ms));
            prop_assert!(failure.deadline.is_none_or(|deadline| at <= deadline));
        }

        #[test]
        fn nobody_gives_up_while_an_attempt_is_left_and_fits(policy in any_policy(), failure in any_failure()) {
            let numbers = policy.numbers();
            let earliest = later(failure.now, numbers.min_ms.max(failure.floor_ms.unwrap_or_default()));
            let too_old = later(failure.first_attempt_at, numbers.max_age_ms);
            let fits = earliest <= failure.deadline.unwrap_or(too_old).min(too_old) && earliest < Timestamp::MAX;
            if fits && failure.attempts < numbers.max_attempts {
                let again = matches!(policy.next(&failure), Next::At { .. });
                prop_assert!(again);
            }
        }
    }
}
