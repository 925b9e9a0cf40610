//! `liandong reconcile` (对账): what went from whom to whom on one day, as a file; a counterpart's list held against it; and
//! the plan of what to do about the differences, which is carried out only when told.

mod compare;
mod plan;

use std::{fs, path::PathBuf};

use clap::Args;
use jiff::civil::Date;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use self::{
    compare::Theirs,
    plan::{Ours, Plan},
};
use super::{
    Call, Error,
    output::{rows, text},
    parse,
    reach::{self, Hub, query},
    who::Who,
    words::Words,
};
use crate::port::clock::{Clock as _, SystemClock};

/// Marks a file as UTF-8 for spreadsheet programs.
const BOM: &str = "\u{feff}";

/// Columns of the lines, as the interface names them.
const COLUMNS: [&str; 10] = [
    "sender",
    "recipient",
    "kind",
    "business_key",
    "revision",
    "delivery",
    "state",
    "handed_over_at",
    "received_sha256",
    "sent_sha256",
];

/// Which day, whose pair, and what to do.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The day, China time
    #[arg(long, value_name = "DAY", required_unless_present = "apply")]
    day: Option<Date>,
    /// From whom to whom, as SENDER:RECIPIENT; all pairs otherwise
    #[arg(long, value_name = "PAIR", value_parser = pair)]
    pair: Option<(String, String)>,
    /// One line a delivery as CSV, instead of sums
    #[arg(long)]
    lines: bool,
    /// File for the CSV; standard output otherwise
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Begin the CSV with a byte order mark, so that spreadsheet programs read it as UTF-8
    #[arg(long)]
    bom: bool,
    /// A counterpart's list as CSV with a column 'delivery': say what is missing there, missing here, different
    #[arg(long, value_name = "FILE", requires = "pair", conflicts_with_all = ["lines", "to", "bom"])]
    compare: Option<PathBuf>,
    /// Write the replay plan: for each difference what will be done, and why
    #[arg(long, value_name = "FILE", requires = "compare")]
    plan: Option<PathBuf>,
    /// Carry out a replay plan, whole or not at all; what was delivered is sent again under its id and stays delivered
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["day", "pair", "lines", "to", "bom", "compare", "plan"])]
    apply: Option<PathBuf>,
    /// Say what the plan would do now, do nothing
    #[arg(long, requires = "apply")]
    dry_run: bool,
    /// Why; needed to carry out a plan, and kept in the trail
    #[arg(long, value_parser = parse::not_blank, required_unless_present_any = ["day", "dry_run"])]
    reason: Option<String>,
    #[command(flatten)]
    who: Who,
}

fn pair(text: &str) -> Result<(String, String), super::help::usage::Wrong> {
    match text.split_once(':') {
        Some((sender, recipient)) if !sender.is_empty() && !recipient.is_empty() => {
            Ok((sender.to_owned(), recipient.to_owned()))
        }
        _ => Err(super::help::usage::Wrong::new(
            format!("“{text}”应写作 发送机构:接收机构"),
            format!("'{text}' should be SENDER:RECIPIENT"),
        )),
    }
}

pub(super) async fn run(mut call: Call<'_>, arguments: Arguments) -> Result<(), Error> {
    let hub = if arguments.compare.is_some() || arguments.apply.is_some() {
        Hub::to_operate(&call, &arguments.who).await?
    } else {
        Hub::to_look(&call).await?
    };
    let done = work(&mut call, &hub, &arguments).await;
    hub.close().await?;
    done
}

async fn work(call: &mut Call<'_>, hub: &Hub, arguments: &Arguments) -> Result<(), Error> {
    if let Some(plan) = &arguments.apply {
        return apply(call, hub, arguments, plan).await;
    }
    let Some(day) = arguments.day else { return Ok(()) };
    let pair = arguments.pair.as_ref().map(|(sender, recipient)| (sender.as_str(), recipient.as_str()));
    if let (Some(list), Some(pair)) = (&arguments.compare, pair) {
        return compare(call, hub, (day, pair), (list, arguments.plan.as_deref())).await;
    }
    let (value, columns): (Value, &[&str]) = if arguments.lines {
        (Value::Array(lines(hub, day, pair).await?), &COLUMNS)
    } else {
        let sums = hub.ask(Method::GET, &asked("/v1/exchanges", day, pair, None), None).await?;
        (sums["sums"].clone(), &["sender", "recipient", "kind", "deliveries", "handed_over", "digest"])
    };
    if call.output.is_json() {
        return Ok(call.output.json(&value)?);
    }
    let table = table(day, &value, columns)?;
    let table = if arguments.bom { format!("{BOM}{table}") } else { table };
    match &arguments.to {
        Some(path) => Ok(fs::write(path, table)?),
        None => Ok(write!(call.output.to, "{table}")?),
    }
}

