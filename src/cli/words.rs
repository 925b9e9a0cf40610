//! Words for people: what stands in data as a word, an id or a time, as a screen shows it.
//!
//! In Chinese the words are those of the domain and times are China's; in English the words of the data
//! stand as they are. What is unknown here, from a hub of another version, is shown as it stands.

use jiff::{Timestamp, tz::Offset};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::language::Language;
use crate::{
    config,
    config::settings::Settings,
    domain::{
        decision::{ParkReason, Part},
        delivery::{Acknowledgement, Outcome, Transport},
        kind::Kind,
        obligation::{Duty, ObligationState},
        registry::Registry,
    },
    engine::trail,
};

/// Hours that China's time is ahead of UTC, everywhere and all year.
const CHINA_HOURS: i8 = 8;

/// Says words in one language.
#[derive(Debug)]
pub(super) struct Words {
    language: Language,
    registry: Option<Registry>,
}

impl Words {
    /// Words without names of organisations.
    pub(super) fn new(language: Language) -> Self {
        Self { language, registry: None }
    }

    /// Words with the names of the configured registry. Without one ids are shown, since looking up what
    /// happened must not wait for a registry to be in order.
    pub(super) fn with_names(language: Language, settings: &Settings) -> Self {
        let registry = config::registry::load(&settings.paths.registry, Vec::new(), 0).ok();
        Self { language, registry }
    }

    /// The id of the organisation with this id or name.
    pub(super) fn organisation_named(&self, text: &str) -> String {
        let organisations = self.registry.iter().flat_map(Registry::organisations);
        let found = organisations.into_iter().find(|one| &*one.name == text);
        found.map_or_else(|| text.to_owned(), |one| one.id.to_string())
    }

    /// Name and id of an organisation; a dash for none.
    pub(super) fn organisation(&self, id: &Value) -> String {
        let Some(id) = id.as_str() else { return "—".to_owned() };
        let known = self.registry.as_ref().and_then(|registry| registry.organisation(&id.into()));
        match (self.language, known) {
            (Language::Zh, Some(organisation)) => format!("{}（{id}）", organisation.name),
            _ => id.to_owned(),
        }
    }

    pub(super) fn state(&self, value: &Value) -> String {
        self.word(value, Transport::chinese)
    }

    /// Nothing while nothing was said.
    pub(super) fn acknowledgement(&self, value: &Value) -> String {
        if value == "none" { String::new() } else { self.word(value, Acknowledgement::chinese) }
    }

    pub(super) fn part(&self, value: &Value) -> String {
        self.word(value, Part::chinese)
    }

    pub(super) fn reason(&self, value: &Value) -> String {
        self.word(value, ParkReason::chinese)
    }

    pub(super) fn duty(&self, value: &Value) -> String {
        self.word(value, Duty::chinese)
    }

    pub(super) fn obligation(&self, value: &Value) -> String {
        self.word(value, ObligationState::chinese)
    }

    pub(super) fn kind(&self, value: &Value) -> String {
        self.word(value, |kind: Kind| kind.row().chinese)
    }

    /// The class of an outcome, given as its word or as an object with it.
    pub(super) fn outcome(&self, value: &Value) -> String {
        let class = value.get("class").unwrap_or(value);
        match (self.language, serde_json::from_value::<Outcome>(json!({ "class": class }))) {
            (Language::Zh, Ok(outcome)) => outcome.chinese().to_owned(),
            _ => plain(class),
        }
    }

    pub(super) fn event(&self, value: &Value) -> String {
        let event = plain(value);
        match (self.language, trail::chinese(&event)) {
            (Language::Zh, Some(chinese)) => chinese.to_owned(),
            _ => event,
        }
    }

    /// Parts that say more and more, those left out that say nothing.
    pub(super) fn joined(&self, parts: impl IntoIterator<Item = String>) -> String {
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(self.language.pick("：", ": "))
    }

    /// An operation, given as its word or as an object with its particulars.
    pub(super) fn operation(&self, value: &Value) -> String {
        let (word, more) = match value.as_object().and_then(|object| object.iter().next()) {
            Some((word, more)) => (word.clone(), format!(" {}", plain(more))),
            None => (plain(value), String::new()),
        };
        let chinese = match word.as_str() {
            "retry" => "重试",
            "park" => "挂起",
            "skip" => "跳过",
            "withdraw" => "取消推送",
            "serve_offline" => "线下送达",
            "confirm_relay" => "确认转报",
            "resend" => "重新推送",
            other => other,
        };
        format!("{}{more}", self.language.pick(chinese, &word))
    }

    /// How a delivery starts, as a receipt says it.
    pub(super) fn start(&self, value: &Value) -> String {
        match (&value["parked"], value["held_after"].as_str()) {
            (Value::Null, Some(first)) => {
                format!("{}{first}", self.language.pick("待转报，先送 ", "held after "))
            }
            (Value::Null, None) => self.state(value),
            (reason, _) => {
                format!("{}{}", self.language.pick("待人工处理：", "parked: "), self.reason(reason))
            }
        }
    }

    /// What a token opens.
    pub(super) fn scope(&self, value: &Value) -> String {
        match (value["endpoint"].as_str(), value["worker"].as_str()) {
            (Some(endpoint), _) => endpoint.to_owned(),
            (None, Some(worker)) => format!("{}{worker}", self.language.pick("适配进程 ", "worker ")),
            (None, None) => self.language.pick("运维人员", "operator").to_owned(),
        }
    }

    fn word<T: DeserializeOwned>(&self, value: &Value, chinese: impl Fn(T) -> &'static str) -> String {
        match (self.language, serde_json::from_value(value.clone())) {
            (Language::Zh, Ok(word)) => chinese(word).to_owned(),
            _ => plain(value),
        }
    }
}

/// A time as people in China read it.
pub(super) fn time(value: &Value) -> String {
    let Some(text) = value.as_str() else { return String::new() };
    let china = |at: Timestamp| Offset::constant(CHINA_HOURS).to_datetime(at).strftime("%Y-%m-%d %H:%M:%S");
    text.parse().map_or_else(|_| text.to_owned(), |at| china(at).to_string())
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_domains_in_chinese_and_the_datas_in_english() {
        let (zh, en) = (Words::new(Language::Zh), Words::new(Language::En));
        assert_eq!(zh.state(&json!("parked")), "待人工处理");
        assert_eq!(en.state(&json!("parked")), "parked");
        assert_eq!(zh.outcome(&json!({"class": "throttled", "wait_ms": 3})), "对方要求稍后再试");
        assert_eq!(zh.outcome(&json!("unknown")), "结果未知");
        assert_eq!(zh.event(&json!("message.accepted")), "接收消息");
        assert_eq!(zh.kind(&json!("receipt")), "签收（认领）、退回");
        assert_eq!((zh.acknowledgement(&json!("none")), zh.reason(&Value::Null)), Default::default());
    }

    #[test]
    fn what_another_version_says_is_shown_as_it_stands() {
        let zh = Words::new(Language::Zh);
        assert_eq!(zh.state(&json!("levitating")), "levitating");
        assert_eq!(zh.event(&json!("message.sung")), "message.sung");
        assert_eq!(time(&json!("yesterday")), "yesterday");
    }

    #[test]
    fn times_are_chinas() {
        assert_eq!(time(&json!("2026-03-05T17:30:00.123Z")), "2026-03-06 01:30:00");
    }
}
