//! The figures: what was measured in each round, what follows from it, and the goals they are held to.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    message::FanOut,
    rows::Written,
    sealing::{SEALING_GOAL, Sealing},
};

/// Accepted messages per second, of the rows that SQLite takes alone.
pub(super) const ACCEPTED_GOAL: f64 = 0.5;
/// Deliveries per second, of what the stages that each crosses would allow one after the other.
pub(super) const DELIVERED_GOAL: f64 = 0.6;
/// A lone sender's wait, in one-row commits.
pub(super) const LONE_GOAL: f64 = 2.0;
/// Peak memory with a backlog, bytes.
pub(super) const MEMORY_GOAL_BYTES: u64 = 300_000_000;

/// Per second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate(pub(super) f64);

impl Rate {
    /// So many in a time.
    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
    pub(super) fn of(count: usize, time: Duration) -> Self {
        Self(count as f64 / time.as_secs_f64().max(1e-9))
    }

    /// What is left when one unit of work crosses all these, one after the other.
    pub(super) fn through(stages: &[Self]) -> Self {
        Self(1.0 / stages.iter().map(|stage| 1.0 / stage.0).sum::<f64>())
    }

    /// The same in parts, so many of each.
    pub(super) fn times(self, factor: usize) -> Self {
        Self(self.0 * f64::from(u32::try_from(factor).unwrap_or(u32::MAX)))
    }
}

/// Half and ninety-nine of a hundred are no later.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Latency {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

impl Latency {
    /// Of sorted microseconds.
    pub(super) fn of_micros(sorted: &[u32]) -> Self {
        let at = |hundredths: usize| {
            let place = (sorted.len() * hundredths / 100).min(sorted.len().saturating_sub(1));
            sorted.get(place).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
        };
        Self { p50_ms: at(50), p99_ms: at(99) }
    }

    /// Of times in any order.
    pub(super) fn of(times: &[Duration]) -> Self {
        let micros = times.iter().map(|time| u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
        let mut micros: Vec<u32> = micros.collect();
        micros.sort_unstable();
        Self::of_micros(&micros)
    }

    pub(super) fn json(self) -> Value {
        json!({ "p50_ms": rounded(self.p50_ms), "p99_ms": rounded(self.p99_ms) })
    }
}

/// Taken in, each durable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    pub(super) rate: Rate,
    /// Processor time for each message, loader and all.
    pub(super) cpu_micros: Option<f64>,
}

/// One way through the hub.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivered {
    pub(super) rate: Rate,
    pub(super) latency: Latency,
    pub(super) peak_bytes: Option<u64>,
    /// Processor time for each delivery, loader and sink and all.
    pub(super) cpu_micros: Option<f64>,
}

/// All of one fan-out, measured within one minute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    pub(super) fan_out: FanOut,
    pub(super) written: Written,
    pub(super) posts: Rate,
    pub(super) accepted_batches: Accepted,
    pub(super) accepted_singles: Accepted,
    pub(super) delivered_batches: Delivered,
    pub(super) delivered_singles: Delivered,
    pub(super) sealing: Sealing,
}

impl Round {
    /// Deliveries that the stages would allow one after the other.
    pub(super) fn limit(&self) -> Rate {
        let [claims, settles] = self.written.settlements();
        Rate::through(&[self.written.rows().times(self.fan_out.deliveries()), claims, settles, self.posts])
    }

    fn json(&self) -> Value {
        let [claims, settles] = self.written.settlements();
        let delivered = |it: Delivered| {
            json!({
                "per_second": rounded(it.rate.0), "saturated": it.latency.json(), "peak_bytes": it.peak_bytes,
                "cpu_micros": it.cpu_micros.map(rounded), "ratio": rounded(it.rate.0 / self.limit().0),
            })
        };
        let accepted = |it: Accepted| {
            json!({
                "per_second": rounded(it.rate.0), "cpu_micros": it.cpu_micros.map(rounded),
                "ratio": rounded(it.rate.0 / self.written.rows().0),
            })
        };
        json!({
            "rows_per_second": rounded(self.written.rows().0), "claims_per_second": rounded(claims.0),
            "settles_per_second": rounded(settles.0), "posts_per_second": rounded(self.posts.0),
            "delivered_limit_per_second": rounded(self.limit().0),
            "accepted_in_batches": accepted(self.accepted_batches),
            "accepted_singly": accepted(self.accepted_singles),
            "delivered_from_batches": delivered(self.delivered_batches),
            "delivered_from_singles": delivered(self.delivered_singles),
            "sealing": self.sealing.json(),
        })
    }
}

