//! Hops: up the line in the same-level supervisor's name (plan task 6), and down to the place in the upper
//! supervisor's name (属地转办). Both wait for the delivery they follow.

use super::Missing;
use crate::domain::{
    decision::{Found, ParkReason, Part, Relay, Start, Verdict},
    division::Level,
    id::Line,
    item::{PassDown, ReportUp},
    obligation::Duty,
    organisation::{Organisation, Role},
    route::plan::{Origin, Plan, found},
    rule::{Audience, Crossing, Debtor, Rule},
};

impl<'a> Plan<'_, 'a> {
    /// Applies a rule whose audience follows deliveries of other rules.
    pub(in crate::domain::route) fn hop(&mut self, rule: &Rule) {
        let origins = self.origins_of(rule);
        let mut to = Vec::new();
        for origin in &origins {
            match rule.audience {
                Audience::Below => self.pass_down(rule, origin, &mut to),
                _ => self.report_up(rule, origin, &mut to),
            }
        }
        let verdict = match (origins.is_empty(), to.is_empty()) {
            (true, _) => Verdict::Nothing { because: "事项无此后续环节".into(), parked: None },
            (false, true) => Verdict::Nothing { because: "无新增接收机构".into(), parked: None },
            (false, false) => Verdict::Sent { to },
        };
        self.say(rule, verdict);
    }

    /// Where hops of a rule start: at lead supervisors, or at the deciding supervisor itself.
    fn origins_of(&self, rule: &Rule) -> Vec<Origin<'a>> {
        let starts_one = |origin: &Origin<'_>| match rule.audience {
            Audience::Below => origin.hops.down.is_some(),
            _ => origin.hops.up.is_some(),
        };
        let mut origins: Vec<_> = self.origins.iter().filter(|origin| starts_one(origin)).copied().collect();
        if matches!(rule.audience, Audience::Superiors) && self.facts.principal.has(Role::Supervisor) {
            let own = self.facts.supervisions.iter().filter_map(|item| item.report_up.as_ref());
            let own = own.filter(|up| self.facts.principal.works_on(&up.line));
            origins.extend(own.map(|up| Origin {
                delivery: None,
                organisation: self.facts.decider,
                hops: super::Hops { up: Some(up), down: None },
            }));
        }
        origins
    }

    /// County, city, province: each hop waits for the one before and is made in its recipient's name.
    fn report_up(&mut self, rule: &Rule, origin: &Origin<'a>, to: &mut Vec<Found>) {
        let Some(up) = origin.hops.up else { return };
        let facts = self.facts;
        let (mut from, mut after) = (origin.organisation, origin.delivery);
        let mut hops = 0;
        while let Some(superior) = facts.registry.superior(from, &up.line, facts.today) {
            if facts.registry.level_of(superior) < up.up_to {
                break;
            }
            let by = format!("{}的“{}”上级（{}）", from.name, up.line, up.basis);
            match self.held(rule, superior, &up.line, by, Crossing::SecondHop, (from, after), &up.relay) {
                Some(held) => to.push(held),
                None if self.position(&superior.id).is_none() => return,
                None => {}
            }
            (from, after) = (superior, self.position(&superior.id));
            hops += 1;
        }
        if hops == 0 {
            self.no_superior(rule, from, up);
        }
    }

    fn no_superior(&mut self, rule: &Rule, from: &Organisation, up: &ReportUp) {
        if self.facts.registry.level_of(from) <= up.up_to {
            return;
        }
        let detail = format!("{}在条线“{}”上没有登记上级（{}）", from.name, up.line, up.basis);
        self.miss(rule, &Missing { reason: ParkReason::EmptyAudience, detail, with: None });
    }

    fn pass_down(&mut self, rule: &Rule, origin: &Origin<'a>, to: &mut Vec<Found>) {
        let Some((down, line)) = origin.hops.down else { return };
        let facts = self.facts;
        if facts.registry.level_of(origin.organisation) >= down.level {
            return;
        }
        let departments = self.departments_below(down, line);
        if departments.is_empty() {
            let detail = format!("属地{}“{line}”主管部门未找到（{}）", down.level.chinese(), down.basis);
            self.miss(rule, &Missing { reason: ParkReason::EmptyAudience, detail, with: None });
        }
        for department in departments {
            let by = format!("{}属地转办（{}）", origin.organisation.name, down.basis);
            let from = (origin.organisation, origin.delivery);
            to.extend(self.held(rule, department, line, by, Crossing::PassDown, from, &down.relay));
        }
    }

    fn departments_below(&self, down: &PassDown, line: &Line) -> Vec<&'a Organisation> {
        let level: Level = down.level;
        let place = self.facts.division_at(&down.places, level);
        place.map_or_else(Vec::new, |(_, division)| {
            self.facts.registry.holders(Role::Supervisor, line, &division.code, self.facts.today)
        })
    }

    /// Plans one hop, and the relay that its predecessor owes; none when the organisation already receives.
    #[expect(clippy::too_many_arguments, reason = "one hop is all of these; a struct would only rename them")]
    fn held(
        &mut self,
        rule: &Rule,
        organisation: &'a Organisation,
        line: &Line,
        by: String,
        ground: Crossing,
        (from, after): (&'a Organisation, Option<usize>),
        relay: &Relay,
    ) -> Option<Found> {
        if self.position(&organisation.id).is_some() || self.facts.is_the_sender(organisation) {
            return None;
        }
        if !self.stays_or_may_cross(rule, organisation, Some(ground)) {
            self.park_astray(rule, organisation);
            return None;
        }
        let start = after.map_or(Start::Now, |after| Start::Held { after, relay: relay.clone() });
        let on_behalf_of = after.map(|_| from.id.clone());
        let part = rule.part.unwrap_or(Part::Informed);
        let at = self.push(&rule.id, organisation, part, rule.share.clone(), on_behalf_of, start);
        let relays = rule.owes.iter().filter(|owed| owed.debtor == Debtor::Recipient);
        for owed in relays {
            match owed.duty {
                Duty::Relay if after.is_some() && needs_a_person(relay) => self.owe(rule, owed, at, &from.id),
                Duty::Relay => {}
                _ => self.owe(rule, owed, at, &organisation.id),
            }
        }
        Some(found(organisation, Some(line.clone()), by))
    }
}

/// With a standing authorisation the hub relays by itself; otherwise the supervisor is answerable for it.
fn needs_a_person(relay: &Relay) -> bool {
    !matches!(relay, Relay::StandingAuthorisation { .. })
}
