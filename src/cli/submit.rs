//! `liandong submit`: hands in a message in canonical JSON through the running hub.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Call, Error,
    output::{rows, text},
    reach::Running,
    words::{Words, time},
};
use crate::{domain::kind::Kind, task::Failure};

/// What to hand in.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// File with one message in canonical JSON; '-' is standard input
    file: PathBuf,
    /// File with the token of the sending endpoint
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
}

pub(super) async fn run(mut call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let token = read(&arguments.token_file)?;
    let message = read_json(&arguments.file)?;
    let kind = kind(&arguments.file, &message)?;
    let hub = Running::find(&call)?;
    let event = json!({
        "specversion": "1.0", "id": text(&message, "businessKey"), "source": source(&message),
        "type": format!("liandong.{kind}"), "data": message,
    });
    let body = Some(event.to_string().into_bytes());
    let media = "application/cloudevents+json";
    let receipt = hub.ask_as(token.trim(), Method::POST, "/v1/messages", media, body).await?;
    if call.output.is_json() {
        return Ok(call.output.json(&receipt)?);
    }
    let words = Words::with_names(call.output.language, &call.settings);
    let statement = &receipt["statement"];
    let said = call.output.language.pick("已接收", "accepted");
    call.output.line(format!("{said} {} {}", text(statement, "id"), time(&statement["issued_at"])))?;
    let rows: Vec<Vec<String>> = rows(statement, "deliveries")
        .map(|delivery| {
            vec![
                text(delivery, "id"),
                words.organisation(&delivery["organisation"]),
                words.part(&delivery["part"]),
                words.start(&delivery["state"]),
            ]
        })
        .collect();
    let heads = [("推送编号", "delivery"), ("接收机构", "organisation"), ("分工", "part"), ("状态", "state")];
    Ok(call.output.table(&heads, &rows)?)
}

/// CloudEvents ask for a source; a message that leaves its organisation to the token has none of its own.
fn source(message: &Value) -> String {
    let organisation = text(message, "organisation");
    if organisation.is_empty() { "liandong submit".to_owned() } else { organisation }
}

/// The kind whose payload the message has.
fn kind(file: &Path, message: &Value) -> Result<Kind, Error> {
    let found = Kind::all().find(|kind| message.get(kind.row().payload_field).is_some());
    found.ok_or_else(|| {
        let known = Kind::all().map(|kind| kind.row().payload_field).collect::<Vec<_>>().join(", ");
        let file = file.display();
        Error::said(
            format!("{file} 不是一条消息：缺少业务内容，须有其一：{known}"),
            format!("{file} holds no message: it has no payload; it needs one of {known}"),
        )
    })
}

/// One JSON value from a file or standard input; what is wrong with it by line.
pub(super) fn read_json(path: &Path) -> Result<Value, Error> {
    let content = read(path)?;
    serde_json::from_str(&content).map_err(|error| {
        let (file, line, column) = (path.display(), error.line(), error.column());
        let said = error.to_string();
        let said = said.split(" at line ").next().unwrap_or_default();
        Error::said(
            format!("{file} 第 {line} 行第 {column} 列不是 JSON：{said}"),
            format!("{file} line {line} column {column} is not JSON: {said}"),
        )
    })
}

fn read(path: &Path) -> Result<String, Error> {
    let read = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|source| Error::Unreadable { path: path.display().to_string(), source })
}

pub(super) fn failed(text: String) -> Error {
    Error::Other(Failure::from(text))
}
