//! Operations on one delivery: what they need is asked for before anything is done, and the dangerous ones
//! can be rehearsed.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    cli::{
        Call, Error,
        language::Language,
        output::{rows, text},
        parse,
        reach::Hub,
        who::Who,
        words::Words,
    },
    domain::id::DeliveryId,
};

/// An operation that may say why.
#[derive(Debug, Args)]
pub(super) struct One {
    /// Delivery id, as 'deliveries list' shows it
    #[arg(value_parser = parse::delivery)]
    delivery: DeliveryId,
    /// Why; kept in the trail
    #[arg(long, value_parser = parse::not_blank)]
    reason: Option<String>,
    #[command(flatten)]
    who: Who,
}

/// An operation that somebody answers for.
#[derive(Debug, Args)]
pub(super) struct Answered {
    /// Delivery id, as 'deliveries list' shows it
    #[arg(value_parser = parse::delivery)]
    delivery: DeliveryId,
    /// Why; needed, and kept in the trail
    #[arg(long, value_parser = parse::not_blank)]
    reason: String,
    #[command(flatten)]
    who: Who,
    /// Say what would happen, do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Serving on paper.
#[derive(Debug, Args)]
pub(super) struct Offline {
    /// Delivery id, as 'deliveries list' shows it
    #[arg(value_parser = parse::delivery)]
    delivery: DeliveryId,
    /// Number of the paper that proves it (送达回证文号)
    #[arg(long, value_parser = parse::not_blank)]
    document: String,
    /// Why; kept in the trail
    #[arg(long, value_parser = parse::not_blank)]
    reason: Option<String>,
    #[command(flatten)]
    who: Who,
    /// Say what would happen, do nothing
    #[arg(long)]
    dry_run: bool,
}

/// What is asked of the hub.
pub(super) struct Asked {
    delivery: DeliveryId,
    who: Who,
    body: Value,
}

impl From<One> for Asked {
    fn from(one: One) -> Self {
        Self {
            delivery: one.delivery,
            who: one.who,
            body: json!({ "reason": one.reason.unwrap_or_default() }),
        }
    }
}

impl From<Answered> for Asked {
    fn from(answered: Answered) -> Self {
        let body = json!({ "reason": answered.reason, "dry_run": answered.dry_run });
        Self { delivery: answered.delivery, who: answered.who, body }
    }
}

impl From<Offline> for Asked {
    fn from(offline: Offline) -> Self {
        let body = json!({
            "reason": offline.reason.unwrap_or_default(), "document": offline.document, "dry_run": offline.dry_run,
        });
        Self { delivery: offline.delivery, who: offline.who, body }
    }
}

pub(super) async fn run(mut call: Call<'_>, operation: &str, asked: Asked) -> Result<(), Error> {
    let path = format!("/v1/deliveries/{}/{operation}", asked.delivery);
    let hub = Hub::to_operate(&call, &asked.who).await?;
    let done = hub.ask(Method::POST, &path, Some(asked.body)).await;
    hub.close().await?;
    let done = done?;
    if call.output.is_json() {
        return Ok(call.output.json(&done)?);
    }
    let words = Words::with_names(call.output.language, &call.settings);
    let (from, to) = (words.state(&done["from"]), words.state(&done["to"]));
    let delivery = text(&done, "delivery");
    if done["dry_run"] != true {
        return Ok(call.output.line(match call.output.language {
            Language::Zh => format!("推送 {delivery}：{from} → {to}"),
            Language::En => format!("delivery {delivery}: {from} → {to}"),
        })?);
    }
    call.output.line(match call.output.language {
        Language::Zh => format!("试运行，未作任何改动。推送 {delivery} 将由“{from}”变为“{to}”。"),
        Language::En => {
            format!("Rehearsed, nothing was changed. Delivery {delivery} would go from {from} to {to}.")
        }
    })?;
    for line in consequences(operation, &done, &words) {
        call.output.line(format!("  {}", call.output.language.pick(&line.0, &line.1)))?;
    }
    Ok(())
}

/// What follows from an operation beside the new state, in both languages.
fn consequences(operation: &str, would: &Value, words: &Words) -> Vec<(String, String)> {
    let mut lines = vec![if operation == "park" {
        let zh = "同一推送序列中排在其后的，在它处理完之前不会送出。";
        (zh.to_owned(), "What is behind it in its lane waits until it is dealt with.".to_owned())
    } else {
        ("同一推送序列中排在其后的继续送出。".to_owned(), "What is behind it in its lane goes on.".to_owned())
    }];
    for owed in rows(would, "obligations") {
        let (who, duty) = (words.organisation(&owed["organisation"]), words.duty(&owed["duty"]));
        let due = text(owed, "due");
        lines.push(match (operation, owed["duty"].as_str()) {
            ("offline", Some("sign")) => (
                format!("限时办理事项办结：{who} 的{duty}（期限 {due}）。"),
                format!("The obligation is met: '{duty}' of {who}, due {due}."),
            ),
            ("park" | "offline", _) => (
                format!("限时办理事项不变：{who} 须于 {due} 前{duty}。"),
                format!("The obligation stands: {who} owes '{duty}' by {due}."),
            ),
            _ => (
                format!("限时办理事项解除：{who} 的{duty}（期限 {due}）。"),
                format!("The obligation is released: '{duty}' of {who}, due {due}."),
            ),
        });
    }
    for hop in rows(would, "second_hops").filter_map(Value::as_str) {
        lines.push(if operation == "offline" {
            (
                format!("转报 {hop} 等的就是它：已有代推授权的随即送出，须确认的仍待确认。"),
                format!("Second hop {hop} waits for it: it goes at once if authorised, else when confirmed."),
            )
        } else {
            (
                format!("转报 {hop} 等的就是它，将继续等待，需另行处理。"),
                format!("Second hop {hop} waits for it and goes on waiting; deal with it too."),
            )
        });
    }
    lines
}
