//! The figures for people: limits and hub side by side, then the goals.

use std::io;

use super::figures::{Figures, Goal, Round};
use crate::cli::{bench::message::FanOut, output::Output};

/// One line of a table: what it is in both languages, and where its figure is found.
type Line = ([&'static str; 2], fn(&Round) -> f64);

const LINES: [Line; 14] = [
    (["直接写库：受理，条/秒", "rows straight: acceptance, messages/s"], |it| it.written.rows().0),
    (["直接写库：领取，件/秒", "rows straight: claiming, deliveries/s"], |it| {
        it.written.settlements()[0].0
    }),
    (["直接写库：结算，件/秒", "rows straight: settling, deliveries/s"], |it| {
        it.written.settlements()[1].0
    }),
    (["直接 POST 到接收端，件/秒", "HTTP posts straight to the sink /s"], |it| it.posts.0),
    (["送达上限（各环节串联），件/秒", "limit of delivery, stages in a row /s"], |it| {
        it.limit().0
    }),
    (["枢纽：批量受理，条/秒", "hub: accepted in batches, messages/s"], |it| {
        it.accepted_batches.rate.0
    }),
    (["枢纽：逐条受理，条/秒", "hub: accepted singly, messages/s"], |it| {
        it.accepted_singles.rate.0
    }),
    (["枢纽：送达（批量受理），件/秒", "hub: delivered from batches /s"], |it| {
        it.delivered_batches.rate.0
    }),
    (["枢纽：送达（逐条受理），件/秒", "hub: delivered from singles /s"], |it| {
        it.delivered_singles.rate.0
    }),
    (["枢纽：送达，封存暂停，件/秒", "hub: delivered, sealing paused /s"], |it| {
        it.sealing.paused.0
    }),
    (["枢纽：送达并全部封存，件/秒", "hub: delivered and all sealed /s"], |it| {
        it.sealing.sealed.0
    }),
    (["处理器时间，批量受理一条，微秒", "processor time, accepted in batches, us"], |it| {
        it.accepted_batches.cpu_micros.unwrap_or(f64::NAN)
    }),
    (["处理器时间，送达一件，微秒", "processor time, delivered from batches, us"], |it| {
        it.delivered_batches.cpu_micros.unwrap_or(f64::NAN)
    }),
    (["满载时受理到送达 p50，毫秒", "acceptance to delivery, saturated, p50 ms"], |it| {
        it.delivered_batches.latency.p50_ms
    }),
];

/// Prints all of it.
pub(super) fn print(output: &mut Output<'_>, figures: &Figures) -> io::Result<()> {
    let language = output.language;
    let pick = |texts: [&'static str; 2]| language.pick(texts[0], texts[1]).to_owned();
    let median = |fan_out, of: fn(&Round) -> f64| number(figures.median(fan_out, of));
    let rows: Vec<Vec<String>> = LINES
        .iter()
        .map(|(name, of)| vec![pick(*name), median(FanOut::One, *of), median(FanOut::Four, *of)])
        .collect();
    output.table(&[("中位数", "median"), ("扇出 1", "fan-out 1"), ("扇出 4", "fan-out 4")], &rows)?;
    output.line("")?;
    output.table(&[("", ""), ("p50 毫秒", "p50 ms"), ("p99 毫秒", "p99 ms")], &latencies(figures, pick))?;
    output.line("")?;
    let backlog = figures.backlog;
    let megabytes =
        |bytes: Option<u64>| bytes.map_or_else(|| "-".to_owned(), |bytes| (bytes / 1_000_000).to_string());
    output.line(format!(
        "{}: {} ({} MB)  {}: {} ({}/s, {} MB)",
        language.pick("积压，件", "backlog, deliveries"),
        backlog.deliveries,
        megabytes(backlog.peak_bytes),
        language.pick("重启后送达", "delivered after a restart"),
        backlog.drained,
        number(backlog.draining.0),
        megabytes(backlog.draining_peak_bytes),
    ))?;
    output.line("")?;
    goals(output, &figures.goals())
}

fn latencies(figures: &Figures, pick: impl Fn([&'static str; 2]) -> String) -> Vec<Vec<String>> {
    let line = |name: String, latency: super::figures::Latency| {
        vec![name, format!("{:.2}", latency.p50_ms), format!("{:.2}", latency.p99_ms)]
    };
    let mut lines: Vec<_> = figures
        .steady
        .iter()
        .map(|it| {
            let name = pick(["受理到送达", "acceptance to delivery"]);
            line(format!("{name}, {} /s x {}", it.rate, it.fan_out.deliveries()), it.latency)
        })
        .collect();
    lines.push(line(pick(["单行提交", "one-row commit"]), figures.lone.commit));
    lines.push(line(pick(["单个发送方，有间隔", "lone sender, paced"]), figures.lone.paced));
    lines.push(line(pick(["单个发送方，连续", "lone sender, pressing"]), figures.lone.pressing));
    lines
}

/// The goals, and how far each was reached.
pub(super) fn goals(output: &mut Output<'_>, goals: &[Goal]) -> io::Result<()> {
    let language = output.language;
    let pick = |texts: [&'static str; 2]| language.pick(texts[0], texts[1]).to_owned();
    let rows: Vec<Vec<String>> = goals
        .iter()
        .map(|it| {
            let fan_out = it.fan_out.map_or(String::new(), |fan_out| format!(" x{}", fan_out.deliveries()));
            vec![
                format!("{}{fan_out}", pick(it.name)),
                number(it.figure),
                number(it.limit),
                format!("{:.2} [{:.2}-{:.2}]", it.ratio.median, it.ratio.lowest, it.ratio.highest),
                format!("{}", it.wanted),
                if it.reached { pick(["达到", "reached"]) } else { pick(["未达到", "not reached"]) },
            ]
        })
        .collect();
    let heads = [
        ("目标", "goal"),
        ("实测", "figure"),
        ("上限", "limit"),
        ("比值", "ratio"),
        ("目标值", "wanted"),
        ("", ""),
    ];
    output.table(&heads, &rows)
}

pub(super) fn number(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
