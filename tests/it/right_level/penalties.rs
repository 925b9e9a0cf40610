//! Penalties reach every approver concerned, with and without a licence, and the trade's supervisor when
//! another body decided.

use liandong::domain::{
    decision::{ParkReason, Part, Redaction, Verdict},
    message::{AddressRole, LicenceKey, Payload, PenaltyEvent, PublicityLevel, SubjectKind},
};

use super::*;

#[test]
fn with_a_licence_its_issuer_is_told_in_any_division() {
    let message = penalty("610924-scjgj", FOOD_SUPERVISION, Some("610924100"));
    let decision = decided(&with_licence(message, "食品经营许可证", Some("610981-xzspj")));
    assert!(recipients(&decision).contains(&"610981-xzspj"), "another county issued it");
    assert!(!recipients(&decision).contains(&"610924-xzspj"));
}

#[test]
fn the_issuer_of_each_licence_is_told() {
    let message = penalty("610924-scjgj", FOOD_SUPERVISION, Some("610924100"));
    let message = with_licence(message, "食品经营许可证", Some("610924-xzspj"));
    let decision = decided(&with_licence(message, "药品经营许可证", Some("610900-xzspj")));
    assert!(
        recipients(&decision).contains(&"610924-xzspj") && recipients(&decision).contains(&"610900-xzspj")
    );
}

#[test]
fn an_issuer_the_message_does_not_name_is_found_among_the_licences_the_hub_has_seen() {
    let message =
        with_licence(penalty("610924-scjgj", FOOD_SUPERVISION, Some("610924100")), "食品经营许可证", None);
    let key = LicenceKey { kind: "食品经营许可证".into(), number: "JY16109020001".into() };
    let history = History { licence_issuers: [(key, "610902-xzspj".into())].into(), ..History::default() };
    assert!(recipients(&routed(&message, &history).unwrap()).contains(&"610902-xzspj"));
    let unknown = decided(&message);
    assert!(recipients(&unknown).contains(&"610924-xzspj"), "else the approver of the cross-walked item");
}

#[test]
fn a_licence_issued_before_the_power_moved_reaches_who_took_it_over() {
    let message = penalty("610924-scjgj", "17201200100001", Some("610924100"));
    let decision = decided(&with_licence(message, "药品经营许可证", Some("610900-spyjj")));
    assert!(recipients(&decision).contains(&"610900-xzspj"));
    assert!(!recipients(&decision).contains(&"610900-spyjj"));
}

#[test]
fn without_a_licence_the_approver_of_the_cross_walked_item_at_the_place_of_violation_is_told() {
    let decision = decided(&penalty("610900-scjgj", FOOD_SUPERVISION, Some("610926104")));
    assert!(recipients(&decision).contains(&"610926-xzspj"));
    assert!(!recipients(&decision).contains(&"610900-xzspj"));
    let in_a_zone = decided(&penalty("610902-scjgj", FOOD_SUPERVISION, Some("610902107")));
    assert!(recipients(&in_a_zone).contains(&"610902-HK-xzspj"));
    let in_a_zone_without_approver = decided(&penalty("610902-scjgj", FOOD_SUPERVISION, Some("610902102")));
    assert!(recipients(&in_a_zone_without_approver).contains(&"610902-xzspj"));
}

#[test]
fn a_missing_cross_walk_parks_and_the_other_audiences_proceed() {
    let decision = decided(&penalty("610902-scjgj", PRICE_SUPERVISION, Some("610902001")));
    assert_eq!(parked(&decision), [ParkReason::NoCrossWalk]);
    assert!(recipients(&decision).contains(&"610000-hlwjg"));
}

#[test]
fn an_item_that_is_cancelled_has_no_approver_to_tell_and_its_penalty_still_routes() {
    let decision = decided(&penalty("610902-scjgj", GAUGE_SUPERVISION, Some("610902001")));
    assert_eq!(parked(&decision), []);
    let why = decision.why.iter().find(|why| why.rule.as_str() == "penalty.cross_walked_approver").unwrap();
    assert!(matches!(&why.verdict, Verdict::Nothing { because, parked: None } if because.contains("已取消")));
}

