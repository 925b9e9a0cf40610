//! What ships fits together, but for the gaps it keeps on purpose; and bad rules and registries are told.

use jiff::civil::date;
use liandong::domain::{
    lint::{Finding, lint},
    organisation::Role,
    rule::{Audience, Rule, When},
};

use super::*;

const DAY: Date = date(2026, 3, 10);

fn rules(change: impl Fn(Rule) -> Option<Rule>) -> Rules {
    Rules::build(WORLD.rules.all().cloned().filter_map(change).collect(), 2).unwrap()
}

#[test]
fn what_ships_leaves_only_the_gaps_it_keeps_on_purpose() {
    assert_eq!(
        lint(&WORLD.registry, &WORLD.rules, DAY),
        [Finding::LineWithoutDepartment("体育".into()), Finding::WithoutCrossWalk(PRICE_SUPERVISION.into()),]
    );
}

#[test]
fn a_rule_for_a_role_that_nobody_holds_is_found() {
    let rules = rules(|mut rule| {
        if rule.id.as_str() == "result.portal" {
            rule.audience = Audience::Nearest { role: Role::ExpertPool };
        }
        Some(rule)
    });
    let found = lint(&WORLD.registry, &rules, DAY);
    let vacant = Finding::RoleWithoutOrganisation { rule: "result.portal".into(), role: Role::ExpertPool };
    assert!(found.contains(&vacant), "{found:?}");
}

#[test]
fn a_kind_without_a_rule_is_found() {
    let rules = rules(|rule| (rule.kind != Kind::Receipt).then_some(rule));
    assert!(lint(&WORLD.registry, &rules, DAY).contains(&Finding::KindWithoutRule(Kind::Receipt)));
}

#[test]
fn a_condition_that_no_item_meets_is_found() {
    let before_the_cancellation = date(2017, 1, 1);
    let rules = rules(|mut rule| {
        if rule.id.as_str() == "penalty.supervisors" {
            let nature = Some(vec![liandong::domain::item::Nature::Cancelled]);
            rule.when = When { nature, ..When::default() };
        }
        Some(rule)
    });
    let condition = "when.nature";
    let finding = Finding::ConditionWithoutItem { rule: "penalty.supervisors".into(), condition };
    assert!(lint(&WORLD.registry, &rules, before_the_cancellation).contains(&finding));
    assert!(!lint(&WORLD.registry, &rules, DAY).contains(&finding));
}
