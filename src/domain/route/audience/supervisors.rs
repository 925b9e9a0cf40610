//! Supervisors of the items: those the item names (监管分工), else the department of its line at the level
//! that decided (plan tasks 6, 16, 21).

use super::{Candidate, Expansion, Hops, branch_on_the_ground};
use crate::domain::{
    decision::{ParkReason, Part},
    division::Level,
    id::{DivisionCode, Line},
    item::{ApprovalItem, Named, Place, SupervisionItem, SupervisorEntry},
    kind::Kind,
    message::Payload,
    organisation::{Organisation, Role},
    route::{condition::Scope, facts::Facts},
    rule::Crossing,
};

/// Where an item's own level of supervision looks for its department.
const PLACES_OF_FACT: [Place; 5] =
    [Place::Violation, Place::Project, Place::Operating, Place::Registered, Place::Sender];

/// Supervisors of every item in scope.
pub(super) fn of_items<'a>(scope: &Scope<'_, 'a>, facts: &Facts<'a>) -> Expansion<'a> {
    let mut expansion = Expansion::default();
    for item in scope.approvals.iter() {
        of_approval_item(item, facts, &mut expansion);
    }
    let decides = matches!(facts.message.kind(), Kind::ApprovalResult | Kind::ApprovalProgress);
    if !decides {
        for item in scope.supervisions {
            of_supervision_item(item, facts, &mut expansion);
        }
    }
    if scope.approvals.is_empty() && scope.supervisions.is_empty() {
        if facts.principal.has(Role::Supervisor) {
            return Expansion::nobody("未列明事项，作出机关自身即为监管部门");
        }
        let detail = "消息未列明事项，请人工确定行业监管部门".to_owned();
        expansion.miss(ParkReason::NoSupervisor, detail);
    }
    expansion
}

fn of_approval_item<'a>(item: &'a ApprovalItem, facts: &Facts<'a>, expansion: &mut Expansion<'a>) {
    let entries = entries_in_force(item, facts);
    if entries.is_empty() {
        let level = facts.level.of_departments();
        let by = format!("事项未列监管分工，{}“{}”同级主管部门", level.chinese(), item.line);
        let division = facts.division_at(&[Place::Sender], level).map(|(_, division)| &division.code);
        let found = departments(&item.line, division, facts);
        if found.is_empty() {
            let detail = format!("{}：{}无“{}”主管部门", item.name, level.chinese(), item.line);
            expansion.miss(ParkReason::NoSupervisor, detail);
        }
        let hops = Hops::of(item);
        expansion.found.extend(found.into_iter().map(|organisation| {
            let ground = (level != facts.level).then_some(Crossing::AboveTownship);
            supervisor(facts, organisation, &item.line, Part::Lead, by.clone(), ground, hops)
        }));
    }
    for entry in entries {
        of_entry(item, entry, facts, expansion);
    }
}

/// Entries that hold today for this message; those made for the deciding division replace the general ones.
fn entries_in_force<'a>(item: &'a ApprovalItem, facts: &Facts<'a>) -> Vec<&'a SupervisorEntry> {
    let handling = match &facts.message.payload {
        Payload::ApprovalResult(result) => Some(result.handling),
        _ => None,
    };
    let subject = facts.message.subject.as_ref().map(|subject| subject.kind);
    let divisions = facts.registry.divisions();
    let in_force = |entry: &&SupervisorEntry| {
        entry.period.covers(facts.today)
            && (entry.handling.is_empty() || handling.is_none_or(|one| entry.handling.contains(&one)))
            && (entry.subject_kinds.is_empty()
                || subject.is_some_and(|kind| entry.subject_kinds.contains(&kind)))
            && (entry.divisions.is_empty()
                || entry.divisions.iter().any(|outer| divisions.lies_in(facts.seat(), outer, facts.today)))
    };
    let (mut special, general): (Vec<_>, Vec<_>) =
        item.supervisors.iter().filter(in_force).partition(|entry| !entry.divisions.is_empty());
    // In a zone inside a district that has entries too, those of the zone itself count.
    if special.iter().any(|entry| entry.divisions.contains(facts.seat())) {
        special.retain(|entry| entry.divisions.contains(facts.seat()));
    }
    if special.is_empty() { general } else { special }
}