type Pair<'a> = (&'a str, &'a str);

fn asked(path: &str, day: Date, pair: Option<Pair<'_>>, after: Option<&str>) -> String {
    let day = day.to_string();
    let (sender, recipient) = pair.unzip();
    let pairs = [("day", Some(day.as_str())), ("sender", sender), ("recipient", recipient), ("after", after)];
    format!("{path}{}", query(&pairs))
}

async fn lines(hub: &Hub, day: Date, pair: Option<Pair<'_>>) -> Result<Vec<Value>, Error> {
    let (mut lines, mut after) = (Vec::new(), None::<String>);
    loop {
        let path = asked("/v1/exchanges/lines", day, pair, after.as_deref());
        let page = hub.ask(Method::GET, &path, None).await?;
        lines.extend(rows(&page, "lines").cloned());
        match page["next"].as_u64() {
            Some(next) => after = Some(next.to_string()),
            None => return Ok(lines),
        }
    }
}

fn table(day: Date, values: &Value, columns: &[&str]) -> Result<String, Error> {
    let failed = |error: csv::Error| Error::Other(error.into());
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(["day"].iter().chain(columns)).map_err(failed)?;
    for row in values.as_array().into_iter().flatten() {
        let cells = columns.iter().map(|column| text(row, column));
        writer.write_record(std::iter::once(day.to_string()).chain(cells)).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| Error::Other(error.to_string().into()))?;
    String::from_utf8(bytes).map_err(|error| Error::Other(error.into()))
}

