//! Approval results and progress: to the supervisors, at the level that decided.

use jiff::civil::date;
use liandong::domain::{
    decision::{ParkReason, Part, Redaction, Start, Verdict},
    division::Level,
    item::Nature,
    kind::Kind,
    message::{AddressRole, ItemFamily, Payload, Procedure, PublicityLevel, SubjectKind},
    obligation::{CalendarBasis, Duty, Term},
};

use super::*;

#[test]
fn a_result_goes_to_the_same_level_department_of_the_trade_when_the_item_names_none() {
    let county = decided(&result("610902-xzspj", FOOD));
    assert_eq!(county.level, Level::County);
    assert_eq!(recipients(&county), ["610902-scjgj", "610900-xypt", "610900-zwfw"]);
    assert_eq!(to(&county, "610902-scjgj").part, Part::Lead);
    let city = decided(&result("610900-xzspj", FOOD));
    assert_eq!(recipients(&city), ["610900-scjgj", "610900-xypt", "610900-zwfw"]);
}

#[test]
fn a_city_by_name_is_routed_as_the_county_it_is() {
    let decision = decided(&result("610981-xzspj", FOOD));
    assert_eq!(decision.level, Level::County);
    assert!(recipients(&decision).contains(&"610981-scjgj"));
    assert!(!recipients(&decision).contains(&"610900-scjgj"));
}

#[test]
fn the_supervisors_that_the_item_names_come_with_their_part_and_share() {
    let decision = decided(&result("610981-xzspj", CHEMICALS));
    let (lead, assist) = (to(&decision, "610981-yjglj"), to(&decision, "610981-sthjj"));
    assert_eq!((lead.part, lead.share.as_deref()), (Part::Lead, Some("安全生产监督管理")));
    assert_eq!(assist.part, Part::Assist);
    assert_eq!(assist.share.as_deref(), Some("废弃危险化学品处置监管（涉及废弃处置的）"));
}

#[test]
fn a_supervisor_at_the_place_is_found_where_the_item_says_so() {
    let message = at(result("610900-xzspj", HYGIENE), AddressRole::Operating, "610924101");
    let decision = decided(&message);
    assert_eq!(to(&decision, "610900-wjw").part, Part::Lead);
    let local = to(&decision, "610924-wjj");
    assert_eq!((local.part, local.share.as_deref()), (Part::Assist, Some("属地日常卫生监督")));
}

#[test]
fn a_place_the_item_asks_for_and_the_message_lacks_is_parked_and_the_others_go() {
    let decision = decided(&result("610900-xzspj", HYGIENE));
    assert_eq!(to(&decision, "610900-wjw").start, Start::Now);
    assert_eq!(parked(&decision), [ParkReason::NoSupervisor]);
}

#[test]
fn nobody_receives_twice_though_two_rules_find_it() {
    let mut message = at(result("610924-xzspj", HYGIENE), AddressRole::Operating, "610924100");
    result_payload(&mut message).procedure = Procedure::Commitment;
    let decision = decided(&message);
    let ids = recipients(&decision);
    assert_eq!(ids.iter().filter(|id| **id == "610924-wjj").count(), 1);
    assert_eq!(to(&decision, "610924-wjj").part, Part::Lead, "the stronger part wins");
    let found = |rule: &str| {
        decision
            .why
            .iter()
            .any(|why| why.rule.as_str() == rule && matches!(why.verdict, Verdict::Sent { .. }))
    };
    assert!(found("result.supervisors") && found("result.commitment"), "both reasons are kept");
}

#[test]
fn a_promise_is_verified_by_the_lead_supervisor() {
    let mut message = at(result("610902-xzspj", HYGIENE), AddressRole::Operating, "610902001");
    result_payload(&mut message).procedure = Procedure::Commitment;
    let owed = |message: &Message| {
        let obligations = decided(message).obligations.into_iter();
        obligations.filter(|owed| owed.duty == Duty::Verify).collect::<Vec<_>>()
    };
    let assumed = owed(&message);
    assert_eq!(assumed.len(), 1);
    assert_eq!(assumed[0].organisation, "610902-wjj".into());
    assert_eq!((assumed[0].due, assumed[0].term), (date(2026, 4, 8), Term::Assumed));
    result_payload(&mut message).verify_by = Some(date(2026, 4, 30));
    let stated = owed(&message);
    assert_eq!((stated[0].due, stated[0].term), (date(2026, 4, 30), Term::Stated));
    result_payload(&mut message).procedure = Procedure::Ordinary;
    assert_eq!(owed(&message), []);
}

