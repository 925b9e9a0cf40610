//! `liandong deliveries`: list them and operate on them.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Call, Error, language::Language, output::text, reach::Running};

/// What to do.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List deliveries, in order of acceptance
    List(List),
    /// Try again now; attempts and age start again
    Retry(One),
    /// Stop it for a person
    Park(One),
    /// Leave a parked one out, so that its lane goes on
    Skip(One),
    /// Call it off (取消推送)
    Withdraw(One),
    /// Record that it was served on paper (线下送达)
    Offline(Offline),
    /// Confirm the relay of a held second hop (转报确认)
    Confirm(One),
}

#[derive(Debug, Args)]
struct List {
    /// held, ready, leased, scheduled, parked, delivered, `served_offline`, skipped, superseded, withdrawn
    #[arg(long)]
    state: Option<String>,
    /// Endpoint
    #[arg(long)]
    endpoint: Option<String>,
    /// Receiving organisation
    #[arg(long)]
    organisation: Option<String>,
    /// Message
    #[arg(long)]
    message: Option<String>,
    /// Rows at most
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

#[derive(Debug, Args)]
struct One {
    /// Delivery id
    delivery: String,
    /// Why; kept in the trail
    #[arg(long, default_value = "")]
    reason: String,
}

#[derive(Debug, Args)]
struct Offline {
    #[command(flatten)]
    one: One,
    /// Number of the 送达回证
    #[arg(long)]
    document: String,
}

pub(super) async fn run(call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let hub = Running::find(&call.settings.paths.data)?;
    match arguments.what {
        What::List(filter) => list(call, &hub, &filter).await,
        What::Retry(one) => operate(call, &hub, "retry", one, None).await,
        What::Park(one) => operate(call, &hub, "park", one, None).await,
        What::Skip(one) => operate(call, &hub, "skip", one, None).await,
        What::Withdraw(one) => operate(call, &hub, "withdraw", one, None).await,
        What::Offline(offline) => operate(call, &hub, "offline", offline.one, Some(offline.document)).await,
        What::Confirm(one) => operate(call, &hub, "confirm", one, None).await,
    }
}

async fn list(mut call: Call<'_>, hub: &Running, filter: &List) -> Result<(), Error> {
    let limit = filter.limit.to_string();
    let mut query: Vec<(&str, &str)> = vec![("limit", &limit)];
    let fields = [
        ("state", &filter.state),
        ("endpoint", &filter.endpoint),
        ("organisation", &filter.organisation),
        ("message", &filter.message),
    ];
    query.extend(fields.iter().filter_map(|(name, value)| value.as_deref().map(|value| (*name, value))));
    let query = serde_urlencoded(&query);
    let rows = hub.ask(Method::GET, &format!("/v1/deliveries?{query}"), None).await?;
    let cells: Vec<_> = rows.as_array().into_iter().flatten().map(cells).collect();
    let heads = match call.output.language {
        Language::Zh => ["推送", "机构", "接入系统", "状态", "签收", "次数", "说明"],
        Language::En => {
            ["delivery", "organisation", "endpoint", "state", "acknowledged", "attempts", "detail"]
        }
    };
    Ok(call.output.rows(&rows, &heads, &cells)?)
}

fn cells(row: &Value) -> Vec<String> {
    let why = [text(row, "park_reason"), text(row, "detail")].join(" ");
    let mut cells: Vec<_> = ["id", "organisation", "endpoint", "state", "acknowledgement", "attempts"]
        .map(|field| text(row, field))
        .into();
    cells.push(why.trim().to_owned());
    cells
}

/// Values are ids and words: what is not plain is percent-encoded.
fn serde_urlencoded(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.extend(['%', hex(byte >> 4), hex(byte & 15)]);
            }
        }
    }
    text
}

fn hex(digit: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(digit & 15)])
}

async fn operate(
    mut call: Call<'_>,
    hub: &Running,
    operation: &str,
    one: One,
    document: Option<String>,
) -> Result<(), Error> {
    let mut body = json!({ "reason": one.reason });
    if let Some(document) = document {
        body["document"] = json!(document);
    }
    let path = format!("/v1/deliveries/{}/{operation}", one.delivery);
    let done = hub.ask(Method::POST, &path, Some(body)).await?;
    let row = vec![text(&done, "delivery"), text(&done, "from"), text(&done, "to")];
    let heads = match call.output.language {
        Language::Zh => ["推送", "原状态", "现状态"],
        Language::En => ["delivery", "from", "to"],
    };
    Ok(call.output.rows(&done, &heads, &[row])?)
}
