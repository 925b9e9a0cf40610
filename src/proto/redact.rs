//! Natural persons in a message: what a public audience must not see, and what an error must not repeat.
//!
//! The schema says which fields are personal; beside them, resident and mobile numbers are found in every
//! text, since senders write them into remarks, names of files and even into keys.

use serde_json::{Map, Value};

use super::{Wire, v1};
use crate::domain::{fault::Fault, personal};

/// Shorter values say nothing about anybody, and taking them out of a text would tear it.
const SHORTEST_CHARACTERS: usize = 2;

/// Fields that hold codes, in which eleven digits are common and no telephone.
const CODES: [&str; 12] = [
    "businessKey",
    "matter",
    "code",
    "number",
    "mark",
    "digest",
    "caseNo",
    "documentNo",
    "warningNo",
    "ruleId",
    "fineYuan",
    "confiscatedYuan",
];

/// A message in canonical JSON as a public audience (信用平台, 公示网站) receives it.
///
/// Without: identifiers of a natural person, and of anybody resident numbers and papers such as passports;
/// telephone numbers; who signed a receipt; attachments not marked public. In all other texts resident
/// numbers, and outside codes mobile numbers, are made unreadable.
///
/// # Errors
/// The record is not a message.
pub fn for_public(record: &Value) -> Result<Value, Fault> {
    let mut message = Wire::parse(record)?.0;
    if let Some(subject) = &mut message.subject {
        subject.phone.clear();
        let is_person = is_person(subject.r#type());
        subject.identifiers.retain(|identifier| !is_personal(identifier.r#type(), is_person));
    }
    if let Some(v1::message::Payload::Receipt(receipt)) = &mut message.payload {
        receipt.signer.clear();
    }
    message.attachments.retain(|attachment| attachment.visibility() == v1::PublicityLevel::Public);
    let value = Wire(message).to_json().map_err(|error| Fault::new("", error.to_string()))?;
    Ok(without_numbers("", value))
}

/// Values of natural persons in a message in canonical JSON, longest first: for taking them out of texts
/// that others wrote about it. Read where they stand, since this is asked of every answer of every target.
pub fn personal_values(record: &Value) -> Vec<&str> {
    let subject = &record["subject"];
    let kind = v1::SubjectType::from_str_name(subject["type"].as_str().unwrap_or_default());
    let is_person = is_person(kind.unwrap_or_default());
    let numbers = members(&subject["identifiers"]).filter(|identifier| {
        let kind = v1::IdentifierType::from_str_name(identifier["type"].as_str().unwrap_or_default());
        is_personal(kind.unwrap_or_default(), is_person)
    });
    let mut values: Vec<_> = numbers.map(|identifier| &identifier["number"]).collect();
    values.extend([&subject["representative"], &subject["phone"], &record["receipt"]["signer"]]);
    if is_person {
        values.push(&subject["name"]);
        values.extend(members(&subject["addresses"]).map(|address| &address["text"]));
    }
    let texts = values.into_iter().filter_map(Value::as_str);
    let mut telling: Vec<_> =
        texts.filter(|text| text.trim().chars().nth(SHORTEST_CHARACTERS - 1).is_some()).collect();
    telling.sort_by_key(|text| std::cmp::Reverse(text.len()));
    telling
}

fn members(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn is_person(kind: v1::SubjectType) -> bool {
    matches!(kind, v1::SubjectType::NaturalPerson | v1::SubjectType::Unspecified)
}

fn is_personal(kind: v1::IdentifierType, is_person: bool) -> bool {
    is_person || matches!(kind, v1::IdentifierType::ResidentId | v1::IdentifierType::Other)
}

/// Every text of `value`, with the name of the field it stands in, made safe.
fn without_numbers(field: &str, value: Value) -> Value {
    match value {
        Value::String(text) if CODES.contains(&field) => {
            Value::String(personal::without_resident_numbers(&text).into_owned())
        }
        Value::String(text) => Value::String(personal::without_numbers(&text).into_owned()),
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| without_numbers(field, item)).collect())
        }
        Value::Object(fields) => {
            let safe = fields.into_iter().map(|(name, value)| {
                let value = without_numbers(&name, value);
                (name, value)
            });
            Value::Object(safe.collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::kind::Kind;

    const ID: &str = "61090219900307001X";
    const PHONE: &str = "13991512345";

    fn public(record: &Value) -> Value {
        for_public(record).unwrap()
    }

    fn numbers(record: &Value) -> usize {
        record["subject"]["identifiers"].as_array().map_or(0, Vec::len)
    }

    #[test]
    fn a_natural_person_goes_without_any_identifier_and_keeps_the_name() {
        let record = public(&json!({"subject": {
        "type": "SUBJECT_TYPE_NATURAL_PERSON", "name": "王小明", "phone": PHONE,
        "identifiers": [
            {"type": "IDENTIFIER_TYPE_RESIDENT_ID", "number": ID},
            {"type": "IDENTIFIER_TYPE_OTHER", "number": "E12345678"},
            {"type": "IDENTIFIER_TYPE_USCC", "number": "91610902MA70T3X14T"},
        ]}}));
        assert_eq!(numbers(&record), 0);
        assert_eq!(record["subject"]["name"], "王小明");
        assert_eq!(record["subject"]["phone"], "");
    }

    #[test]
    fn an_enterprise_keeps_its_own_codes_and_loses_those_of_persons() {
        let record = public(&json!({"subject": {
        "type": "SUBJECT_TYPE_INDIVIDUAL_BUSINESS", "name": "汉滨区某小吃店", "representative": "王小明",
        "phone": "0915-3212345",
        "identifiers": [
            {"type": "IDENTIFIER_TYPE_USCC", "number": "92610902MA70T3X14T"},
            {"type": "IDENTIFIER_TYPE_REGISTRATION_NUMBER", "number": "610902600012345"},
            {"type": "IDENTIFIER_TYPE_RESIDENT_ID", "number": ID},
            {"type": "IDENTIFIER_TYPE_OTHER", "number": "E12345678"},
        ]}}));
        assert_eq!(numbers(&record), 2);
        assert_eq!(record["subject"]["identifiers"][0]["number"], "92610902MA70T3X14T");
        assert_eq!(record["subject"]["representative"], "王小明", "名称 is published, numbers are not");
        assert_eq!(record["subject"]["phone"], "");
    }

    #[test]
    fn numbers_in_free_texts_and_in_codes_are_made_unreadable() {
        let record = public(&json!({
            "businessKey": format!("处罚-{ID}"),
            "licences": [{"type": "驾驶证", "number": ID}, {"type": "许可证", "number": PHONE}],
            "publicity": {"level": "PUBLICITY_LEVEL_PUBLIC", "reason": format!("联系 {PHONE}")},
            "penaltyDecision": {"facts": format!("当事人王某（{ID}，电话{PHONE}）"), "documentNo": "13991512345"},
        }));
        assert!(!record.to_string().contains(ID), "{record}");
        assert_eq!(record["penaltyDecision"]["facts"], "当事人王某（******************，电话***********）");
        assert_eq!(record["licences"][1]["number"], PHONE, "eleven digits of a code are no telephone");
        assert_eq!(record["penaltyDecision"]["documentNo"], "13991512345");
    }

    #[test]
    fn only_attachments_marked_public_go_to_the_public() {
        let attachment = |name: &str, visibility: &str| json!({"name": name, "visibility": visibility});
        let record = public(&json!({"attachments": [
            attachment("决定书.pdf", "PUBLICITY_LEVEL_PUBLIC"),
            attachment(&format!("{ID}.jpg"), "PUBLICITY_LEVEL_PUBLIC"),
            attachment("身份证.jpg", "PUBLICITY_LEVEL_NOT_PUBLIC"),
            json!({"name": "未注明.pdf"}),
        ]}));
        let names: Vec<_> = record["attachments"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
        assert_eq!(names, ["决定书.pdf", "******************.jpg"]);
    }

    #[test]
    fn who_signed_a_receipt_is_left_out() {
        let record = public(&json!({"receipt": {"signer": "E-0417", "reason": "非本辖区"}}));
        assert_eq!(
            (&record["receipt"]["signer"], &record["receipt"]["reason"]),
            (&json!(""), &json!("非本辖区"))
        );
    }

    #[test]
    fn what_is_public_stays_as_it_was() {
        let record = json!({
            "organisation": "610902-xzspj", "businessKey": "BJ-2026-0042", "revision": 1,
            "decidedAt": "2026-03-05T09:30:00+08:00",
            "items": [{"family": "ITEM_FAMILY_APPROVAL", "code": "000131016000"}],
            "subject": {"type": "SUBJECT_TYPE_LEGAL_PERSON", "name": "汉滨某餐饮有限公司",
                "identifiers": [{"type": "IDENTIFIER_TYPE_USCC", "number": "91610902MA70T3X14T"}]},
            "publicity": {"level": "PUBLICITY_LEVEL_PUBLIC"},
            "approvalResult": {"caseNo": "11440232MB2D06811W4000117051000202010200008",
                "outcome": "OUTCOME_GRANTED"},
        });
        assert_eq!(public(&record), Wire::parse(&record).unwrap().to_json().unwrap());
    }

    /// Writes `text` into every string of a message, whatever fields the schema has by now.
    fn fill(value: &Value, text: &str) -> Value {
        match value {
            Value::String(name) if name.ends_with("_UNSPECIFIED") => value.clone(),
            Value::String(_) => json!(text),
            Value::Array(items) => items.iter().map(|item| fill(item, text)).collect(),
            Value::Object(fields) => fields.iter().map(|(name, it)| (name.clone(), fill(it, text))).collect(),
            other => other.clone(),
        }
    }

    #[test]
    fn no_field_of_any_kind_lets_a_resident_number_through() {
        for kind in Kind::all() {
            let Ok(wire) = Wire::parse(&json!({ kind.row().payload_field: {}, "subject": {} })) else {
                continue;
            };
            // Canonical JSON writes every field: each text is filled, names of enumerations aside.
            let record = fill(&wire.to_json().unwrap(), &format!("见{ID}"));
            assert!(record.to_string().matches(ID).count() > 8, "{record}");
            assert!(!public(&record).to_string().contains(ID), "{kind}");
        }
    }

    #[test]
    fn the_values_of_a_person_are_known_longest_first_and_those_of_an_enterprise_left() {
        let person = json!({"subject": {
            "type": "SUBJECT_TYPE_NATURAL_PERSON", "name": "王小明", "phone": PHONE,
            "identifiers": [{"type": "IDENTIFIER_TYPE_RESIDENT_ID", "number": ID}],
            "addresses": [{"role": "ADDRESS_ROLE_REGISTERED", "division": "610902", "text": "江北街道某小区"}]},
            "receipt": {"signer": "李四"}});
        assert_eq!(personal_values(&person), ["江北街道某小区", ID, PHONE, "王小明", "李四"]);
        let enterprise = json!({"subject": {
            "type": "SUBJECT_TYPE_LEGAL_PERSON", "name": "汉滨某餐饮有限公司", "representative": "王小明",
            "identifiers": [{"type": "IDENTIFIER_TYPE_USCC", "number": "91610902MA70T3X14T"}]}});
        assert_eq!(personal_values(&enterprise), ["王小明"]);
        assert!(personal_values(&json!("no message")).is_empty());
    }
}
