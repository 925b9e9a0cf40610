//! The replay plan (对账处置方案): a file for people and programs. For each difference it says what will be done, and why;
//! what nobody but a person can settle it names as that. It says how things stood when it was made: what has moved since
//! is refused when it is carried out.

use std::fs;
use std::path::Path;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::compare::{Comparison, Theirs};
use crate::{
    api::http::STEPS,
    cli::{Error, output::text},
    domain::{delivery::Transport, id::DeliveryId},
};

/// What a plan begins with.
const FORMAT: &str = "liandong/replay-plan/v1";
/// Largest plan that is read.
const MAX_BYTES: u64 = 64 << 20;

/// A plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    format: String,
    /// When it was made.
    made_at: Timestamp,
    /// Of which day, China time.
    pub(super) day: Date,
    /// From whom.
    pub(super) sender: String,
    /// To whom: the counterpart.
    pub(super) recipient: String,
    /// Our list.
    pub(super) ours: Ours,
    /// The counterpart's.
    pub(super) theirs: List,
    /// How many are the same in both.
    pub(super) same: u64,
    /// What differs.
    pub(super) rows: Vec<Row>,
}

/// Our list, as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ours {
    /// Lines.
    pub(super) deliveries: u64,
    /// SHA-256 over one line each, sorted: delivery id, space, SHA-256 of the bytes received from the sender, line feed.
    pub(super) sha256: String,
}

/// The counterpart's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    /// Lines.
    deliveries: u64,
    /// SHA-256 of the file.
    file_sha256: String,
}

/// One difference.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// Which, as whoever lists it says.
    pub(super) delivery: String,
    /// Kind, business key and revision of its message.
    kind: String,
    business_key: String,
    revision: String,
    /// What was found.
    pub(super) finding: Finding,
    /// Columns that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) columns: Vec<String>,
    /// How it stands here; nothing where it is not ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<Transport>,
    /// What will be done.
    #[serde(rename = "do")]
    pub(super) will: Will,
    /// Why, in Chinese and in English.
    pub(super) why_zh: String,
    pub(super) why: String,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Finding {
    /// The counterpart does not have it.
    MissingThere,
    /// The counterpart has it, and it is not in our list.
    MissingHere,
    /// Both have it, and it is not the same.
    Different,
}

/// What will be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Will {
    /// Try again now what waits here.
    Retry,
    /// Send again under its id what was delivered.
    Resend,
    /// Nothing: it is on its way.
    Wait,
    /// Nothing: somebody ended it otherwise.
    Nothing,
    /// Nothing: it is for a person.
    Person,
    /// Nothing now: one plan does no more.
    Later,
}

impl Finding {
    /// For a screen.
    pub(super) fn said(self) -> (&'static str, &'static str) {
        match self {
            Self::MissingThere => ("对方缺少", "missing there"),
            Self::MissingHere => ("本方缺少", "missing here"),
            Self::Different => ("不一致", "different"),
        }
    }
}

impl Will {
    /// For a screen.
    pub(super) fn said(self) -> (&'static str, &'static str) {
        match self {
            Self::Retry => ("重试", "retry"),
            Self::Resend => ("重新推送", "send again"),
            Self::Wait => ("等待", "wait"),
            Self::Nothing => ("不处理", "nothing"),
            Self::Person => ("人工处理", "for a person"),
            Self::Later => ("下一方案", "another plan"),
        }
    }

    fn acts(self) -> bool {
        matches!(self, Self::Retry | Self::Resend)
    }
}

impl Plan {
    /// What follows from both lists.
    pub(super) fn of(
        (day, sender, recipient): (Date, &str, &str),
        ours: &[Value],
        theirs: &Theirs,
        made_at: Timestamp,
    ) -> Self {
        let found = Comparison::of(ours, &theirs.rows);
        let mut rows: Vec<Row> = found.missing_there.iter().map(|line| Row::missing_there(line)).collect();
        rows.extend(found.different.iter().map(|(line, columns)| Row::different(line, columns)));
        for (id, line) in &found.missing_here {
            let cell = |name: &str| json!(line.get(name));
            let line = json!({
                "delivery": id, "kind": cell("kind"), "business_key": cell("business_key"),
                "revision": cell("revision"),
            });
            rows.push(Row::new(&line, Finding::MissingHere, Will::Person).because(
                "对方清单有而本枢纽没有：对方所称多于本方所发，请与对方核实来源",
                "the counterpart lists it and this hub does not know it: they claim more than was sent; ask where it is from",
            ));
        }
        for row in rows.iter_mut().filter(|row| row.will.acts()).skip(STEPS) {
            row.will = Will::Later;
            row.why_zh = format!("一份方案最多处理 {STEPS} 件；执行后请重新比对");
            row.why = format!("one plan does {STEPS} at most; compare again when it is carried out");
        }
        Self {
            format: FORMAT.to_owned(),
            made_at,
            day,
            sender: sender.to_owned(),
            recipient: recipient.to_owned(),
            ours: Ours::of(ours),
            theirs: List { deliveries: theirs.rows.len() as u64, file_sha256: theirs.sha256.clone() },
            same: found.same,
            rows,
        }
    }

