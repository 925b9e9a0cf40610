//! What is taken out of a message for one recipient, before its mapping sees it: no mapping can give away
//! what it never had.

use serde_json::Value;

use crate::domain::decision::Redaction;

/// Takes out of a message in canonical JSON what its recipient must not see.
pub(super) fn apply(redaction: Redaction, record: &mut Value) {
    match redaction {
        Redaction::None => {}
        Redaction::PersonalNumbers => without_personal_numbers(record),
    }
}

/// A natural person keeps no number at all, since any paper may name one; everybody else keeps those that
/// are not a person's.
fn without_personal_numbers(record: &mut Value) {
    let Some(subject) = record.get_mut("subject").and_then(Value::as_object_mut) else { return };
    if subject.get("type").is_some_and(|kind| kind == "SUBJECT_TYPE_NATURAL_PERSON") {
        subject.remove("identifiers");
    } else if let Some(identifiers) = subject.get_mut("identifiers").and_then(Value::as_array_mut) {
        identifiers.retain(|one| one["type"] != "IDENTIFIER_TYPE_RESIDENT_ID");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn redacted(subject: &Value) -> Value {
        let mut record = json!({ "subject": subject });
        apply(Redaction::PersonalNumbers, &mut record);
        record["subject"].take()
    }

    #[test]
    fn a_natural_person_keeps_the_name_and_no_number() {
        let subject = json!({
            "type": "SUBJECT_TYPE_NATURAL_PERSON",
            "name": "赵某",
            "identifiers": [{ "type": "IDENTIFIER_TYPE_OTHER", "number": "E12345678" }],
        });
        assert_eq!(redacted(&subject), json!({ "type": "SUBJECT_TYPE_NATURAL_PERSON", "name": "赵某" }));
    }

    #[test]
    fn a_business_keeps_its_own_number_and_loses_its_keepers() {
        let own = json!({ "type": "IDENTIFIER_TYPE_USCC", "number": "92610981MA6TEXT13W" });
        let keeper = json!({ "type": "IDENTIFIER_TYPE_RESIDENT_ID", "number": "61090219900307001X" });
        let subject = |identifiers: Vec<&Value>| json!({ "type": "SUBJECT_TYPE_INDIVIDUAL_BUSINESS", "identifiers": identifiers });
        assert_eq!(redacted(&subject(vec![&own, &keeper])), subject(vec![&own]));
    }

    #[test]
    fn who_may_see_all_gets_the_message_as_it_is() {
        let mut record = json!({ "subject": { "identifiers": [{ "type": "IDENTIFIER_TYPE_RESIDENT_ID" }] } });
        let whole = record.clone();
        apply(Redaction::None, &mut record);
        assert_eq!(record, whole);
        let mut receipt = json!({ "receipt": {} });
        apply(Redaction::PersonalNumbers, &mut receipt);
        assert_eq!(receipt, json!({ "receipt": {} }));
    }
}
