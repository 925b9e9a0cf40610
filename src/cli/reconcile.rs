//! `liandong reconcile` (对账): what went from whom to whom on one day, as a file; a counterpart's list held against it; and
//! the plan of what to send again, which is carried out only when told.

use std::{collections::BTreeMap, fs, path::PathBuf};

use clap::Args;
use jiff::civil::Date;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Call, Error,
    output::{rows, text},
    parse,
    reach::{Hub, query},
    who::Who,
};

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

/// What is compared, where a list has it.
const COMPARED: [&str; 6] = ["sender", "recipient", "kind", "business_key", "revision", "sent_sha256"];

/// Which day, whose pair, and what to do.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The day, China time
    #[arg(long, value_name = "DAY")]
    day: Date,
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
    /// Send again what is missing there and is not final here, under the same delivery id
    #[arg(long, requires = "compare", requires = "reason")]
    apply: bool,
    /// Why; kept in the trail
    #[arg(long, value_parser = parse::not_blank)]
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
    let hub = if arguments.apply {
        Hub::to_operate(&call, &arguments.who).await?
    } else {
        Hub::to_look(&call).await?
    };
    let done = work(&mut call, &hub, &arguments).await;
    hub.close().await?;
    done
}

async fn work(call: &mut Call<'_>, hub: &Hub, arguments: &Arguments) -> Result<(), Error> {
    if let Some(list) = &arguments.compare {
        let theirs = read(list)?;
        let ours = lines(hub, arguments).await?;
        let plan = Comparison::of(&ours, &theirs);
        let outcome = if arguments.apply { Some(plan.send_again(hub, arguments).await?) } else { None };
        return plan.tell(call, outcome);
    }
    let (value, columns): (Value, &[&str]) = if arguments.lines {
        (Value::Array(lines(hub, arguments).await?), &COLUMNS)
    } else {
        let sums = hub.ask(Method::GET, &asked("/v1/exchanges", arguments, None), None).await?;
        (sums["sums"].clone(), &["sender", "recipient", "kind", "deliveries", "handed_over", "digest"])
    };
    if call.output.is_json() {
        return Ok(call.output.json(&value)?);
    }
    let table = table(arguments, &value, columns)?;
    match &arguments.to {
        Some(path) => Ok(fs::write(path, table)?),
        None => Ok(write!(call.output.to, "{table}")?),
    }
}

fn asked(path: &str, arguments: &Arguments, after: Option<&str>) -> String {
    let day = arguments.day.to_string();
    let (sender, recipient) = match &arguments.pair {
        Some((sender, recipient)) => (Some(sender.as_str()), Some(recipient.as_str())),
        None => (None, None),
    };
    let pairs = [("day", Some(day.as_str())), ("sender", sender), ("recipient", recipient), ("after", after)];
    format!("{path}{}", query(&pairs))
}

async fn lines(hub: &Hub, arguments: &Arguments) -> Result<Vec<Value>, Error> {
    let (mut lines, mut after) = (Vec::new(), None::<String>);
    loop {
        let path = asked("/v1/exchanges/lines", arguments, after.as_deref());
        let page = hub.ask(Method::GET, &path, None).await?;
        lines.extend(rows(&page, "lines").cloned());
        match page["next"].as_u64() {
            Some(next) => after = Some(next.to_string()),
            None => return Ok(lines),
        }
    }
}

fn table(arguments: &Arguments, values: &Value, columns: &[&str]) -> Result<String, Error> {
    let failed = |error: csv::Error| Error::Other(error.into());
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(["day"].iter().chain(columns)).map_err(failed)?;
    for row in values.as_array().into_iter().flatten() {
        let cells = columns.iter().map(|column| text(row, column));
        writer.write_record(std::iter::once(arguments.day.to_string()).chain(cells)).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| Error::Other(error.to_string().into()))?;
    let text = String::from_utf8(bytes).map_err(|error| Error::Other(error.into()))?;
    Ok(if arguments.bom { format!("{BOM}{text}") } else { text })
}

type Row = BTreeMap<String, String>;