/// A hub with little to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    pub(super) fan_out: FanOut,
    pub(super) rate: u32,
    pub(super) latency: Latency,
}

impl Steady {
    pub(super) fn json(&self) -> Value {
        json!({
            "fan_out": self.fan_out.deliveries(), "per_second": self.rate, "latency": self.latency.json(),
        })
    }
}

/// One sender who waits for each receipt, against one-row commits on the same disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lone {
    pub(super) commit: Latency,
    pub(super) paced: Latency,
    pub(super) pressing: Latency,
}

/// A backlog taken in while its targets are down, and what of it was then delivered after a restart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backlog {
    pub(super) deliveries: usize,
    pub(super) accepted: Rate,
    pub(super) peak_bytes: Option<u64>,
    pub(super) drained: usize,
    pub(super) draining: Rate,
    pub(super) draining_peak_bytes: Option<u64>,
}

/// Everything.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) rounds: Vec<Round>,
    pub(super) steady: Vec<Steady>,
    pub(super) lone: Lone,
    pub(super) backlog: Backlog,
}

/// One goal and how far it was reached.
#[derive(Clone, Debug)]
pub(super) struct Goal {
    pub(super) name: [&'static str; 2],
    pub(super) fan_out: Option<FanOut>,
    pub(super) figure: f64,
    pub(super) limit: f64,
    /// Median over the rounds, with the lowest and the highest.
    pub(super) ratio: Spread,
    pub(super) wanted: f64,
    pub(super) reached: bool,
}

impl Goal {
    /// Figures beside their limits, each pair of one round; the median of the ratios is to reach so much.
    pub(super) fn at_least(
        name: [&'static str; 2],
        fan_out: FanOut,
        wanted: f64,
        pairs: &[(f64, f64)],
    ) -> Self {
        let ratio = Spread::of(pairs.iter().map(|(figure, limit)| figure / limit));
        Self {
            name,
            fan_out: Some(fan_out),
            figure: Spread::of(pairs.iter().map(|(figure, _)| *figure)).median,
            limit: Spread::of(pairs.iter().map(|(_, limit)| *limit)).median,
            ratio,
            wanted,
            reached: ratio.median >= wanted,
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "name": self.name[1], "fan_out": self.fan_out.map(FanOut::deliveries), "figure": rounded(self.figure),
            "limit": rounded(self.limit), "ratio": rounded(self.ratio.median),
            "lowest": rounded(self.ratio.lowest), "highest": rounded(self.ratio.highest), "goal": self.wanted,
            "reached": self.reached,
        })
    }
}

/// Median, lowest and highest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) lowest: f64,
    pub(super) highest: f64,
}

impl Spread {
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or_default();
        Self { median: at(values.len() / 2), lowest: at(0), highest: at(values.len().saturating_sub(1)) }
    }
}

impl Figures {
    /// The rounds of one fan-out.
    pub(super) fn of(&self, fan_out: FanOut) -> impl Iterator<Item = &Round> {
        self.rounds.iter().filter(move |round| round.fan_out == fan_out)
    }

    /// The median over the rounds of one fan-out.
    pub(super) fn median(&self, fan_out: FanOut, of: impl Fn(&Round) -> f64) -> f64 {
        Spread::of(self.of(fan_out).map(of)).median
    }

