//! The figures of the shape of production, and the goals they are held to.

use serde_json::{Value, json};

use super::streamed::{self, Streamed};
use crate::{
    cli::bench::{
        figures::{DELIVERED_GOAL, Delivered, Goal, Rate, Spread, Steady, rounded},
        message::FanOut,
        rows::Written,
        sealing::{SEALING_GOAL, Sealing},
    },
    config::settings::Carrier,
};

/// From acceptance to delivery at half load, 99 of a hundred, milliseconds.
const LATENCY_GOAL_MS: f64 = 50.0;

/// The broker alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    pub(super) published: Rate,
    pub(super) consumed: Rate,
    /// Published and consumed at once.
    pub(super) pair: Rate,
}

/// All of one fan-out, measured within one minute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    pub(super) fan_out: FanOut,
    pub(super) written: Written,
    pub(super) queue: Option<Queue>,
    pub(super) posts: Rate,
    /// With a broker, handed in over it.
    pub(super) delivered: Delivered,
    /// With a broker: the same handed in over HTTP.
    pub(super) over_http: Option<Delivered>,
    /// Handed in over gRPC, with the workers inside the hub.
    pub(super) streamed: Streamed,
    pub(super) sealing: Sealing,
}

impl Round {
    /// Deliveries that the stages would allow one after the other; with a broker, what is handed in crosses it too.
    /// Outcomes are not among the stages, since many travel in one message of the broker, and neither are receipts.
    pub(super) fn limit(&self) -> Rate {
        let mut stages = self.stages();
        let each = self.fan_out.deliveries();
        let queue = self.queue.iter().flat_map(|queue| [queue.published, queue.consumed]);
        stages.extend(queue.map(|rate| rate.times(each)));
        Rate::through(&stages)
    }

    /// The same where messages are handed in over HTTP.
    pub(super) fn limit_over_http(&self) -> Rate {
        Rate::through(&self.stages())
    }

    fn stages(&self) -> Vec<Rate> {
        let [claims, settles] = self.written.settlements();
        let mut stages =
            vec![self.written.rows().times(self.fan_out.deliveries()), claims, self.posts, settles];
        stages.extend(self.queue.iter().flat_map(|queue| [queue.published, queue.consumed]));
        stages
    }

    fn json(&self) -> Value {
        let [claims, settles] = self.written.settlements();
        let queue = self.queue.map(|queue| {
            json!({
                "published_per_second": rounded(queue.published.0), "consumed_per_second": rounded(queue.consumed.0),
                "pair_per_second": rounded(queue.pair.0), "ratio_to_pair": rounded(self.delivered.rate.0 / queue.pair.0),
            })
        });
        json!({
            "rows_per_second": rounded(self.written.rows().0), "claims_per_second": rounded(claims.0),
            "settles_per_second": rounded(settles.0), "broker": queue, "posts_per_second": rounded(self.posts.0),
            "delivered_limit_per_second": rounded(self.limit().0),
            "streamed": self.streamed.json(self), "sealing": self.sealing.json(),
            "delivered": path(&self.delivered, self.limit()),
            "delivered_over_http": self.over_http.as_ref().map(|it| path(it, self.limit_over_http())),
        })
    }
}

fn path(delivered: &Delivered, limit: Rate) -> Value {
    json!({
        "per_second": rounded(delivered.rate.0), "saturated": delivered.latency.json(),
        "peak_bytes": delivered.peak_bytes, "cpu_micros": delivered.cpu_micros.map(rounded),
        "limit_per_second": rounded(limit.0), "ratio": rounded(delivered.rate.0 / limit.0),
    })
}

/// Everything.
#[derive(Debug)]
pub(in crate::cli::bench) struct Figures {
    pub(super) carrier: Carrier,
    pub(super) rounds: Vec<Round>,
    pub(super) steady: Vec<Steady>,
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

