//! Statements that follow from sealed entries, and the one that lists what a file holds.
//!
//! They are made and signed when a file is made, as one batch, and not while messages are at work: what they say is
//! covered already by the checkpoint over the entries they name. Promises that the same entries and the same checkpoint
//! give the same statements.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    About, Line, stamp,
    story::{Happened, Planned, Stop, Story},
};
use crate::{
    domain::id::{DeliveryId, MessageId},
    engine::attempt,
    evidence::{
        file::{File, Sealed},
        tree::leaf_hash,
    },
};

/// The target confirmed it.
pub const HANDED_OVER: &str = "handed_over";
/// The recipient signed (签收).
pub const SIGNED: &str = "signed";
/// The recipient returned it (退回).
pub const RETURNED: &str = "returned";
/// The recipient answered (反馈).
pub const ANSWERED: &str = "answered";
/// Served on paper (线下送达).
pub const SERVED_OFFLINE: &str = "served_offline";
/// It has not arrived (未送达).
pub const NOT_DELIVERED: &str = "not_delivered";
/// Somebody owed something and it was not there on its last day (逾期).
pub const DEADLINE_MISSED: &str = "deadline_missed";
/// What the file holds.
pub const CONTENTS: &str = "contents";

/// What the hub says by its signature alone, as it is configured when the file is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configured {
    /// Names of organisations by id.
    pub names: BTreeMap<String, String>,
    /// What the choice of the operative moment rests on (`moment.basis`).
    pub moment_basis: String,
}

/// Bases of rules, as the decision of each message named them.
pub type Bases = BTreeMap<(MessageId, String), String>;

/// What statements are made from.
#[derive(Debug)]
pub struct Ground<'g> {
    /// The checkpoint.
    pub sealed: &'g Sealed,
    /// When they are stated: the time of the checkpoint, or that from which on the key signs.
    pub issued_at: &'g str,
    /// Entries by position.
    pub lines: &'g [Line],
    /// What the file is about.
    pub about: &'g About,
    /// Bases of rules.
    pub bases: &'g Bases,
}

impl Ground<'_> {
    /// The statements, delivery by delivery.
    pub fn statements(&self) -> Vec<Value> {
        let planned = self.lines.iter().filter(|line| self.is_of(line)).flat_map(Planned::of);
        let asked = planned.filter(|planned| self.about.deliveries.contains(&planned.id));
        asked.flat_map(|planned| self.of_delivery(&planned)).collect()
    }

    fn is_of(&self, line: &Line) -> bool {
        line.accepts().is_some_and(|message| self.about.messages.contains(&message))
    }

    fn of_delivery(&self, planned: &Planned<'_>) -> Vec<Value> {
        let story = Story::of(planned, self.lines);
        let moments = [
            (HANDED_OVER, story.handed_over),
            (SERVED_OFFLINE, story.offline),
            (SIGNED, story.signed),
            (RETURNED, story.returned),
            (ANSWERED, story.answered),
        ];
        let happened = moments.into_iter().filter_map(|(kind, happened)| {
            let Happened { at, line } = happened?;
            Some(self.statement(kind, planned, &story, (at, line), particulars(kind, line)))
        });
        let mut statements: Vec<_> = happened.collect();
        if let Some((stop, line)) = story.undelivered() {
            let more = not_delivered(stop, &story);
            statements.push(self.statement(NOT_DELIVERED, planned, &story, (line.at, line), more));
        }
        for line in &story.missed {
            let mut statement =
                self.statement(DEADLINE_MISSED, planned, &story, (line.at, line), missed(line));
            // The obligation has a rule and a basis of its own.
            for name in ["rule", "basis"] {
                statement[name] = line.data[name].clone();
            }
            statements.push(statement);
        }
        statements
    }

    fn statement(
        &self,
        kind: &str,
        planned: &Planned<'_>,
        story: &Story<'_>,
        (at, line): (Timestamp, &Line),
        particulars: Value,
    ) -> Value {
        let accepted = planned.accepted;
        let operative = story
            .operative(planned.moment)
            .map(|it| json!({ "at": it.happened.at, "by": it.by, "entry": it.happened.line.position }));
        let mut statement = json!({
            "type": kind, "id": format!("{kind}/{}/{}", planned.id, line.position),
            "issued_at": self.issued_at, "log": self.sealed.log, "size": self.sealed.size,
            "message": planned.message, "delivery": planned.id, "organisation": planned.organisation,
            "endpoint": planned.endpoint, "on_behalf_of": planned.on_behalf_of, "part": planned.part,
            "from": accepted.text("organisation"), "kind": accepted.text("kind"),
            "at": at, "entry": line.position, "rule": planned.rule,
            "basis": self.bases.get(&(planned.message, planned.rule.clone())),
            "registry": accepted.data["registry"], "rules": accepted.data["rules"],
            "moment": planned.moment, "operative": operative,
        });
        if let (Some(whole), Value::Object(more)) = (statement.as_object_mut(), particulars) {
            whole.extend(more);
        }
        statement
    }
}

