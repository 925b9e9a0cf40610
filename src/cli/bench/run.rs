//! The run: the backlog first, while the process is small; then rounds, in which every limit is measured
//! within the same minute as what is held against it; then latencies.

use std::{
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

use tokio::task::block_in_place;

use super::{
    Arguments,
    bed::{Bed, FAILURES},
    figures::{Accepted, Backlog, Delivered, Figures, Latency, Lone, Rate, Round, Steady},
    loader::{Manner, post_straight},
    message::{FanOut, MESSAGE_BYTES, Series},
    process::Meter,
    rows::{self, OneRow, Written},
    sealing::{self, Sealing},
    sink::Sink,
};
use crate::{
    app::Hub,
    cli::{Call, language::Language},
    config::settings::Settings,
    domain::delivery::Transport,
    task::Failure,
};

/// Posts under way at once when they go straight to the sink: as many as at one of its systems.
pub(super) const IN_FLIGHT: usize = 256;
/// Connections of senders that hand in batches.
pub(super) const BATCH_SENDERS: usize = 8;
/// Connections of senders that hand in one message at a time.
const SINGLE_SENDERS: usize = 64;
/// Deliveries of the backlog that are watched while they go out.
const DRAINED: usize = 100_000;
/// Between two messages of the paced lone sender: the hub has finished with the first.
const PACE: Duration = Duration::from_millis(20);
/// Longest any one measurement may take.
pub(super) const LIMIT: Duration = Duration::from_hours(1);
/// How long the sink may take to close.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// Measures everything.
pub(super) async fn measure(call: &Call<'_>, arguments: &Arguments) -> Result<Figures, Failure> {
    crate::app::telemetry::log(&quiet(&call.settings.log))?;
    let sink = Sink::open().await?;
    let place = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    let bed = Bed::make(&place, &call.settings, &call.environment, sink.address)?;
    let run = Run { bed, sink, arguments, language: call.output.language };
    let figures = run.all().await;
    let Run { sink, .. } = run;
    sink.close(GRACE).await?;
    figures
}

/// Warnings only: the log is not what is measured.
pub(super) fn quiet(log: &crate::config::settings::Log) -> crate::config::settings::Log {
    crate::config::settings::Log { filter: "warn".into(), ..log.clone() }
}

struct Run<'a> {
    bed: Bed,
    sink: Sink,
    arguments: &'a Arguments,
    language: Language,
}

