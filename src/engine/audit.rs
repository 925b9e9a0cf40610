//! Audit: do stored rows still say what the sealed entries say? (promise 10)
//!
//! The seal proves the entries; what people look at are rows. Each sealed entry is held against the rows that
//! follow from it: the message with its receipt, its deliveries and their states, each attempt. Names what
//! contradicts, never a value. Leaves the seal itself to [`crate::evidence::seal`], and rows that no entry
//! speaks of to nobody: an attempt or a delivery too many is found, since its message counts them.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{
    attempt,
    trail::{ACCEPTED, ATTEMPTED, HANDED_BACK, PAYLOAD_ERASED},
};
use crate::{
    domain::{
        delivery::{Acknowledgement, Outcome, Transport},
        id::{DeliveryId, EndpointId, MessageId, OrganisationId},
    },
    evidence::digest::{Digest, Salt},
    port::store::{Asked, AttemptRow, DeliveryRow, Error, MessageRow, Rows, SealedEntry, Store},
};

/// Entries whose rows are asked for in one look.
const AT_ONCE: usize = 500;
/// Bytes of messages in one look, but for a single one that is larger.
const LIMIT_BYTES: usize = 32 << 20;

/// A row that does not say what was sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{of}: {what}")]
pub struct Contradiction {
    /// The message or delivery.
    pub of: String,
    /// What does not fit.
    pub what: What,
}

impl Contradiction {
    /// For a screen.
    pub fn chinese(&self) -> String {
        format!("{}：{}", self.of, self.what.chinese())
    }
}

/// What does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// Erased by nobody.
    #[error("what it said is gone, and no entry says that it was erased")]
    Erased,
    /// No row.
    #[error("the message is gone")]
    Gone,
    /// Another receipt.
    #[error("its receipt is not the one that was sealed")]
    Receipt,
    /// Another key.
    #[error("it is stored under another sender, kind, key or revision")]
    Key,
    /// Other bytes.
    #[error("the bytes received are not those that were sealed")]
    Received,
    /// Another content.
    #[error("its content is not what was sealed")]
    Content,
    /// Another decision.
    #[error("its routing is not what was sealed")]
    Decision,
    /// Deliveries missing or added.
    #[error("it has more or fewer deliveries than were planned")]
    Deliveries,
    /// Another recipient, endpoint, part or rule.
    #[error("a delivery is not the one that was planned")]
    Planned,
    /// An attempt too many.
    #[error("a delivery has an attempt that the trail does not know")]
    Invented,
    /// Delivered by nobody.
    #[error("a delivery counts as delivered that no attempt delivered and nobody signed")]
    Delivered,
    /// Another operative moment.
    #[error("a delivery was handed over at another time than its attempt says")]
    Moment,
    /// An attempt missing or changed.
    #[error("an attempt is gone, or is not as it was sealed")]
    Attempt,
}

impl What {
    /// For a screen.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Erased => "内容已不存在，且没有清除它的留痕",
            Self::Gone => "消息已不存在",
            Self::Receipt => "回执与封存的不一致",
            Self::Key => "发送机构、类型、业务编号或版本与封存的不一致",
            Self::Received => "收到的原文与封存的不一致",
            Self::Content => "内容与封存的不一致",
            Self::Decision => "路由结果与封存的不一致",
            Self::Deliveries => "推送数量与当时安排的不一致",
            Self::Planned => "推送与当时安排的不一致",
            Self::Invented => "有一次推送尝试未见于留痕",
            Self::Delivered => "标为已送达，但没有送达的尝试，也无人签收",
            Self::Moment => "送达时间与推送尝试的记录不一致",
            Self::Attempt => "推送尝试的记录缺失或与封存的不一致",
        }
    }
}

