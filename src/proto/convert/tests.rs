//! Tests of the conversion.

use serde_json::{Value, json};

use super::*;
use crate::domain::{kind::Kind, message::Payload};

fn result() -> Value {
    json!({
        "organisation": "ankang-spj", "businessKey": "SP-1", "decidedAt": "2026-03-05T09:30:00+08:00",
        "items": [{"family": "ITEM_FAMILY_APPROVAL", "code": "spjy"}],
        "subject": {"type": "SUBJECT_TYPE_LEGAL_PERSON", "name": "某公司",
            "identifiers": [{"type": "IDENTIFIER_TYPE_USCC", "number": "91610902MA70T3X14T"}]},
        "publicity": {"level": "PUBLICITY_LEVEL_PUBLIC"},
        "approvalResult": {"caseNo": "SP-1", "handling": "HANDLING_TYPE_NEW", "outcome": "OUTCOME_GRANTED",
            "procedure": "PROCEDURE_ORDINARY", "validFrom": "2026-03-05", "validTo": "2031-03-04"}
    })
}

fn convert(value: Value) -> Result<Message, Vec<Fault>> {
    message(&serde_json::from_value(value).unwrap(), None)
}

#[test]
fn a_whole_result_becomes_a_domain_message() {
    let message = convert(result()).unwrap();
    assert_eq!(message.kind(), Kind::ApprovalResult);
    assert_eq!(message.revision, 1);
    assert_eq!(message.decided_by.as_str(), "ankang-spj");
    assert_eq!(message.matter.as_str(), "SP-1");
    assert!(matches!(message.payload, Payload::ApprovalResult(_)));
}

#[test]
fn every_fault_is_listed_with_its_path() {
    let mut value = result();
    value["businessKey"] = json!("");
    value["decidedAt"] = json!("yesterday");
    value["items"][0]["family"] = json!("ITEM_FAMILY_UNSPECIFIED");
    value["publicity"] = json!({"level": "PUBLICITY_LEVEL_NOT_PUBLIC"});
    value["approvalResult"]["validTo"] = json!("2020-01-01");
    value["approvalResult"]["procedure"] = json!("PROCEDURE_COMMITMENT");
    let paths: Vec<_> = convert(value).unwrap_err().into_iter().map(|fault| fault.path).collect();
    assert_eq!(
        paths,
        [
            "businessKey",
            "decidedAt",
            "items[0].family",
            "publicity.reason",
            "approvalResult.validTo",
            "approvalResult.promise"
        ]
    );
}

#[test]
fn an_organisation_is_implied_only_by_a_credential_with_one() {
    let mut value = result();
    value["organisation"] = json!("");
    let wire: v1::Message = serde_json::from_value(value).unwrap();
    assert_eq!(message(&wire, None).unwrap_err()[0].path, "organisation");
    let implied = OrganisationId::from("hanbin-spj");
    assert_eq!(message(&wire, Some(&implied)).unwrap().key.organisation, implied);
}

#[test]
fn a_message_without_payload_is_told_the_choices() {
    let mut value = result();
    value.as_object_mut().unwrap().remove("approvalResult");
    let faults = convert(value).unwrap_err();
    assert!(faults[0].path == "payload" && faults[0].text.contains("riskWarning"), "{faults:?}");
}

#[test]
fn an_unknown_field_is_refused_by_name() {
    let mut value = result();
    value["approvalResult"]["caseNumber"] = json!("x");
    let error = serde_json::from_value::<v1::Message>(value).unwrap_err().to_string();
    assert!(error.contains("caseNumber"), "{error}");
}

#[test]
fn amounts_are_decimal_digits() {
    let mut faults = Faults::default();
    for good in ["", "2000", "2000.00", "0.5"] {
        payload::amount(&mut faults, "x", good);
    }
    assert!(faults.0.is_empty());
    for bad in ["-1", "2,000", "1e3", ".", "2."] {
        payload::amount(&mut faults, "x", bad);
    }
    assert_eq!(faults.0.len(), 5);
}
