//! The decision while it is made: admits what audiences found, once each and at the right level; parks what
//! came to nothing; plans what is owed.

use super::{
    audience::{Candidate, Expansion, Hops, Missing, expand},
    condition::{Scope, scope},
    facts::Facts,
};
use crate::domain::{
    calendar::{Basis, Calendar},
    decision::{
        Decision, Found, ParkReason, Part, PlannedDelivery, Reason, Redaction, Start, Verdict, Warning,
    },
    id::{EndpointId, OrganisationId, RuleId},
    item::ApprovalItem,
    message::{ItemFamily, Payload},
    obligation::{CalendarBasis, Duty, PlannedObligation, Term},
    organisation::Organisation,
    rule::{Crossing, Debtor, IfEmpty, Owed, Rule, Standing},
};

/// Rule under which a correction follows what it corrects.
pub const FOLLOW_THE_ORIGINAL: &str = "correction.original_recipients";
const FOLLOW_BASIS: &str = "任务21、22";

/// A delivery from which hops start.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    /// Its index; none when the decider itself is the first.
    pub(super) delivery: Option<usize>,
    pub(super) organisation: &'a Organisation,
    pub(super) hops: Hops<'a>,
}

/// The decision while it is made.
pub(super) struct Plan<'p, 'a> {
    pub(super) facts: &'p Facts<'a>,
    calendar: &'p Calendar,
    pub(super) deliveries: Vec<PlannedDelivery>,
    obligations: Vec<PlannedObligation>,
    why: Vec<Reason>,
    pub(super) origins: Vec<Origin<'a>>,
}

impl<'p, 'a> Plan<'p, 'a> {
    pub(super) fn new(facts: &'p Facts<'a>, calendar: &'p Calendar) -> Self {
        let (deliveries, obligations, why, origins) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { facts, calendar, deliveries, obligations, why, origins }
    }

    /// Applies one rule.
    pub(super) fn apply(&mut self, rule: &Rule) {
        if rule.standing == Standing::Off {
            return self.not_concerned(rule, "规则未启用");
        }
        match scope(&rule.when, self.facts) {
            Err(because) => self.not_concerned(rule, because),
            Ok(scope) => {
                let expansion = self.expand(rule, &scope);
                self.take(rule, expansion);
            }
        }
    }

