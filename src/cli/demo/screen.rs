//! What the demo shows: progress, the table per level and organisation, one message's trail, the verdict.
//!
//! Everything is written to the writer it is given, in Chinese or English.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use jiff::tz::Offset;
use serde::Serialize;

use super::{
    party::{fault::Fault, script::Script},
    promises::{self, Broken},
    story::Stories,
    tally::Tally,
};
use crate::{
    cli::{
        language::Language,
        table::{Align, Table},
    },
    domain::{
        delivery::{Acknowledgement, Transport},
        division::Level,
        id::OrganisationId,
        kind::Kind,
        registry::Registry,
    },
    port::store::{AttemptRow, DeliveryRow, TrailRow},
};

/// Totals of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Messages accepted.
    pub messages: usize,
    /// Deliveries with their target.
    pub delivered: usize,
    /// On the way: ready, leased, scheduled.
    pub moving: usize,
    /// Of these, waiting for another attempt.
    pub scheduled: usize,
    /// Held for a person's word.
    pub held: usize,
    /// Parked.
    pub parked: usize,
}

impl Totals {
    /// Counts.
    pub fn of(store: &promises::Store) -> Self {
        let count = |state| store.deliveries.iter().filter(|row| row.state == state).count();
        Self {
            messages: store.messages.len(),
            delivered: count(Transport::Delivered),
            moving: promises::moving(store).count(),
            scheduled: count(Transport::Scheduled),
            held: count(Transport::Held),
            parked: count(Transport::Parked),
        }
    }
}

/// One party, and what is wrong with its system today.
pub fn party(out: &mut dyn Write, language: Language, script: &Script) -> io::Result<()> {
    let name = language.pick(&script.name.zh, &script.name.en);
    let faults: Vec<String> = script.faults.iter().map(|fault| said(language, fault)).collect();
    if faults.is_empty() {
        return writeln!(out, "  · {name}");
    }
    writeln!(out, "  · {name}  ✗ {}", faults.join(language.pick("；", "; ")))
}

fn said(language: Language, fault: &Fault) -> String {
    match (language, fault) {
        (Language::Zh, Fault::Down { for_ms }) => format!("开始后 {for_ms} 毫秒内系统停机"),
        (Language::Zh, Fault::Busy { requests }) => format!("前 {requests} 次请求答复 200，正文却说失败"),
        (Language::Zh, Fault::Refuse { .. }) => "永久拒收个别记录".to_owned(),
        (Language::Zh, Fault::Slow { by_ms }) => format!("每次请求慢 {by_ms} 毫秒"),
        (Language::Zh, Fault::Cut { every }) => format!("每 {every} 次请求有一次收下后断开连接"),
        (Language::En, Fault::Down { for_ms }) => format!("down for the first {for_ms} ms"),
        (Language::En, Fault::Busy { requests }) => {
            format!("answers the first {requests} requests by 200 with a failure in the body")
        }
        (Language::En, Fault::Refuse { .. }) => "refuses some records for good".to_owned(),
        (Language::En, Fault::Slow { by_ms }) => format!("takes {by_ms} ms more for each request"),
        (Language::En, Fault::Cut { every }) => {
            format!("takes one request in {every}, then breaks the connection")
        }
    }
}

/// One line of progress.
pub fn progress(out: &mut dyn Write, language: Language, seconds: f64, totals: Totals) -> io::Result<()> {
    let Totals { messages, delivered, moving, scheduled, held, parked } = totals;
    match language {
        Language::Zh => writeln!(
            out,
            "  {seconds:5.1} 秒  接收 {messages:4}  送达 {delivered:5}  在途 {moving:4}（待重试 {scheduled}）  \
             待转报 {held}  待人工 {parked}"
        ),
        Language::En => writeln!(
            out,
            "  {seconds:5.1} s  accepted {messages:4}  delivered {delivered:5}  moving {moving:4} \
             ({scheduled} to retry)  held {held}  parked {parked}"
        ),
    }
}

