//! Audiences: what each expands to for one message, and what came to nothing.
//!
//! One file a family. An audience says how it found each organisation and on what ground it may lie at
//! another level; whether that is admitted is the plan's business.

mod answers;
mod approvers;
mod hops;
mod nearest;
mod responsible;
mod supervisors;

use super::{condition::Scope, facts::Facts};
use crate::domain::{
    decision::{ParkReason, Part},
    id::Line,
    item::{ApprovalItem, PassDown, ReportUp},
    organisation::Organisation,
    rule::{Audience, Crossing},
};

/// One organisation an audience found.
pub(super) struct Candidate<'a> {
    pub(super) organisation: &'a Organisation,
    /// Line it was found by.
    pub(super) line: Option<&'a Line>,
    /// How it was found, for people.
    pub(super) by: String,
    /// Part the item gives it; a rule may say otherwise.
    pub(super) part: Part,
    /// Its share in the item's words.
    pub(super) share: Option<Box<str>>,
    /// On what ground it may lie at another level; none when it must not.
    pub(super) ground: Option<Crossing>,
    /// Hops that start from it when it leads.
    pub(super) hops: Hops<'a>,
}

/// Hops that an item attaches to its lead supervisor.
#[derive(Clone, Copy, Default)]
pub(super) struct Hops<'a> {
    pub(super) up: Option<&'a ReportUp>,
    pub(super) down: Option<(&'a PassDown, &'a Line)>,
}

impl<'a> Hops<'a> {
    fn of(item: &'a ApprovalItem) -> Self {
        let down = item.pass_down.as_ref().map(|down| (down, &item.line));
        Self { up: item.report_up.as_ref(), down }
    }
}

impl<'a> Candidate<'a> {
    fn informed(organisation: &'a Organisation, ground: Crossing, by: String) -> Self {
        let (line, share) = (None, None);
        Self {
            organisation,
            line,
            by,
            part: Part::Informed,
            share,
            ground: Some(ground),
            hops: Hops::default(),
        }
    }

    fn on(mut self, line: &'a Line) -> Self {
        self.line = Some(line);
        self
    }
}

/// Something an audience looked for in vain.
pub(super) struct Missing<'a> {
    pub(super) reason: ParkReason,
    /// What to do, for people.
    pub(super) detail: String,
    /// Whom it waits with, if somebody distributes it.
    pub(super) with: Option<&'a Organisation>,
}

/// What an audience expanded to.
#[derive(Default)]
pub(super) struct Expansion<'a> {
    pub(super) found: Vec<Candidate<'a>>,
    pub(super) missing: Vec<Missing<'a>>,
    /// Why it is rightly nobody.
    pub(super) nobody: Option<String>,
}

impl<'a> Expansion<'a> {
    fn miss(&mut self, reason: ParkReason, detail: String) {
        self.missing.push(Missing { reason, detail, with: None });
    }

    fn nobody(because: &str) -> Self {
        Self { nobody: Some(because.to_owned()), ..Self::default() }
    }
}

/// Expands an audience that waits for no other delivery.
pub(super) fn expand<'a>(audience: &Audience, scope: &Scope<'_, 'a>, facts: &Facts<'a>) -> Expansion<'a> {
    match audience {
        Audience::Supervisors => supervisors::of_items(scope, facts),
        Audience::Approver { places } => approvers::at_level(places, scope, facts),
        Audience::LicenceIssuers { places } => approvers::issuers(places, scope, facts),
        Audience::CrossWalkedApprover { places } => approvers::at_place(places, scope, facts),
        Audience::Responsible { places } => responsible::unit(places, scope, facts),
        Audience::Nearest { role } => nearest::of_role(*role, facts),
        Audience::NearestOnLine { role } => nearest::on_lines(*role, scope, facts),
        Audience::Originator => answers::originator(facts),
        Audience::Participants => answers::participants(facts),
        Audience::Subscribers => answers::subscribers(facts),
        Audience::Superiors | Audience::Below => Expansion::nobody("后续环节"),
    }
}

/// The branch that acts for `organisation` where the matter lies, if it has one there.
fn branch_on_the_ground<'a>(
    facts: &Facts<'a>,
    organisation: &'a Organisation,
    line: &Line,
) -> Option<&'a Organisation> {
    facts.registry.branch_at(organisation, line, facts.ground()?, facts.today)
}