#[test]
fn a_promise_for_an_item_that_provides_for_none_is_doubted() {
    let mut message = result("610902-xzspj", FOOD);
    result_payload(&mut message).procedure = Procedure::Commitment;
    assert_eq!(&*decided(&message).warnings[0].field, "approvalResult.procedure");
}

#[test]
fn publication_is_owed_by_who_decided_within_the_days_the_instrument_states() {
    let decision = decided(&result("610902-xzspj", FOOD));
    let publish = decision.obligations.iter().find(|owed| owed.duty == Duty::Publish).unwrap();
    assert_eq!(publish.organisation, "610902-xzspj".into());
    assert_eq!((publish.due, publish.term), (date(2026, 3, 19), Term::Stated));
    assert_eq!(publish.calendar, CalendarBasis::Published);
    assert_eq!(&*publish.basis, "发改办财金〔2018〕424号");
}

#[test]
fn public_audiences_take_public_results_only() {
    for level in [PublicityLevel::OnRequest, PublicityLevel::NotPublic] {
        let mut message = result("610902-xzspj", FOOD);
        message.publicity.level = level;
        assert_eq!(recipients(&decided(&message)), ["610902-scjgj", "610900-zwfw"]);
    }
    let mut expired = result("610902-xzspj", FOOD);
    expired.publicity.until = Some(date(2026, 3, 9));
    assert!(!recipients(&decided(&expired)).contains(&"610900-xypt"));
}

#[test]
fn public_audiences_never_see_the_numbers_of_natural_persons() {
    for kind in [SubjectKind::NaturalPerson, SubjectKind::LegalPerson] {
        let mut message = result("610902-xzspj", FOOD);
        message.subject.as_mut().unwrap().kind = kind;
        let decision = decided(&message);
        assert_eq!(to(&decision, "610900-xypt").redaction, Redaction::PersonalNumbers, "{kind:?}");
        assert_eq!(to(&decision, "610902-scjgj").redaction, Redaction::None, "{kind:?}");
    }
}

#[test]
fn the_supervision_platform_gets_no_result_by_default() {
    let decision = decided(&result("610902-xzspj", FOOD));
    assert!(!recipients(&decision).contains(&"610000-hlwjg"));
    let why = decision.why.iter().find(|why| why.rule.as_str() == "result.supervision_platform").unwrap();
    assert_eq!(why.verdict, Verdict::NotConcerned { because: "规则未启用".into() });
}

#[test]
fn progress_informs_the_supervisors_alone() {
    let message = base(Kind::ApprovalProgress, "610902-xzspj", Payload::ApprovalProgress);
    let decision = decided(&with_item(message, ItemFamily::Approval, FOOD));
    assert_eq!(recipients(&decision), ["610902-scjgj"]);
    assert_eq!(to(&decision, "610902-scjgj").part, Part::Informed);
    assert_eq!(decision.obligations, []);
}

#[test]
fn an_implementation_code_names_the_item_too() {
    let item = WORLD.registry.approval_item(&FOOD.into()).unwrap();
    let decision = decided(&result("610902-xzspj", item.implementations[0].as_str()));
    assert!(recipients(&decision).contains(&"610902-scjgj"));
}

#[test]
fn an_item_without_supervisor_parks_and_the_other_audiences_proceed() {
    let decision = decided(&result("610902-xzspj", SPORT));
    assert_eq!(
        parked(&decision),
        [ParkReason::NoSupervisor],
        "one for the empty audience, though rules repeat"
    );
    assert_eq!(to(&decision, "610900-zwfw").start, Start::Now);
}

#[test]
fn an_organisation_without_endpoint_parks_and_keeps_its_name() {
    let decision = decided(&result("610924-xzspj", "000123004000"));
    let delivery = to(&decision, "610924-wjj");
    assert!(matches!(delivery.start, Start::Parked { reason: ParkReason::NoEndpoint, .. }));
    assert_eq!(delivery.endpoint, None);
}

#[test]
fn a_devolved_item_follows_its_new_level_from_the_day() {
    let new = decided(&result("610924-xzspj", EQUIPMENT));
    assert!(recipients(&new).contains(&"610924-scjgj"));
    assert!(!recipients(&new).contains(&"610900-scjgj"));
    let mut before = result("610900-xzspj", EQUIPMENT);
    before.decided_at = noon(date(2025, 6, 30));
    assert!(recipients(&decided(&before)).contains(&"610900-scjgj"));
}

