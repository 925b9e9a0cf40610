//! `liandong trail`: what happened to a message.

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::{
    Call, Error,
    output::{Format, text},
    reach::Running,
};

/// Which message.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Message id, as on the receipt
    message: String,
}

pub(super) async fn run(mut call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let hub = Running::find(&call.settings.paths.data)?;
    let path = format!("/v1/messages/{}", arguments.message);
    let message = hub.ask(Method::GET, &path, None).await?;
    let entries = hub.ask(Method::GET, &format!("{path}/trail"), None).await?;
    if call.output.format == Format::Json {
        let whole = serde_json::json!({ "message": message, "trail": entries });
        return Ok(call.output.json(&whole)?);
    }
    let head = format!(
        "{} {} {}",
        text(&message, "kind"),
        text(&message, "organisation"),
        text(&message, "business_key")
    );
    call.output.line(head)?;
    let rows: Vec<_> = entries.as_array().into_iter().flatten().map(row).collect();
    let heads = match call.output.language {
        super::language::Language::Zh => ["时间", "事件", "推送", "存证序号", "内容"],
        super::language::Language::En => ["time", "event", "delivery", "position", "what"],
    };
    Ok(call.output.table(&heads, &rows)?)
}

fn row(entry: &Value) -> Vec<String> {
    let data = &entry["data"];
    let what = ["organisation", "outcome", "operation", "kind", "endpoint"]
        .iter()
        .map(|field| match &data[field] {
            Value::Object(object) => object.get("class").map(ToString::to_string).unwrap_or_default(),
            _ => text(data, field),
        })
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    vec![text(entry, "at"), text(entry, "event"), text(entry, "delivery"), text(entry, "position"), what]
}
