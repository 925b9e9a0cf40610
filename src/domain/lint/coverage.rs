//! Divisions, lines and items that no route covers.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::Finding;
use crate::domain::{
    division::{Division, Level},
    id::{DivisionCode, Line},
    item::{ApprovalItem, Approvers, Named, Place, Secrecy, SupervisionItem},
    organisation::Role,
    registry::Registry,
};

pub(super) fn findings(registry: &Registry, day: Date) -> Vec<Finding> {
    let cover = Cover { registry, day };
    let open = |item: &&ApprovalItem| {
        item.secrecy == Secrecy::Open
            && item.period.covers(day)
            && item.cancelled_on.is_none_or(|cancelled| day < cancelled)
    };
    let lines = cover.lines_without_department();
    let staffed = |line: &Line| !lines.contains(line);
    let mut findings: Vec<_> = lines.iter().cloned().map(Finding::LineWithoutDepartment).collect();
    for item in registry.approval_items().iter().filter(open) {
        findings.extend(cover.approvers(item));
        if staffed(&item.line) {
            findings.extend(cover.supervisors(item));
        }
    }
    for item in registry.supervision_items().iter().filter(|item| item.period.covers(day)) {
        if staffed(&item.line) {
            findings.extend(cover.departments(item));
        }
        if registry.approvals_linked(item, day).next().is_none() {
            findings.push(Finding::WithoutCrossWalk(item.code.clone()));
        }
    }
    findings
}

struct Cover<'a> {
    registry: &'a Registry,
    day: Date,
}

impl Cover<'_> {
    fn lines_without_department(&self) -> BTreeSet<Line> {
        let works = |line: &Line| {
            self.registry
                .organisations()
                .iter()
                .any(|one| one.has(Role::Supervisor) && one.works_on(line) && one.exists_on(self.day))
        };
        let approvals = self.registry.approval_items().iter();
        let approvals = approvals.filter(|item| item.secrecy == Secrecy::Open).map(|item| &item.line);
        let supervisions = self.registry.supervision_items().iter().map(|item| &item.line);
        approvals.chain(supervisions).filter(|line| !works(line)).cloned().collect()
    }

    /// Divisions of some levels, by code.
    fn divisions(&self, levels: &[Level]) -> Vec<&Division> {
        let within = |division: &&Division| levels.contains(&division.level);
        let mut divisions: Vec<_> = self.registry.divisions().all().filter(within).collect();
        divisions.sort_by(|a, b| a.code.cmp(&b.code));
        divisions
    }

    fn holds(&self, role: Role, line: &Line, division: &DivisionCode) -> bool {
        !self.registry.holders(role, line, division, self.day).is_empty()
    }

    fn approvers(&self, item: &ApprovalItem) -> Option<Finding> {
        let Approvers::Line(line) = &item.approvers else { return None };
        let vacant = |division: &&Division| !self.holds(Role::Approver, line, &division.code);
        let divisions = self.codes(item.exercise.levels_on(self.day), vacant);
        (!divisions.is_empty()).then(|| Finding::ItemWithoutApprover { item: item.code.clone(), divisions })
    }

    fn supervisors(&self, item: &ApprovalItem) -> Option<Finding> {
        let levels = item.exercise.levels_on(self.day);
        let divisions = self.codes(levels, |division| !self.is_supervised(item, division));
        (!divisions.is_empty()).then(|| Finding::ItemWithoutSupervisor { item: item.code.clone(), divisions })
    }

    /// Whether a result decided in `division` comes to a supervisor, as far as that does not hang on the
    /// message's own places.
    fn is_supervised(&self, item: &ApprovalItem, division: &Division) -> bool {
        let here = |outer: &DivisionCode| self.registry.divisions().lies_in(&division.code, outer, self.day);
        let in_force: Vec<_> = item
            .supervisors
            .iter()
            .filter(|entry| entry.period.covers(self.day))
            .filter(|entry| entry.divisions.is_empty() || entry.divisions.iter().any(here))
            .collect();
        if in_force.is_empty() {
            return self.holds(Role::Supervisor, &item.line, &division.code);
        }
        in_force.iter().any(|entry| match &entry.named {
            Named::Organisation(_) => true,
            Named::AtPlace { line, level, places } if places.as_slice() == [Place::Sender] => {
                let level = level.unwrap_or(division.level);
                let at = self.registry.divisions().at_level(&division.code, level, self.day);
                at.is_some_and(|at| self.holds(Role::Supervisor, line, &at.code))
            }
            Named::AtPlace { .. } => true,
        })
    }

    fn departments(&self, item: &SupervisionItem) -> Option<Finding> {
        let vacant = |division: &&Division| !self.holds(Role::Supervisor, &item.line, &division.code);
        let divisions = self.codes(&item.levels, vacant);
        (!divisions.is_empty())
            .then(|| Finding::SupervisionWithoutDepartment { item: item.code.clone(), divisions })
    }

    /// Codes of the divisions of some levels that lack something. Provinces and cities whose lower levels
    /// are not in the registry are of no concern.
    fn codes(&self, levels: &[Level], lacks: impl FnMut(&&Division) -> bool) -> Vec<DivisionCode> {
        self.divisions(levels).into_iter().filter(lacks).map(|division| division.code.clone()).collect()
    }
}