fn of_entry<'a>(
    item: &'a ApprovalItem,
    entry: &'a SupervisorEntry,
    facts: &Facts<'a>,
    expansion: &mut Expansion<'a>,
) {
    let (found, line, by): (Vec<_>, &'a Line, String) = match &entry.named {
        Named::Organisation(id) => {
            let organisation = facts.registry.organisation(id);
            let heir = organisation.and_then(|organisation| facts.registry.heir(organisation, facts.today));
            (heir.into_iter().collect(), &item.line, format!("事项监管分工指定：{id}"))
        }
        Named::AtPlace { line, level, places } => {
            let level = level.unwrap_or(facts.level.of_departments());
            let place = facts.division_at(places, level);
            let found = departments(line, place.map(|(_, division)| &division.code), facts);
            (found, line, at_place(line, level, place.map(|(place, _)| place), places))
        }
    };
    if found.is_empty() {
        expansion.miss(ParkReason::NoSupervisor, format!("{}：{by}，未找到机构", item.name));
    }
    for organisation in found {
        let hops = Hops::of(item);
        let ground = Some(ground(facts));
        let mut candidate = supervisor(facts, organisation, line, entry.part, by.clone(), ground, hops);
        candidate.share = share(entry);
        expansion.found.push(candidate);
    }
}

fn at_place(line: &Line, level: Level, found: Option<Place>, wanted: &[Place]) -> String {
    let place = found.or_else(|| wanted.first().copied()).map_or("", Place::chinese);
    let lacking = if found.is_none() { "（消息未提供）" } else { "" };
    format!("事项监管分工：{place}{lacking}{}“{line}”主管部门", level.chinese())
}

fn ground(facts: &Facts<'_>) -> Crossing {
    if facts.level > Level::County { Crossing::AboveTownship } else { Crossing::ItemNames }
}

fn share(entry: &SupervisorEntry) -> Option<Box<str>> {
    match (&entry.share, &entry.condition) {
        (Some(share), Some(condition)) => Some(format!("{share}（{condition}）").into()),
        (share, condition) => share.clone().or_else(|| condition.clone()),
    }
}

/// The item's department at the level that decided, when that level supervises it, else at the deepest
/// level that does (监管层级).
fn of_supervision_item<'a>(item: &'a SupervisionItem, facts: &Facts<'a>, expansion: &mut Expansion<'a>) {
    let same = facts.level.of_departments();
    let own = item.levels.contains(&same);
    let level = if own { same } else { item.levels.iter().copied().max().unwrap_or(same) };
    let places = if own { &[Place::Sender][..] } else { &PLACES_OF_FACT };
    let division = facts.division_at(places, level).map(|(_, division)| &division.code);
    let found = departments(&item.line, division, facts);
    if found.is_empty() {
        let detail = format!("{}：{}无“{}”主管部门", item.name, level.chinese(), item.line);
        expansion.miss(ParkReason::NoSupervisor, detail);
    }
    let by = format!("监管事项“{}”：{}主管部门", item.name, level.chinese());
    let hops = Hops { up: item.report_up.as_ref(), down: None };
    expansion.found.extend(found.into_iter().map(|organisation| {
        supervisor(facts, organisation, &item.line, Part::Lead, by.clone(), Some(ground(facts)), hops)
    }));
}

fn departments<'a>(line: &Line, division: Option<&DivisionCode>, facts: &Facts<'a>) -> Vec<&'a Organisation> {
    division.map_or_else(Vec::new, |division| {
        facts.registry.holders(Role::Supervisor, line, division, facts.today)
    })
}

/// A supervisor, or the branch that acts for it on the ground.
fn supervisor<'a>(
    facts: &Facts<'a>,
    organisation: &'a Organisation,
    line: &'a Line,
    part: Part,
    by: String,
    ground: Option<Crossing>,
    hops: Hops<'a>,
) -> Candidate<'a> {
    let branch = branch_on_the_ground(facts, organisation, line);
    let by = if branch.is_some() {
        format!("{by}；由属地派出机构代{}接收", organisation.name)
    } else {
        by
    };
    let organisation = branch.unwrap_or(organisation);
    Candidate { organisation, line: Some(line), by, part, share: None, ground, hops }
}