    /// Every goal.
    pub(super) fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        for fan_out in FanOut::ALL {
            let names = ["受理（批量）/ 直接写库", "accepted (batches) / rows straight"];
            goals.push(
                self.at_least(names, fan_out, ACCEPTED_GOAL, |it| {
                    (it.accepted_batches.rate, it.written.rows())
                }),
            );
            let names = ["送达 / 各环节串联上限", "delivered / stages in a row"];
            goals.push(
                self.at_least(names, fan_out, DELIVERED_GOAL, |it| (it.delivered_batches.rate, it.limit())),
            );
            let names = ["送达（含封存）/ 封存暂停时", "delivered and sealed / sealing paused"];
            goals.push(
                self.at_least(names, fan_out, SEALING_GOAL, |it| (it.sealing.sealed, it.sealing.paused)),
            );
        }
        let (lone, commit) = (self.lone.paced.p50_ms, self.lone.commit.p50_ms);
        let ratio = lone / commit.max(1e-9);
        goals.push(Goal {
            name: ["单个发送方 p50（毫秒）/ 单行提交", "lone sender's p50 (ms) / one-row commit"],
            fan_out: None,
            figure: lone,
            limit: commit,
            ratio: Spread::of([ratio]),
            wanted: LONE_GOAL,
            reached: ratio <= LONE_GOAL,
        });
        if let Some(peak) = self.backlog.peak_bytes.max(self.backlog.draining_peak_bytes) {
            goals.push(memory(peak));
        }
        goals
    }

    fn at_least(
        &self,
        name: [&'static str; 2],
        fan_out: FanOut,
        goal: f64,
        pair: impl Fn(&Round) -> (Rate, Rate),
    ) -> Goal {
        let pairs: Vec<_> = self.of(fan_out).map(pair).map(|(figure, limit)| (figure.0, limit.0)).collect();
        Goal::at_least(name, fan_out, goal, &pairs)
    }

    /// All of it for programs.
    pub(super) fn json(&self) -> Value {
        let fan_outs: Vec<_> = FanOut::ALL
            .into_iter()
            .map(|fan_out| {
                let rounds: Vec<_> = self.of(fan_out).map(Round::json).collect();
                json!({ "fan_out": fan_out.deliveries(), "rounds": rounds })
            })
            .collect();
        let steady: Vec<_> = self.steady.iter().map(Steady::json).collect();
        let Backlog { deliveries, accepted, peak_bytes, drained, draining, draining_peak_bytes } =
            self.backlog;
        let goals: Vec<_> = self.goals().iter().map(Goal::json).collect();
        json!({
            "fan_outs": fan_outs, "steady": steady,
            "lone": { "one_row_commit": self.lone.commit.json(), "paced": self.lone.paced.json(),
                "pressing": self.lone.pressing.json() },
            "backlog": { "deliveries": deliveries, "accepted_messages_per_second": rounded(accepted.0),
                "peak_bytes": peak_bytes, "drained": drained, "drained_per_second": rounded(draining.0),
                "draining_peak_bytes": draining_peak_bytes },
            "goals": goals,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory as megabytes")]
fn memory(peak: u64) -> Goal {
    let ratio = peak as f64 / MEMORY_GOAL_BYTES as f64;
    Goal {
        name: ["积压时内存峰值（MB）", "peak memory with the backlog (MB)"],
        fan_out: None,
        figure: peak as f64 / 1e6,
        limit: MEMORY_GOAL_BYTES as f64 / 1e6,
        ratio: Spread::of([ratio]),
        wanted: 1.0,
        reached: ratio < 1.0,
    }
}

/// Three digits behind the point are more than the noise allows.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_in_a_row_are_slower_than_the_slowest() {
        let rate = Rate::through(&[Rate(100.0), Rate(100.0), Rate(50.0)]);
        assert!((rate.0 - 25.0).abs() < 1e-9, "{rate:?}");
    }

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let micros: Vec<u32> = (1..=100).map(|n| n * 1000).collect();
        let latency = Latency::of_micros(&micros);
        assert!((latency.p50_ms - 51.0).abs() < 1e-9, "{latency:?}");
        assert!((latency.p99_ms - 100.0).abs() < 1e-9, "{latency:?}");
        assert!(Latency::of_micros(&[]).p99_ms.abs() < 1e-9);
    }

    #[test]
    fn a_spread_names_the_middle_and_the_ends() {
        let spread = Spread::of([3.0, 1.0, 2.0]);
        for (found, expected) in [(spread.lowest, 1.0), (spread.median, 2.0), (spread.highest, 3.0)] {
            assert!((found - expected).abs() < 1e-9, "{spread:?}");
        }
    }
}
