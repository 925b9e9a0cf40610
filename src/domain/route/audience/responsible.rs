//! The unit responsible for a risk warning (plan task 18: 各级各部门各单位): its level from the 监管层级 of
//! the supervision item, its division from the task's region, then where something is done, then the
//! registered address. What neither says goes to the city's coordinator for 分办.

use super::{Candidate, Expansion, Hops, Missing, branch_on_the_ground};
use crate::domain::{
    decision::{ParkReason, Part},
    division::Division,
    item::{ApprovalItem, Place, SupervisionItem},
    organisation::{Organisation, Role},
    route::{condition::Scope, facts::Facts},
    rule::Crossing,
};

/// The responsible unit of each supervision item.
pub(super) fn unit<'a>(places: &[Place], scope: &Scope<'_, 'a>, facts: &Facts<'a>) -> Expansion<'a> {
    let mut expansion = Expansion::default();
    let items = supervision_items(scope, facts);
    if items.is_empty() {
        distribute("预警未列明已知的监管事项", facts, &mut expansion);
    }
    for item in items {
        match division(item, places, facts) {
            Some((place, division)) => of_item(item, place, division, facts, &mut expansion),
            None => distribute("预警未提供可确定承办单位的地点", facts, &mut expansion),
        }
    }
    expansion
}

/// Supervision items named, else cross-walked from the approval items.
fn supervision_items<'a>(scope: &Scope<'_, 'a>, facts: &Facts<'a>) -> Vec<&'a SupervisionItem> {
    if !scope.supervisions.is_empty() {
        return scope.supervisions.to_vec();
    }
    let linked = |item: &&'a ApprovalItem| facts.registry.supervisions_linked(item, facts.today);
    let mut items: Vec<_> = scope.approvals.iter().flat_map(linked).collect();
    items.sort_by(|a, b| a.code.cmp(&b.code));
    items.dedup_by_key(|item| &item.code);
    items
}

/// The division of the first place, at the deepest level that supervises the item there.
fn division<'a>(
    item: &SupervisionItem,
    places: &[Place],
    facts: &Facts<'a>,
) -> Option<(Place, &'a Division)> {
    places.iter().find_map(|place| {
        let at = |&level| facts.division_at(std::slice::from_ref(place), level);
        item.levels.iter().filter_map(at).max_by_key(|(_, division)| division.level)
    })
}

fn of_item<'a>(
    item: &'a SupervisionItem,
    place: Place,
    division: &Division,
    facts: &Facts<'a>,
    expansion: &mut Expansion<'a>,
) {
    let found = facts.registry.holders(Role::Supervisor, &item.line, &division.code, facts.today);
    if found.is_empty() {
        let detail = format!("{}：{}无“{}”主管部门", item.name, division.name, item.line);
        expansion.miss(ParkReason::NoSupervisor, detail);
    }
    let by = format!(
        "监管事项“{}”监管层级{}，{}：{}",
        item.name,
        division.level.chinese(),
        place.chinese(),
        division.name
    );
    expansion.found.extend(found.into_iter().map(|organisation| Candidate {
        organisation: branch_on_the_ground(facts, organisation, &item.line).unwrap_or(organisation),
        line: Some(&item.line),
        by: by.clone(),
        part: Part::Lead,
        share: None,
        ground: Some(Crossing::Place),
        hops: Hops::default(),
    }));
}

fn distribute<'a>(because: &str, facts: &Facts<'a>, expansion: &mut Expansion<'a>) {
    let detail = format!("{because}，请分办");
    let with = coordinator(facts);
    expansion.missing.push(Missing { reason: ParkReason::Distribution, detail, with });
}

/// The coordinator nearest to the matter, else any.
fn coordinator<'a>(facts: &Facts<'a>) -> Option<&'a Organisation> {
    let registry = facts.registry;
    let role = Role::Coordinator;
    let near = facts.ground().map_or_else(Vec::new, |code| registry.nearest(role, None, code, facts.today));
    near.first()
        .copied()
        .or_else(|| registry.organisations().iter().find(|one| one.has(role) && one.exists_on(facts.today)))
}
