//! `liandong route explain`: whom a message would reach, and why. Changes nothing.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Call, Error,
    language::Language,
    output::{Format, text},
    submit::failed,
};
use crate::{
    app,
    domain::{decision::Decision, route},
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
        /// File with one message in canonical proto JSON, its organisation named
        file: PathBuf,
        /// As if accepted at this time (RFC 3339); now otherwise
        #[arg(long)]
        at: Option<Timestamp>,
    },
}

pub(super) fn run(mut call: Call<'_>, arguments: &Arguments) -> Result<(), Error> {
    let What::Explain { file, at } = &arguments.what;
    let content =
        std::fs::read_to_string(file).map_err(|error| failed(format!("{}: {error}", file.display())))?;
    let value: Value =
        serde_json::from_str(&content).map_err(|error| failed(format!("{}: {error}", file.display())))?;
    let wire = Wire::parse(&value).map_err(|fault| failed(format!("{}: {}", fault.path, fault.text)))?;
    let message = wire.message().map_err(|faults| {
        let lines: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.path, fault.text)).collect();
        failed(lines.join("\n"))
    })?;
    let world = app::load::unversioned_world(&call.settings, &call.environment)?;
    let at = at.unwrap_or_else(|| SystemClock.now());
    let history = route::History::default();
    let decision = route::route(&message, &world.registry, &world.rules, &history, &world.calendar, at)
        .map_err(|refusal| failed(refusal.to_string()))?;
    let value = json!(decision);
    match call.output.format {
        Format::Json => call.output.json(&value)?,
        Format::Text => explain(&mut call, &decision, &value)?,
    }
    Ok(())
}

fn explain(call: &mut Call<'_>, decision: &Decision, value: &Value) -> Result<(), Error> {
    let zh = call.output.language == Language::Zh;
    let deliveries: Vec<Vec<String>> = value["deliveries"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| {
            ["organisation", "endpoint", "part", "rule", "on_behalf_of", "start"]
                .map(|it| text(row, it))
                .into()
        })
        .collect();
    let heads = if zh {
        ["机构", "接入系统", "分工", "规则", "以谁名义", "起始状态"]
    } else {
        ["organisation", "endpoint", "part", "rule", "on behalf of", "start"]
    };
    call.output.table(&heads, &deliveries)?;
    call.output.line("")?;
    let duties: Vec<Vec<String>> = decision
        .obligations
        .iter()
        .map(|it| {
            vec![
                it.organisation.to_string(),
                it.duty.chinese().to_owned(),
                it.due.to_string(),
                it.basis.to_string(),
            ]
        })
        .collect();
    let heads =
        if zh { ["机构", "应办", "期限", "依据"] } else { ["organisation", "owes", "due", "basis"] };
    call.output.table(&heads, &duties)?;
    call.output.line("")?;
    let reasons: Vec<Vec<String>> = value["why"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| vec![text(row, "rule"), text(row, "basis"), because(&row["verdict"])])
        .collect();
    let heads = if zh { ["规则", "依据", "结论"] } else { ["rule", "basis", "verdict"] };
    Ok(call.output.table(&heads, &reasons)?)
}

fn because(verdict: &Value) -> String {
    match verdict["to"].as_array() {
        Some(found) => {
            let parts: Vec<_> = found
                .iter()
                .map(|it| format!("{}（{}）", text(it, "organisation"), text(it, "by")))
                .collect();
            parts.join("；")
        }
        None => format!("{}: {}", text(verdict, "verdict"), text(verdict, "because")),
    }
}
