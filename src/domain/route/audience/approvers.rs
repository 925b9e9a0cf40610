//! Approvers: of what is answered, of a licence in any division, of an item at a level and place.

use super::{Candidate, Expansion};
use crate::domain::{
    decision::ParkReason,
    division::Level,
    id::DivisionCode,
    item::{ApprovalItem, Approvers, Place},
    message::{ItemFamily, LicenceRef},
    organisation::{Organisation, Role},
    route::{condition::Scope, facts::Facts},
    rule::Crossing,
};

/// The approver that is answered, else that of the items at the level that speaks.
pub(super) fn at_level<'a>(places: &[Place], scope: &Scope<'_, 'a>, facts: &Facts<'a>) -> Expansion<'a> {
    if let Some(answered) = answered_approver(facts) {
        let by = "所反馈消息的来源审批部门".to_owned();
        let found = vec![Candidate::informed(answered, Crossing::Answers, by)];
        return Expansion { found, ..Expansion::default() };
    }
    of_items(scope, facts, |item, expansion| {
        let level = speaking_level(item, places, facts);
        let ground = if level == Some(facts.level.of_departments()) && facts.level > Level::County {
            Crossing::AboveTownship
        } else {
            Crossing::ItemNames
        };
        seek(item, level, places, ground, facts, expansion);
    })
}

/// The approver of the items, wherever they are exercised for the place.
pub(super) fn at_place<'a>(places: &[Place], scope: &Scope<'_, 'a>, facts: &Facts<'a>) -> Expansion<'a> {
    of_items(scope, facts, |item, expansion| {
        seek(item, level_for(item, places, facts), places, Crossing::Place, facts, expansion);
    })
}

/// The issuer of each licence, in any division; of a licence nobody knows, the approver of the item.
pub(super) fn issuers<'a>(places: &[Place], scope: &Scope<'_, 'a>, facts: &Facts<'a>) -> Expansion<'a> {
    let mut expansion = Expansion::default();
    let mut unknown = false;
    for licence in &facts.message.licences {
        match issuer(licence, facts) {
            Some(issuer) => of_issuer(licence, issuer, scope, facts, &mut expansion),
            None => unknown = true,
        }
    }
    if unknown {
        let mut of_items = at_place(places, scope, facts);
        for candidate in &mut of_items.found {
            candidate.by.insert_str(0, "发证机关不明，按对应事项：");
        }
        expansion.found.append(&mut of_items.found);
        expansion.missing.append(&mut of_items.missing);
        expansion.nobody = expansion.nobody.or(of_items.nobody);
    }
    if facts.message.licences.is_empty() {
        return Expansion::nobody("消息未涉及许可证照");
    }
    expansion
}

/// The issuer as it exists today; where it approves no more (划转), the approver that took the item over.
fn of_issuer<'a>(
    licence: &LicenceRef,
    issuer: &'a Organisation,
    scope: &Scope<'_, 'a>,
    facts: &Facts<'a>,
    expansion: &mut Expansion<'a>,
) {
    let by = format!("许可证照“{}”的发证机关", licence.kind);
    if facts.registry.principal(issuer).has(Role::Approver) {
        return expansion.found.push(Candidate::informed(issuer, Crossing::Licence, by));
    }
    let level = facts.registry.level_of(issuer);
    let seat = &facts.registry.principal(issuer).division;
    let mut heirs: Vec<_> = approval_items(scope, facts)
        .into_iter()
        .flat_map(|item| approvers(item, level, seat, facts).into_iter().map(move |found| (found, item)))
        .collect();
    heirs.dedup_by_key(|(found, _)| &found.id);
    if heirs.is_empty() {
        let detail = format!("“{}”的发证机关{}已无审批职能，请人工确定承接部门", licence.kind, issuer.name);
        return expansion.miss(ParkReason::NoApprover, detail);
    }
    expansion.found.extend(heirs.into_iter().map(|(found, item)| {
        let by = format!("{by}{}的审批职能已划转", issuer.name);
        Candidate::informed(found, Crossing::Licence, by).on(&item.line)
    }));
}

fn issuer<'a>(licence: &LicenceRef, facts: &Facts<'a>) -> Option<&'a Organisation> {
    let recorded = || facts.history.licence_issuers.get(&licence.key());
    let id = licence.decided_by.as_ref().or_else(recorded)?;
    facts.registry.heir(facts.registry.organisation(id)?, facts.today)
}

fn answered_approver<'a>(facts: &Facts<'a>) -> Option<&'a Organisation> {
    let answered = facts.history.answered.as_ref()?;
    let source = facts.registry.organisation(&answered.source)?;
    facts.registry.heir(source, facts.today).filter(|source| source.has(Role::Approver))
}

