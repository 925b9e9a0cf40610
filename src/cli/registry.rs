//! `liandong registry lint` and `liandong check`: is what is configured in order?

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Call, Error, language::Language};
use crate::{
    app,
    domain::calendar::china_date,
    port::clock::{Clock as _, SystemClock},
};

/// What to ask.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Find what can never work: items without supervisor, rules that never match, organisations unreached
    Lint,
}

/// Loads everything and changes nothing.
pub(super) fn check(mut call: Call<'_>) -> Result<(), Error> {
    let world = app::load::unversioned_world(&call.settings, &call.environment)?;
    let facts = json!({
        "organisations": world.registry.organisations().len(),
        "approval_items": world.registry.approval_items().len(),
        "supervision_items": world.registry.supervision_items().len(),
        "rules": world.rules.all().count(),
    });
    let row = vec![vec![
        world.registry.organisations().len().to_string(),
        world.registry.approval_items().len().to_string(),
        world.registry.supervision_items().len().to_string(),
        world.rules.all().count().to_string(),
    ]];
    let heads = match call.output.language {
        Language::Zh => ["机构", "审批事项", "监管事项", "规则"],
        Language::En => ["organisations", "approval items", "supervision items", "rules"],
    };
    Ok(call.output.rows(&facts, &heads, &row)?)
}

pub(super) fn run(mut call: Call<'_>, arguments: &Arguments) -> Result<(), Error> {
    let What::Lint = arguments.what;
    let world = app::load::unversioned_world(&call.settings, &call.environment)?;
    let findings: Vec<String> = app::load::lint(&world, china_date(SystemClock.now()));
    let rows: Vec<_> = findings.iter().map(|finding| vec![finding.clone()]).collect();
    let head = call.output.language.pick("问题", "finding");
    call.output.rows(&json!(findings), &[head], &rows)?;
    if findings.is_empty() { Ok(()) } else { Err(Error::NotInOrder(format!("{} findings", findings.len()))) }
}
