//! Every check of a draft, so that a registry that exists can be relied on.

use std::collections::{HashMap, HashSet};

use super::{Draft, Fault, Problem, Table};
use crate::domain::{
    decision::Part,
    division::{Division, DivisionKind},
    id::{DivisionCode, ItemCode, Line, OrganisationId},
    item::{ApprovalItem, Approvers, Exercise, Named, Nature, Place, SupervisionItem, SupervisorEntry},
    organisation::Organisation,
    period::Period,
};

/// All faults of a draft.
pub(super) fn faults(draft: &Draft) -> Vec<Fault> {
    let mut check = Check::new(draft);
    check.divisions();
    check.governs();
    check.organisations();
    check.cycles_of_organisations();
    check.approval_items();
    check.supervision_items();
    check.cross_walk();
    check.endpoints();
    check.contacts();
    check.faults
}

struct Check<'a> {
    draft: &'a Draft,
    divisions: HashMap<&'a DivisionCode, &'a Division>,
    organisations: HashMap<&'a OrganisationId, &'a Organisation>,
    approval_items: HashSet<&'a ItemCode>,
    supervision_items: HashSet<&'a ItemCode>,
    faults: Vec<Fault>,
}

/// A row of a table, to hang faults on.
#[derive(Clone, Copy)]
struct Row<'a>(Table, &'a str);

impl<'a> Check<'a> {
    fn new(draft: &'a Draft) -> Self {
        Self {
            draft,
            divisions: draft.divisions.iter().map(|division| (&division.code, division)).collect(),
            organisations: draft.organisations.iter().map(|one| (&one.id, one)).collect(),
            approval_items: draft.approval_items.iter().map(|item| &item.code).collect(),
            supervision_items: draft.supervision_items.iter().map(|item| &item.code).collect(),
            faults: Vec::new(),
        }
    }

    fn add(&mut self, row: Row<'_>, problem: Problem) {
        self.faults.push(Fault { table: row.0, row: row.1.into(), problem });
    }