/// Runs `seek` over the approval items that the message means and that are approved at all today.
fn of_items<'a>(
    scope: &Scope<'_, 'a>,
    facts: &Facts<'a>,
    seek: impl Fn(&'a ApprovalItem, &mut Expansion<'a>),
) -> Expansion<'a> {
    let mut expansion = Expansion::default();
    let items = approval_items(scope, facts);
    if items.is_empty() {
        expansion.miss(ParkReason::NoCrossWalk, without_cross_walk(scope));
        return expansion;
    }
    let (open, closed): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.is_open_on(facts.today));
    if open.is_empty() {
        let names: Vec<&str> = closed.iter().map(|item| &*item.name).collect();
        return Expansion::nobody(&format!("事项已取消或失效，无审批部门：{}", names.join("、")));
    }
    for item in open {
        seek(item, &mut expansion);
    }
    expansion
}

/// Approval items named, else cross-walked from supervision items, else those of what is answered.
fn approval_items<'a>(scope: &Scope<'_, 'a>, facts: &Facts<'a>) -> Vec<&'a ApprovalItem> {
    let registry = facts.registry;
    let linked = |item| registry.approvals_linked(item, facts.today);
    let mut items: Vec<_> = scope.approvals.to_vec();
    items.extend(scope.supervisions.iter().flat_map(|item| linked(item)));
    if items.is_empty() && scope.supervisions.is_empty() {
        let named = facts.answered_items(ItemFamily::Approval);
        items.extend(named.filter_map(|code| registry.approval_item(code)));
        let supervised = facts.answered_items(ItemFamily::Supervision);
        items.extend(supervised.filter_map(|code| registry.supervision_item(code)).flat_map(linked));
    }
    items.sort_by(|a, b| a.code.cmp(&b.code));
    items.dedup_by_key(|item| &item.code);
    items
}

fn without_cross_walk(scope: &Scope<'_, '_>) -> String {
    let names: Vec<&str> = scope.supervisions.iter().map(|item| &*item.name).collect();
    if names.is_empty() {
        return "消息未列明事项，无法确定审批部门".to_owned();
    }
    format!("监管事项“{}”没有对应的审批事项，请补充审管事项对应表", names.join("、"))
}

fn seek<'a>(
    item: &'a ApprovalItem,
    level: Option<Level>,
    places: &[Place],
    ground: Crossing,
    facts: &Facts<'a>,
    expansion: &mut Expansion<'a>,
) {
    let place = level.and_then(|level| facts.division_at(places, level));
    let Some((level, (place, division))) = level.zip(place) else {
        let detail = format!("{}：消息未提供可确定审批部门的地点", item.name);
        return expansion.miss(ParkReason::NoApprover, detail);
    };
    let found = approvers(item, level, &division.code, facts);
    if found.is_empty() {
        let detail = format!("{}：{}无该事项审批部门", item.name, division.name);
        expansion.miss(ParkReason::NoApprover, detail);
    }
    expansion.found.extend(found.into_iter().map(|organisation| {
        let by =
            format!("“{}”的{}审批部门（{}：{}）", item.name, level.chinese(), place.chinese(), division.name);
        Candidate::informed(organisation, ground, by).on(&item.line)
    }));
}

/// Who decides an item at a level for a division.
fn approvers<'a>(
    item: &ApprovalItem,
    level: Level,
    division: &DivisionCode,
    facts: &Facts<'a>,
) -> Vec<&'a Organisation> {
    let registry = facts.registry;
    match &item.approvers {
        Approvers::Line(line) => registry.holders(Role::Approver, line, division, facts.today),
        Approvers::Named(named) => named
            .iter()
            .filter_map(|id| registry.heir(registry.organisation(id)?, facts.today))
            .filter(|one| registry.level_of(one) == level && registry.principal(one).division == *division)
            .collect(),
    }
}

/// The level the sender speaks at when that level exercises the item, else the nearest level above that
/// does, else any.
fn speaking_level(item: &ApprovalItem, places: &[Place], facts: &Facts<'_>) -> Option<Level> {
    let levels = item.exercise.levels_on(facts.today);
    let served = served_level(item, places, facts).filter(|level| levels.contains(level));
    let above = || levels.iter().filter(|&&level| level <= facts.level).max();
    served.or_else(|| above().or_else(|| levels.iter().max()).copied())
}

/// Level of the division that the sender serves on the item's line and in which the matter lies: what a
/// department of the city does for a zone, it does beside the zone's approver.
fn served_level(item: &ApprovalItem, places: &[Place], facts: &Facts<'_>) -> Option<Level> {
    let divisions = facts.registry.divisions();
    let place = places.iter().find_map(|&place| facts.place(place))?;
    let services = facts.source.serves.iter().filter(|service| service.line == item.line);
    let served = services.flat_map(|service| &service.divisions);
    let around = served.filter(|served| divisions.lies_in(place, served, facts.today));
    around.filter_map(|code| divisions.get(code)).map(|division| division.level).max()
}

/// The deepest level that exercises the item and in which one of the places lies.
fn level_for(item: &ApprovalItem, places: &[Place], facts: &Facts<'_>) -> Option<Level> {
    let levels = item.exercise.levels_on(facts.today).iter().copied();
    levels.filter(|&level| facts.division_at(places, level).is_some()).max()
}
