//! `liandong registry lint` and `liandong check`: is what is configured in order?

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Call, Error};
use crate::{
    app, config,
    domain::{calendar::china_date, lint::Finding},
    engine::world::World,
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
    /// Find what can never work: items without supervisor, rules that never match, lines without department
    Lint,
}

/// Loads everything and changes nothing.
pub(super) fn check(mut call: Call<'_>) -> Result<(), Error> {
    app::load::references(&call.settings, &call.environment)?;
    let world = app::load::unversioned_world(&call.settings, &call.environment)?;
    let registry = &world.registry;
    let adapters = config::adapter::folders(&call.settings.paths.adapters)
        .map_err(|faults| app::Error::Configuration(faults.to_string()))?;
    let counts = [
        ("organisations", registry.organisations().len()),
        ("adapters", adapters.len()),
        ("approval_items", registry.approval_items().len()),
        ("supervision_items", registry.supervision_items().len()),
        ("rules", world.rules.all().count()),
        ("findings", findings(&world).len()),
    ];
    if call.output.is_json() {
        let facts: serde_json::Map<_, _> =
            counts.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
        return Ok(call.output.json(&facts.into())?);
    }
    call.output.say(
        "配置、注册表、规则、适配器均无误。",
        "Configuration, registry, rules and adapters are in order.",
    )?;
    let heads = [
        ("机构", "organisations"),
        ("适配器", "adapters"),
        ("审批事项", "approval items"),
        ("监管事项", "supervision items"),
        ("规则", "rules"),
        ("缺口（registry lint）", "gaps (registry lint)"),
    ];
    Ok(call.output.table(&heads, &[counts.map(|(_, count)| count.to_string()).into()])?)
}

fn findings(world: &World) -> Vec<Finding> {
    app::load::lint(world, china_date(SystemClock.now()))
}

pub(super) fn run(mut call: Call<'_>, arguments: &Arguments) -> Result<(), Error> {
    let What::Lint = arguments.what;
    let world = app::load::unversioned_world(&call.settings, &call.environment)?;
    let findings = findings(&world);
    if call.output.is_json() {
        let texts: Vec<_> = findings.iter().map(ToString::to_string).collect();
        call.output.json(&json!(texts))?;
    } else {
        for finding in &findings {
            call.output.line(call.output.language.pick(&finding.chinese(), &finding.to_string()))?;
        }
    }
    if !findings.is_empty() {
        let count = findings.len();
        return Err(Error::said(
            format!("注册表与规则之间有 {count} 处缺口"),
            format!("{count} gaps between registry and rules"),
        ));
    }
    if call.output.is_json() {
        return Ok(());
    }
    Ok(call.output.say("注册表与规则之间没有缺口。", "There is no gap between registry and rules.")?)
}
