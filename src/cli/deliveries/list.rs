//! `liandong deliveries list`: those of a filter, page by page, and whether there are more.

use std::io::Write as _;

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use crate::{
    cli::{
        Call, Error,
        language::Language,
        output::{answer, text},
        parse,
        reach::{Hub, query},
        words::{Words, time},
    },
    config::adapter,
    domain::{
        delivery::Transport,
        id::{EndpointId, MessageId},
    },
};

/// Rows that a hub gives at once.
const PAGE: usize = 1_000;

/// Which deliveries.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// State, such as parked
    #[arg(long, value_parser = parse::state())]
    state: Option<Transport>,
    /// Endpoint
    #[arg(long)]
    endpoint: Option<EndpointId>,
    /// Receiving organisation, by id or by name
    #[arg(long)]
    organisation: Option<String>,
    /// Message, by its id
    #[arg(long, value_parser = parse::message)]
    message: Option<MessageId>,
    /// Rows at most
    #[arg(long, default_value_t = 100, value_parser = parse::count)]
    limit: usize,
    /// Rows to leave out first
    #[arg(long, default_value_t = 0)]
    offset: usize,
}

pub(super) async fn run(mut call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let words = Words::with_names(call.output.language, &call.settings);
    let hub = Hub::to_look(&call).await?;
    let found = fetch(&hub, &arguments, &words).await;
    hub.close().await?;
    let mut rows = found?;
    let more = rows.len() > arguments.limit;
    rows.truncate(arguments.limit);
    if rows.is_empty() {
        known(&call, &arguments)?;
    }
    if call.output.is_json() {
        call.output.json(&Value::Array(rows))?;
    } else if rows.is_empty() {
        call.output.say("没有符合条件的推送。", "No delivery is like that.")?;
    } else {
        let cells: Vec<_> = rows.iter().map(|row| cells(row, &words)).collect();
        call.output.table(&HEADS, &cells)?;
    }
    if more {
        say_more(&call, &arguments);
    }
    Ok(())
}

const HEADS: [(&str, &str); 9] = [
    ("推送编号", "delivery"),
    ("类型", "kind"),
    ("业务编号", "business key"),
    ("接收机构", "organisation"),
    ("接入系统", "endpoint"),
    ("状态", "state"),
    ("签收", "acknowledged"),
    ("次数", "attempts"),
    ("说明", "detail"),
];

fn cells(row: &Value, words: &Words) -> Vec<String> {
    vec![
        text(row, "id"),
        words.kind(&row["key"]["kind"]),
        text(&row["key"], "business_key"),
        words.organisation(&row["organisation"]),
        text(row, "endpoint"),
        words.state(&row["state"]),
        words.acknowledgement(&row["acknowledgement"]),
        text(row, "attempts"),
        because(row, words),
    ]
}

/// Why a delivery stands where it stands.
pub(in crate::cli) fn because(row: &Value, words: &Words) -> String {
    let parts = [
        words.reason(&row["park_reason"]),
        time(&row["next_attempt_at"]),
        text(row, "document"),
        answer(&text(row, "detail")),
    ];
    words.joined(parts)
}

/// One row more than asked for, if there is one, so that it can be said.
async fn fetch(hub: &Hub, arguments: &Arguments, words: &Words) -> Result<Vec<Value>, Error> {
    let wanted = arguments.limit + 1;
    let organisation = arguments.organisation.as_deref().map(|named| words.organisation_named(named));
    let message = arguments.message.map(|id| id.to_string());
    let mut found = Vec::new();
    while found.len() < wanted {
        let limit = (wanted - found.len()).min(PAGE);
        let query = query(&[
            ("state", arguments.state.map(Transport::as_str)),
            ("endpoint", arguments.endpoint.as_ref().map(EndpointId::as_str)),
            ("organisation", organisation.as_deref()),
            ("message", message.as_deref()),
            ("limit", Some(&limit.to_string())),
            ("offset", Some(&(arguments.offset + found.len()).to_string())),
        ]);
        let page = hub.ask(Method::GET, &format!("/v1/deliveries{query}"), None).await?;
        let rows = page.as_array().cloned().unwrap_or_default();
        let last = rows.len() < limit;
        found.extend(rows);
        if last {
            break;
        }
    }
    Ok(found)
}

/// Nothing was found: is that because the endpoint does not exist?
fn known(call: &Call<'_>, arguments: &Arguments) -> Result<(), Error> {
    let Some(endpoint) = &arguments.endpoint else { return Ok(()) };
    let root = &call.settings.paths.adapters;
    let folders =
        adapter::folders(root).map_err(|faults| crate::app::Error::Configuration(faults.to_string()))?;
    let names = folders.iter().filter_map(|folder| folder.file_name()?.to_str());
    parse::one_of(endpoint.as_str(), names, ("接入系统", "endpoint"))
}

/// On standard error, so that what reads the rows is not disturbed.
fn say_more(call: &Call<'_>, arguments: &Arguments) {
    let (limit, next) = (arguments.limit, arguments.offset + arguments.limit);
    let text = match call.output.language {
        Language::Zh => format!("只列出了 {limit} 条，后面还有；续看加 --offset {next}，或加大 --limit。"),
        Language::En => {
            format!("These are {limit} rows, there are more; go on with --offset {next}, or raise --limit.")
        }
    };
    // Nobody is left to be told when standard error is gone.
    drop(writeln!(std::io::stderr(), "{text}"));
}
