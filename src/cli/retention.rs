//! `liandong retention`: what is beyond its term, written into archives and removed; and archives verified, without a
//! store. It works on the store itself: beside running hubs on PostgreSQL, on a stopped hub's data directory else.

use std::{path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Call, Error, erase, language::Language, output::Output, seal, who::Who};
use crate::{
    app::{
        self,
        shelf::{Opening, Shelf},
    },
    engine::retention::{self, Archivist, Due, Findings},
    port::{
        clock::{Clock, SystemClock},
        operations::By,
    },
};

/// What to do.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the months beyond their term; with --apply, archive and remove them
    Run(Run),
    /// Erase what messages said, after its legal term, online and in archives; with --apply
    Erase(erase::Arguments),
    /// Verify archives, without a store
    Verify {
        /// Folder that the months' archives lie in
        folder: PathBuf,
        /// PEM file with the public keys that count; the hub's own key otherwise
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// A checkpoint that was kept elsewhere, which the archives must contain; may be given several times
        #[arg(long, value_name = "FILE")]
        anchor: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Run {
    /// Do it: write the archives, then remove what is in them
    #[arg(long, requires = "to", requires = "reason")]
    apply: bool,
    /// Folder for the archives, one a month below it; keep it on other storage, backed up
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
    /// Reason, kept in the trail
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    who: Who,
}

pub(super) async fn run(call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    match arguments.what {
        What::Run(Run { apply: true, to: Some(folder), reason: Some(reason), who }) => {
            let by = who.by(&call.environment, reason);
            apply(call, folder, by).await
        }
        What::Run(_) => show(call).await,
        What::Erase(arguments) => erase::run(call, arguments).await,
        What::Verify { folder, key, anchor } => verify(call, &folder, key, &anchor),
    }
}

async fn show(mut call: Call<'_>) -> Result<(), Error> {
    let opening = Opening::new(&call.settings, &call.environment, Arc::new(SystemClock));
    let shelf = Shelf::look(&opening).await?;
    let months = call.settings.retention.online_months;
    let due = retention::plan(shelf.store().as_ref(), opening.clock().now(), months).await;
    shelf.close().await.map_err(app::Error::from)?;
    let due = due.map_err(app::Error::from)?;
    if call.output.is_json() {
        let rows: Vec<_> = due.iter().map(row).collect();
        return Ok(call.output.json(&json!({ "online_months": months, "due": rows }))?);
    }
    table(&mut call.output, &due, months)
}

fn row(due: &Due) -> serde_json::Value {
    let Due { month, stock } = due;
    json!({
        "month": month.to_string(), "messages": stock.messages, "entries": stock.entries,
        "held_by": {
            "open_deliveries": stock.open_deliveries, "open_obligations": stock.open_obligations,
            "unsealed": stock.unsealed,
        },
    })
}

fn table(output: &mut Output<'_>, due: &[Due], months: u16) -> Result<(), Error> {
    if due.is_empty() {
        return Ok(output.say(
            &format!("没有超过在线保存期限（{months} 个月）的内容"),
            &format!("nothing is beyond its term of {months} months online"),
        )?);
    }
    let language = output.language;
    let rows: Vec<_> = due.iter().map(|due| cells(due, language)).collect();
    let heads = [
        ("月份（UTC）", "month (UTC)"),
        ("消息", "messages"),
        ("留痕", "trail entries"),
        ("未了结，暂不能归档", "held by"),
    ];
    output.table(&heads, &rows)?;
    Ok(output.say(
        "以上只是查看，未作任何改动；归档并移除：liandong retention run --apply --to 目录 --reason 原因",
        "nothing was changed; to archive and remove: liandong retention run --apply --to FOLDER --reason WHY",
    )?)
}

fn cells(due: &Due, language: Language) -> Vec<String> {
    let stock = &due.stock;
    let held = [
        (stock.open_deliveries, "件推送未了结", "deliveries not final"),
        (stock.open_obligations, "项限时事项未办结", "obligations open"),
        (stock.unsealed, "条留痕未封存", "entries unsealed"),
    ];
    let held = held.iter().filter(|(count, ..)| *count > 0);
    let held = held.map(|(count, chinese, english)| format!("{count} {}", language.pick(chinese, english)));
    let separator = language.pick("，", ", ");
    vec![
        due.month.to_string(),
        stock.messages.to_string(),
        stock.entries.to_string(),
        held.collect::<Vec<_>>().join(separator),
    ]
}

async fn apply(call: Call<'_>, folder: PathBuf, by: By) -> Result<(), Error> {
    let Call { settings, environment, mut output } = call;
    let origin = app::load::origin(&settings)?;
    let opening = Opening::new(&settings, &environment, Arc::new(SystemClock));
    let shelf = Shelf::beside(&opening).await?;
    let store = shelf.store();
    let archivist = Archivist { store: store.as_ref(), origin: &origin, folder };
    let months = settings.retention.online_months;
    let done = all(&mut output, &archivist, opening.clock().as_ref(), months, &by).await;
    drop(store);
    shelf.close().await.map_err(app::Error::from)?;
    done
}

/// Month after month, until one is held.
async fn all(
    output: &mut Output<'_>,
    archivist: &Archivist<'_>,
    clock: &dyn Clock,
    months: u16,
    by: &By,
) -> Result<(), Error> {
    retention::sweep(archivist.store).await.map_err(app::Error::from)?;
    let due = retention::plan(archivist.store, clock.now(), months).await.map_err(app::Error::from)?;
    let mut archived = Vec::new();
    for Due { month, .. } in &due {
        let place =
            archivist.archive(*month, by, clock.now()).await.map_err(|error| Error::Other(error.into()))?;
        if !output.is_json() {
            output.say(
                &format!("{month} 已归档至 {}，并已移出在线存储", place.display()),
                &format!("{month} is archived in {} and removed from the store", place.display()),
            )?;
        }
        archived.push(json!({ "month": month.to_string(), "archive": place }));
    }
    if output.is_json() {
        output.json(&json!({ "archived": archived }))?;
    } else if due.is_empty() {
        table(output, &due, months)?;
    }
    Ok(())
}

fn verify(
    mut call: Call<'_>,
    folder: &std::path::Path,
    key: Option<PathBuf>,
    anchors: &[PathBuf],
) -> Result<(), Error> {
    let origin = app::load::origin(&call.settings)?;
    let anchors = anchors.iter().map(|path| seal::read(path)).collect::<Result<Vec<_>, _>>()?;
    let keys = match key {
        Some(path) => seal::keys(&path)?,
        None => app::load::public_keys(&call.settings, &call.environment)?,
    };
    let found =
        retention::verify(folder, &origin, &keys, &anchors).map_err(|error| Error::Other(error.into()))?;
    let held: u64 = found.iter().map(|one| one.report.anchors).sum();
    let intact = found.iter().all(Findings::is_intact) && held == anchors.len() as u64;
    if call.output.is_json() {
        call.output.json(&json!({ "intact": intact, "anchors": held, "archives": found }))?;
    } else {
        for one in &found {
            call.output.line(told(one, call.output.language))?;
        }
    }
    if intact {
        return Ok(());
    }
    let (given, missing) = (anchors.len(), anchors.len() as u64 - held.min(anchors.len() as u64));
    Err(Error::said(
        format!("归档不完好，或不含所给检查点（{given} 个中缺 {missing} 个）"),
        format!("the archives are not intact, or do not contain every anchor ({missing} of {given} missing)"),
    ))
}

fn told(found: &Findings, language: Language) -> String {
    let mut text = match language {
        Language::Zh => format!(
            "{}：{}；消息 {} 条、推送尝试 {} 次与封存一致",
            found.month,
            found.report.chinese(),
            found.messages,
            found.attempts
        ),
        Language::En => format!(
            "{}: {}; {} messages and {} attempts as sealed",
            found.month, found.report, found.messages, found.attempts
        ),
    };
    if found.erased {
        text.push_str(language.pick("；个人信息内容已清除", "; personal contents are erased"));
    }
    if found.erased_messages > 0 {
        let count = found.erased_messages.to_string();
        let before = language.pick("；归档前已清除的消息条数 ", "; messages erased before: ");
        text.push_str(before);
        text.push_str(&count);
    }
    for wrong in &found.wrong {
        text.push_str("\n  ");
        text.push_str(wrong);
    }
    text
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{engine::retention::Month, port::store::Stock};

    #[test]
    fn what_holds_a_month_is_said_in_words() {
        let month = Month::of("2026-03-05T00:00:00Z".parse::<Timestamp>().unwrap());
        let stock = Stock { messages: 3, open_deliveries: 2, unsealed: 1, ..Stock::default() };
        let cells = cells(&Due { month, stock }, Language::En);
        assert_eq!(cells, ["2026-03", "3", "0", "2 deliveries not final, 1 entries unsealed"]);
    }
}
