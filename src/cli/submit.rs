//! `liandong submit`: hands in a message in canonical JSON through the running hub.

use std::path::PathBuf;

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Call, Error,
    output::{Format, text},
    reach::Running,
};
use crate::{domain::kind::Kind, task::Failure};

/// What to hand in.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// File with one message in canonical proto JSON
    file: PathBuf,
    /// File with the token of the sending endpoint
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
}

pub(super) async fn run(mut call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let hub = Running::find(&call.settings.paths.data)?;
    let token = read(&arguments.token_file)?;
    let content = read(&arguments.file)?;
    let message: Value = serde_json::from_str(&content)
        .map_err(|error| failed(format!("{}: {error}", arguments.file.display())))?;
    let event = json!({
        "specversion": "1.0", "id": text(&message, "businessKey"), "source": text(&message, "organisation"),
        "type": format!("liandong.{}", kind(&message)?), "data": message,
    });
    let body = Some(event.to_string().into_bytes());
    let media = "application/cloudevents+json";
    let receipt = hub.ask_as(token.trim(), Method::POST, "/v1/messages", media, body).await?;
    if call.output.format == Format::Json {
        return Ok(call.output.json(&receipt)?);
    }
    let statement = &receipt["statement"];
    let said = call.output.language.pick("已受理", "accepted");
    call.output.line(format!("{said} {} {}", text(statement, "id"), text(statement, "issued_at")))?;
    let rows: Vec<Vec<String>> = statement["deliveries"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|delivery| ["id", "organisation", "part", "state"].map(|field| text(delivery, field)).into())
        .collect();
    let heads = match call.output.language {
        super::language::Language::Zh => ["推送", "机构", "分工", "状态"],
        super::language::Language::En => ["delivery", "organisation", "part", "state"],
    };
    Ok(call.output.table(&heads, &rows)?)
}

/// The kind whose payload the message has.
pub(super) fn kind(message: &Value) -> Result<Kind, Error> {
    Kind::all().find(|kind| message.get(kind.row().payload_field).is_some()).ok_or_else(|| {
        let known = Kind::all().map(|kind| kind.row().payload_field).collect::<Vec<_>>().join(", ");
        failed(format!("the message has no payload; it needs one of {known}"))
    })
}

fn read(path: &PathBuf) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| failed(format!("cannot read {}: {error}", path.display())))
}

pub(super) fn failed(text: String) -> Error {
    Error::Other(Failure::from(text))
}