    /// Reads one, with its SHA-256.
    pub(super) fn read(path: &Path) -> Result<(Self, String), Error> {
        let named = |source| Error::Unreadable { path: path.display().to_string(), source };
        let shown = path.display();
        if fs::metadata(path).map_err(named)?.len() > MAX_BYTES {
            return Err(Error::said(
                format!("{shown} 超过 {MAX_BYTES} 字节，不是对账处置方案"),
                format!("{shown} has more than {MAX_BYTES} bytes, which no replay plan has"),
            ));
        }
        let bytes = fs::read(path).map_err(named)?;
        let plan: Self = serde_json::from_slice(&bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Error::said(
                format!("{shown} 不是对账处置方案：第 {line} 行第 {column} 列"),
                format!("{shown} is no replay plan: line {line} column {column}"),
            )
        })?;
        if plan.format != FORMAT {
            return Err(Error::said(
                format!("{shown} 的格式不是 {FORMAT}"),
                format!("the format of {shown} is not {FORMAT}"),
            ));
        }
        Ok((plan, hex::encode(Sha256::digest(&bytes))))
    }

    /// The file.
    pub(super) fn text(&self) -> Result<String, Error> {
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::Other(error.into()))?;
        Ok(format!("{text}\n"))
    }

    /// What a hub is asked to do, in the words of its interface.
    pub(super) fn steps(&self) -> Vec<Value> {
        let step = |row: &Row| json!({ "delivery": row.delivery, "state": row.state, "do": row.will });
        self.rows.iter().filter(|row| row.will.acts()).map(step).collect()
    }

    /// Leaves to a person what the hub would refuse, with its reasons.
    pub(super) fn leave(&mut self, refused: &[Value]) {
        for why in refused {
            let id = text(why, "delivery");
            for row in self.rows.iter_mut().filter(|row| row.delivery == id && row.will.acts()) {
                row.will = Will::Person;
                (row.why_zh, row.why) = (text(why, "because_zh"), text(why, "because"));
            }
        }
    }
}

impl Ours {
    /// Of the lines of a day.
    pub(super) fn of(lines: &[Value]) -> Self {
        let line = |row: &Value| format!("{} {}\n", text(row, "delivery"), text(row, "received_sha256"));
        let mut sorted: Vec<String> = lines.iter().map(line).collect();
        sorted.sort();
        Self { deliveries: lines.len() as u64, sha256: hex::encode(Sha256::digest(sorted.concat())) }
    }
}

impl Row {
    fn new(line: &Value, finding: Finding, will: Will) -> Self {
        Self {
            delivery: text(line, "delivery"),
            kind: text(line, "kind"),
            business_key: text(line, "business_key"),
            revision: text(line, "revision"),
            finding,
            columns: Vec::new(),
            state: text(line, "state").parse().ok(),
            will,
            why_zh: String::new(),
            why: String::new(),
        }
    }

    fn because(mut self, zh: &str, en: &str) -> Self {
        (self.why_zh, self.why) = (zh.to_owned(), en.to_owned());
        self
    }

    fn missing_there(line: &Value) -> Self {
        let row = Self::new(line, Finding::MissingThere, Will::Nothing);
        let (will, zh, en) = match row.state {
            Some(Transport::Parked | Transport::Scheduled) => (
                Will::Retry,
                "本方尚未送达：立即重试，编号不变",
                "it is still to be sent here: tried again now, same id",
            ),
            Some(Transport::Delivered) => (
                Will::Resend,
                "本方已送达而对方没有：以同一编号再送一次；首次送达的时间仍是审管界点",
                "delivered here and missing there: sent again under the same id; the first success stays the operative moment",
            ),
            Some(Transport::Ready | Transport::Leased) => (Will::Wait, "正在推送途中", "it is on its way"),
            Some(Transport::Held) => {
                (Will::Wait, "转报尚待前一环节或确认", "it waits for its first hop or for a confirmation")
            }
            Some(Transport::ServedOffline) => {
                (Will::Nothing, "已线下送达，不经系统", "it was served on paper")
            }
            Some(Transport::Superseded) => {
                (Will::Nothing, "已由更高版本替代", "a higher revision took its place")
            }
            Some(Transport::Skipped | Transport::Withdrawn) => {
                (Will::Nothing, "已由人工跳过或取消", "a person left it out or called it off")
            }
            None => (Will::Person, "状态未知", "its state is not known to this version"),
        };
        Self { will, ..row }.because(zh, en)
    }