    fn expand(&self, rule: &Rule, scope: &Scope<'_, 'a>) -> Expansion<'a> {
        expand(&rule.audience, scope, self.facts)
    }

    fn not_concerned(&mut self, rule: &Rule, because: &str) {
        self.say(rule, Verdict::NotConcerned { because: because.into() });
    }

    pub(super) fn say(&mut self, rule: &Rule, verdict: Verdict) {
        self.why.push(Reason { rule: rule.id.clone(), basis: rule.basis.clone(), verdict });
    }

    fn take(&mut self, rule: &Rule, expansion: Expansion<'a>) {
        if rule.audience.is_hop() {
            return self.hop(rule);
        }
        let nobody = expansion.nobody;
        let empty = expansion.found.is_empty() && expansion.missing.is_empty();
        let (own, others): (Vec<_>, Vec<_>) =
            expansion.found.into_iter().partition(|found| self.facts.is_the_sender(found.organisation));
        let (closed, open): (Vec<_>, Vec<_>) = others
            .into_iter()
            .partition(|found| found.organisation.is_public_audience() && !self.facts.is_public());
        let to: Vec<Found> = open.into_iter().filter_map(|candidate| self.admit(rule, candidate)).collect();
        if !to.is_empty() {
            self.say(rule, Verdict::Sent { to });
        }
        if !own.is_empty() {
            let because = "发送机关自身即为该对象".into();
            self.say(rule, Verdict::Nothing { because, parked: None });
        }
        if !closed.is_empty() {
            let because = "仅接收公开信息，本件不公开或已过公示期".into();
            self.say(rule, Verdict::Nothing { because, parked: None });
        }
        for missing in expansion.missing {
            self.miss(rule, &missing);
        }
        if empty {
            let because = nobody.unwrap_or_else(|| "无接收对象".to_owned()).into();
            self.say(rule, Verdict::Nothing { because, parked: None });
        }
    }

    /// Plans the delivery to one organisation, or strengthens the one it has.
    ///
    /// The promise of the right level is kept here: a recipient that cannot be addressed at the level that
    /// decided is admitted only on a ground the rule names, else it is parked as a fault of configuration.
    fn admit(&mut self, rule: &Rule, candidate: Candidate<'a>) -> Option<Found> {
        let Candidate { organisation, line, by, part, share, ground, hops } = candidate;
        if !self.stays_or_may_cross(rule, organisation, ground) {
            self.park_astray(rule, organisation);
            return None;
        }
        let part = rule.part.unwrap_or(part);
        let share = share.or_else(|| rule.share.clone());
        let at = match self.position(&organisation.id) {
            Some(at) => self.strengthen(at, rule, part, share),
            None => self.plan(rule, organisation, part, share),
        };
        if part == Part::Lead {
            self.origins.push(Origin { delivery: Some(at), organisation, hops });
        }
        self.owe_by_part(rule, at, &organisation.id, part);
        Some(found(organisation, line.cloned(), by))
    }

    /// Whether a recipient may be addressed at the level that decided, or the rule names the ground on which
    /// the delivery leaves it.
    pub(super) fn stays_or_may_cross(
        &self,
        rule: &Rule,
        organisation: &Organisation,
        ground: Option<Crossing>,
    ) -> bool {
        self.facts.registry.levels_of(organisation).contains(self.facts.level)
            || ground.is_some_and(|ground| rule.may_cross.contains(&ground))
    }

    pub(super) fn park_astray(&mut self, rule: &Rule, organisation: &Organisation) {
        let level = self.facts.registry.level_of(organisation).chinese();
        let detail = format!(
            "规则{}找到的{}（{level}）不在{}，而规则未允许跨层级，请修正规则",
            rule.id,
            organisation.name,
            self.facts.level.chinese()
        );
        let missing = Missing { reason: ParkReason::Ours, detail, with: None };
        self.miss(rule, &missing);
    }

    pub(super) fn position(&self, organisation: &OrganisationId) -> Option<usize> {
        self.deliveries.iter().position(|delivery| {
            delivery.organisation.as_ref() == Some(organisation) && !is_for_distribution(delivery)
        })
    }

    fn strengthen(&mut self, at: usize, rule: &Rule, part: Part, share: Option<Box<str>>) -> usize {
        let delivery = &mut self.deliveries[at];
        if part < delivery.part {
            delivery.part = part;
            delivery.rule = rule.id.clone();
        }
        delivery.share = match (delivery.share.take(), share) {
            (Some(one), Some(other)) if !one.contains(&*other) => Some(format!("{one}；{other}").into()),
            (one, other) => one.or(other),
        };
        at
    }

    fn plan(
        &mut self,
        rule: &Rule,
        organisation: &Organisation,
        part: Part,
        share: Option<Box<str>>,
    ) -> usize {
        self.push(&rule.id, organisation, part, share, None, Start::Now)
    }

    /// Adds a delivery; without an endpoint it waits for a person, unless none is needed.
    pub(super) fn push(
        &mut self,
        rule: &RuleId,
        organisation: &Organisation,
        part: Part,
        share: Option<Box<str>>,
        on_behalf_of: Option<OrganisationId>,
        start: Start,
    ) -> usize {
        let endpoint = self.endpoint(organisation);
        let start = match (&endpoint, start) {
            (None, start) if needs_an_endpoint(&start) => Start::Parked {
                reason: ParkReason::NoEndpoint,
                detail: format!("{}尚未接入，请线下送达或办理接入", organisation.name).into(),
            },
            (_, start) => start,
        };
        self.deliveries.push(PlannedDelivery {
            organisation: Some(organisation.id.clone()),
            endpoint,
            part,
            share,
            on_behalf_of,
            redaction: redaction_for(organisation),
            start,
            rule: rule.clone(),
        });
        self.deliveries.len() - 1
    }

    /// The organisation's own endpoint, else that of whom it acts for.
    fn endpoint(&self, organisation: &Organisation) -> Option<EndpointId> {
        let registry = self.facts.registry;
        let own = registry.endpoint_for(&organisation.id);
        own.or_else(|| registry.endpoint_for(&registry.principal(organisation).id)).cloned()
    }

    /// Parks what an audience looked for in vain, unless the rule says that it need not exist.
    pub(super) fn miss(&mut self, rule: &Rule, missing: &Missing<'_>) {
        let parks = rule.if_empty == IfEmpty::Park || missing.reason == ParkReason::Ours;
        let parked = parks.then_some(missing.reason);
        self.say(rule, Verdict::Nothing { because: missing.detail.as_str().into(), parked });
        if parks {
            self.park(&rule.id, rule.part.unwrap_or(Part::Informed), missing);
        }
    }

    fn park(&mut self, rule: &RuleId, part: Part, missing: &Missing<'_>) {
        let start = Start::Parked { reason: missing.reason, detail: missing.detail.as_str().into() };
        let stands = |delivery: &PlannedDelivery| {
            delivery.start == start && delivery.organisation.as_ref() == missing.with.map(|with| &with.id)
        };
        if self.deliveries.iter().any(stands) {
            return;
        }
        self.deliveries.push(PlannedDelivery {
            organisation: missing.with.map(|with| with.id.clone()),
            endpoint: missing.with.and_then(|with| self.endpoint(with)),
            part,
            share: None,
            on_behalf_of: None,
            redaction: missing.with.map(redaction_for).unwrap_or_default(),
            start,
            rule: rule.clone(),
        });
    }

    /// A correction also goes to all who had the original, whatever the registry says today. Last, so that
    /// whoever had it by a hop gets it by the hop again.
    pub(super) fn follow_the_original(&mut self) {
        let facts = self.facts;
        let rule = RuleId::from(FOLLOW_THE_ORIGINAL);
        let mut to = Vec::new();
        for id in &facts.history.original_recipients {
            let heir = facts.registry.organisation(id).and_then(|one| facts.registry.heir(one, facts.today));
            let Some(organisation) = heir else {
                self.park_former(&rule, format!("原接收机构{id}已不存在，请人工确定承接机构"));
                continue;
            };
            if facts.is_the_sender(organisation) || self.position(&organisation.id).is_some() {
                continue;
            }
            if organisation.is_public_audience() && !facts.is_public() {
                self.park_former(&rule, format!("{}曾接收原件，现不公开，请通知其撤下", organisation.name));
                continue;
            }
            self.push(&rule, organisation, Part::Informed, None, None, Start::Now);
            to.push(found(organisation, None, "曾接收原件".to_owned()));
        }
        if !to.is_empty() {
            self.why.push(Reason { rule, basis: FOLLOW_BASIS.into(), verdict: Verdict::Sent { to } });
        }
    }

    fn park_former(&mut self, rule: &RuleId, detail: String) {
        let reason = ParkReason::EmptyAudience;
        let verdict = Verdict::Nothing { because: detail.as_str().into(), parked: Some(reason) };
        self.why.push(Reason { rule: rule.clone(), basis: FOLLOW_BASIS.into(), verdict });
        self.park(rule, Part::Informed, &Missing { reason, detail, with: None });
    }

    fn owe_by_part(&mut self, rule: &Rule, at: usize, organisation: &OrganisationId, part: Part) {
        let concerns = |owed: &&Owed| owed.parts.is_empty() || owed.parts.contains(&part);
        for owed in rule.owes.iter().filter(concerns) {
            match owed.debtor {
                Debtor::Recipient => self.owe(rule, owed, at, organisation),
                Debtor::Decider => self.owe(rule, owed, at, &self.facts.decider.id),
            }
        }
    }

    /// Plans one obligation; of two alike the earlier counts.
    pub(super) fn owe(&mut self, rule: &Rule, owed: &Owed, at: usize, organisation: &OrganisationId) {
        let (due, calendar, term) = self.due(owed);
        let alike = |known: &&mut PlannedObligation| {
            known.organisation == *organisation && known.duty == owed.duty && known.delivery == Some(at)
        };
        if let Some(known) = self.obligations.iter_mut().find(alike) {
            if due < known.due {
                (known.due, known.calendar, known.term) = (due, calendar, term);
            }
            return;
        }
        self.obligations.push(PlannedObligation {
            organisation: organisation.clone(),
            duty: owed.duty,
            delivery: Some(at),
            due,
            calendar,
            term,
            rule: rule.id.clone(),
            basis: rule.basis.clone(),
        });
    }

    /// The last day: that named by the decision for a verification, else so many working days from today.
    fn due(&self, owed: &Owed) -> (jiff::civil::Date, CalendarBasis, Term) {
        if let (Duty::Verify, Payload::ApprovalResult(result)) = (owed.duty, &self.facts.message.payload)
            && let Some(named) = result.verify_by
        {
            return (named, CalendarBasis::Published, Term::Stated);
        }
        match self.calendar.add_working_days(self.facts.today, owed.within_working_days.into()) {
            Ok(due) => (due.date, calendar_basis(due.basis), owed.term),
            // Only beyond the year 9999, where nothing is settled.
            Err(_) => (jiff::civil::Date::MAX, CalendarBasis::Assumed, owed.term),
        }
    }

    /// The finished decision.
    pub(super) fn decide(self, rules_version: u64, warnings: Vec<Warning>) -> Decision {
        let facts = self.facts;
        Decision {
            registry_version: facts.registry.version(),
            rules_version,
            level: facts.level,
            order_key: facts.message.order_key(base_code(facts)),
            deliveries: self.deliveries,
            obligations: self.obligations,
            why: self.why,
            warnings,
        }
    }
}

