//! Rules that the registry leaves without anything to match.

use jiff::civil::Date;

use super::Finding;
use crate::domain::{
    item::{ApprovalItem, ExerciseMode, Nature},
    kind::Kind,
    organisation::Role,
    registry::Registry,
    rule::{Audience, Rule, Rules, Standing},
};

pub(super) fn findings(registry: &Registry, rules: &Rules, day: Date) -> Vec<Finding> {
    let in_use = || rules.all().filter(|rule| rule.standing == Standing::On);
    let routed = |kind: &Kind| in_use().any(|rule| rule.kind == *kind);
    let kinds = Kind::all().filter(|kind| !routed(kind)).map(Finding::KindWithoutRule);
    let roles = in_use().flat_map(|rule| {
        let vacant = roles(rule).into_iter().filter(|&role| !is_held(registry, role, day));
        vacant.map(|role| Finding::RoleWithoutOrganisation { rule: rule.id.clone(), role })
    });
    let conditions = in_use().flat_map(|rule| {
        let without = conditions(rule, registry, day).into_iter();
        without.map(|condition| Finding::ConditionWithoutItem { rule: rule.id.clone(), condition })
    });
    kinds.chain(roles).chain(conditions).collect()
}

fn is_held(registry: &Registry, role: Role, day: Date) -> bool {
    registry.organisations().iter().any(|one| one.has(role) && one.exists_on(day))
}

/// Roles without which a rule reaches nobody or concerns nothing.
fn roles(rule: &Rule) -> Vec<Role> {
    let audience = match &rule.audience {
        Audience::Nearest { role } | Audience::NearestOnLine { role } => vec![*role],
        Audience::Supervisors | Audience::Superiors | Audience::Below | Audience::Responsible { .. } => {
            vec![Role::Supervisor]
        }
        Audience::Approver { .. }
        | Audience::LicenceIssuers { .. }
        | Audience::CrossWalkedApprover { .. } => {
            vec![Role::Approver]
        }
        Audience::Originator | Audience::Participants | Audience::Subscribers => Vec::new(),
    };
    let decided_by = rule.when.decided_by.iter().flatten().copied();
    audience.into_iter().chain(decided_by).collect()
}

fn conditions(rule: &Rule, registry: &Registry, day: Date) -> Vec<&'static str> {
    let some = |fits: &dyn Fn(&ApprovalItem) -> bool| registry.approval_items().iter().any(fits);
    let nature = |natures: &Vec<Nature>| !some(&|item| natures.contains(&item.nature_on(day)));
    let exercise = |modes: &Vec<ExerciseMode>| !some(&|item| modes.contains(&item.exercise.mode()));
    let mut without = Vec::new();
    if rule.when.nature.as_ref().is_some_and(nature) {
        without.push("when.nature");
    }
    if rule.when.exercise.as_ref().is_some_and(exercise) {
        without.push("when.exercise");
    }
    let hop = match rule.audience {
        Audience::Superiors if rule.kind == Kind::PenaltyDecision => {
            registry.supervision_items().iter().all(|item| item.report_up.is_none())
        }
        Audience::Superiors => !some(&|item| item.report_up.is_some()),
        Audience::Below => !some(&|item| item.pass_down.is_some()),
        _ => false,
    };
    if hop {
        without.push("a further hop");
    }
    without
}
