//! Hops: up only for items that report up, in the supervisor's name; down to the place for those passed on.

use liandong::domain::{
    decision::{ParkReason, Relay, Start},
    message::AddressRole,
    obligation::Duty,
};

use super::*;

#[test]
fn an_item_without_report_up_goes_up_to_nobody() {
    for item in [FOOD, HYGIENE, EQUIPMENT] {
        let decision = decided(&result("610924-xzspj", item));
        assert!(recipients(&decision).iter().all(|id| !id.starts_with("610000")), "{item}");
    }
}

#[test]
fn a_confirmed_relay_chains_county_city_province_each_in_the_name_of_the_one_before() {
    let decision = decided(&result("610924-xzspj", DRUG_SHOP));
    let first = recipients(&decision).iter().position(|id| *id == "610924-scjgj").unwrap();
    let city = to(&decision, "610900-scjgj");
    assert_eq!(city.start, Start::Held { after: first, relay: Relay::Confirm });
    assert_eq!(city.on_behalf_of, Some("610924-scjgj".into()));
    let second = recipients(&decision).iter().position(|id| *id == "610900-scjgj").unwrap();
    let province = to(&decision, "610000-ypjdj");
    assert_eq!(province.on_behalf_of, Some("610900-scjgj".into()));
    assert!(matches!(province.start, Start::Parked { reason: ParkReason::NoEndpoint, .. }));
    let relays: Vec<_> = decision.obligations.iter().filter(|owed| owed.duty == Duty::Relay).collect();
    assert_eq!(relays.len(), 2);
    assert_eq!(relays[0].organisation, "610924-scjgj".into());
    assert_eq!((relays[0].delivery, &relays[1].organisation), (Some(second), &"610900-scjgj".into()));
}

#[test]
fn a_standing_authorisation_relays_without_a_person_and_stops_where_the_item_says() {
    let decision = decided(&result("610924-xzspj", CHEMICALS));
    let city = to(&decision, "610900-yjglj");
    assert!(matches!(&city.start, Start::Held { relay: Relay::StandingAuthorisation { document }, .. }
        if document.contains("〔2025〕18号")));
    assert!(!recipients(&decision).contains(&"610000-yjglt"), "up to the city only");
    assert!(decision.obligations.iter().all(|owed| owed.duty != Duty::Relay));
    let at_the_city = decided(&result("610900-xzspj", CHEMICALS));
    assert!(!recipients(&at_the_city).contains(&"610000-yjglt"));
    assert_eq!(parked(&at_the_city), []);
}

#[test]
fn a_relay_in_a_system_of_its_own_is_only_recorded_and_needs_no_endpoint() {
    let decision = decided(&result("610900-xzspj", CLINIC));
    let province = to(&decision, "610000-wjw");
    assert!(matches!(province.start, Start::Held { relay: Relay::OwnSystem, .. }));
    assert_eq!(province.endpoint, None);
    assert!(
        decision
            .obligations
            .iter()
            .any(|owed| { owed.duty == Duty::Relay && owed.organisation == "610900-wjw".into() })
    );
}

#[test]
fn the_second_hop_stays_held_when_the_first_is_parked() {
    let decision = decided(&result("610924-xzspj", CLINIC));
    assert!(matches!(to(&decision, "610924-wjj").start, Start::Parked { .. }));
    assert!(matches!(to(&decision, "610900-wjw").start, Start::Held { .. }));
}

#[test]
fn a_city_project_is_passed_down_to_its_place_in_the_upper_supervisors_name() {
    let message = at(result("610900-xzspj", BUILDING), AddressRole::Project, "610926102");
    let decision = decided(&message);
    assert_eq!(to(&decision, "610900-zjj").start, Start::Now);
    let local = to(&decision, "610926-zjj");
    assert_eq!(local.on_behalf_of, Some("610900-zjj".into()));
    assert!(matches!(local.start, Start::Held { relay: Relay::Confirm, .. }));
    assert!(
        decision
            .obligations
            .iter()
            .any(|owed| { owed.duty == Duty::Relay && owed.organisation == "610900-zjj".into() })
    );
}

#[test]
fn a_county_project_is_passed_down_to_nobody() {
    let message = at(result("610926-xzspj", BUILDING), AddressRole::Project, "610926102");
    assert_eq!(recipients(&decided(&message)), ["610926-zjj", "610900-xypt", "610900-zwfw"]);
}

#[test]
fn a_city_project_without_a_place_is_parked() {
    assert_eq!(parked(&decided(&result("610900-xzspj", BUILDING))), [ParkReason::EmptyAudience]);
}

#[test]
fn a_penalty_goes_up_only_under_an_item_that_reports_up() {
    let decision = decided(&penalty("610924-yjglj", CHEMICALS_SUPERVISION, Some("610924100")));
    let city = to(&decision, "610900-yjglj");
    assert_eq!((&city.start, &city.on_behalf_of), (&Start::Now, &None), "the supervisor itself sends it up");
    let without = decided(&penalty("610924-scjgj", FOOD_SUPERVISION, Some("610924100")));
    assert!(!recipients(&without).contains(&"610900-scjgj"));
}
