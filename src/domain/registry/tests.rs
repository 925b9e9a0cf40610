//! A draft with a fault never becomes a registry, and all its faults are told.

use jiff::civil::date;

use super::*;
use crate::domain::{
    division::{DivisionKind, Level},
    item::{Approvers, Commitment, Exercise, Nature, ReportUp, Secrecy},
    organisation::{Form, Role, Service, Superior},
    period::Period,
};

const DAY: jiff::civil::Date = date(2026, 3, 10);

fn division(code: &str, parent: Option<&str>, level: Level) -> Division {
    let kind = DivisionKind::Tree;
    Division { code: code.into(), name: code.into(), parent: parent.map(Into::into), level, kind }
}

fn organisation(id: &str, division: &str) -> Organisation {
    Organisation {
        id: id.into(),
        name: id.into(),
        uscc: None,
        division: division.into(),
        form: Form::Department,
        roles: vec![Role::Supervisor],
        lines: vec!["trade".into()],
        acts_for: None,
        serves: Vec::new(),
        superiors: Vec::new(),
        predecessor: None,
        successor: None,
        from: None,
        to: None,
    }
}

fn item(code: &str) -> ApprovalItem {
    ApprovalItem {
        code: code.into(),
        base_code: code.into(),
        implementations: Vec::new(),
        name: code.into(),
        nature: Nature::Licence,
        line: "trade".into(),
        exercise: Exercise::OwnLevel { levels: vec![Level::City] },
        approvers: Approvers::Line("approval".into()),
        period: Period::default(),
        cancelled_on: None,
        supervisors: Vec::new(),
        report_up: None::<ReportUp>,
        pass_down: None,
        commitment: Commitment::NotAllowed,
        secrecy: Secrecy::Open,
    }
}

fn draft() -> Draft {
    Draft {
        divisions: vec![
            division("p", None, Level::Province),
            division("c", Some("p"), Level::City),
            division("d", Some("c"), Level::County),
        ],
        organisations: vec![organisation("city", "c"), organisation("county", "d")],
        approval_items: vec![item("i1")],
        ..Draft::default()
    }
}

