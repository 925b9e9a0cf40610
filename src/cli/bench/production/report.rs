//! The figures of the shape of production for people.

use std::io;

use super::figures::{Figures, Round};
use crate::{
    cli::{
        bench::{
            message::FanOut,
            report::{goals, number},
        },
        output::Output,
    },
    config::settings::Carrier,
};

/// One line of a table: what it is in both languages, and where its figure is found.
type Line = ([&'static str; 2], fn(&Round) -> Option<f64>);

const LINES: [Line; 17] = [
    (["直接写库：受理，条/秒", "rows straight: acceptance, messages/s"], |it| {
        Some(it.written.rows().0)
    }),
    (["直接写库：领取，件/秒", "rows straight: claiming, deliveries/s"], |it| {
        Some(it.written.settlements()[0].0)
    }),
    (["直接写库：结算，件/秒", "rows straight: settling, deliveries/s"], |it| {
        Some(it.written.settlements()[1].0)
    }),
    (["直接发布（窗口 1000），件/秒", "publish with confirm, window 1000 /s"], |it| {
        it.queue.map(|queue| queue.published.0)
    }),
    (["直接消费（每 50 件确认），件/秒", "consume, ack every 50 /s"], |it| {
        it.queue.map(|queue| queue.consumed.0)
    }),
    (["直接收发，同时进行，件/秒", "publish and consume at once /s"], |it| {
        it.queue.map(|queue| queue.pair.0)
    }),
    (["直接 POST 到接收端，件/秒", "HTTP posts straight to the sink /s"], |it| Some(it.posts.0)),
    (["送达上限（各环节串联），件/秒", "limit of delivery, stages in a row /s"], |it| {
        Some(it.limit().0)
    }),
    (["枢纽：送达，件/秒", "hub: delivered /s"], |it| Some(it.delivered.rate.0)),
    (["HTTP 送入时的上限，件/秒", "limit, handed in over HTTP /s"], |it| {
        it.over_http.map(|_| it.limit_over_http().0)
    }),
    (["枢纽：送达，HTTP 送入，件/秒", "hub: delivered, handed in over HTTP /s"], |it| {
        it.over_http.map(|over_http| over_http.rate.0)
    }),
    (["直接 gRPC 流，条/秒", "gRPC streams alone, messages/s"], |it| Some(it.streamed.stream.0)),
    (["gRPC 流送入时的上限，件/秒", "limit with gRPC streams, workers inside /s"], |it| {
        Some(it.streamed.limit(it).0)
    }),
    (["枢纽（gRPC 流送入）：送达，件/秒", "hub, streamed in over gRPC: delivered /s"], |it| {
        Some(it.streamed.delivered.rate.0)
    }),
    (["枢纽：送达，封存暂停，件/秒", "hub: delivered, sealing paused /s"], |it| {
        Some(it.sealing.paused.0)
    }),
    (["枢纽：送达并全部封存，件/秒", "hub: delivered and all sealed /s"], |it| {
        Some(it.sealing.sealed.0)
    }),
    (
        ["处理器时间（不含数据库和总线），微秒", "processor time without database and broker, us"],
        |it| it.delivered.cpu_micros,
    ),
];

/// Prints all of it.
pub(in crate::cli::bench) fn print(output: &mut Output<'_>, figures: &Figures) -> io::Result<()> {
    let language = output.language;
    let pick = |texts: [&'static str; 2]| language.pick(texts[0], texts[1]).to_owned();
    output.line(match figures.carrier {
        Carrier::Rabbitmq => language.pick(
            "消息经 AMQP 送入（发布窗口 1000），并另经 HTTP 送入一次以作比较。",
            "Messages are handed in over AMQP (publish window 1000), and once more over HTTP.",
        ),
        Carrier::Local => language.pick("消息经 HTTP 送入。", "Messages are handed in over HTTP."),
    })?;
    let is_crossed = |line: &&Line| figures.rounds.iter().any(|round| line.1(round).is_some());
    let median = |fan_out, of: fn(&Round) -> Option<f64>| {
        number(figures.median(fan_out, |round| of(round).unwrap_or(f64::NAN)))
    };
    let rows: Vec<Vec<String>> = LINES
        .iter()
        .filter(is_crossed)
        .map(|(name, of)| vec![pick(*name), median(FanOut::One, *of), median(FanOut::Four, *of)])
        .collect();
    output.table(&[("中位数", "median"), ("扇出 1", "fan-out 1"), ("扇出 4", "fan-out 4")], &rows)?;
    output.line("")?;
    let name = pick(["受理到送达，半载", "acceptance to delivery, half load"]);
    let steady: Vec<_> = figures
        .steady
        .iter()
        .map(|it| {
            let name = format!("{name}, {} /s x {}", it.rate, it.fan_out.deliveries());
            vec![name, format!("{:.2}", it.latency.p50_ms), format!("{:.2}", it.latency.p99_ms)]
        })
        .collect();
    output.table(&[("", ""), ("p50 毫秒", "p50 ms"), ("p99 毫秒", "p99 ms")], &steady)?;
    output.line("")?;
    goals(output, &figures.goals())?;
    if figures.carrier == Carrier::Rabbitmq {
        for pair in figures.pairs() {
            let fan_out = pair.fan_out.map_or(0, FanOut::deliveries);
            let (median, lowest, highest) = (pair.ratio.median, pair.ratio.lowest, pair.ratio.highest);
            output.line(format!("{} x{fan_out}: {median:.2} [{lowest:.2}-{highest:.2}]", pick(pair.name)))?;
        }
    }
    Ok(())
}