    fn different(line: &Value, columns: &[&'static str]) -> Self {
        let what = columns.join(" ");
        Self {
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            ..Self::new(line, Finding::Different, Will::Person)
        }
        .because(
            &format!("两边内容不一致（{what}）：有一方被改动或记录有误，请凭证据包核实，不重新推送"),
            &format!("both sides differ ({what}): one was changed or kept wrongly; settle it by evidence, it is not sent again"),
        )
    }

    /// Whether it may name a delivery of this hub that our list of the day does not.
    pub(super) fn may_be_elsewhere(&self) -> Option<DeliveryId> {
        (self.finding == Finding::MissingHere).then(|| self.delivery.parse().ok()).flatten()
    }

    /// It is known here, but not as one of the day and the pair.
    pub(super) fn is_elsewhere(&mut self, state: &str) {
        self.state = state.parse().ok();
        let why = (
            "本枢纽有此推送，但不属于该日或该对机构：请核对双方清单的日期和范围".to_owned(),
            "this hub knows it, but not as one of this day and pair: compare what both lists cover"
                .to_owned(),
        );
        (self.why_zh, self.why) = why;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, state: &str) -> Value {
        json!({ "delivery": id, "state": state, "received_sha256": "00", "business_key": "K", "revision": 1 })
    }

    fn plan(ours: &[Value]) -> Plan {
        let theirs = Theirs { rows: std::collections::BTreeMap::new(), sha256: "ff".to_owned() };
        let day: Date = "2026-03-05".parse().unwrap();
        Plan::of((day, "a", "b"), ours, &theirs, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn each_state_has_what_will_be_done_about_it_and_why() {
        let will = |state: &str| plan(&[line("x", state)]).rows[0].will;
        for state in Transport::ALL {
            let expected = match state {
                Transport::Parked | Transport::Scheduled => Will::Retry,
                Transport::Delivered => Will::Resend,
                Transport::Held | Transport::Ready | Transport::Leased => Will::Wait,
                _ => Will::Nothing,
            };
            assert_eq!(will(state.as_str()), expected, "{state}");
            let row = &plan(&[line("x", state.as_str())]).rows[0];
            assert!(!row.why.is_empty() && !row.why_zh.is_empty());
        }
        assert_eq!(will("levitating"), Will::Person);
    }

    #[test]
    fn one_plan_does_no_more_than_a_hub_takes_in_one_transaction() {
        let lines: Vec<_> = (0..=STEPS).map(|number| line(&number.to_string(), "parked")).collect();
        let plan = plan(&lines);
        assert_eq!(plan.steps().len(), STEPS);
        assert_eq!(plan.rows.last().unwrap().will, Will::Later);
    }

    #[test]
    fn what_the_hub_refuses_is_left_to_a_person_with_its_reason() {
        let mut plan = plan(&[line("x", "delivered"), line("y", "delivered")]);
        plan.leave(&[json!({ "delivery": "x", "because": "gone", "because_zh": "没了" })]);
        assert_eq!((plan.rows[0].will, plan.rows[0].why.as_str()), (Will::Person, "gone"));
        assert_eq!(plan.steps(), [json!({ "delivery": "y", "state": "delivered", "do": "resend" })]);
    }

    #[test]
    fn a_plan_is_read_as_it_was_written_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        let written = plan(&[line("x", "delivered")]).text().unwrap();
        fs::write(&path, &written).unwrap();
        let (read, digest) = Plan::read(&path).unwrap();
        assert_eq!(read.text().unwrap(), written);
        assert_eq!(digest, hex::encode(Sha256::digest(&written)));
        for wrong in ["{}", "[]", &written.replace("replay-plan/v1", "replay-plan/v9")] {
            fs::write(&path, wrong).unwrap();
            assert!(Plan::read(&path).is_err(), "{wrong}");
        }
    }
}