/// The table per level and organisation.
pub fn organisations(out: &mut dyn Write, language: Language, tallies: &[Tally]) -> io::Result<()> {
    let heads = language.pick(
        "机构|发来|送达|重试|待转报|待人工|签收|反馈",
        "organisation|sent|delivered|retried|held|parked|signed|answered",
    );
    let columns = heads.split('|').enumerate();
    let mut table =
        Table::new(columns.map(|(at, head)| (head, if at == 0 { Align::Left } else { Align::Right })));
    let mut level_before = None;
    for tally in tallies {
        if level_before.replace(tally.level) != Some(tally.level) {
            table.row([heading(language, tally.level).to_owned()]);
        }
        let nobody = language.pick("（无接收机构）", "(nobody found)");
        let name = tally.name.as_deref().unwrap_or(nobody);
        let numbers = [
            tally.sent,
            tally.delivered,
            tally.retried,
            tally.held,
            tally.parked,
            tally.signed,
            tally.answered,
        ];
        table.row(std::iter::once(format!("  {name}")).chain(numbers.map(number)));
    }
    table.write(out, 2)
}

fn number(count: usize) -> String {
    if count == 0 { "·".to_owned() } else { count.to_string() }
}

fn heading(language: Language, level: Option<Level>) -> &'static str {
    match (language, level) {
        (Language::Zh, Some(level)) => level.chinese(),
        (Language::En, Some(level)) => level.as_str(),
        (Language::Zh, None) => "未找到",
        (Language::En, None) => "not found",
    }
}

/// How many messages of each kind there were.
pub fn kinds(out: &mut dyn Write, language: Language, counts: &BTreeMap<Kind, usize>) -> io::Result<()> {
    let counted: Vec<String> = counts
        .iter()
        .map(|(kind, count)| format!("{} {count}", language.pick(kind.row().chinese, kind.as_str())))
        .collect();
    writeln!(out, "  {}", counted.join(language.pick("，", ", ")))
}

/// One delivery of the message whose trail is shown, with its attempts.
#[derive(Debug)]
pub struct Journey {
    /// The delivery.
    pub delivery: DeliveryRow,
    /// Its attempts.
    pub attempts: Vec<AttemptRow>,
}

/// One message's trail: where it went, attempt by attempt, then the entries of the sealed log.
pub fn trail(
    out: &mut dyn Write,
    language: Language,
    registry: &Registry,
    journeys: &[Journey],
    entries: &[TrailRow],
) -> io::Result<()> {
    for Journey { delivery, attempts } in journeys {
        let name = |id: Option<&OrganisationId>| {
            id.and_then(|id| registry.organisation(id)).map_or("—", |one| &one.name).to_owned()
        };
        let state = language.pick(delivery.state.chinese(), delivery.state.as_str());
        let acknowledgement = match delivery.acknowledgement {
            Acknowledgement::None => "",
            other => language.pick(other.chinese(), other.as_str()),
        };
        let on_behalf = delivery.on_behalf_of.as_ref().map_or(String::new(), |id| {
            format!("{}{}", language.pick("，代 ", ", in the name of "), name(Some(id)))
        });
        let to = name(delivery.organisation.as_ref());
        writeln!(out, "  → {to}{on_behalf}  [{state} {acknowledgement}]  {}", delivery.rule)?;
        for attempt in attempts {
            let at = clock(attempt.ended_at);
            writeln!(out, "      {at}  #{} {}  {}", attempt.attempt, attempt.outcome, attempt.peer)?;
        }
    }
    for entry in entries {
        let position = entry.position.map_or_else(|| "-".to_owned(), |at| at.to_string());
        writeln!(out, "      {}  {position:>6}  {}", clock(entry.at), entry.event)?;
    }
    Ok(())
}

fn clock(at: jiff::Timestamp) -> String {
    Offset::constant(8).to_datetime(at).strftime("%H:%M:%S%.3f").to_string()
}

/// How each case ended.
pub fn stories(
    out: &mut dyn Write,
    language: Language,
    stories: &Stories,
    broken: &[Broken],
) -> io::Result<()> {
    for story in &stories.stories {
        let is_this = |one: &Broken| matches!(one, Broken::Story { case, .. } if *case == story.id);
        let mark = if broken.iter().any(is_this) { '✗' } else { '✓' };
        writeln!(out, "  {mark} {}  {}", language.pick(&story.name.zh, &story.name.en), story.basis)?;
    }
    Ok(())
}

/// The verdict.
pub fn verdict(out: &mut dyn Write, language: Language, broken: &[Broken]) -> io::Result<()> {
    if broken.is_empty() {
        return writeln!(
            out,
            "  {}",
            language
                .pick("各项承诺均已核对，全部兑现。", "every promise was checked and every one was kept.")
        );
    }
    for one in broken {
        writeln!(out, "  ✗ {one}")?;
    }
    Ok(())
}
