//! The shape of production: the hub on PostgreSQL, and with `--bus amqp` messages in, work and outcomes over RabbitMQ,
//! with a worker that is no part of the hub. Beside it the stages that a delivery crosses, each alone and well tuned, on the
//! same servers within the same minute: rows, the broker's two ends, posts.
//!
//! Hub, worker, loader and sink share this process; database and broker are processes of their own on whatever
//! machine they are. With `--bus amqp` messages are handed in over AMQP, and once more over HTTP; and in either case as
//! streams over gRPC to a hub whose workers are inside.

mod broker;
mod figures;
mod place;
mod publisher;
mod report;
mod rows;
mod streamed;

use std::{
    io::{self, Write as _},
    time::Duration,
};

pub(super) use report::print;

use self::{
    broker::Broker,
    figures::{Figures, Round},
    place::{Intake, Place, Running},
};
use super::{
    Arguments,
    figures::{Delivered, Latency, Rate, Steady},
    loader::post_straight,
    message::{FanOut, Series},
    process::Meter,
    run::{GRACE, IN_FLIGHT, LIMIT, count, quiet, settled},
    sealing::{self, Sealing},
    sink::Sink,
};
use crate::{
    cli::Call,
    config::settings::{Carrier, Settings},
    domain::delivery::Transport,
    task::Failure,
};

/// Measures the hub on PostgreSQL with this bus.
pub(super) async fn measure(
    call: &Call<'_>,
    arguments: &Arguments,
    carrier: Carrier,
) -> Result<Figures, Failure> {
    crate::app::telemetry::log(&quiet(&call.settings.log))?;
    let sink = Sink::open().await?;
    let folder = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    let place = Place::make(&folder, call, sink.address, carrier)?;
    let run = Run { place, sink, arguments, say: &|what, of| say(call, what, of) };
    let figures = run.all(carrier).await;
    let Run { sink, place, .. } = run;
    let cleared = place.clear_away().await;
    sink.close(GRACE).await?;
    let figures = figures?;
    cleared?;
    Ok(figures)
}

fn say(call: &Call<'_>, what: [&'static str; 2], of: &str) {
    // Progress is a courtesy: a closed standard error does not end the run.
    drop(writeln!(io::stderr(), "{} {of}", call.output.language.pick(what[0], what[1])));
}

struct Run<'a> {
    place: Place,
    sink: Sink,
    arguments: &'a Arguments,
    say: &'a dyn Fn([&'static str; 2], &str),
}

