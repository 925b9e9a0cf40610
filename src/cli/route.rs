//! `liandong route explain`: whom a message would reach, and why. Changes nothing.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Call, Error,
    language::Language,
    output::{Output, rows, text},
    parse,
    submit::read_json,
    words::Words,
};
use crate::{
    app,
    domain::{fault::Fault, route},
    port::clock::{Clock as _, SystemClock},
    proto::Wire,
};

/// What to ask.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the routing decision of a message with its reasons
    Explain {
        /// File with one message in canonical JSON, its organisation named; '-' is standard input
        file: PathBuf,
        /// As if accepted at this time (RFC 3339); now otherwise
        #[arg(long, value_name = "TIME", value_parser = parse::time)]
        at: Option<Timestamp>,
    },
}

pub(super) fn run(mut call: Call<'_>, arguments: &Arguments) -> Result<(), Error> {
    let What::Explain { file, at } = &arguments.what;
    let value = read_json(file)?;
    let wire = Wire::parse(&value).map_err(|fault| faulty(file, &[fault]))?;
    let message = wire.message().map_err(|faults| faulty(file, &faults))?;
    let world = app::load::unversioned_world(&call.settings, &call.environment)?;
    let at = at.unwrap_or_else(|| SystemClock.now());
    let history = route::History::default();
    let decision = route::route(&message, &world.registry, &world.rules, &history, &world.calendar, at)
        .map_err(|refusal| {
            let reasons = refusal.reasons.iter();
            let faults: Vec<_> = reasons.map(|it| Fault::new(&*it.field, it.cause.to_string())).collect();
            faulty(file, &faults)
        })?;
    let value = json!(decision);
    if call.output.is_json() {
        return Ok(call.output.json(&value)?);
    }
    let words = Words::with_names(call.output.language, &call.settings);
    explain(&mut call.output, &value, &words)
}

fn faulty(file: &std::path::Path, faults: &[Fault]) -> Error {
    let line = |fault: &Fault| format!("\n  {}: {}", fault.path, fault.text);
    let lines = faults.iter().map(line).collect::<Vec<_>>().concat();
    let (file, count) = (file.display(), faults.len());
    Error::said(
        format!("{file} 中的消息会被拒收，共 {count} 处：{lines}"),
        format!("the message in {file} would be refused, faults: {count}{lines}"),
    )
}

fn explain(output: &mut Output<'_>, decision: &Value, words: &Words) -> Result<(), Error> {
    let deliveries: Vec<_> = rows(decision, "deliveries")
        .map(|row| delivery_cells(row, decision, words, output.language))
        .collect();
    let heads = [
        ("接收机构", "organisation"),
        ("接入系统", "endpoint"),
        ("分工", "part"),
        ("规则", "rule"),
        ("以谁名义", "on behalf of"),
        ("起始", "start"),
    ];
    output.say("推送", "Deliveries")?;
    output.table(&heads, &deliveries)?;
    let owed: Vec<Vec<_>> = rows(decision, "obligations")
        .map(|row| {
            let who = words.organisation(&row["organisation"]);
            let term = match (row["term"].as_str(), output.language) {
                (Some("assumed"), Language::Zh) => "天数为假定".to_owned(),
                (Some("stated"), Language::Zh) => "天数有依据".to_owned(),
                _ => text(row, "term"),
            };
            vec![who, words.duty(&row["duty"]), text(row, "due"), term, text(row, "basis")]
        })
        .collect();
    let heads = [
        ("机构", "organisation"),
        ("应办", "owes"),
        ("期限", "due"),
        ("期限性质", "term"),
        ("依据", "basis"),
    ];
    output.section(("限时办理事项", "Obligations"), &heads, &owed)?;
    let reasons: Vec<_> = rows(decision, "why")
        .map(|row| {
            vec![text(row, "rule"), text(row, "basis"), because(&row["verdict"], words, output.language)]
        })
        .collect();
    let heads = [("规则", "rule"), ("依据", "basis"), ("结论", "verdict")];
    output.section(("理由", "Why"), &heads, &reasons)?;
    let doubts: Vec<_> =
        rows(decision, "warnings").map(|row| vec![text(row, "field"), text(row, "detail")]).collect();
    output.section(("存疑", "Doubts"), &[("字段", "field"), ("说明", "detail")], &doubts)?;
    output.line("")?;
    Ok(output.say(
        "按假定没有既往消息推算：更正、由既往消息得知发证机关等情形，以实际接收时为准。",
        "As if no message had come before: corrections, and issuers known from earlier messages, are decided when it is accepted.",
    )?)
}

fn delivery_cells(row: &Value, decision: &Value, words: &Words, language: Language) -> Vec<String> {
    let on_behalf_of = &row["on_behalf_of"];
    vec![
        words.organisation(&row["organisation"]),
        text(row, "endpoint"),
        words.part(&row["part"]),
        text(row, "rule"),
        if on_behalf_of.is_null() { String::new() } else { words.organisation(on_behalf_of) },
        start(&row["start"], decision, words, language),
    ]
}

fn start(start: &Value, decision: &Value, words: &Words, language: Language) -> String {
    match start["start"].as_str() {
        Some("now") => language.pick("随即推送", "at once").to_owned(),
        Some("held") => {
            let first = start["after"].as_u64().and_then(|at| usize::try_from(at).ok()).unwrap_or_default();
            let after = words.organisation(&decision["deliveries"][first]["organisation"]);
            let relay = match (start["relay"]["mode"].as_str(), language) {
                (Some("own_system"), Language::Zh) => "在自有系统转报".to_owned(),
                (Some("confirm"), Language::Zh) => "由其确认".to_owned(),
                (Some("standing_authorisation"), Language::Zh) => {
                    format!("代推授权 {}", text(&start["relay"], "document"))
                }
                (mode, _) => mode.unwrap_or_default().to_owned(),
            };
            match language {
                Language::Zh => format!("待转报：{after} 收到后，{relay}"),
                Language::En => format!("held after {after}: {relay}"),
            }
        }
        Some("parked") => {
            let parked = language.pick("待人工处理", "parked");
            words.joined([parked.to_owned(), words.reason(&start["reason"]), text(start, "detail")])
        }
        other => other.unwrap_or_default().to_owned(),
    }
}

fn because(verdict: &Value, words: &Words, language: Language) -> String {
    if verdict["verdict"] == "sent" {
        let found = rows(verdict, "to")
            .map(|it| format!("{}：{}", words.organisation(&it["organisation"]), text(it, "by")));
        return found.collect::<Vec<_>>().join("；");
    }
    let said = match (verdict["verdict"].as_str(), language) {
        (Some("not_concerned"), Language::Zh) => "不涉及",
        (Some("nothing"), Language::Zh) if verdict["parked"].is_null() => "无需送达",
        (Some("nothing"), Language::Zh) => "无接收对象",
        (other, _) => other.unwrap_or_default(),
    };
    words.joined([said.to_owned(), text(verdict, "because")])
}
