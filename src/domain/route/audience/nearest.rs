//! Platforms and offices: the nearest organisation in a role, going up from who decided.

use super::{Candidate, Expansion};
use crate::domain::{
    decision::ParkReason,
    id::Line,
    organisation::{Organisation, Role},
    route::{condition::Scope, facts::Facts},
    rule::Crossing,
};

/// What is answered, if it holds the role; else the nearest that does.
pub(super) fn of_role<'a>(role: Role, facts: &Facts<'a>) -> Expansion<'a> {
    let mut expansion = Expansion::default();
    if let Some(source) = answered(role, facts) {
        let by = format!("所反馈消息的来源{}", role.chinese());
        expansion.found.push(Candidate::informed(source, Crossing::Answers, by));
        return expansion;
    }
    let found = facts.registry.nearest(role, None, facts.seat(), facts.today);
    if found.is_empty() {
        expansion.miss(ParkReason::EmptyAudience, format!("登记库中没有{}", role.chinese()));
    }
    let by = format!("就近{}", role.chinese());
    let platforms = found.into_iter().map(|one| Candidate::informed(one, Crossing::Platform, by.clone()));
    expansion.found.extend(platforms);
    expansion
}

/// For each line of the items, the nearest that holds the role and works on it.
pub(super) fn on_lines<'a>(role: Role, scope: &Scope<'_, 'a>, facts: &Facts<'a>) -> Expansion<'a> {
    let approvals = scope.approvals.iter().map(|item| &item.line);
    let mut lines: Vec<&'a Line> =
        approvals.chain(scope.supervisions.iter().map(|item| &item.line)).collect();
    lines.sort();
    lines.dedup();
    if lines.is_empty() {
        return Expansion::nobody("消息未列明事项，无法确定条线");
    }
    let mut expansion = Expansion::default();
    for line in lines {
        let found = facts.registry.nearest(role, Some(line), facts.seat(), facts.today);
        if found.is_empty() {
            let detail = format!("条线“{line}”没有{}", role.chinese());
            expansion.miss(ParkReason::EmptyAudience, detail);
        }
        let by = format!("“{line}”{}", role.chinese());
        expansion.found.extend(
            found.into_iter().map(|one| Candidate::informed(one, Crossing::Platform, by.clone()).on(line)),
        );
    }
    expansion
}

fn answered<'a>(role: Role, facts: &Facts<'a>) -> Option<&'a Organisation> {
    let source = facts.registry.organisation(&facts.history.answered.as_ref()?.source)?;
    facts.registry.heir(source, facts.today).filter(|source| source.has(role))
}