#[test]
fn the_trades_supervisor_is_told_when_another_body_decided() {
    let by_enforcement = decided(&penalty("610902-cgj", FOOD_SUPERVISION, Some("610902001")));
    assert_eq!(to(&by_enforcement, "610902-scjgj").part, Part::Lead);
    let by_township = decided(&penalty("610981103-zhzf", FOOD_SUPERVISION, Some("610981103")));
    assert!(recipients(&by_township).contains(&"610981-scjgj"), "a township's departments are its county's");
    let by_township_in_a_zone = decided(&penalty("610902004-zhzf", FOOD_SUPERVISION, Some("610902004")));
    assert!(recipients(&by_township_in_a_zone).contains(&"610900-GX-scjgj"));
    let by_itself = decided(&penalty("610902-scjgj", FOOD_SUPERVISION, Some("610902001")));
    assert!(!recipients(&by_itself).contains(&"610902-scjgj"));
}

#[test]
fn credit_platform_industry_credit_and_supervision_platform_are_told() {
    let decision = decided(&penalty("610902-scjgj", FOOD_SUPERVISION, Some("610902001")));
    for platform in ["610900-xypt", "610000-qyxy", "610000-hlwjg"] {
        assert!(recipients(&decision).contains(&platform), "{platform}");
    }
    let line_without = decided(&penalty("610902-yjglj", CHEMICALS_SUPERVISION, Some("610902001")));
    assert_eq!(parked(&line_without), [], "not every line has an industry credit system");
}

#[test]
fn a_penalty_that_is_not_public_stays_from_who_publishes() {
    let mut message = penalty("610902-scjgj", FOOD_SUPERVISION, Some("610902001"));
    message.publicity.level = PublicityLevel::NotPublic;
    let ids = decided(&message);
    for publisher in ["610900-xypt", "610000-qyxy"] {
        assert!(!recipients(&ids).contains(&publisher), "{publisher}");
    }
}

#[test]
fn who_publishes_gets_a_person_without_the_number() {
    let mut message = penalty("610902-scjgj", FOOD_SUPERVISION, Some("610902001"));
    let subject = message.subject.as_mut().unwrap();
    subject.kind = SubjectKind::NaturalPerson;
    let decision = decided(&message);
    for publisher in ["610900-xypt", "610000-qyxy"] {
        assert_eq!(to(&decision, publisher).redaction, Redaction::PersonalNumbers, "{publisher}");
    }
    assert_eq!(to(&decision, "610000-hlwjg").redaction, Redaction::None);
}

#[test]
fn each_event_goes_to_all_who_had_the_original() {
    let mut message = penalty("610902-scjgj", FOOD_SUPERVISION, Some("610902001"));
    message.payload = match message.payload {
        Payload::PenaltyDecision(penalty) => {
            Payload::PenaltyDecision(PenaltyDecision { event: PenaltyEvent::Annulled, ..penalty })
        }
        other => other,
    };
    message.revision = 2;
    let original_recipients = vec!["610981-xzspj".into(), "610902-xzspj".into(), "610900-spyjj".into()];
    let history = History { original_recipients, ..History::default() };
    let decision = routed(&message, &history).unwrap();
    let ids = recipients(&decision);
    assert!(ids.contains(&"610981-xzspj"), "though no rule finds it any more");
    assert!(ids.contains(&"610900-scjgj"), "what a recipient became gets it");
    assert_eq!(ids.iter().filter(|id| **id == "610902-xzspj").count(), 1);
}

#[test]
fn a_public_audience_that_had_the_original_is_told_by_a_person_when_the_correction_is_not_public() {
    let mut message = penalty("610902-scjgj", FOOD_SUPERVISION, Some("610902001"));
    message.publicity.level = PublicityLevel::NotPublic;
    let history = History { original_recipients: vec!["610900-xypt".into()], ..History::default() };
    let decision = routed(&message, &history).unwrap();
    assert_eq!(parked(&decision), [ParkReason::EmptyAudience]);
    assert!(!recipients(&decision).contains(&"610900-xypt"));
}

#[test]
fn subscribers_to_the_subject_are_told() {
    let message = penalty("610902-scjgj", FOOD_SUPERVISION, Some("610902001"));
    let history = History { subscribers: vec!["610900-yjglj".into()], ..History::default() };
    assert!(recipients(&routed(&message, &history).unwrap()).contains(&"610900-yjglj"));
}

#[test]
fn a_branch_penalises_in_its_bureaus_name_and_level() {
    let message = penalty("610981-sthjj", EMISSION_SUPERVISION, Some("610981103"));
    let message = at(message, AddressRole::Operating, "610981103");
    let decision = decided(&message);
    assert!(
        recipients(&decision).contains(&"610900-sthjj"),
        "it approved, and is told what its branch found"
    );
}