impl Serialize for What {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Holds the rows that follow from sealed entries against them, as far as one look into the store goes: how many
/// entries were held, at least the first, the first that does not fit, and which messages were erased. Rows of deliveries from before `archived`
/// are not looked for.
pub async fn held(
    store: &dyn Store,
    entries: &[SealedEntry],
    archived: Option<Timestamp>,
) -> Result<Held, Error> {
    let read: Vec<_> = entries.iter().take(AT_ONCE).map(|entry| Sealed::read(&entry.body)).collect();
    let messages: Vec<_> = read.iter().filter_map(Sealed::message).collect();
    let asked = Asked {
        messages,
        deliveries: read.iter().filter_map(Sealed::delivery).collect(),
        told: vec![ATTEMPTED, HANDED_BACK],
        erased: Some(PAYLOAD_ERASED),
        limit_bytes: LIMIT_BYTES,
    };
    let rows = store.rows_of(asked).await?;
    let view = View::new(&rows, archived);
    let mut messages = rows.messages.iter();
    for (count, sealed) in read.iter().enumerate() {
        let found = match sealed {
            Sealed::Accepted(entry, id) => match messages.next() {
                Some(row) => view.accepted(entry, *id, row.as_ref()),
                None => return Ok(Held { entries: count, found: None, erased: view.erased(count, &read) }),
            },
            Sealed::Attempted(entry, id) => {
                view.attempted(entry, *id, is_made).or_else(|| view.emptied(entry, *id))
            }
            Sealed::HandedBack(entry, id) => view.attempted(entry, *id, is_not_made),
            Sealed::Other => None,
        };
        if let Some(what) = found {
            let found = Some(Contradiction { of: sealed.of(), what });
            return Ok(Held { entries: count + 1, found, erased: Vec::new() });
        }
    }
    Ok(Held { entries: read.len(), found: None, erased: view.erased(read.len(), &read) })
}

/// The same for one entry.
pub async fn contradiction(
    store: &dyn Store,
    entry: &Bytes,
    archived: Option<Timestamp>,
) -> Result<Option<Contradiction>, Error> {
    let entry = SealedEntry { position: 0, body: entry.clone() };
    Ok(held(store, &[entry], archived).await?.found)
}

/// What was held in one look.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// How many entries.
    pub entries: usize,
    /// The first that does not fit.
    pub found: Option<Contradiction>,
    /// Messages that were erased, as an entry says.
    pub erased: Vec<MessageId>,
}

type Found = Option<What>;

/// A sealed entry, as far as rows follow from it.
enum Sealed {
    Accepted(Value, MessageId),
    Attempted(Value, DeliveryId),
    HandedBack(Value, DeliveryId),
    Other,
}

impl Sealed {
    fn read(body: &[u8]) -> Self {
        let Ok(entry) = serde_json::from_slice::<Value>(body) else { return Self::Other };
        let id = |name: &str| entry[name].as_str().map(str::to_owned);
        let message = id("message").and_then(|id| id.parse().ok());
        let delivery = id("delivery").and_then(|id| id.parse().ok());
        match (entry["event"].as_str(), message, delivery) {
            (Some(ACCEPTED), Some(message), _) => Self::Accepted(entry, message),
            (Some(ATTEMPTED), _, Some(delivery)) => Self::Attempted(entry, delivery),
            (Some(HANDED_BACK), _, Some(delivery)) => Self::HandedBack(entry, delivery),
            _ => Self::Other,
        }
    }

    fn message(&self) -> Option<MessageId> {
        if let Self::Accepted(_, id) = self { Some(*id) } else { None }
    }

    fn delivery(&self) -> Option<DeliveryId> {
        match self {
            Self::Attempted(_, id) | Self::HandedBack(_, id) => Some(*id),
            Self::Accepted(..) | Self::Other => None,
        }
    }

    /// Names it.
    fn of(&self) -> String {
        match self {
            Self::Accepted(_, id) => format!("message {id}"),
            Self::Attempted(_, id) | Self::HandedBack(_, id) => format!("delivery {id}"),
            Self::Other => String::new(),
        }
    }
}

/// The rows of one look, by whose they are.
struct View<'r> {
    rows: &'r Rows,
    planned: HashMap<MessageId, Vec<&'r DeliveryRow>>,
    archived: Option<Timestamp>,
}

impl<'r> View<'r> {
    fn new(rows: &'r Rows, archived: Option<Timestamp>) -> Self {
        let mut planned: HashMap<_, Vec<_>> = HashMap::new();
        let mut seen = HashSet::new();
        for row in rows.deliveries.iter().filter(|row| seen.insert(row.id)) {
            planned.entry(row.message).or_default().push(row);
        }
        Self { rows, planned, archived }
    }

