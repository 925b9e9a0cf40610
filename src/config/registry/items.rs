//! Rows of `approval_items.toml`, `supervision_items.toml` and `cross_walk.csv`.

use jiff::civil::Date;
use serde::Deserialize;

use crate::domain::{
    decision::Part,
    division::Level,
    id::{DivisionCode, ItemCode, Line, OrganisationId},
    identifier::{BasicCode, SupervisionCode},
    item::{
        ApprovalItem, Approvers, Commitment, Exercise, Link, Named, Nature, PassDown, Place, ReportUp,
        Secrecy, SupervisionItem, SupervisorEntry,
    },
    message::{Handling, SubjectKind},
    period::Period,
};

/// An `[[approval_item]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApprovalRow {
    code: ItemCode,
    base_code: Box<str>,
    #[serde(default)]
    implementations: Vec<ItemCode>,
    name: Box<str>,
    nature: Nature,
    line: Line,
    exercise: Exercise,
    approver_line: Option<Line>,
    approvers: Option<Vec<OrganisationId>>,
    from: Option<Date>,
    to: Option<Date>,
    cancelled_on: Option<Date>,
    #[serde(default)]
    supervisors: Vec<SupervisorRow>,
    report_up: Option<ReportUp>,
    pass_down: Option<PassDown>,
    #[serde(default)]
    commitment: bool,
    #[serde(default)]
    classified: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SupervisorRow {
    organisation: Option<OrganisationId>,
    line: Option<Line>,
    level: Option<Level>,
    place: Option<Vec<Place>>,
    part: Part,
    share: Option<Box<str>>,
    condition: Option<Box<str>>,
    #[serde(default)]
    handling: Vec<Handling>,
    #[serde(default)]
    subject_kinds: Vec<SubjectKind>,
    #[serde(default)]
    divisions: Vec<DivisionCode>,
    from: Option<Date>,
    to: Option<Date>,
}

impl ApprovalRow {
    pub(super) fn code(&self) -> Box<str> {
        self.code.as_str().into()
    }

    pub(super) fn into_domain(self) -> Result<ApprovalItem, String> {
        if let Err(fault) = BasicCode::parse(&self.base_code) {
            return Err(format!("base_code: {fault}"));
        }
        let approvers = match (self.approver_line, self.approvers) {
            (Some(line), None) => Approvers::Line(line),
            (None, Some(organisations)) => Approvers::Named(organisations),
            _ => return Err("say either approver_line or approvers".to_owned()),
        };
        let supervisors: Result<_, String> =
            self.supervisors.into_iter().map(SupervisorRow::into_domain).collect();
        Ok(ApprovalItem {
            code: self.code,
            base_code: self.base_code,
            implementations: self.implementations,
            name: self.name,
            nature: self.nature,
            line: self.line,
            exercise: self.exercise,
            approvers,
            period: Period { from: self.from, to: self.to },
            cancelled_on: self.cancelled_on,
            supervisors: supervisors?,
            report_up: self.report_up,
            pass_down: self.pass_down,
            commitment: if self.commitment { Commitment::Allowed } else { Commitment::NotAllowed },
            secrecy: if self.classified { Secrecy::Classified } else { Secrecy::Open },
        })
    }
}

impl SupervisorRow {
    fn into_domain(self) -> Result<SupervisorEntry, String> {
        let named = match (self.organisation, self.line, self.place) {
            (Some(organisation), None, None) if self.level.is_none() => Named::Organisation(organisation),
            (None, Some(line), Some(places)) => Named::AtPlace { line, level: self.level, places },
            _ => return Err("a supervisor is either an organisation, or a line with its place".to_owned()),
        };
        Ok(SupervisorEntry {
            named,
            part: self.part,
            share: self.share,
            condition: self.condition,
            handling: self.handling,
            subject_kinds: self.subject_kinds,
            divisions: self.divisions,
            period: Period { from: self.from, to: self.to },
        })
    }
}

/// A `[[supervision_item]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SupervisionRow {
    code: ItemCode,
    #[serde(default)]
    implementations: Vec<ItemCode>,
    name: Box<str>,
    line: Line,
    levels: Vec<Level>,
    from: Option<Date>,
    to: Option<Date>,
    report_up: Option<ReportUp>,
}

impl SupervisionRow {
    pub(super) fn code(&self) -> Box<str> {
        self.code.as_str().into()
    }

    pub(super) fn into_domain(self) -> Result<SupervisionItem, String> {
        if let Err(fault) = SupervisionCode::parse(self.code.as_str()) {
            return Err(format!("code: {fault}"));
        }
        Ok(SupervisionItem {
            code: self.code,
            implementations: self.implementations,
            name: self.name,
            line: self.line,
            levels: self.levels,
            period: Period { from: self.from, to: self.to },
            report_up: self.report_up,
        })
    }
}

/// A row of `cross_walk.csv`: `approval,supervision,from,to`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkRow {
    approval: ItemCode,
    supervision: ItemCode,
    from: Option<Date>,
    to: Option<Date>,
}

impl LinkRow {
    pub(super) fn name(&self) -> Box<str> {
        format!("{} = {}", self.approval, self.supervision).into()
    }

    pub(super) fn into_domain(self) -> Result<Link, String> {
        let Self { approval, supervision, from, to } = self;
        if approval.as_str().is_empty() || supervision.as_str().is_empty() {
            return Err("a link names an approval and a supervision item".to_owned());
        }
        Ok(Link { approval, supervision, period: Period { from, to } })
    }
}