    /// Messages a second that are half of what was delivered.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate, bounded")]
    pub(super) fn half_load(&self, fan_out: FanOut) -> u32 {
        let deliveries = f64::from(u32::try_from(fan_out.deliveries()).unwrap_or(1));
        let half = self.median(fan_out, |round| round.delivered.rate.0) / deliveries / 2.0;
        half.clamp(1.0, 100_000.0) as u32
    }

    /// Every goal.
    pub(super) fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        for fan_out in FanOut::ALL {
            let names = ["送达 / 各环节串联上限", "delivered / stages in a row"];
            goals.push(
                self.ratio(names, fan_out, DELIVERED_GOAL, |round| {
                    Some((round.delivered.rate, round.limit()))
                }),
            );
        }
        for fan_out in FanOut::ALL.into_iter().filter(|_| self.carrier == Carrier::Rabbitmq) {
            let names =
                ["送达（HTTP 送入）/ 各环节串联上限", "delivered, handed in over HTTP / stages in a row"];
            goals.push(self.ratio(names, fan_out, DELIVERED_GOAL, |round| {
                Some((round.over_http.as_ref()?.rate, round.limit_over_http()))
            }));
        }
        goals.extend(FanOut::ALL.map(|fan_out| streamed::goal(self, fan_out)));
        for fan_out in FanOut::ALL {
            let names = ["送达（含封存）/ 封存暂停时", "delivered and sealed / sealing paused"];
            goals.push(self.ratio(names, fan_out, SEALING_GOAL, |round| {
                Some((round.sealing.sealed, round.sealing.paused))
            }));
        }
        for steady in &self.steady {
            let p99 = steady.latency.p99_ms;
            let ratio = p99 / LATENCY_GOAL_MS;
            goals.push(Goal {
                name: ["半载时受理到送达 p99（毫秒）", "acceptance to delivery at half load, p99 (ms)"],
                fan_out: Some(steady.fan_out),
                figure: p99,
                limit: LATENCY_GOAL_MS,
                ratio: Spread::of([ratio]),
                wanted: 1.0,
                reached: ratio < 1.0,
            });
        }
        goals
    }

    /// What was delivered of what the broker's pair carries.
    pub(super) fn pairs(&self) -> Vec<Goal> {
        let names = ["送达 / 直接收发", "delivered / publish and consume"];
        let pair = |round: &Round| Some((round.delivered.rate, round.queue.map(|queue| queue.pair)?));
        let all = FanOut::ALL.into_iter().filter(|_| self.carrier == Carrier::Rabbitmq);
        all.map(|fan_out| self.ratio(names, fan_out, 0.0, pair)).collect()
    }

    /// A figure beside its limit, both of the same round.
    fn ratio(
        &self,
        name: [&'static str; 2],
        fan_out: FanOut,
        wanted: f64,
        pair: impl Fn(&Round) -> Option<(Rate, Rate)>,
    ) -> Goal {
        let pair = |round: &Round| pair(round).map_or((f64::NAN, f64::NAN), |(it, limit)| (it.0, limit.0));
        let pairs: Vec<_> = self.of(fan_out).map(pair).collect();
        Goal::at_least(name, fan_out, wanted, &pairs)
    }

    /// All of it for programs.
    pub(in crate::cli::bench) fn json(&self) -> Value {
        let fan_outs: Vec<_> = FanOut::ALL
            .into_iter()
            .map(|fan_out| {
                let rounds: Vec<_> = self.of(fan_out).map(Round::json).collect();
                json!({ "fan_out": fan_out.deliveries(), "rounds": rounds })
            })
            .collect();
        let steady: Vec<_> = self.steady.iter().map(Steady::json).collect();
        let goals: Vec<_> = self.goals().iter().map(Goal::json).collect();
        let (bus, intake) =
            if self.carrier == Carrier::Rabbitmq { ("amqp", "amqp") } else { ("local", "http") };
        json!({
            "store": "postgres", "bus": bus, "intake": intake, "fan_outs": fan_outs, "half_load": steady, "goals": goals,
        })
    }
}