impl Run<'_> {
    async fn all(&self, carrier: Carrier) -> Result<Figures, Failure> {
        let mut rounds = Vec::new();
        for number in 1..=self.arguments.rounds {
            for fan_out in FanOut::ALL {
                rounds.push(self.round(number, fan_out).await?);
            }
        }
        let mut figures = Figures { carrier, rounds, steady: Vec::new() };
        for fan_out in FanOut::ALL {
            let rate = figures.half_load(fan_out);
            figures.steady.push(self.steady(fan_out, rate).await?);
        }
        Ok(figures)
    }

    async fn round(&self, number: u32, fan_out: FanOut) -> Result<Round, Failure> {
        let messages = count(self.arguments.messages);
        let of = format!("{number}/{} x{}", self.arguments.rounds, fan_out.deliveries());
        (self.say)(["送达", "delivered"], &of);
        let over_http = self.delivered(Intake::Http, fan_out, messages).await?;
        let (delivered, over_http) = if self.place.broker().is_some() {
            (self.delivered(Intake::Amqp, fan_out, messages).await?, Some(over_http))
        } else {
            (over_http, None)
        };
        (self.say)(["直接写库", "rows straight to PostgreSQL"], &of);
        let written = rows::write_again(self.place.database()).await?;
        let queue = match self.place.broker() {
            None => None,
            Some(address) => {
                (self.say)(["直接收发消息", "straight through RabbitMQ"], &of);
                Some(Broker::open(address).await?.measure(messages).await?)
            }
        };
        (self.say)(["直接 POST", "posts straight to the sink"], &of);
        self.sink.welcome();
        let took = post_straight(self.sink.address, Series::new(fan_out, 'P'), messages, IN_FLIGHT).await?;
        (self.say)(["gRPC 流送入", "streamed in over gRPC"], &of);
        let streamed = streamed::measure(&self.place, &self.sink, fan_out, messages).await?;
        (self.say)(["封存的代价", "what sealing costs"], &of);
        let sealing = self.sealing(fan_out, messages).await?;
        let posts = Rate::of(messages, took);
        Ok(Round { fan_out, written, queue, posts, delivered, over_http, streamed, sealing })
    }

    /// The same load with sealing paused, and with all of it sealed by the end.
    async fn sealing(&self, fan_out: FanOut, messages: usize) -> Result<Sealing, Failure> {
        let deliveries = messages * fan_out.deliveries();
        let paused = sealing::paused(self.place.settings());
        let (running, took) = self.through(&paused, fan_out, messages).await?;
        let paused = Rate::of(deliveries, took);
        self.end(running, deliveries).await?;
        let (running, took) = self.through(self.place.settings(), fan_out, messages).await?;
        let all = deliveries + FanOut::Four.deliveries();
        tokio::time::timeout(LIMIT, settled(running.hub(), Transport::Delivered, all)).await??;
        let rest = sealing::rest(running.hub()).await?;
        running.stop().await?;
        Ok(Sealing { paused, sealed: Rate::of(deliveries, took + rest) })
    }

    /// Hands in and delivers at once; what runs, and the time to the last arrival.
    async fn through(
        &self,
        settings: &Settings,
        fan_out: FanOut,
        messages: usize,
    ) -> Result<(Running, Duration), Failure> {
        let intake = if self.place.broker().is_some() { Intake::Amqp } else { Intake::Http };
        let mut running = self.start_set(settings, "sealing").await?;
        let deliveries = messages * fan_out.deliveries();
        let begun = tokio::time::Instant::now();
        let took = running
            .while_it_runs(async |senders| {
                senders.send(intake, Series::new(fan_out, 'E'), messages).await?;
                self.sink.taken(deliveries).await;
                Ok(begun.elapsed())
            })
            .await?;
        Ok((running, took))
    }

    /// Starts on nothing, and waits until a message has gone all the way to each system: a hub learns only after a
    /// while that a worker is there.
    async fn start(&self, name: &str) -> Result<Running, Failure> {
        self.start_set(self.place.settings(), name).await
    }

    async fn start_set(&self, settings: &Settings, name: &str) -> Result<Running, Failure> {
        self.place.empty().await?;
        self.sink.welcome();
        let mut running = self.place.start(settings, name).await?;
        let first = Series::new(FanOut::Four, 'W');
        running
            .while_it_runs(async |senders| {
                senders.send(Intake::Http, first, 1).await?;
                self.sink.taken(FanOut::Four.deliveries()).await;
                Ok(())
            })
            .await?;
        self.sink.welcome();
        Ok(running)
    }

    /// Hands in and delivers at once, from the first request to the last arrival.
    async fn delivered(
        &self,
        intake: Intake,
        fan_out: FanOut,
        messages: usize,
    ) -> Result<Delivered, Failure> {
        let mut running = self.start("delivered").await?;
        let deliveries = messages * fan_out.deliveries();
        let meter = Meter::start();
        let begun = tokio::time::Instant::now();
        let took = running
            .while_it_runs(async |senders| {
                senders.send(intake, Series::new(fan_out, 'D'), messages).await?;
                self.sink.taken(deliveries).await;
                Ok(begun.elapsed())
            })
            .await?;
        let latency = Latency::of_micros(&self.sink.ages());
        let (peak_bytes, cpu_micros) = (meter.peak_bytes(), meter.cpu_micros(deliveries));
        self.end(running, deliveries).await?;
        Ok(Delivered { rate: Rate::of(deliveries, took), latency, peak_bytes, cpu_micros })
    }

    /// Senders that come at a steady rate, one message after the other.
    async fn steady(&self, fan_out: FanOut, rate: u32) -> Result<Steady, Failure> {
        (self.say)(["半载时延", "half load"], &format!("{rate}/s x{}", fan_out.deliveries()));
        let intake = if self.place.broker().is_some() { Intake::Amqp } else { Intake::Http };
        let mut running = self.start("steady").await?;
        let messages = count(rate) * count(self.arguments.seconds);
        let deliveries = messages * fan_out.deliveries();
        running
            .while_it_runs(async |senders| {
                senders.send_at_rate(intake, Series::new(fan_out, 'T'), messages, rate).await?;
                self.sink.taken(deliveries).await;
                Ok(())
            })
            .await?;
        let latency = Latency::of_micros(&self.sink.ages());
        self.end(running, deliveries).await?;
        Ok(Steady { fan_out, rate, latency })
    }

    /// Everything must be settled as delivered, or something else was measured.
    async fn end(&self, running: Running, deliveries: usize) -> Result<(), Failure> {
        let all = deliveries + FanOut::Four.deliveries();
        let all_settled = settled(running.hub(), Transport::Delivered, all);
        tokio::time::timeout(LIMIT, all_settled).await??;
        running.stop().await
    }
}
