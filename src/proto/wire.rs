//! A message in its wire form, for rooms that carry it without reading its fields.
//!
//! Reading names the place of a fault and never its value, which may be personal.

use serde::Deserialize as _;
use serde_json::Value;

use super::{convert, v1};
use crate::domain::{
    fault::Fault,
    id::{ItemCode, OrganisationId},
    message::{ItemFamily, ItemRef, Message},
};

/// A message in its wire form.
#[derive(Clone)]
pub struct Wire(v1::Message);

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("businessKey", &self.0.business_key).finish_non_exhaustive()
    }
}

impl Wire {
    /// Reads canonical proto JSON; an absent revision is the first.
    pub fn parse(value: &Value) -> Result<Self, Fault> {
        let mut wire: v1::Message = serde_path_to_error::deserialize(value)
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

    /// Whether the sender marked it 涉密.
    pub fn is_classified(&self) -> bool {
        self.0.classified
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

    /// Canonical proto JSON.
    pub fn to_json(&self) -> Result<Value, serde_json::Error> {
        serde_json::to_value(&self.0)
    }
}

/// The parser quotes the offending value: its words without what stands quoted.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once("string \"") {
        Some((before, after)) => {
            let rest = after.rsplit_once('"').map_or("", |(_, rest)| rest);
            format!("{before}string …{rest}")
        }
        None => text,
    }
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
