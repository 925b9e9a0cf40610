//! What the trail says: one word an event, and entries as canonical JSON without personal values.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    domain::{
        id::{DeliveryId, MessageId},
        personal,
    },
    evidence::canonical,
    port::{
        operations::By,
        store::{EntryId, NewEntry},
    },
};

/// A message was accepted, with its routing.
pub const ACCEPTED: &str = "message.accepted";
/// A known sender's submission was refused.
pub const REFUSED: &str = "message.refused";
/// A parked delivery of a lower revision was superseded.
pub const SUPERSEDED: &str = "delivery.superseded";
/// An attempt ended.
pub const ATTEMPTED: &str = "delivery.attempted";
/// The bus did not take a delivery: no worker saw it.
pub const HANDED_BACK: &str = "delivery.handed_back";
/// Somebody reported an outcome that does not count: not its lease, not its delivery.
pub const OUTCOME_REFUSED: &str = "outcome.refused";
/// A person operated on a delivery.
pub const OPERATED: &str = "delivery.operated";
/// Another message answers this one.
pub const ANSWERED: &str = "message.answered";
/// Something that somebody owed was not there on its last day.
pub const MISSED: &str = "obligation.missed";
/// An endpoint was paused by its breaker.
pub const BREAKER_OPENED: &str = "endpoint.paused";
/// An endpoint answers again.
pub const BREAKER_CLOSED: &str = "endpoint.resumed";
/// A change of the key that signs was made known.
pub const KEY_ROTATED: &str = "key.rotated";
/// A token was made.
pub const TOKEN_ADDED: &str = "token.added";
/// A token was revoked.
pub const TOKEN_REVOKED: &str = "token.revoked";
/// A hub took up another registry than ran before.
pub const REGISTRY_CHANGED: &str = "registry.changed";
/// A hub took up other rules than ran before.
pub const RULES_CHANGED: &str = "rules.changed";
/// A hub took up other adapters than ran before.
pub const ADAPTERS_CHANGED: &str = "adapters.changed";
/// A hub took up another calendar than ran before.
pub const CALENDAR_CHANGED: &str = "calendar.changed";
/// What a message said was erased, or what those of an archived month said.
pub const PAYLOAD_ERASED: &str = "payload.erased";
/// A month left the store for an archive.
pub const ARCHIVED: &str = "retention.archived";
/// A store has gone back in time, with what is not vouched for.
pub const RESTORED: &str = "store.restored";
/// A hub started, with the versions it runs.
pub const STARTED: &str = "hub.started";

/// The word on a screen for an event; none for an event of another version.
pub fn chinese(event: &str) -> Option<&'static str> {
    Some(match event {
        ACCEPTED => "接收消息",
        REFUSED => "拒收消息",
        SUPERSEDED => "被更正替代",
        ATTEMPTED => "推送一次",
        HANDED_BACK => "未能推出，退回",
        OUTCOME_REFUSED => "拒认推送结果",
        OPERATED => "人工操作",
        ANSWERED => "收到反馈",
        MISSED => "逾期未办",
        BREAKER_OPENED => "暂停推送",
        BREAKER_CLOSED => "恢复推送",
        KEY_ROTATED => "更换签名密钥",
        TOKEN_ADDED => "新建令牌",
        TOKEN_REVOKED => "吊销令牌",
        REGISTRY_CHANGED => "注册表变更",
        RULES_CHANGED => "规则变更",
        ADAPTERS_CHANGED => "适配器变更",
        CALENDAR_CHANGED => "日历变更",
        PAYLOAD_ERASED => "清除内容",
        ARCHIVED => "归档",
        RESTORED => "存储恢复",
        STARTED => "枢纽启动",
        _ => return None,
    })
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, Default)]
pub struct About {
    /// A message.
    pub message: Option<MessageId>,
    /// A delivery.
    pub delivery: Option<DeliveryId>,
}

impl About {
    /// A message.
    pub fn message(id: MessageId) -> Self {
        Self { message: Some(id), delivery: None }
    }

    /// A delivery of a message.
    pub fn delivery(message: MessageId, delivery: DeliveryId) -> Self {
        Self { message: Some(message), delivery: Some(delivery) }
    }
}

/// An entry as it is sealed.
#[derive(Serialize)]
struct Body<'a, T> {
    at: Timestamp,
    data: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<DeliveryId>,
    event: &'static str,
    id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageId>,
}

/// Characters of a name that are kept.
const NAME: usize = 100;

/// What was done, with who answers for it: `operator` as the credential says, `by` and `account` as he says himself,
/// and `reason`. People write numbers of persons into such words, and the trail is never erased, so they are taken out.
pub fn answered(mut data: Value, by: &By) -> Value {
    let plain = |text: &str| personal::without_numbers(text).chars().take(NAME).collect::<String>();
    data["operator"] = json!(by.operator);
    data["reason"] = json!(personal::without_numbers(&by.reason));
    for (name, said) in [("by", &by.said.name), ("account", &by.said.account)] {
        if let Some(said) = said {
            data[name] = json!(plain(said));
        }
    }
    data
}

/// Makes an entry. `data` holds words, ids, digests and commitments; never a personal value.
pub fn entry(event: &'static str, about: About, data: &impl Serialize, at: Timestamp) -> NewEntry {
    entry_with(new_id(at), event, about, data, at)
}

/// Makes an entry under an id that whoever makes it gives to it alike.
pub fn entry_with(
    id: Uuid,
    event: &'static str,
    about: About,
    data: &impl Serialize,
    at: Timestamp,
) -> NewEntry {
    let body = Body { at, data, delivery: about.delivery, event, id, message: about.message };
    let body = canonical::to_bytes(&body).unwrap_or_else(|error| {
        // Only our own words and ids reach this place; should a value ever not be writable, the entry says so.
        json!({ "event": event, "id": id, "unwritable": error.to_string() }).to_string().into_bytes()
    });
    NewEntry {
        id: EntryId(id),
        at,
        event,
        message: about.message,
        delivery: about.delivery,
        body: body.into(),
        salt: None,
    }
}

/// A new id, version 7, of the given time.
pub fn new_id(at: Timestamp) -> Uuid {
    let seconds = u64::try_from(at.as_second()).unwrap_or_default();
    let nanos = u32::try_from(at.subsec_nanosecond()).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_canonical_and_names_what_it_is_about() {
        let at: Timestamp = "2026-03-05T01:30:00Z".parse().unwrap();
        let message = MessageId(new_id(at));
        let entry = entry(ACCEPTED, About::message(message), &json!({"b": 1, "a": 2}), at);
        let text = std::str::from_utf8(&entry.body).unwrap();
        assert!(
            text.starts_with(
                r#"{"at":"2026-03-05T01:30:00Z","data":{"a":2,"b":1},"event":"message.accepted""#
            )
        );
        assert!(text.contains(&message.to_string()));
    }

    #[test]
    fn ids_of_later_times_sort_later() {
        let early: Timestamp = "2026-03-05T01:30:00Z".parse().unwrap();
        let late: Timestamp = "2026-03-05T01:30:01Z".parse().unwrap();
        assert!(new_id(early) < new_id(late));
    }
}
