//! A message in its wire form, for rooms that carry it without reading its fields.
//!
//! Reading names the place of a fault and never its value, which may be personal.

use serde::{Deserialize as _, Serialize, Serializer};
use serde_json::Value;

use super::{convert, v1};
use crate::domain::{
    fault::Fault,
    id::{ItemCode, OrganisationId},
    message::{ItemFamily, ItemRef, Message},
    personal,
};

/// A message in its wire form.
#[derive(Clone)]
pub struct Wire(pub(super) v1::Message);

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("businessKey", &self.0.business_key).finish_non_exhaustive()
    }
}

/// Canonical proto JSON.
impl Serialize for Wire {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Wire {
    /// Reads canonical proto JSON; an absent revision is the first.
    pub fn parse(value: &Value) -> Result<Self, Fault> {
        // To know all the while where one is costs as much again as reading: it is asked for only when needed.
        let mut wire = v1::Message::deserialize(value)
            .or_else(|_| serde_path_to_error::deserialize::<_, v1::Message>(value))
            .map_err(|error| Fault::new(error.path().to_string(), without_values(error.inner())))?;
        wire.revision = wire.revision.max(1);
        Ok(Self(wire))
    }

    /// Items of a message that was converted once and is read again, as they stood.
    pub fn items(canonical: &[u8]) -> Result<Vec<ItemRef>, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_slice(canonical);
        let wire = v1::Message::deserialize(&mut reader)?;
        let refs = wire.items.iter().map(|item| ItemRef {
            family: match item.family() {
                v1::ItemFamily::Supervision => ItemFamily::Supervision,
                v1::ItemFamily::Approval | v1::ItemFamily::Unspecified => ItemFamily::Approval,
            },
            code: ItemCode::from(item.code.as_str()),
        });
        Ok(refs.collect())
    }

    /// Names the organisation where the message does not and the credential speaks for `only` one.
    pub fn imply(&mut self, only: &OrganisationId) {
        if self.0.organisation.is_empty() {
            self.0.organisation = only.to_string();
        }
    }

    /// Every fault found, in the order of the fields, or the domain's message.
    pub fn message(&self) -> Result<Message, Vec<Fault>> {
        convert::message(&self.0, None)
    }

    /// The value that it writes itself as.
    pub fn to_json(&self) -> Result<Value, serde_json::Error> {
        serde_json::to_value(&self.0)
    }
}

/// The parser quotes the offending value, in one kind of quotes or another: its words with what an error may
/// repeat of that.
fn without_values(error: &serde_json::Error) -> String {
    let mut text = String::new();
    let message = error.to_string();
    let mut rest = message.as_str();
    while let Some(begin) = rest.find(['"', '`']) {
        let (before, quoted) = rest.split_at(begin);
        let quote = if quoted.starts_with('"') { '"' } else { '`' };
        // A string ends at the last of its quotes, which it may hold itself; names are quoted one by one.
        let inner = &quoted[1..];
        let end = if quote == '"' { inner.rfind(quote) } else { inner.find(quote) };
        let (value, after) = inner.split_at(end.unwrap_or(inner.len()));
        text.push_str(before);
        text.push(quote);
        text.push_str(&personal::shown(value));
        text.push(quote);
        rest = after.strip_prefix(quote).unwrap_or_default();
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_parser_error_names_the_place_and_not_the_value() {
        let fault = Wire::parse(&json!({ "revision": "61090219900307001X" })).unwrap_err();
        assert_eq!(fault.path, "revision");
        assert!(!fault.text.contains("6109"), "{}", fault.text);
        for (path, value) in [
            ("revision", json!({ "revision": 13_991_512_345_u64 })),
            ("subject.type", json!({ "subject": { "type": "王小明" } })),
            ("classified", json!({ "classified": "王小明\" 61090219900307001X" })),
            ("subject", json!({ "subject": "王小明" })),
        ] {
            let fault = Wire::parse(&value).unwrap_err();
            assert_eq!(fault.path, path);
            let leaks = ["王", "6109", "1399"].iter().any(|personal| fault.text.contains(personal));
            assert!(!leaks, "{}", fault.text);
        }
        let unknown = Wire::parse(&json!({ "bussinessKey": "K" })).unwrap_err();
        assert!(
            unknown.text.contains("`bussinessKey`") && unknown.text.contains("`businessKey`"),
            "{unknown:?}"
        );
    }

    #[test]
    fn an_organisation_is_implied_only_where_none_is_named() {
        let implied = |value: Value| {
            let mut wire = Wire::parse(&value).unwrap();
            wire.imply(&"xzspj".into());
            wire.to_json().unwrap()["organisation"].clone()
        };
        assert_eq!(implied(json!({})), "xzspj");
        assert_eq!(implied(json!({ "organisation": "other" })), "other");
    }

    #[test]
    fn the_same_facts_in_another_spelling_have_one_form() {
        let form = |value: Value| Wire::parse(&value).unwrap().to_json().unwrap();
        assert_eq!(form(json!({ "businessKey": "A" })), form(json!({ "business_key": "A", "revision": 1 })));
    }
}