    fn accepted(&self, entry: &Value, id: MessageId, row: Option<&MessageRow>) -> Found {
        let Some(row) = row else { return Some(What::Gone) };
        if let Some(what) = message(row, &entry["data"]) {
            return Some(what);
        }
        if row.is_erased() && !self.rows.erased.contains(&id) {
            return Some(What::Erased);
        }
        let rows = self.planned.get(&id).map(Vec::as_slice).unwrap_or_default();
        let sealed = entry["data"]["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default();
        if rows.len() != sealed.len() {
            return Some(What::Deliveries);
        }
        rows.iter().zip(sealed).find_map(|(row, sealed)| {
            if is_as_planned(row, sealed) { self.delivery(row) } else { Some(What::Planned) }
        })
    }

    /// Those of the first entries that were erased.
    fn erased(&self, count: usize, read: &[Sealed]) -> Vec<MessageId> {
        let held = read.iter().take(count).filter_map(Sealed::message);
        held.filter(|id| self.rows.erased.contains(id)).collect()
    }

    fn attempts(&self, id: DeliveryId) -> &[AttemptRow] {
        self.rows.attempts.get(&id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The state of a delivery against its attempts, and their number against the trail.
    fn delivery(&self, row: &DeliveryRow) -> Found {
        let attempts = self.attempts(row.id);
        if attempts.len() > self.rows.told.get(&row.id).copied().unwrap_or_default() {
            return Some(What::Invented);
        }
        let took = |attempt: &&AttemptRow| attempt.outcome == Outcome::Delivered.as_str();
        let successes: Vec<_> = attempts.iter().filter(took).collect();
        if row.state == Transport::Delivered
            && successes.is_empty()
            && row.acknowledgement == Acknowledgement::None
        {
            return Some(What::Delivered);
        }
        let moment = row.handed_over_at?;
        // An end told by a clock that runs ahead is cut to the hub's own time.
        let success = |it: &&AttemptRow| Success {
            from: it.started_at,
            to: it.ended_at.max(row.created_at),
            told: it.recorded_at,
        };
        let successes: Vec<_> = successes.iter().map(success).collect();
        (!is_moment(moment, row.acknowledged_at, &successes)).then_some(What::Moment)
    }

    /// An attempt of which what was exchanged is gone, though no entry says that its message was erased.
    fn emptied(&self, entry: &Value, id: DeliveryId) -> Found {
        let gone = self.attempts(id).iter().any(|row| row.erased && is_made(entry, row));
        let message = entry["message"].as_str().and_then(|id| id.parse::<MessageId>().ok());
        let told = message.is_some_and(|message| self.rows.erased.contains(&message));
        (gone && !told).then_some(What::Erased)
    }

    fn attempted(&self, entry: &Value, id: DeliveryId, is_row_of: fn(&Value, &AttemptRow) -> bool) -> Found {
        if self.attempts(id).iter().any(|row| is_row_of(entry, row)) {
            return None;
        }
        let Some(archived) = self.archived else { return Some(What::Attempt) };
        let is_gone = self.rows.deliveries.iter().any(|row| row.id == id && row.created_at < archived);
        (!is_gone).then_some(What::Attempt)
    }
}

/// The row of a message against its entry, and against the receipt whose digest the entry holds.
pub(super) fn message(row: &MessageRow, data: &Value) -> Found {
    let salt = Salt::from_bytes(row.salt);
    let commits = |name: &str, bytes: &[u8]| {
        // Entries of earlier versions commit to less.
        data.get(name).is_none_or(|sealed| *sealed == serde_json::json!(salt.commit(bytes)))
    };
    let commits_by_sm3 = |name: &str, bytes: &[u8]| {
        let same = |sealed: &Value| *sealed == serde_json::json!(salt.commit_by_sm3(bytes));
        row.is_erased() || data.get(name).is_none_or(same)
    };
    // What was erased has no receipt any more, or, where an earlier version erased it, still has one.
    let is_without = row.is_erased() && row.receipt.is_empty();
    let receipt: Value = serde_json::from_slice(&row.receipt).unwrap_or_default();
    let stated = &receipt["statement"];
    let key = &row.key;
    let named = [("organisation", key.organisation.as_str()), ("kind", key.kind.as_str())];
    let is_named = named.iter().all(|(name, value)| data[*name] == *value)
        && data["endpoint"] == row.endpoint.as_str()
        && data["revision"] == row.revision
        && (is_without || stated["business_key"] == *key.business_key);
    let commits = |name: &str, bytes: &[u8]| row.is_erased() || commits(name, bytes);
    if !is_without && data["receipt"] != serde_json::json!(Digest::of(&row.receipt)) {
        Some(What::Receipt)
    } else if !is_named {
        Some(What::Key)
    } else if !commits("commitment", &row.received) || !commits_by_sm3("commitment_sm3", &row.received) {
        Some(What::Received)
    } else if !commits("content", &row.canonical) {
        Some(What::Content)
    } else if !commits("decision", &row.decision) {
        Some(What::Decision)
    } else {
        None
    }
}

fn is_as_planned(row: &DeliveryRow, sealed: &Value) -> bool {
    let same = |name: &str, value: Option<&str>| sealed[name].as_str() == value;
    sealed["id"] == row.id.to_string()
        && same("organisation", row.organisation.as_ref().map(OrganisationId::as_str))
        && same("endpoint", row.endpoint.as_ref().map(EndpointId::as_str))
        && same("on_behalf_of", row.on_behalf_of.as_ref().map(OrganisationId::as_str))
        && same("rule", Some(row.rule.as_str()))
        && sealed["part"] == serde_json::json!(row.part)
}

/// A success: when its attempt began and ended, and when the hub was told.
#[derive(Clone, Copy)]
struct Success {
    from: Timestamp,
    to: Timestamp,
    told: Timestamp,
}

/// Whether a delivery may have arrived then: by an attempt that succeeded, or by its recipient's receipt, where the hub
/// was told of no success before that.
fn is_moment(moment: Timestamp, acknowledged_at: Option<Timestamp>, successes: &[Success]) -> bool {
    let by_attempt = successes.iter().any(|it| it.from <= moment && moment <= it.to);
    let by_receipt = acknowledged_at.is_some_and(|at| moment <= at)
        && successes.iter().all(|it| moment <= it.to || moment <= it.told);
    by_attempt || by_receipt
}

/// Whether a row is the attempt that an entry tells of. Of one that is erased only the rest is held.
fn is_made(entry: &Value, row: &AttemptRow) -> bool {
    let data = &entry["data"];
    data["attempt"] == row.attempt
        && data["outcome"]["class"] == *row.outcome
        && is_at(&data["started_at"], row.started_at)
        && is_at(&data["ended_at"], row.ended_at)
        && data["peer"] == *row.peer
        && data["status"].as_u64() == row.status.map(u64::from)
        && (row.erased || is_opened(data, row))
}

/// Whether the row opens what the entry commits to.
fn is_opened(data: &Value, row: &AttemptRow) -> bool {
    if let Some(sealed) = attempt::commitments(data) {
        return attempt::opening(row).is_some_and(|(salt, exchanged)| exchanged.commit(&salt) == sealed);
    }
    // Entries of earlier versions hold the digests, and those of still earlier ones none of the words.
    data["sent"].as_str() == row.sent_digest.as_deref()
        && data["sent_sm3"].as_str() == row.sent_sm3.as_deref()
        && data["answer"].as_str() == row.answer_digest.as_deref()
        && data["answer_sm3"].as_str() == row.answer_sm3.as_deref()
        && data.get("said").is_none_or(|said| *said == serde_json::json!(Digest::of(row.detail.as_bytes())))
}

/// Whether a row says that nothing was sent, as an entry tells.
fn is_not_made(entry: &Value, row: &AttemptRow) -> bool {
    entry["data"]["attempt"] == row.attempt
        && row.outcome == Outcome::Transient.as_str()
        && is_at(&entry["at"], row.started_at)
        && is_at(&entry["at"], row.ended_at)
        && row.peer.is_empty()
        && row.status.is_none()
        && row.sent_digest.is_none()
}

/// Rows keep microseconds.
fn is_at(sealed: &Value, stored: Timestamp) -> bool {
    let sealed = sealed.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    sealed.is_some_and(|sealed| sealed.as_microsecond() == stored.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_arrived_by_a_success_or_by_a_receipt_that_came_before_the_hub_was_told_of_one() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let success = |from, to, told| Success { from: at(from), to: at(to), told: at(told) };
        assert!(is_moment(at(12), None, &[success(10, 12, 13)]));
        assert!(is_moment(at(20), Some(at(20)), &[]), "nothing but the receipt is known");
        assert!(is_moment(at(20), Some(at(20)), &[success(18, 19, 21)]), "the receipt overtook the outcome");
        assert!(!is_moment(at(20), Some(at(20)), &[success(10, 12, 13)]), "it had arrived before");
        assert!(!is_moment(at(20), Some(at(19)), &[]), "after the receipt");
        assert!(!is_moment(at(20), None, &[success(10, 12, 13)]), "at no moment that is known");
    }
}
