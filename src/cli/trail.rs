//! `liandong trail`: what happened to a message, found by what people hold: its id, the id of one of its
//! deliveries, or its business key.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Call, Error,
    deliveries::because,
    output::{Heads, Output, answer, rows, text},
    parse,
    reach::{self, Hub, encoded, query},
    words::{Words, time},
};
use crate::domain::kind::Kind;

/// Which message.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Message id, delivery id, or business key
    #[arg(value_name = "ID_OR_KEY")]
    what: String,
    /// Of a business key: the organisation that sent it, by id or by name
    #[arg(long)]
    organisation: Option<String>,
    /// Of a business key: the kind
    #[arg(long, value_parser = parse::kind())]
    kind: Option<Kind>,
    /// Of a business key: the revision; the newest otherwise
    #[arg(long)]
    revision: Option<u32>,
}

/// What was found.
struct Found {
    message: Value,
    /// The one delivery that was asked for, with its attempts.
    delivery: Option<Value>,
    trail: Vec<Value>,
    /// Revisions of the same key beside it.
    others: Vec<String>,
}

pub(super) async fn run(mut call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let words = Words::with_names(call.output.language, &call.settings);
    let hub = Hub::to_look(&call).await?;
    let found = find(&hub, &arguments, &words).await;
    hub.close().await?;
    let found = found?;
    if call.output.is_json() {
        let mut whole = json!({ "message": found.message, "trail": found.trail });
        if let Some(delivery) = found.delivery {
            whole["delivery"] = delivery;
        }
        return Ok(call.output.json(&whole)?);
    }
    show(&mut call.output, &found, &words)
}

async fn find(hub: &Hub, arguments: &Arguments, words: &Words) -> Result<Found, Error> {
    match arguments.what.parse::<Uuid>() {
        Ok(id) => by_id(hub, id).await,
        Err(_) => by_key(hub, arguments, words).await,
    }
}

async fn by_id(hub: &Hub, id: Uuid) -> Result<Found, Error> {
    if let Some(message) = if_there(hub.ask(Method::GET, &format!("/v1/messages/{id}"), None).await)? {
        return of_message(hub, message).await;
    }
    let delivery = if_there(hub.ask(Method::GET, &format!("/v1/deliveries/{id}"), None).await)?;
    let delivery = delivery.ok_or_else(|| {
        Error::said(
            format!("没有编号为 {id} 的消息或推送"),
            format!("no message and no delivery has the id {id}"),
        )
    })?;
    let path = format!("/v1/messages/{}", text(&delivery, "message"));
    let mut found = of_message(hub, hub.ask(Method::GET, &path, None).await?).await?;
    let own = &delivery["id"];
    found.trail.retain(|entry| entry["delivery"].is_null() || entry["delivery"] == *own);
    found.delivery = Some(delivery);
    Ok(found)
}

async fn by_key(hub: &Hub, arguments: &Arguments, words: &Words) -> Result<Found, Error> {
    let organisation = arguments.organisation.as_deref().map(|named| words.organisation_named(named));
    let revision = arguments.revision.map(|revision| revision.to_string());
    let query = query(&[
        ("business_key", Some(&arguments.what)),
        ("organisation", organisation.as_deref()),
        ("kind", arguments.kind.map(Kind::as_str)),
        ("revision", revision.as_deref()),
    ]);
    let heads = hub.ask(Method::GET, &format!("/v1/messages{query}"), None).await?;
    let heads = heads.as_array().cloned().unwrap_or_default();
    let what = &arguments.what;
    let newest = heads.first().ok_or_else(|| {
        Error::said(
            format!("没有这样的消息：业务编号“{what}”（也不是消息编号或推送编号）"),
            format!("no message is like that: business key '{what}' (which is no id of a message or delivery either)"),
        )
    })?;
    let key = |head: &Value| (text(head, "organisation"), text(head, "kind"));
    if heads.iter().any(|head| key(head) != key(newest)) {
        return Err(several(&heads, what, words));
    }
    let path = format!("/v1/messages/{}", encoded(&text(newest, "id")));
    let mut found = of_message(hub, hub.ask(Method::GET, &path, None).await?).await?;
    found.others = heads.iter().skip(1).map(|head| text(head, "revision")).collect();
    Ok(found)
}

fn several(heads: &[Value], what: &str, words: &Words) -> Error {
    let line = |head: &Value| {
        let (who, kind) = (text(head, "organisation"), text(head, "kind"));
        format!("\n  --organisation {who} --kind {kind}  {}  {}", words.kind(&head["kind"]), text(head, "id"))
    };
    let lines = heads.iter().map(line).collect::<Vec<_>>().concat();
    Error::said(
        format!("业务编号“{what}”有几类消息，请指明其一：{lines}"),
        format!("several messages have the business key '{what}', say which:{lines}"),
    )
}

async fn of_message(hub: &Hub, message: Value) -> Result<Found, Error> {
    let path = format!("/v1/messages/{}/trail", text(&message, "id"));
    let trail = hub.ask(Method::GET, &path, None).await?;
    let trail = trail.as_array().cloned().unwrap_or_default();
    Ok(Found { message, delivery: None, trail, others: Vec::new() })
}

