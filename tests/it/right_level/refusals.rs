//! What is refused to the sender's face, with every reason and its field.

use jiff::civil::date;
use liandong::domain::message::AddressRole;

use super::*;

fn of(reasons: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    reasons.iter().map(|(field, code)| ((*field).to_owned(), *code)).collect()
}

#[test]
fn only_roles_that_may_send_a_kind_send_it() {
    assert_eq!(
        refused(&penalty("610902-xzspj", FOOD_SUPERVISION, None)),
        of(&[("organisation", "may_not_send")])
    );
    assert_eq!(
        refused(&result("610902-cgj", FOOD)),
        of(&[("organisation", "may_not_send"), ("items[0].code", "filings_only")])
    );
    assert_eq!(refused(&result("610902-scjgj", FOOD)), of(&[("items[0].code", "filings_only")]));
}

#[test]
fn the_power_is_judged_on_the_decision_date() {
    let mut message = result("610900-spyjj", DRUG_SHOP);
    message.decided_at = noon(date(2019, 4, 1));
    let reasons = refused(&message);
    assert!(reasons.contains(&("organisation".to_owned(), "not_in_existence")), "{reasons:?}");
}

#[test]
fn every_reason_comes_at_once() {
    let mut message = with_item(result("610902-xzspj", "no-such-item"), ItemFamily::Approval, CLASSIFIED);
    message = at(message, AddressRole::Operating, "999999");
    message.subject.as_mut().unwrap().identifiers[0].number = "91610902MA70T3X14X".into();
    assert_eq!(
        refused(&message),
        of(&[
            ("items[0].code", "unknown_item"),
            ("items[1].code", "classified"),
            ("subject.addresses[0].division", "unknown_division"),
            ("subject.identifiers[0].number", "identifier"),
        ])
    );
}

#[test]
fn a_refusal_reads_as_field_and_cause() {
    let refusal = routed(&result("610902-xzspj", "no-such-item"), &History::default()).unwrap_err();
    assert_eq!(refusal.to_string(), "refused: items[0].code: item 'no-such-item' is not in the registry");
}

#[test]
fn unknown_organisations_are_refused() {
    assert_eq!(refused(&result("nobody", FOOD)), of(&[("organisation", "unknown_organisation")]));
    let mut message = result("610902-xzspj", FOOD);
    message.decided_by = "nobody".into();
    assert_eq!(refused(&message), of(&[("decidedBy", "unknown_organisation")]));
}

#[test]
fn a_registered_address_may_lie_anywhere_in_the_country() {
    let decision = decided(&at(result("610902-xzspj", FOOD), AddressRole::Registered, "310115"));
    assert_eq!(&*decision.warnings[0].field, "subject.addresses[0].division");
}

#[test]
fn a_result_decided_after_cancellation_is_refused() {
    let mut message = result("610902-xzspj", GAUGES);
    assert_eq!(refused(&message), of(&[("items[0].code", "cancelled")]));
    message.decided_at = noon(date(2017, 12, 27));
    assert!(routed(&message, &History::default()).is_ok());
}

#[test]
fn a_result_of_the_old_level_after_devolution_is_refused() {
    assert_eq!(refused(&result("610900-xzspj", EQUIPMENT)), of(&[("items[0].code", "devolved")]));
    let mut early = result("610902-xzspj", EQUIPMENT);
    early.decided_at = noon(date(2025, 6, 30));
    assert_eq!(refused(&early), of(&[("items[0].code", "wrong_level")]));
}

#[test]
fn an_approver_decides_its_own_items_at_its_own_level_only() {
    assert_eq!(refused(&result("610900-xzspj", EMISSION)), of(&[("items[0].code", "not_competent")]));
    assert_eq!(
        refused(&result("610902-xzspj", FIREWORKS_WHOLESALE)),
        of(&[("items[0].code", "wrong_level")])
    );
}

#[test]
fn an_entrusted_item_is_decided_within_its_term_only() {
    let mut message = result("610900-xzspj", FIREWORKS_WHOLESALE);
    message.entrusted_body = Some("610000-yjglt".into());
    message.decided_at = noon(date(2024, 12, 31));
    assert_eq!(refused(&message), of(&[("items[0].code", "outside_term")]));
    let mut nothing = result("610900-xzspj", FOOD);
    nothing.entrusted_body = Some("610000-yjglt".into());
    assert_eq!(refused(&nothing), of(&[("entrustedBody", "nothing_entrusted")]));
}

#[test]
fn nobody_states_what_an_unrelated_body_decided() {
    let mut message = result("610902-xzspj", FOOD);
    message.decided_by = "610900-xzspj".into();
    assert_eq!(refused(&message), of(&[("decidedBy", "may_not_state")]));
}

#[test]
fn a_classified_item_is_refused_in_any_kind() {
    let message =
        with_item(penalty("610902-scjgj", FOOD_SUPERVISION, None), ItemFamily::Approval, CLASSIFIED);
    assert_eq!(refused(&message), of(&[("items[1].code", "classified")]));
}

#[test]
fn a_result_names_an_item() {
    let mut message = result("610902-xzspj", FOOD);
    message.items.clear();
    assert_eq!(refused(&message), of(&[("items", "no_item")]));
}