/// A parked copy for the coordinator does not stand for a delivery of the message itself.
fn is_for_distribution(delivery: &PlannedDelivery) -> bool {
    matches!(delivery.start, Start::Parked { reason: ParkReason::Distribution, .. })
}

/// Public audiences never see the numbers of natural persons, whoever the message is about: its texts may
/// name anybody.
fn redaction_for(organisation: &Organisation) -> Redaction {
    if organisation.is_public_audience() { Redaction::PersonalNumbers } else { Redaction::None }
}

/// A superior that is told in the supervisor's own system needs no endpoint here.
fn needs_an_endpoint(start: &Start) -> bool {
    use crate::domain::decision::Relay;
    !matches!(start, Start::Held { relay: Relay::OwnSystem, .. })
}

pub(super) fn found(organisation: &Organisation, line: Option<crate::domain::id::Line>, by: String) -> Found {
    Found { organisation: organisation.id.clone(), line, by: by.into() }
}

fn calendar_basis(basis: Basis) -> CalendarBasis {
    match basis {
        Basis::Published => CalendarBasis::Published,
        Basis::Assumed => CalendarBasis::Assumed,
    }
}

/// 基本编码 of the first item, across the cross-walk or from what is answered when it names no approval
/// item, so that a result and what follows it share one order.
fn base_code<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    let registry = facts.registry;
    let linked = || {
        let first = facts.supervisions.first()?;
        let mut linked: Vec<&ApprovalItem> = registry.approvals_linked(first, facts.today).collect();
        linked.sort_by(|a, b| a.code.cmp(&b.code));
        linked.first().copied()
    };
    let answered =
        || facts.answered_items(ItemFamily::Approval).find_map(|code| registry.approval_item(code));
    let item = facts.approvals.first().copied().or_else(linked).or_else(answered)?;
    Some(&item.base_code)
}
