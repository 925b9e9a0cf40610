//! Audit: do stored rows still say what the sealed entries say? (promise 10)
//!
//! The seal proves the entries; what people look at are rows. Each sealed entry is held against the rows that
//! follow from it: the message with its receipt, its deliveries and their states, each attempt. Names what
//! contradicts, never a value. Leaves the seal itself to [`crate::evidence::seal`], and rows that no entry
//! speaks of to nobody: an attempt or a delivery too many is found, since its message counts them.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::trail::{ACCEPTED, ATTEMPTED, HANDED_BACK};
use crate::{
    domain::{
        delivery::{Acknowledgement, Outcome, Transport},
        id::{DeliveryId, EndpointId, MessageId, OrganisationId},
    },
    evidence::digest::{Digest, Salt},
    port::store::{AttemptRow, DeliveryFilter, DeliveryRow, Error, MessageRow, Page, Selector, Store},
};

/// Deliveries of one message at most.
const DELIVERIES: usize = 100_000;

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

/// Holds the rows that follow from one sealed entry against it; the first that does not fit. Rows of deliveries from
/// before `archived` are not looked for.
pub async fn contradiction(
    store: &dyn Store,
    entry: &[u8],
    archived: Option<Timestamp>,
) -> Result<Option<Contradiction>, Error> {
    let Ok(entry) = serde_json::from_slice::<Value>(entry) else { return Ok(None) };
    let found = match entry["event"].as_str() {
        Some(ACCEPTED) => accepted(store, &entry).await?,
        Some(ATTEMPTED) => attempted(store, &entry, archived, is_made).await?,
        Some(HANDED_BACK) => attempted(store, &entry, archived, is_not_made).await?,
        _ => None,
    };
    let of = |name: &str| entry[name].as_str().map(|id| format!("{name} {id}"));
    // A receipt names the delivery that it speaks of, which is another message's.
    let named = if entry["event"] == ACCEPTED { None } else { of("delivery") };
    Ok(found.map(|what| Contradiction { of: named.or_else(|| of("message")).unwrap_or_default(), what }))
}

type Found = Option<What>;

async fn accepted(store: &dyn Store, entry: &Value) -> Result<Found, Error> {
    let id = entry["message"].as_str().and_then(|id| id.parse::<MessageId>().ok());
    let Some(id) = id else { return Ok(None) };
    let Some(row) = store.message(id).await? else { return Ok(Some(What::Gone)) };
    if let Some(what) = message(&row, &entry["data"]) {
        return Ok(Some(what));
    }
    let filter = DeliveryFilter { message: Some(id), ..DeliveryFilter::default() };
    let rows = store.deliveries(filter, Page { offset: 0, limit: DELIVERIES }).await?;
    let sealed = entry["data"]["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.len() != sealed.len() {
        return Ok(Some(What::Deliveries));
    }
    for (row, sealed) in rows.iter().zip(sealed) {
        if !is_as_planned(row, sealed) {
            return Ok(Some(What::Planned));
        }
        if let Some(what) = delivery(store, row).await? {
            return Ok(Some(what));
        }
    }
    Ok(None)
}

/// The row of a message against its entry, and against the receipt whose digest the entry holds.
pub(super) fn message(row: &MessageRow, data: &Value) -> Found {
    let salt = Salt::from_bytes(row.salt);
    let commits = |name: &str, bytes: &[u8]| {
        // Entries of earlier versions commit to less.
        data.get(name).is_none_or(|sealed| *sealed == serde_json::json!(salt.commit(bytes)))
    };
    let commits_by_sm3 = |name: &str, bytes: &[u8]| {
        data.get(name).is_none_or(|sealed| *sealed == serde_json::json!(salt.commit_by_sm3(bytes)))
    };
    let receipt: Value = serde_json::from_slice(&row.receipt).unwrap_or_default();
    let stated = &receipt["statement"];
    let key = &row.key;
    let named = [("organisation", key.organisation.as_str()), ("kind", key.kind.as_str())];
    let is_named = named.iter().all(|(name, value)| data[*name] == *value)
        && data["endpoint"] == row.endpoint.as_str()
        && data["revision"] == row.revision
        && stated["business_key"] == *key.business_key;
    if data["receipt"] != serde_json::json!(Digest::of(&row.receipt)) {
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

/// The state of a delivery against its attempts, and their number against the trail.
async fn delivery(store: &dyn Store, row: &DeliveryRow) -> Result<Found, Error> {
    let attempts = store.attempts(row.id).await?;
    let trail = store.trail_of(Selector::Delivery(row.id)).await?;
    let tells = |event: &str| [ATTEMPTED, HANDED_BACK].contains(&event);
    if attempts.len() > trail.iter().filter(|entry| tells(&entry.event)).count() {
        return Ok(Some(What::Invented));
    }
    let took = |attempt: &&AttemptRow| attempt.outcome == Outcome::Delivered.as_str();
    let successes: Vec<_> = attempts.iter().filter(took).collect();
    if row.state == Transport::Delivered
        && successes.is_empty()
        && row.acknowledgement == Acknowledgement::None
    {
        return Ok(Some(What::Delivered));
    }
    let Some(moment) = row.handed_over_at else { return Ok(None) };
    // An end told by a clock that runs ahead is cut to the hub's own time.
    let by_attempt =
        successes.iter().any(|it| it.started_at <= moment && moment <= it.ended_at.max(row.created_at));
    let by_receipt = row.acknowledged_at.is_some_and(|at| moment <= at)
        && successes.iter().all(|attempt| moment <= attempt.ended_at);
    Ok((!by_attempt && !by_receipt).then_some(What::Moment))
}

async fn attempted(
    store: &dyn Store,
    entry: &Value,
    archived: Option<Timestamp>,
    is_row_of: fn(&Value, &AttemptRow) -> bool,
) -> Result<Found, Error> {
    let id = entry["delivery"].as_str().and_then(|id| id.parse::<DeliveryId>().ok());
    let Some(id) = id else { return Ok(None) };
    let rows = store.attempts(id).await?;
    if rows.iter().any(|row| is_row_of(entry, row)) {
        return Ok(None);
    }
    let Some(archived) = archived else { return Ok(Some(What::Attempt)) };
    let filter = DeliveryFilter { id: Some(id), ..DeliveryFilter::default() };
    let delivery = store.deliveries(filter, Page { offset: 0, limit: 1 }).await?.into_iter().next();
    let is_gone = delivery.is_some_and(|delivery| delivery.created_at < archived);
    Ok((!is_gone).then_some(What::Attempt))
}

/// Whether a row is the attempt that an entry tells of.
fn is_made(entry: &Value, row: &AttemptRow) -> bool {
    let data = &entry["data"];
    data["attempt"] == row.attempt
        && data["outcome"]["class"] == *row.outcome
        && is_at(&data["started_at"], row.started_at)
        && is_at(&data["ended_at"], row.ended_at)
        && data["peer"] == *row.peer
        && data["status"].as_u64() == row.status.map(u64::from)
        && data["sent"].as_str() == row.sent_digest.as_deref()
        && data["sent_sm3"].as_str() == row.sent_sm3.as_deref()
        && data["answer"].as_str() == row.answer_digest.as_deref()
        && data["answer_sm3"].as_str() == row.answer_sm3.as_deref()
        // Entries of earlier versions do not commit to it.
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