    fn unique<'b>(&mut self, table: Table, names: impl Iterator<Item = (&'b str, &'b str)>) {
        let mut seen = HashSet::new();
        for (row, name) in names {
            if !seen.insert(name) {
                self.add(Row(table, row), Problem::Duplicate(name.into()));
            }
        }
    }

    fn division(&mut self, row: Row<'_>, key: &'static str, code: &DivisionCode) {
        if !self.divisions.contains_key(code) {
            let id = code.as_str().into();
            self.add(row, Problem::Dangling { key, target: Table::Divisions, id });
        }
    }

    fn organisation(&mut self, row: Row<'_>, key: &'static str, id: &OrganisationId) {
        if !self.organisations.contains_key(id) {
            let id = id.as_str().into();
            self.add(row, Problem::Dangling { key, target: Table::Organisations, id });
        }
    }

    fn period(&mut self, row: Row<'_>, key: &'static str, period: Period) {
        if period.is_reversed() {
            self.add(row, Problem::ReversedDates { key });
        }
    }

    fn filled<T>(&mut self, row: Row<'_>, key: &'static str, list: &[T]) {
        if list.is_empty() {
            self.add(row, Problem::Empty(key));
        }
    }

    fn cycle<'b>(&mut self, row: Row<'b>, key: &'static str, next: impl Fn(&'b str) -> Option<&'b str>) {
        let mut path = vec![row.1];
        while let Some(step) = path.last().and_then(|last| next(last)) {
            if step == row.1 {
                path.push(step);
                let path = path.join(" -> ").into();
                return self.add(row, Problem::Cycle { key, path });
            }
            if path.contains(&step) {
                return;
            }
            path.push(step);
        }
    }

    fn divisions(&mut self) {
        let draft = self.draft;
        let codes = draft.divisions.iter().map(|division| (division.code.as_str(), division.code.as_str()));
        self.unique(Table::Divisions, codes);
        for division in &draft.divisions {
            let row = Row(Table::Divisions, division.code.as_str());
            let Some(code) = &division.parent else { continue };
            self.division(row, "parent", code);
            let level_of_parent = self.divisions.get(code).map(|parent| parent.level);
            // A zone of county rank may lie in a district.
            let may_equal = division.kind == DivisionKind::Zone;
            if let Some(parent) = level_of_parent
                && (division.level < parent || (division.level == parent && !may_equal))
            {
                let (level, parent) = (division.level.as_str(), parent.as_str());
                self.add(row, Problem::LevelNotBelow { level, parent });
            }
            let parents: HashMap<_, _> = self.divisions.clone();
            self.cycle(row, "parent", |code| {
                parents.get(&DivisionCode::from(code))?.parent.as_ref().map(DivisionCode::as_str)
            });
        }
    }

    fn governs(&mut self) {
        let draft = self.draft;
        for (at, governs) in draft.governs.iter().enumerate() {
            let row = Row(Table::Governs, governs.division.as_str());
            self.division(row, "governs", &governs.division);
            self.division(row, "zone", &governs.zone);
            self.period(row, "governs", governs.period);
            let kind = self.divisions.get(&governs.zone).map(|zone| zone.kind);
            if kind == Some(DivisionKind::Tree) {
                self.add(row, Problem::NotAZone(governs.zone.as_str().into()));
            }
            for earlier in &draft.governs[..at] {
                if earlier.division == governs.division && earlier.period.overlaps(&governs.period) {
                    let (one, other) = (earlier.zone.as_str().into(), governs.zone.as_str().into());
                    self.add(row, Problem::GovernedTwice(one, other));
                }
            }
        }
    }

    fn organisations(&mut self) {
        let draft = self.draft;
        let ids = draft.organisations.iter().map(|one| (one.id.as_str(), one.id.as_str()));
        self.unique(Table::Organisations, ids);
        for organisation in &draft.organisations {
            let row = Row(Table::Organisations, organisation.id.as_str());
            self.division(row, "division", &organisation.division);
            self.filled(row, "roles", &organisation.roles);
            self.period(row, "from, to", Period { from: organisation.from, to: organisation.to });
            for service in &organisation.serves {
                self.filled(row, "serves.divisions", &service.divisions);
                for division in &service.divisions {
                    self.division(row, "serves", division);
                }
                if !organisation.works_on(&service.line) {
                    self.add(row, Problem::ServesForeignLine(service.line.as_str().into()));
                }
            }
            for superior in &organisation.superiors {
                self.organisation(row, "superiors", &superior.organisation);
            }
            let others = [
                ("acts_for", &organisation.acts_for),
                ("predecessor", &organisation.predecessor),
                ("successor", &organisation.successor),
            ];
            for (key, other) in others {
                if let Some(other) = other {
                    self.organisation(row, key, other);
                }
            }
        }
    }

    fn cycles_of_organisations(&mut self) {
        let draft = self.draft;
        let all = self.organisations.clone();
        let get = |id: &str| all.get(&OrganisationId::from(id)).copied();
        for organisation in &draft.organisations {
            let row = Row(Table::Organisations, organisation.id.as_str());
            self.cycle(row, "acts_for", |id| get(id)?.acts_for.as_ref().map(OrganisationId::as_str));
            self.cycle(row, "successor", |id| get(id)?.successor.as_ref().map(OrganisationId::as_str));
            let lines: HashSet<&Line> =
                organisation.superiors.iter().map(|superior| &superior.line).collect();
            for line in lines {
                self.cycle(row, "superiors", |id| {
                    let superior = get(id)?.superiors.iter().find(|superior| superior.line == *line)?;
                    Some(superior.organisation.as_str())
                });
            }
        }
    }

    fn approval_items(&mut self) {
        let draft = self.draft;
        let codes = draft.approval_items.iter().flat_map(|item| {
            std::iter::once(&item.code)
                .chain(&item.implementations)
                .map(|code| (item.code.as_str(), code.as_str()))
        });
        self.unique(Table::ApprovalItems, codes);
        for item in &draft.approval_items {
            let row = Row(Table::ApprovalItems, item.code.as_str());
            self.period(row, "from, to", item.period);
            self.exercise(row, &item.exercise);
            self.approvers(row, item);
            if item.nature == Nature::Cancelled {
                self.add(row, Problem::CancelledWithoutDay);
            }
            for entry in &item.supervisors {
                self.supervisor(row, entry);
            }
            if let Some(down) = &item.pass_down {
                self.filled(row, "pass_down.places", &down.places);
            }
        }
    }

    fn exercise(&mut self, row: Row<'_>, exercise: &Exercise) {
        match exercise {
            Exercise::OwnLevel { levels } => self.filled(row, "exercise.levels", levels),
            Exercise::Devolved { from, to, .. } if to <= from => {
                self.add(row, Problem::NotDownwards { from: from.as_str(), to: to.as_str() });
            }
            Exercise::Devolved { .. } => {}
            Exercise::Entrusted { by, term, .. } => {
                self.organisation(row, "exercise.by", by);
                self.period(row, "exercise.term", *term);
            }
        }
    }

    fn approvers(&mut self, row: Row<'_>, item: &ApprovalItem) {
        if let Approvers::Named(organisations) = &item.approvers {
            self.filled(row, "approvers", organisations);
            for organisation in organisations {
                self.organisation(row, "approvers", organisation);
            }
        }
    }

    fn supervisor(&mut self, row: Row<'_>, entry: &SupervisorEntry) {
        self.period(row, "supervisors.from, to", entry.period);
        if entry.part == Part::Informed {
            self.add(row, Problem::SupervisorOnlyInformed);
        }
        for division in &entry.divisions {
            self.division(row, "supervisors.divisions", division);
        }
        match &entry.named {
            Named::Organisation(organisation) => self.organisation(row, "supervisors", organisation),
            Named::AtPlace { places, .. } => self.filled::<Place>(row, "supervisors.place", places),
        }
    }

    fn supervision_items(&mut self) {
        let draft = self.draft;
        let codes = draft.supervision_items.iter().flat_map(|item: &SupervisionItem| {
            std::iter::once(&item.code)
                .chain(&item.implementations)
                .map(|code| (item.code.as_str(), code.as_str()))
        });
        self.unique(Table::SupervisionItems, codes);
        for item in &draft.supervision_items {
            let row = Row(Table::SupervisionItems, item.code.as_str());
            self.filled(row, "levels", &item.levels);
            self.period(row, "from, to", item.period);
        }
    }

    fn cross_walk(&mut self) {
        let draft = self.draft;
        for link in &draft.cross_walk {
            let name = format!("{} = {}", link.approval, link.supervision);
            let row = Row(Table::CrossWalk, &name);
            self.period(row, "from, to", link.period);
            if !self.approval_items.contains(&link.approval) {
                let id = link.approval.as_str().into();
                self.add(row, Problem::Dangling { key: "approval", target: Table::ApprovalItems, id });
            }
            if !self.supervision_items.contains(&link.supervision) {
                let id = link.supervision.as_str().into();
                self.add(row, Problem::Dangling { key: "supervision", target: Table::SupervisionItems, id });
            }
        }
    }

    fn endpoints(&mut self) {
        let draft = self.draft;
        let ids = draft.endpoints.iter().map(|endpoint| (endpoint.id.as_str(), endpoint.id.as_str()));
        self.unique(Table::Endpoints, ids);
        let mut receiving: HashMap<&OrganisationId, &str> = HashMap::new();
        for endpoint in &draft.endpoints {
            let row = Row(Table::Endpoints, endpoint.id.as_str());
            self.filled(row, "organisations", &endpoint.organisations);
            for organisation in &endpoint.organisations {
                self.organisation(row, "organisations", organisation);
                if endpoint.flow.receives()
                    && let Some(other) = receiving.insert(organisation, row.1)
                {
                    let organisation = organisation.as_str().into();
                    self.add(row, Problem::ReceivesTwice { other: other.into(), organisation });
                }
            }
        }
    }

    fn contacts(&mut self) {
        for contact in &self.draft.contacts {
            let row = Row(Table::Contacts, contact.organisation.as_str());
            self.organisation(row, "organisation", &contact.organisation);
        }
    }
}