/// What an entry tells of what was exchanged: by commitments, or in entries of earlier versions by the digests themselves.
const EXCHANGED: [&str; 5] = [attempt::EXCHANGED, attempt::EXCHANGED_SM3, "sent", "answer", "said"];

fn particulars(kind: &str, line: &Line) -> Value {
    let data = &line.data;
    match kind {
        SERVED_OFFLINE => {
            json!({ "document": data["operation"][super::said::SERVE_OFFLINE], "operator": data["operator"] })
        }
        // Its receipt shows it.
        HANDED_OVER if line.accepts().is_some() => json!({ "by_message": line.message }),
        HANDED_OVER => {
            let mut handed = json!({
                "attempt": data["attempt"], "peer": data["peer"], "status": data["status"],
                "adapter": data["adapter"], "started_at": data["started_at"],
            });
            for name in EXCHANGED.into_iter().filter(|name| data.get(name).is_some()) {
                handed[name] = data[name].clone();
            }
            handed
        }
        ANSWERED => json!({ "by_message": data["by"], "by": data["organisation"] }),
        _ => json!({ "by_message": line.message, "by": data["organisation"] }),
    }
}

fn not_delivered(stop: Stop, story: &Story<'_>) -> Value {
    let reason = match stop {
        Stop::Parked(reason) => reason,
        _ => None,
    };
    let last = story.attempts.last().map(|line| &line.data["outcome"]);
    json!({ "state": stop.as_str(), "reason": reason, "attempts": story.attempts.len(), "last_outcome": last })
}

fn missed(line: &Line) -> Value {
    let data = &line.data;
    json!({
        "owes": data["organisation"], "duty": data["duty"], "due": data["due"], "calendar": data["calendar"],
        "term": data["term"],
    })
}

/// The statement of what a file holds: that these are all the entries about it, as far as the checkpoint reaches.
pub fn contents(
    file: &File,
    (sealed, issued_at): (&Sealed, &str),
    about: &About,
    configured: &Configured,
) -> Value {
    let entries: Vec<_> = file
        .entries
        .iter()
        .map(|entry| json!({ "leaf": leaf_hash(entry.body.as_bytes()), "position": entry.position }))
        .collect();
    let messages: Vec<_> = file
        .messages
        .iter()
        .map(|message| json!({ "id": message.id, "receipt": message.receipt.is_some() }))
        .collect();
    let mut contents = json!({
        "type": CONTENTS, "id": format!("{CONTENTS}/{}/{}", subject(about), sealed.size),
        "issued_at": issued_at, "log": sealed.log, "size": sealed.size, "root": sealed.root,
        "about": about, "entries": entries, "messages": messages,
        "names": configured.names, "moment_basis": configured.moment_basis,
    });
    if let Some(stamp) = stamp::digest(file) {
        contents["stamp"] = json!(stamp);
    }
    contents
}

fn subject(about: &About) -> String {
    let message = about.messages.first().map(ToString::to_string);
    match about.deliveries.as_slice() {
        [one] => DeliveryId::to_string(one),
        _ => message.unwrap_or_default(),
    }
}

/// The bases that a decision names, by rule.
pub fn bases_of(message: MessageId, decision: &Value) -> Bases {
    let why = decision["why"].as_array().into_iter().flatten();
    let basis = |reason: &Value| {
        let (rule, basis) = (reason["rule"].as_str()?, reason["basis"].as_str()?);
        Some(((message, rule.to_owned()), basis.to_owned()))
    };
    why.filter_map(basis).collect()
}

/// The bases that statements name, where the decision itself is left out.
pub fn bases_stated(statements: &[Value]) -> Bases {
    let basis = |statement: &Value| {
        let message = statement["message"].as_str()?.parse().ok()?;
        let (rule, basis) = (statement["rule"].as_str()?, statement["basis"].as_str()?);
        let own = statement["type"] != DEADLINE_MISSED;
        own.then(|| ((message, rule.to_owned()), basis.to_owned()))
    };
    statements.iter().filter_map(basis).collect()
}