#[test]
fn an_entrusted_result_names_the_entrusting_body_and_goes_to_the_listed_supervisors() {
    let mut message = result("610900-xzspj", FIREWORKS_WHOLESALE);
    assert_eq!(refused(&message), [("items[0].code".to_owned(), "entrusted_body")]);
    message.entrusted_body = Some("610000-yjglt".into());
    let decision = decided(&message);
    assert_eq!(decision.level, Level::City);
    assert_eq!(to(&decision, "610900-yjglj").part, Part::Lead);
    assert_eq!(to(&decision, "610900-scjgj").part, Part::Assist);
    message.decided_by = "610000-yjglt".into();
    assert_eq!(
        decided(&message).level,
        Level::City,
        "decided in the entrusting body's name, at its own level"
    );
}

#[test]
fn a_filing_informs_the_other_whichever_of_the_two_received_it() {
    let by_approver = decided(&result("610902-xzspj", PACKAGED_FOOD));
    assert!(recipients(&by_approver).contains(&"610902-scjgj"));
    assert!(by_approver.obligations.iter().any(|owed| owed.duty == Duty::Verify));
    let by_supervisor = decided(&result("610902-scjgj", PACKAGED_FOOD));
    assert_eq!(recipients(&by_supervisor), ["610902-xzspj", "610900-zwfw"]);
    assert_eq!(parked(&by_supervisor), []);
}

#[test]
fn a_zone_finds_the_departments_that_serve_it_and_those_the_item_names_for_it() {
    let served = decided(&result("610900-GX-xzspj", FOOD));
    assert!(recipients(&served).contains(&"610900-GX-scjgj"), "a branch seated in the zone");
    let clinic = decided(&result("610900-GX-xzspj", CLINIC));
    assert!(recipients(&clinic).contains(&"610900-wjw"), "a city department that serves the zone");
    let hengkou = decided(&result("610902-HK-xzspj", FOOD));
    assert!(recipients(&hengkou).contains(&"610902-scjgj"), "the district's department that serves the zone");
    let named = decided(&result("610900-GX-xzspj", CHEMICALS));
    assert_eq!(to(&named, "610900-yjglj").part, Part::Lead);
    assert_eq!(to(&named, "610902-yjglj").part, Part::Assist);
    assert!(
        !recipients(&named).contains(&"610900-GX-sthjj"),
        "entries made for the zone replace the general"
    );
}

#[test]
fn a_branch_receives_for_its_bureau_where_it_serves_the_place() {
    let message = at(result("610900-sthjj", EMISSION), AddressRole::Operating, "610981103");
    let decision = decided(&message);
    assert_eq!(decision.level, Level::City);
    assert_eq!(to(&decision, "610981-sthjj").part, Part::Lead, "the branch learns what its bureau decided");
    let drugs = at(result("610900-xzspj", DRUG_SHOP), AddressRole::Operating, "610902004");
    assert!(recipients(&decided(&drugs)).contains(&"610900-GX-scjgj"));
    let elsewhere = at(result("610900-xzspj", DRUG_SHOP), AddressRole::Operating, "610902001");
    assert!(recipients(&decided(&elsewhere)).contains(&"610900-scjgj"));
}

#[test]
fn a_branch_decides_with_the_power_of_its_bureau() {
    let mut message = result("610981-sthjj", EMISSION);
    assert_eq!(decided(&message).level, Level::City);
    message.decided_by = "610900-sthjj".into();
    assert_eq!(decided(&message).level, Level::City);
}

#[test]
fn a_cancelled_item_has_that_nature_from_its_day() {
    let item = WORLD.registry.approval_item(&GAUGES.into()).unwrap();
    assert_eq!(item.nature_on(date(2017, 12, 27)), Nature::Licence);
    assert_eq!(item.nature_on(date(2017, 12, 28)), Nature::Cancelled);
}

#[test]
fn a_deadline_in_a_year_not_announced_says_so() {
    let mut message = at(result("610902-xzspj", HYGIENE), AddressRole::Operating, "610902001");
    result_payload(&mut message).procedure = Procedure::Commitment;
    let late = noon(date(2030, 1, 7));
    let world = &*WORLD;
    let decision =
        route(&message, &world.registry, &world.rules, &History::default(), &world.calendar, late).unwrap();
    assert!(decision.obligations.iter().all(|owed| owed.calendar == CalendarBasis::Assumed));
}