/// None where the hub says that it is not there.
fn if_there(answer: Result<Value, Error>) -> Result<Option<Value>, Error> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Error::Reach(reach::Error::Refused { status: 404, .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

fn show(output: &mut Output<'_>, found: &Found, words: &Words) -> Result<(), Error> {
    head(output, found, words)?;
    let message = &found.message;
    let shown = |row: &&Value| found.delivery.as_ref().is_none_or(|delivery| delivery["id"] == row["id"]);
    let deliveries: Vec<_> =
        rows(message, "deliveries").filter(shown).map(|row| delivery_cells(row, words)).collect();
    output.section(("推送", "Deliveries"), DELIVERIES, &deliveries)?;
    if let Some(delivery) = &found.delivery {
        let attempts: Vec<_> = rows(delivery, "attempts_made").map(|row| attempt_cells(row, words)).collect();
        output.section(("历次推送", "Attempts"), ATTEMPTS, &attempts)?;
    }
    let owed: Vec<_> = rows(message, "obligations")
        .filter(|row| found.delivery.as_ref().is_none_or(|delivery| row["delivery"] == delivery["id"]))
        .map(|row| {
            vec![
                words.organisation(&row["organisation"]),
                words.duty(&row["duty"]),
                text(row, "due"),
                words.obligation(&row["state"]),
                time(&row["closed_at"]),
            ]
        })
        .collect();
    output.section(("限时办理事项", "Obligations"), OBLIGATIONS, &owed)?;
    let trail: Vec<_> = found.trail.iter().map(|entry| entry_cells(entry, words)).collect();
    Ok(output.section(("留痕记录", "Trail"), TRAIL, &trail)?)
}

const DELIVERIES: &Heads<'_> = &[
    ("推送编号", "delivery"),
    ("接收机构", "organisation"),
    ("分工", "part"),
    ("以谁名义", "on behalf of"),
    ("状态", "state"),
    ("签收", "acknowledged"),
    ("次数", "attempts"),
    ("送达时间（北京时间）", "handed over (+08:00)"),
    ("说明", "detail"),
];

const ATTEMPTS: &Heads<'_> = &[
    ("次", "attempt"),
    ("开始（北京时间）", "started (+08:00)"),
    ("结束", "ended"),
    ("结果", "outcome"),
    ("HTTP", "HTTP"),
    ("对方", "peer"),
    ("对方答复", "answer"),
];

const OBLIGATIONS: &Heads<'_> =
    &[("机构", "organisation"), ("应办", "owes"), ("期限", "due"), ("情况", "state"), ("办结时间", "closed")];

const TRAIL: &Heads<'_> = &[
    ("时间（北京时间）", "time (+08:00)"),
    ("事件", "event"),
    ("推送编号", "delivery"),
    ("存证序号", "position"),
    ("内容", "what"),
];

fn head(output: &mut Output<'_>, found: &Found, words: &Words) -> Result<(), Error> {
    let message = &found.message;
    let lines = [
        (("消息", "message"), text(message, "id")),
        (("类型", "kind"), words.kind(&message["kind"])),
        (("业务编号", "business key"), text(message, "business_key")),
        (("版本", "revision"), text(message, "revision")),
        (("发送机构", "organisation"), words.organisation(&message["organisation"])),
        (("接入系统", "endpoint"), text(message, "endpoint")),
        (("接收时间（北京时间）", "accepted (+08:00)"), time(&message["accepted_at"])),
        (("联动件", "matter"), text(message, "matter")),
    ];
    for ((chinese, english), value) in lines {
        output.line(format!(
            "{}{}{value}",
            output.language.pick(chinese, english),
            output.language.pick("：", ": ")
        ))?;
    }
    if !found.others.is_empty() {
        let others = found.others.join(output.language.pick("、", ", "));
        let also = output.language.pick("另有版本", "other revisions");
        output.line(format!("{also}{}{others}（--revision）", output.language.pick("：", ": ")))?;
    }
    Ok(())
}

fn delivery_cells(row: &Value, words: &Words) -> Vec<String> {
    let on_behalf_of = &row["on_behalf_of"];
    vec![
        text(row, "id"),
        words.organisation(&row["organisation"]),
        words.part(&row["part"]),
        if on_behalf_of.is_null() { String::new() } else { words.organisation(on_behalf_of) },
        words.state(&row["state"]),
        words.acknowledgement(&row["acknowledgement"]),
        text(row, "attempts"),
        time(&row["handed_over_at"]),
        because(row, words),
    ]
}

fn attempt_cells(row: &Value, words: &Words) -> Vec<String> {
    vec![
        text(row, "attempt"),
        time(&row["started_at"]),
        time(&row["ended_at"]),
        words.outcome(&row["outcome"]),
        text(row, "status"),
        text(row, "peer"),
        answer(&text(row, "detail")),
    ]
}

fn entry_cells(entry: &Value, words: &Words) -> Vec<String> {
    let data = &entry["data"];
    let organisation = match &data["organisation"] {
        Value::Null => String::new(),
        id => words.organisation(id),
    };
    let parts = [
        organisation,
        text(data, "endpoint"),
        words.outcome(&data["outcome"]),
        words.operation(&data["operation"]),
        text(data, "operator"),
        text(data, "reason"),
    ];
    let what = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    vec![
        time(&entry["at"]),
        words.event(&entry["event"]),
        text(entry, "delivery"),
        text(entry, "position"),
        what,
    ]
}