/// A counterpart's list by delivery; a byte order mark is no part of it.
fn read(path: &std::path::Path) -> Result<BTreeMap<String, Row>, Error> {
    let bytes = fs::read_to_string(path)
        .map_err(|source| Error::Unreadable { path: path.display().to_string(), source })?;
    let malformed = |why: String| {
        let path = path.display();
        Error::said(format!("{path} 不是对账清单：{why}"), format!("{path} is no list to compare: {why}"))
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(bytes.strip_prefix(BOM).unwrap_or(&bytes).as_bytes());
    let mut list = BTreeMap::new();
    for row in reader.deserialize::<Row>() {
        let row = row.map_err(|error| malformed(error.to_string()))?;
        let id = row.get("delivery").cloned().ok_or_else(|| malformed("no column 'delivery'".to_owned()))?;
        list.insert(id, row);
    }
    Ok(list)
}

/// What a counterpart's list and ours say of each other.
struct Comparison {
    /// Ours that the counterpart does not have: delivery and state.
    missing_there: Vec<(String, String)>,
    /// Theirs that are not ours.
    missing_here: Vec<String>,
    /// Of both, with the columns that differ.
    different: Vec<(String, Vec<&'static str>)>,
    same: usize,
}

impl Comparison {
    fn of(ours: &[Value], theirs: &BTreeMap<String, Row>) -> Self {
        let mut all =
            Self { missing_there: Vec::new(), missing_here: Vec::new(), different: Vec::new(), same: 0 };
        let mut known = Vec::new();
        for row in ours {
            let id = text(row, "delivery");
            match theirs.get(&id) {
                None => all.missing_there.push((id.clone(), text(row, "state"))),
                Some(their) => {
                    let differs = |name: &&str| {
                        their.get(*name).is_some_and(|cell| !cell.is_empty() && *cell != text(row, name))
                    };
                    let columns: Vec<_> = COMPARED.into_iter().filter(differs).collect();
                    if columns.is_empty() { all.same += 1 } else { all.different.push((id.clone(), columns)) }
                }
            }
            known.push(id);
        }
        known.sort();
        all.missing_here = theirs.keys().filter(|id| known.binary_search(id).is_err()).cloned().collect();
        all
    }

    /// What can be sent again now: the hub still has it to send. What it has counts as handed over is for people.
    fn plan(&self) -> impl Iterator<Item = &str> {
        let open =
            self.missing_there.iter().filter(|(_, state)| ["parked", "scheduled"].contains(&state.as_str()));
        open.map(|(id, _)| id.as_str())
    }

    async fn send_again(&self, hub: &Hub, arguments: &Arguments) -> Result<Vec<Value>, Error> {
        let reason = arguments.reason.as_deref().unwrap_or_default();
        let mut done = Vec::new();
        for id in self.plan() {
            let path = format!("/v1/deliveries/{id}/retry");
            done.push(hub.ask(Method::POST, &path, Some(json!({ "reason": reason }))).await?);
        }
        Ok(done)
    }

    fn tell(&self, call: &mut Call<'_>, outcome: Option<Vec<Value>>) -> Result<(), Error> {
        let Self { missing_there, missing_here, different, same } = self;
        let plan: Vec<_> = self.plan().collect();
        if call.output.is_json() {
            let there: Vec<_> =
                missing_there.iter().map(|(id, state)| json!({ "delivery": id, "state": state })).collect();
            let different: Vec<_> =
                different.iter().map(|(id, columns)| json!({ "delivery": id, "columns": columns })).collect();
            return Ok(call.output.json(&json!({
                "same": same, "missing_there": there, "missing_here": missing_here, "different": different,
                "plan": plan, "sent_again": outcome,
            }))?);
        }
        let language = call.output.language;
        let heads = [("核对结果", "finding"), ("推送编号", "delivery"), ("说明", "")];
        let mut cells: Vec<Vec<String>> = Vec::new();
        for (id, state) in missing_there {
            cells.push(vec![
                language.pick("对方缺少", "missing there").to_owned(),
                id.clone(),
                state.clone(),
            ]);
        }
        for id in missing_here {
            cells.push(vec![language.pick("本方缺少", "missing here").to_owned(), id.clone(), String::new()]);
        }
        for (id, columns) in different {
            cells.push(vec![language.pick("不一致", "different").to_owned(), id.clone(), columns.join(" ")]);
        }
        call.output.say(&format!("一致 {same} 件"), &format!("{same} are the same"))?;
        if !cells.is_empty() {
            call.output.table(&heads, &cells)?;
        }
        let count = plan.len();
        match outcome {
            Some(done) => Ok(call
                .output
                .say(&format!("已重新推送 {} 件", done.len()), &format!("{} are sent again", done.len()))?),
            None if count > 0 => Ok(call.output.say(
                &format!("可重新推送 {count} 件（编号不变）：加 --apply --reason 原因"),
                &format!("{count} can be sent again under the same id: --apply --reason WHY"),
            )?),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_compared_by_delivery_and_only_in_what_both_say() {
        let ours = [
            json!({ "delivery": "a", "kind": "approval.result", "sent_sha256": "1", "state": "delivered" }),
            json!({ "delivery": "b", "kind": "approval.result", "sent_sha256": "2", "state": "parked" }),
            json!({ "delivery": "c", "kind": "approval.result", "sent_sha256": "3", "state": "delivered" }),
        ];
        let row = |digest: &str| Row::from([("sent_sha256".to_owned(), digest.to_owned())]);
        let theirs = BTreeMap::from([
            ("a".to_owned(), row("1")),
            ("c".to_owned(), row("9")),
            ("d".to_owned(), row("")),
        ]);
        let found = Comparison::of(&ours, &theirs);
        assert_eq!(found.missing_there, [("b".to_owned(), "parked".to_owned())]);
        assert_eq!((found.missing_here.as_slice(), found.same), (["d".to_owned()].as_slice(), 1));
        assert_eq!(found.different, [("c".to_owned(), vec!["sent_sha256"])]);
        assert_eq!(found.plan().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_pair_names_both_sides() {
        assert_eq!(pair("a:b").unwrap(), ("a".to_owned(), "b".to_owned()));
        assert!(pair("a").is_err() && pair(":b").is_err());
    }
}