/// Holds a counterpart's list against ours and makes the plan; the hub is asked what it would refuse.
async fn compare(
    call: &mut Call<'_>,
    hub: &Hub,
    (day, (sender, recipient)): (Date, Pair<'_>),
    (list, to): (&std::path::Path, Option<&std::path::Path>),
) -> Result<(), Error> {
    let theirs = Theirs::read(list)?;
    let ours = lines(hub, day, Some((sender, recipient))).await?;
    let mut plan = Plan::of((day, sender, recipient), &ours, &theirs, SystemClock.now());
    for row in &mut plan.rows {
        if let Some(id) = row.may_be_elsewhere() {
            match hub.ask(Method::GET, &format!("/v1/deliveries/{id}"), None).await {
                Ok(known) => row.is_elsewhere(&text(&known, "state")),
                Err(Error::Reach(reach::Error::Refused { status: 404, .. })) => {}
                Err(other) => return Err(other),
            }
        }
    }
    // What is refused may have kept the order for others: each round leaves at least one more to a person.
    loop {
        let refused = rehearse(hub, &plan, &digest(&plan.text()?)).await?;
        if refused.is_empty() {
            break;
        }
        plan.leave(&refused);
    }
    let written = plan.text()?;
    if let Some(path) = to {
        fs::write(path, &written).map_err(|source| {
            let path = path.display();
            Error::said(format!("无法写入 {path}：{source}"), format!("cannot write {path}: {source}"))
        })?;
    }
    if call.output.is_json() {
        return Ok(call.output.json(&json!(plan))?);
    }
    show(call, &plan, &[])?;
    let count = plan.steps().len();
    match to {
        Some(path) => {
            let path = path.display();
            call.output.say(
                &format!("方案已写入 {path}，其中 {count} 件将处理；执行：liandong reconcile --apply {path} --reason 原因"),
                &format!("the plan is in {path}, it does something about {count}; to carry it out: liandong reconcile --apply {path} --reason WHY"),
            )?;
        }
        None => call.output.say(
            &format!("可处理 {count} 件：加 --plan 文件 写成方案"),
            &format!("{count} can be dealt with: write a plan with --plan FILE"),
        )?,
    }
    Ok(())
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// What the hub would refuse of a plan now.
async fn rehearse(hub: &Hub, plan: &Plan, digest: &str) -> Result<Vec<Value>, Error> {
    let steps = plan.steps();
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    let body = json!({ "plan": digest, "steps": steps, "dry_run": true });
    let answer = hub.ask(Method::POST, "/v1/exchanges/replay", Some(body)).await?;
    Ok(rows(&answer, "refused").cloned().collect())
}

/// Shows what a plan would do now, then does it.
async fn apply(
    call: &mut Call<'_>,
    hub: &Hub,
    arguments: &Arguments,
    path: &std::path::Path,
) -> Result<(), Error> {
    let (plan, digest) = Plan::read(path)?;
    let ours = Ours::of(&lines(hub, plan.day, Some((&plan.sender, &plan.recipient))).await?);
    let refused = rehearse(hub, &plan, &digest).await?;
    let steps = plan.steps();
    let does = refused.is_empty() && !steps.is_empty() && !arguments.dry_run;
    if !call.output.is_json() {
        show(call, &plan, &refused)?;
        if ours != plan.ours {
            call.output.say(
                &format!("该日清单在方案编制之后有变：当时 {} 件，现在 {} 件；方案只处理当时所列", plan.ours.deliveries, ours.deliveries),
                &format!("the list of the day is another than the plan was made of: {} deliveries then, {} now; the plan deals with those of then", plan.ours.deliveries, ours.deliveries),
            )?;
        }
    }
    if does {
        let reason = arguments.reason.as_deref().unwrap_or_default();
        let body = json!({ "plan": digest, "steps": steps, "reason": reason });
        hub.ask(Method::POST, "/v1/exchanges/replay", Some(body)).await?;
    }
    if call.output.is_json() {
        call.output.json(&json!({
            "plan_sha256": digest, "steps": steps, "refused": refused, "done": does, "list_is_same": ours == plan.ours,
        }))?;
    }
    if !refused.is_empty() {
        let count = refused.len();
        return Err(Error::said(
            format!("方案中有 {count} 件与现状不符，未作任何处理；请重新比对"),
            format!("{count} of the plan do not fit the store any more; nothing was done, compare again"),
        ));
    }
    if call.output.is_json() {
        return Ok(());
    }
    let count = steps.len();
    if does {
        call.output.say(&format!("已处理 {count} 件"), &format!("{count} are dealt with"))?;
    } else {
        call.output.say(
            &format!("试运行，未作任何改动；将处理 {count} 件"),
            &format!("Rehearsed, nothing was changed; {count} would be dealt with"),
        )?;
    }
    Ok(())
}

/// The rows of a plan; of those that do not fit, why.
fn show(call: &mut Call<'_>, plan: &Plan, refused: &[Value]) -> Result<(), Error> {
    let same = plan.same;
    call.output.say(&format!("一致 {same} 件"), &format!("{same} are the same"))?;
    if plan.rows.is_empty() {
        return Ok(());
    }
    let language = call.output.language;
    let words = Words::new(language);
    let mut cells: Vec<Vec<String>> = Vec::with_capacity(plan.rows.len());
    for row in &plan.rows {
        let ((found_zh, found), (will_zh, will)) = (row.finding.said(), row.will.said());
        let unfit = refused.iter().find(|why| text(why, "delivery") == row.delivery);
        let why = match unfit {
            Some(why) => language.pick(&text(why, "because_zh"), &text(why, "because")).to_owned(),
            None => language.pick(&row.why_zh, &row.why).to_owned(),
        };
        let will = if unfit.is_some() {
            language.pick("不符，拒绝", "refused")
        } else {
            language.pick(will_zh, will)
        };
        let state = row.state.map(|state| words.state(&json!(state))).unwrap_or_default();
        cells.push(vec![
            language.pick(found_zh, found).to_owned(),
            row.delivery.clone(),
            state,
            will.to_owned(),
            why,
        ]);
    }
    let heads = [
        ("核对结果", "finding"),
        ("推送编号", "delivery"),
        ("本方状态", "state"),
        ("处置", "do"),
        ("原因", "why"),
    ];
    Ok(call.output.table(&heads, &cells)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_names_both_sides() {
        assert_eq!(pair("a:b").unwrap(), ("a".to_owned(), "b".to_owned()));
        assert!(pair("a").is_err() && pair(":b").is_err());
    }
}