fn problems(draft: Draft) -> Vec<String> {
    draft.build(1).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_sound_draft_becomes_a_registry_whose_digest_is_that_of_its_content() {
    let one = draft().build(1).unwrap();
    let mut turned = draft();
    turned.divisions.reverse();
    turned.organisations.reverse();
    let other = turned.build(2).unwrap();
    assert_eq!(one.digest(), other.digest(), "neither order nor version is content");
    let mut changed = draft();
    changed.organisations[0].name = "another".into();
    assert_ne!(one.digest(), changed.build(1).unwrap().digest());
}

#[test]
fn dangling_references_are_told_with_key_and_target() {
    let mut draft = draft();
    draft.divisions[2].parent = Some("x".into());
    draft.organisations[0].acts_for = Some("nobody".into());
    draft.cross_walk.push(Link {
        approval: "i1".into(),
        supervision: "s9".into(),
        period: Period::default(),
    });
    draft.endpoints.push(Endpoint { id: "e".into(), organisations: vec!["ghost".into()], flow: Flow::Both });
    let told = problems(draft);
    for expected in [
        "division 'd': parent refers to division 'x'",
        "organisation 'city': acts_for refers to organisation 'nobody'",
        "cross-walk 'i1 = s9': supervision refers to supervision item 's9'",
        "endpoint 'e': organisations refers to organisation 'ghost'",
    ] {
        assert!(told.iter().any(|text| text.starts_with(expected)), "{expected} is not in {told:#?}");
    }
}

#[test]
fn cycles_in_superiors_principals_and_divisions_are_told() {
    let mut draft = draft();
    let superior = |id: &str| Superior { line: "trade".into(), organisation: id.into() };
    draft.organisations[0].superiors.push(superior("county"));
    draft.organisations[1].superiors.push(superior("city"));
    draft.organisations[0].acts_for = Some("city".into());
    draft.divisions[0].parent = Some("d".into());
    let told = problems(draft);
    for expected in [
        "organisation 'city': following superiors comes back to it: city -> county -> city",
        "organisation 'city': following acts_for comes back to it: city -> city",
        "division 'p': following parent comes back to it: p -> d -> c -> p",
    ] {
        assert!(told.iter().any(|text| text == expected), "{expected} is not in {told:#?}");
    }
}

#[test]
fn superiors_on_different_lines_are_no_cycle() {
    let mut draft = draft();
    for (from, to, line) in [(0, "county", "a"), (1, "city", "b")] {
        draft.organisations[from].superiors.push(Superior { line: line.into(), organisation: to.into() });
    }
    assert!(draft.build(1).is_ok());
}

#[test]
fn duplicates_are_told_across_codes_and_implementation_codes() {
    let mut draft = draft();
    draft.approval_items.push(ApprovalItem { implementations: vec!["i1".into()], ..item("i2") });
    draft.organisations.push(organisation("city", "c"));
    let told = problems(draft);
    assert!(
        told.iter().any(|text| text.starts_with("approval item 'i2': 'i1' stands more than once")),
        "{told:#?}"
    );
    assert!(told.iter().any(|text| text.starts_with("organisation 'city': 'city' stands more")), "{told:#?}");
}

#[test]
fn dates_out_of_order_and_powers_that_do_not_move_down_are_told() {
    let mut draft = draft();
    draft.organisations[0].from = Some(date(2025, 1, 1));
    draft.organisations[0].to = Some(date(2024, 1, 1));
    draft.approval_items[0].exercise =
        Exercise::Devolved { from: Level::County, to: Level::City, effective: date(2025, 1, 1) };
    let told = problems(draft);
    assert_eq!(
        told,
        [
            "organisation 'city': from, to ends before it begins",
            "approval item 'i1': the power is devolved from county to city, which does not lie below",
        ]
    );
}

#[test]
fn two_endpoints_do_not_receive_for_one_organisation() {
    let mut draft = draft();
    let endpoint = |id: &str, flow| Endpoint { id: id.into(), organisations: vec!["city".into()], flow };
    draft.endpoints =
        vec![endpoint("a", Flow::Both), endpoint("b", Flow::Receives), endpoint("c", Flow::Sends)];
    assert_eq!(problems(draft), ["endpoint 'b': 'a' already receives for 'city'"]);
}

#[test]
fn two_zones_do_not_govern_one_township_on_one_day() {
    let mut draft = draft();
    let zone = |code: &str| Division { kind: DivisionKind::Zone, ..division(code, Some("c"), Level::County) };
    draft.divisions.extend([zone("z1"), zone("z2"), division("t", Some("d"), Level::Township)]);
    let governs = |zone: &str, from, to| Governs {
        zone: zone.into(),
        division: "t".into(),
        period: Period { from, to },
    };
    let mut disjoint = draft.clone();
    disjoint.governs =
        vec![governs("z1", None, Some(date(2024, 12, 31))), governs("z2", Some(date(2025, 1, 1)), None)];
    assert!(disjoint.build(1).is_ok());
    draft.governs = vec![
        governs("z1", None, None),
        governs("z2", Some(date(2025, 1, 1)), None),
        governs("d", None, Some(date(1990, 1, 1))),
    ];
    let told = problems(draft);
    assert!(
        told.contains(&"governed division 't': 'z1' and 'z2' govern it on the same day".to_owned()),
        "{told:#?}"
    );
    assert!(
        told.contains(&"governed division 't': 'd' governs it but is not a zone".to_owned()),
        "{told:#?}"
    );
}

#[test]
fn a_department_seated_in_a_division_comes_before_one_that_serves_it() {
    let mut draft = draft();
    draft.organisations[0].serves.push(Service { line: "trade".into(), divisions: vec!["d".into()] });
    let seated = draft.clone().build(1).unwrap();
    let found = seated.holders(Role::Supervisor, &"trade".into(), &"d".into(), DAY);
    assert_eq!(found.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["county"]);
    draft.organisations[1].to = Some(date(2025, 12, 31));
    let serving = draft.build(1).unwrap();
    let found = serving.holders(Role::Supervisor, &"trade".into(), &"d".into(), DAY);
    assert_eq!(found.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["city"]);
    let levels = serving.levels_of(found[0]);
    assert!(levels.contains(Level::City) && levels.contains(Level::County));
}

#[test]
fn a_branch_has_the_level_and_superior_of_whom_it_acts_for() {
    let mut draft = draft();
    draft.organisations.push(organisation("province", "p"));
    draft.organisations[0].superiors.push(Superior { line: "trade".into(), organisation: "province".into() });
    draft.organisations[1].acts_for = Some("city".into());
    draft.organisations[1].serves.push(Service { line: "trade".into(), divisions: vec!["d".into()] });
    let registry = draft.build(1).unwrap();
    let branch = registry.organisation(&"county".into()).unwrap();
    assert_eq!(registry.level_of(branch), Level::City);
    assert_eq!(registry.superior(branch, &"trade".into(), DAY).unwrap().id, "province".into());
    let city = registry.organisation(&"city".into()).unwrap();
    let at = |place: &str| {
        registry.branch_at(city, &"trade".into(), &place.into(), DAY).map(|one| one.id.as_str())
    };
    assert_eq!((at("d"), at("c")), (Some("county"), None));
}

#[test]
fn what_an_organisation_became_takes_its_place() {
    let mut draft = draft();
    draft.organisations[0].to = Some(date(2019, 3, 31));
    draft.organisations[0].successor = Some("county".into());
    let registry = draft.build(1).unwrap();
    let old = registry.organisation(&"city".into()).unwrap();
    assert_eq!(registry.heir(old, date(2019, 3, 31)).unwrap().id, "city".into());
    assert_eq!(registry.heir(old, date(2019, 4, 1)).unwrap().id, "county".into());
    assert!(registry.are_of_one_succession(registry.organisation(&"county".into()).unwrap(), old));
}

#[test]
fn endpoints_speak_and_receive_as_they_say() {
    let mut draft = draft();
    let both = vec!["city".into(), "county".into()];
    draft.endpoints = vec![
        Endpoint { id: "in".into(), organisations: both, flow: Flow::Sends },
        Endpoint { id: "out".into(), organisations: vec!["city".into()], flow: Flow::Receives },
    ];
    let registry = draft.build(1).unwrap();
    assert_eq!(registry.endpoint_for(&"city".into()), Some(&"out".into()));
    assert_eq!(registry.endpoint_for(&"county".into()), None);
    assert_eq!(registry.speaks_for(&"in".into()).len(), 2);
    assert!(registry.speaks_for(&"out".into()).is_empty());
    assert!(registry.share_a_sender(&"city".into(), &"county".into()));
}