impl Run<'_> {
    async fn all(&self) -> Result<Figures, Failure> {
        let backlog = self.backlog().await?;
        let mut rounds = Vec::new();
        for number in 1..=self.arguments.rounds {
            for fan_out in FanOut::ALL {
                rounds.push(self.round(number, fan_out).await?);
            }
        }
        let mut steady = Vec::new();
        for fan_out in FanOut::ALL {
            steady.push(self.steady(fan_out).await?);
        }
        let lone = self.lone().await?;
        self.bed.clear()?;
        Ok(Figures { rounds, steady, lone, backlog })
    }

    async fn round(&self, number: u32, fan_out: FanOut) -> Result<Round, Failure> {
        let (messages, singles) = (count(self.arguments.messages), count(self.arguments.singles));
        let of = format!("{number}/{} x{}", self.arguments.rounds, fan_out.deliveries());
        self.say(["送达（批量受理）", "delivered from batches"], &of);
        let delivered_batches = self.delivered(fan_out, messages, Manner::InBatches(BATCH_SENDERS)).await?;
        self.say(["直接写库", "rows straight to SQLite"], &of);
        let written = self.rows()?;
        self.say(["直接 POST", "posts straight to the sink"], &of);
        self.sink.welcome();
        let series = Series::new(fan_out, 'P');
        let deliveries = messages.max(singles);
        let took = post_straight(self.sink.address, series, deliveries, IN_FLIGHT).await?;
        let posts = Rate::of(deliveries, took);
        self.say(["受理", "accepted"], &of);
        let (accepted_batches, accepted_singles) = self.accepted(fan_out, messages, singles).await?;
        self.say(["送达（逐条受理）", "delivered from singles"], &of);
        let delivered_singles = self.delivered(fan_out, singles, Manner::Singly(SINGLE_SENDERS)).await?;
        self.say(["封存的代价", "what sealing costs"], &of);
        let sealing = self.sealing(fan_out, messages).await?;
        Ok(Round {
            fan_out,
            written,
            posts,
            accepted_batches,
            accepted_singles,
            delivered_batches,
            delivered_singles,
            sealing,
        })
    }

    /// The same load with sealing paused, and with all of it sealed by the end.
    async fn sealing(&self, fan_out: FanOut, messages: usize) -> Result<Sealing, Failure> {
        let paused = sealing::paused(&self.bed.settings);
        let (hub, took) = self.through(&paused, fan_out, messages).await?;
        let paused = Rate::of(messages * fan_out.deliveries(), took);
        hub.stop().await?;
        let (hub, took) = self.through(&self.bed.settings, fan_out, messages).await?;
        let rest = sealing::rest(&hub).await?;
        let sealed = Rate::of(messages * fan_out.deliveries(), took + rest);
        hub.stop().await?;
        Ok(Sealing { paused, sealed })
    }

    /// Hands in and delivers at once; the hub when all is settled, and the time to the last arrival.
    async fn through(
        &self,
        settings: &Settings,
        fan_out: FanOut,
        messages: usize,
    ) -> Result<(Hub, Duration), Failure> {
        self.bed.clear()?;
        self.sink.welcome();
        let (mut hub, loader) = self.bed.start_set(settings, "sealing").await?;
        let deliveries = messages * fan_out.deliveries();
        let begun = tokio::time::Instant::now();
        let work = async {
            let manner = Manner::InBatches(BATCH_SENDERS);
            loader.send(Series::new(fan_out, 'E'), 0, messages, manner).await?;
            self.sink.taken(deliveries).await;
            Ok(begun.elapsed())
        };
        let took = watched(&mut hub, work).await?;
        tokio::time::timeout(LIMIT, settled(&hub, Transport::Delivered, deliveries)).await??;
        Ok((hub, took))
    }

    /// Hands in and delivers at once, from the first request to the last arrival.
    async fn delivered(
        &self,
        fan_out: FanOut,
        messages: usize,
        manner: Manner,
    ) -> Result<Delivered, Failure> {
        self.bed.clear()?;
        self.sink.welcome();
        let (mut hub, loader) = self.bed.start("delivered").await?;
        let deliveries = messages * fan_out.deliveries();
        let meter = Meter::start();
        let begun = tokio::time::Instant::now();
        let work = async {
            loader.send(Series::new(fan_out, 'D'), 0, messages, manner).await?;
            self.sink.taken(deliveries).await;
            Ok(begun.elapsed())
        };
        let took = watched(&mut hub, work).await?;
        let latency = Latency::of_micros(&self.sink.ages());
        let (peak_bytes, cpu_micros) = (meter.peak_bytes(), meter.cpu_micros(deliveries));
        let all_settled = settled(&hub, Transport::Delivered, deliveries);
        tokio::time::timeout(LIMIT, all_settled).await??;
        hub.stop().await?;
        Ok(Delivered { rate: Rate::of(deliveries, took), latency, peak_bytes, cpu_micros })
    }

    /// The rows of the hub that ran last, written again.
    fn rows(&self) -> Result<Written, Failure> {
        let copy = self.bed.home().join("rows");
        std::fs::create_dir_all(&copy)?;
        let (from, to) = (self.bed.database(), copy.join("rows.db"));
        let written = block_in_place(|| rows::write_again(&from, &to))?;
        std::fs::remove_dir_all(&copy)?;
        Ok(written)
    }

    /// Takes messages in while the systems they are for are down.
    async fn accepted(
        &self,
        fan_out: FanOut,
        messages: usize,
        singles: usize,
    ) -> Result<(Accepted, Accepted), Failure> {
        self.bed.clear()?;
        let (mut hub, loader) = self.paused(fan_out).await?;
        let work = async {
            let meter = Meter::start();
            let series = Series::new(fan_out, 'A');
            let took = loader.send(series, 0, messages, Manner::InBatches(BATCH_SENDERS)).await?;
            let batches = Accepted { rate: Rate::of(messages, took), cpu_micros: meter.cpu_micros(messages) };
            let meter = Meter::start();
            let series = Series::new(fan_out, 'S');
            let took = loader.send(series, 0, singles, Manner::Singly(SINGLE_SENDERS)).await?;
            Ok((batches, Accepted { rate: Rate::of(singles, took), cpu_micros: meter.cpu_micros(singles) }))
        };
        let rates = watched(&mut hub, work).await?;
        hub.stop().await?;
        Ok(rates)
    }

    /// A hub whose breakers are open: just as many messages as that takes have been sent in vain.
    async fn paused(&self, fan_out: FanOut) -> Result<(Hub, super::loader::Loader), Failure> {
        self.sink.shut();
        let (mut hub, loader) = self.bed.start("paused").await?;
        let work = async {
            loader.send(Series::new(fan_out, 'V'), 0, FAILURES, Manner::Singly(1)).await?;
            self.sink.refused(FAILURES * fan_out.deliveries()).await;
            Ok(())
        };
        watched(&mut hub, work).await?;
        let all = settled(&hub, Transport::Scheduled, FAILURES * fan_out.deliveries());
        tokio::time::timeout(LIMIT, all).await??;
        Ok((hub, loader))
    }

    async fn backlog(&self) -> Result<Backlog, Failure> {
        let fan_out = FanOut::Four;
        let messages = count(self.arguments.backlog).div_ceil(fan_out.deliveries());
        let deliveries = messages * fan_out.deliveries();
        self.say(["积压", "backlog"], &deliveries.to_string());
        self.bed.clear()?;
        let (mut hub, loader) = self.paused(fan_out).await?;
        let meter = Meter::start();
        let series = Series::new(fan_out, 'B');
        let send = loader.send(series, 0, messages, Manner::InBatches(BATCH_SENDERS));
        let took = watched(&mut hub, send).await?;
        let peak_bytes = meter.peak_bytes();
        hub.stop().await?;
        self.say(["积压送出", "backlog goes out"], "");
        self.sink.welcome();
        let drained = deliveries.min(DRAINED);
        let meter = Meter::start();
        let begun = tokio::time::Instant::now();
        let (mut hub, _) = self.bed.start("drained").await?;
        let work = async {
            self.sink.taken(drained).await;
            Ok(begun.elapsed())
        };
        let draining = watched(&mut hub, work).await?;
        let draining_peak_bytes = meter.peak_bytes();
        let draining = Rate::of(self.sink.count(), draining);
        hub.stop().await?;
        self.bed.clear()?;
        let accepted = Rate::of(messages, took);
        Ok(Backlog { deliveries, accepted, peak_bytes, drained, draining, draining_peak_bytes })
    }

    /// Senders that come at a steady rate, one message a request.
    async fn steady(&self, fan_out: FanOut) -> Result<Steady, Failure> {
        let Arguments { rate, seconds, .. } = *self.arguments;
        self.say(["稳定速率", "steady rate"], &format!("{rate}/s x{}", fan_out.deliveries()));
        self.bed.clear()?;
        self.sink.welcome();
        let (mut hub, loader) = self.bed.start("steady").await?;
        let messages = count(rate) * count(seconds);
        let work = async {
            loader.send_at_rate(Series::new(fan_out, 'T'), messages, rate).await?;
            self.sink.taken(messages * fan_out.deliveries()).await;
            Ok(())
        };
        watched(&mut hub, work).await?;
        let latency = Latency::of_micros(&self.sink.ages());
        hub.stop().await?;
        Ok(Steady { fan_out, rate, latency })
    }

    /// One sender, turn about with one-row commits on the same disk; then without a pause.
    async fn lone(&self) -> Result<Lone, Failure> {
        let messages = count(self.arguments.lone);
        self.say(["单个发送方", "lone sender"], &messages.to_string());
        self.bed.clear()?;
        self.sink.welcome();
        let one_row = one_row(&self.bed.home().join("one-row"))?;
        let (mut hub, loader) = self.bed.start("lone").await?;
        let series = Series::new(FanOut::One, 'L');
        let mut sender = loader.lone()?;
        let work = async {
            let (mut commits, mut paced, mut pressing) = (Vec::new(), Vec::new(), Vec::new());
            for number in 0..messages {
                tokio::time::sleep(PACE).await;
                commits.push(block_in_place(|| one_row.commit())?);
                tokio::time::sleep(PACE).await;
                paced.push(block_in_place(|| sender.send(&series.event(number)))?);
            }
            for number in messages..2 * messages {
                pressing.push(block_in_place(|| sender.send(&series.event(number)))?);
            }
            let [commit, paced, pressing] = [commits, paced, pressing].map(|times| Latency::of(&times));
            Ok(Lone { commit, paced, pressing })
        };
        let lone = watched(&mut hub, work).await?;
        hub.stop().await?;
        Ok(lone)
    }

    fn say(&self, what: [&'static str; 2], of: &str) {
        // Progress is a courtesy: a closed standard error does not end the run.
        drop(writeln!(io::stderr(), "{} {of}", self.language.pick(what[0], what[1])));
    }
}

fn one_row(folder: &Path) -> Result<OneRow, Failure> {
    std::fs::create_dir_all(folder)?;
    Ok(OneRow::open(&folder.join("one.db"), MESSAGE_BYTES)?)
}

/// Does the work while the hub runs; a hub that fails ends it, and so does a limit.
async fn watched<T>(hub: &mut Hub, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        done = tokio::time::timeout(LIMIT, work) => done?,
        error = hub.watch() => Err(error.into()),
    }
}

/// Waits until all the deliveries there should be are in a state; others than these are a fault of the run.
pub(super) async fn settled(hub: &Hub, state: Transport, count: usize) -> Result<(), Failure> {
    let store = hub.store();
    loop {
        let counts = store.counts().await?;
        let all: u64 = counts.iter().map(|it| it.deliveries).sum();
        if all != count as u64 {
            return Err(format!("routing made {all} deliveries where {count} were to be measured").into());
        }
        if counts.iter().filter(|it| it.state == state).map(|it| it.deliveries).sum::<u64>() == all {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A count of the command line.
pub(super) fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
