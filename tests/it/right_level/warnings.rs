//! Warnings find level and division, or the coordinator.

use liandong::domain::{
    decision::{ParkReason, Part, Start},
    message::{AddressRole, ItemFamily},
    obligation::Duty,
};

use super::*;

#[test]
fn the_level_comes_from_the_item_and_the_division_from_the_tasks_region() {
    let county = decided(&warning(Some(FOOD_SUPERVISION), Some("610926104")));
    assert_eq!(recipients(&county), ["610926-scjgj"]);
    assert_eq!(to(&county, "610926-scjgj").part, Part::Lead);
    let city_only = decided(&warning(Some(EMISSION_SUPERVISION), Some("610926104")));
    assert_eq!(recipients(&city_only), ["610926-sthjj"], "the city's branch at the place");
    let region_is_the_city = decided(&warning(Some(FOOD_SUPERVISION), Some("610900")));
    assert_eq!(recipients(&region_is_the_city), ["610900-scjgj"]);
}

#[test]
fn without_a_region_where_something_is_done_counts_before_the_registered_address() {
    let registered = at(warning(Some(FOOD_SUPERVISION), None), AddressRole::Registered, "610981");
    assert_eq!(recipients(&decided(&registered)), ["610981-scjgj"]);
    let operating = at(registered, AddressRole::Operating, "610924101");
    assert_eq!(recipients(&decided(&operating)), ["610924-scjgj"]);
    let project = at(operating, AddressRole::Project, "610926");
    assert_eq!(recipients(&decided(&project)), ["610926-scjgj"]);
}

#[test]
fn a_region_in_a_zone_finds_the_zones_department() {
    assert_eq!(
        recipients(&decided(&warning(Some(FOOD_SUPERVISION), Some("610902004")))),
        ["610900-GX-scjgj"]
    );
}

#[test]
fn without_an_item_it_waits_with_the_citys_coordinator() {
    let unknown_item = warning(Some("99999999999999"), Some("610926"));
    let no_place = warning(Some(FOOD_SUPERVISION), None);
    for message in [warning(None, Some("610926")), unknown_item, no_place] {
        let decision = decided(&message);
        assert_eq!(recipients(&decision), ["610900-lxhy"]);
        assert!(matches!(
            decision.deliveries[0].start,
            Start::Parked { reason: ParkReason::Distribution, .. }
        ));
    }
}

#[test]
fn an_approval_item_leads_to_its_supervision_item() {
    let message = with_item(warning(None, Some("610926")), ItemFamily::Approval, FOOD);
    assert_eq!(recipients(&decided(&message)), ["610926-scjgj"]);
}

#[test]
fn who_is_responsible_signs_and_answers() {
    let decision = decided(&warning(Some(FOOD_SUPERVISION), Some("610926")));
    let duties: Vec<_> = decision.obligations.iter().map(|owed| owed.duty).collect();
    assert_eq!(duties, [Duty::Sign, Duty::Answer]);
}

#[test]
fn data_from_above_with_a_wrong_number_is_doubted_and_our_own_is_refused() {
    let mut above = warning(Some(FOOD_SUPERVISION), Some("610926"));
    above.subject.as_mut().unwrap().identifiers[0].number = "91350211M0000XUF46".into();
    assert_eq!(&*decided(&above).warnings[0].field, "subject.identifiers[0].number");
    let mut own = result("610902-xzspj", FOOD);
    own.subject.as_mut().unwrap().identifiers[0].number = "91350211M0000XUF46".into();
    assert_eq!(refused(&own), [("subject.identifiers[0].number".to_owned(), "identifier")]);
}
