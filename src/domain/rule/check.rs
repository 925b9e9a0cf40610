//! Checks of rules that need no registry: a rule that could never match is a mistake, not a rule.

use std::collections::HashSet;

use super::{Audience, Crossing, Debtor, Presence, Rule};
use crate::domain::{
    id::RuleId,
    item::Nature,
    kind::Kind,
    message::{Handling, PublicityLevel},
    obligation::Duty,
    organisation::Role,
};

/// One fault of one rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule '{rule}': {problem}")]
pub struct Fault {
    /// The rule.
    pub rule: RuleId,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The id stands twice.
    #[error("its id stands more than once; give each rule its own")]
    Duplicate,
    /// A condition lists no value.
    #[error("it can never match: when.{0} lists no value; leave it out to concern all")]
    NoValue(&'static str),
    /// The kind does not carry what a condition asks.
    #[error("it can never match: {kind} carries no {condition}")]
    NotCarried {
        /// Kind.
        kind: Kind,
        /// Condition.
        condition: &'static str,
    },
    /// Conditions exclude each other or the audience.
    #[error("it can never match: {0}")]
    Contradiction(&'static str),
    /// The audience does not exist for the kind.
    #[error("{kind} has no audience {audience}")]
    Impossible {
        /// Kind.
        kind: Kind,
        /// Audience.
        audience: &'static str,
    },
    /// An audience without places.
    #[error("its audience names no place; name at least one")]
    NoPlace,
    /// The audience lies at another level by nature but the rule may not leave its level.
    #[error("its audience lies at another level; say may_cross = [\"{0}\"]")]
    MayNotCross(&'static str),
    /// A hop that nobody owes.
    #[error("a hop needs a relay among what is owed, or nobody is late when it stays held")]
    HopWithoutRelay,
    /// An obligation due on the day it arises.
    #[error("owes {0} within 0 working days; the day itself does not count, so say at least 1")]
    NoTime(Duty),
    /// The basis is missing.
    #[error("it names no basis; name the task of the plan or the instrument")]
    NoBasis,
}

/// All faults of a set of rules.
pub(super) fn faults(rules: &[Rule]) -> Vec<Fault> {
    let mut ids = HashSet::new();
    let mut faults = Vec::new();
    for rule in rules {
        let duplicate = (!ids.insert(&rule.id)).then_some(Problem::Duplicate);
        let problems =
            duplicate.into_iter().chain(conditions(rule)).chain(audience(rule)).chain(duties(rule));
        faults.extend(problems.map(|problem| Fault { rule: rule.id.clone(), problem }));
    }
    faults
}

/// Name of a condition, whether it lists no value, and the kinds that carry it.
type Condition = (&'static str, Option<bool>, &'static [Kind]);

fn table(rule: &Rule) -> [Condition; 11] {
    fn empty<T>(list: Option<&Vec<T>>) -> Option<bool> {
        list.map(Vec::is_empty)
    }
    const APPROVAL: &[Kind] = &[Kind::ApprovalResult];
    const WITH_ITEMS: &[Kind] = &[
        Kind::ApprovalProgress,
        Kind::ApprovalResult,
        Kind::SupervisionFeedback,
        Kind::PenaltyDecision,
        Kind::RiskWarning,
        Kind::RiskDisposal,
    ];
    let when = &rule.when;
    [
        ("outcome", empty(when.outcome.as_ref()), APPROVAL),
        ("procedure", empty(when.procedure.as_ref()), APPROVAL),
        ("handling", empty(when.handling.as_ref()), APPROVAL),
        ("nature", empty(when.nature.as_ref()), WITH_ITEMS),
        ("exercise", empty(when.exercise.as_ref()), WITH_ITEMS),
        ("publicity", empty(when.publicity.as_ref()), WITH_ITEMS),
        ("penalty_event", empty(when.penalty_event.as_ref()), &[Kind::PenaltyDecision]),
        ("feedback", empty(when.feedback.as_ref()), &[Kind::SupervisionFeedback]),
        ("subject_kind", empty(when.subject_kind.as_ref()), WITH_ITEMS),
        ("decided_by", empty(when.decided_by.as_ref()), WITH_ITEMS),
        ("licence", when.licence.map(|_| false), WITH_ITEMS),
    ]
}

fn conditions(rule: &Rule) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (condition, empty, kinds) in table(rule) {
        match empty {
            Some(true) => problems.push(Problem::NoValue(condition)),
            Some(false) if !kinds.contains(&rule.kind) => {
                problems.push(Problem::NotCarried { kind: rule.kind, condition });
            }
            _ => {}
        }
    }
    problems.extend(contradiction(rule).map(Problem::Contradiction));
    if rule.basis.trim().is_empty() {
        problems.push(Problem::NoBasis);
    }
    problems
}

fn contradiction(rule: &Rule) -> Option<&'static str> {
    let when = &rule.when;
    let only = |natures: &[Nature]| {
        when.nature
            .as_ref()
            .is_some_and(|list| !list.is_empty() && list.iter().all(|one| natures.contains(one)))
    };
    let decides = matches!(rule.kind, Kind::ApprovalResult | Kind::ApprovalProgress);
    if decides && only(&[Nature::Cancelled]) {
        return Some("a cancelled item is not decided any more");
    }
    let filing = when.handling.as_ref().is_some_and(|list| list.as_slice() == [Handling::Filing]);
    if filing && only(&[Nature::Licence]) {
        return Some("a licence is not handled as a filing");
    }
    let senders = rule.kind.row().senders;
    let strangers = |roles: &Vec<Role>| !roles.is_empty() && roles.iter().all(|role| !senders.contains(role));
    if !senders.is_empty() && when.decided_by.as_ref().is_some_and(strangers) {
        return Some("nobody in the roles of when.decided_by may send this kind");
    }
    let is_public = match rule.audience {
        Audience::Nearest { role } | Audience::NearestOnLine { role } => role.publishes(),
        _ => false,
    };
    let never_public = |levels: &Vec<PublicityLevel>| !levels.contains(&PublicityLevel::Public);
    if is_public && when.publicity.as_ref().is_some_and(never_public) {
        return Some("its audience takes what is public only");
    }
    let issuers = matches!(rule.audience, Audience::LicenceIssuers { .. });
    if issuers && when.licence == Some(Presence::Absent) {
        return Some("without a licence there is no issuer");
    }
    None
}

fn audience(rule: &Rule) -> Vec<Problem> {
    use Kind::{ApprovalProgress, ApprovalResult, PenaltyDecision, Receipt, RiskDisposal, RiskWarning};
    let kind = rule.kind;
    let impossible = |audience| Problem::Impossible { kind, audience };
    let crossing =
        |ground: Crossing, word| (!rule.may_cross.contains(&ground)).then_some(Problem::MayNotCross(word));
    let answers = matches!(kind, Kind::SupervisionFeedback | RiskDisposal | Receipt);
    let mut problems = Vec::new();
    match &rule.audience {
        Audience::Supervisors if matches!(kind, Receipt | RiskWarning) => {
            problems.push(impossible("supervisors"));
        }
        Audience::Approver { .. } if matches!(kind, Receipt | ApprovalProgress) => {
            problems.push(impossible("approver"));
        }
        Audience::LicenceIssuers { .. } => {
            if kind != PenaltyDecision {
                problems.push(impossible("licence_issuers"));
            }
            problems.extend(crossing(Crossing::Licence, "licence"));
        }
        Audience::CrossWalkedApprover { .. } if !matches!(kind, PenaltyDecision | RiskDisposal) => {
            problems.push(impossible("cross_walked_approver"));
        }
        Audience::Superiors => {
            if !matches!(kind, ApprovalResult | PenaltyDecision) {
                problems.push(impossible("superiors"));
            }
            problems.extend(crossing(Crossing::SecondHop, "second_hop"));
        }
        Audience::Below => {
            if kind != ApprovalResult {
                problems.push(impossible("below"));
            }
            problems.extend(crossing(Crossing::PassDown, "pass_down"));
        }
        Audience::Responsible { .. } => {
            if kind != RiskWarning {
                problems.push(impossible("responsible"));
            }
            problems.extend(crossing(Crossing::Place, "place"));
        }
        Audience::Originator if !answers => problems.push(impossible("originator")),
        Audience::Participants if !answers => problems.push(impossible("participants")),
        _ => {}
    }
    if places(&rule.audience).is_some_and(<[_]>::is_empty) {
        problems.push(Problem::NoPlace);
    }
    problems
}

fn places(audience: &Audience) -> Option<&[crate::domain::item::Place]> {
    match audience {
        Audience::Approver { places }
        | Audience::LicenceIssuers { places }
        | Audience::CrossWalkedApprover { places }
        | Audience::Responsible { places } => Some(places),
        _ => None,
    }
}

fn duties(rule: &Rule) -> Vec<Problem> {
    let mut problems: Vec<_> = rule
        .owes
        .iter()
        .filter(|owed| owed.within_working_days == 0)
        .map(|owed| Problem::NoTime(owed.duty))
        .collect();
    let relays = rule.owes.iter().any(|owed| owed.duty == Duty::Relay && owed.debtor == Debtor::Recipient);
    if rule.audience.is_hop() && !relays {
        problems.push(Problem::HopWithoutRelay);
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        item::Place,
        message::ApprovalOutcome,
        rule::{Owed, Rules, Standing, When},
    };

    fn rule(kind: Kind, audience: Audience) -> Rule {
        Rule {
            id: "r".into(),
            kind,
            basis: "任务6".into(),
            standing: Standing::On,
            when: When::default(),
            audience,
            part: None,
            share: None,
            owes: Vec::new(),
            may_cross: Vec::new(),
            if_empty: super::super::IfEmpty::Park,
        }
    }

    fn when(rule: Rule, when: When) -> Rule {
        Rule { when, ..rule }
    }

    fn problems(rule: Rule) -> Vec<Problem> {
        let faults = Rules::build(vec![rule], 1).map_or_else(|faults| faults, |_| Vec::new());
        faults.into_iter().map(|fault| fault.problem).collect()
    }

    #[test]
    fn a_condition_the_kind_does_not_carry_can_never_match() {
        let outcome = When { outcome: Some(vec![ApprovalOutcome::Granted]), ..When::default() };
        let kind = Kind::PenaltyDecision;
        assert_eq!(
            problems(when(rule(kind, Audience::Supervisors), outcome)),
            [Problem::NotCarried { kind, condition: "outcome" }]
        );
    }

    #[test]
    fn an_empty_condition_can_never_match() {
        let none = When { handling: Some(Vec::new()), ..When::default() };
        assert_eq!(
            problems(when(rule(Kind::ApprovalResult, Audience::Supervisors), none)),
            [Problem::NoValue("handling")]
        );
    }

    #[test]
    fn contradicting_conditions_can_never_match() {
        let result = |condition| problems(when(rule(Kind::ApprovalResult, Audience::Supervisors), condition));
        let cancelled = When { nature: Some(vec![Nature::Cancelled]), ..When::default() };
        let filed_licence = When {
            nature: Some(vec![Nature::Licence]),
            handling: Some(vec![Handling::Filing]),
            ..When::default()
        };
        let strangers = When { decided_by: Some(vec![Role::Portal]), ..When::default() };
        for condition in [cancelled, filed_licence, strangers] {
            assert!(matches!(result(condition)[..], [Problem::Contradiction(_)]));
        }
        let secret = When { publicity: Some(vec![PublicityLevel::NotPublic]), ..When::default() };
        for role in [Role::CreditPlatform, Role::IndustryCredit, Role::Website] {
            let public = Audience::Nearest { role };
            assert!(matches!(
                problems(when(rule(Kind::ApprovalResult, public), secret.clone()))[..],
                [Problem::Contradiction(_)]
            ));
        }
    }

    #[test]
    fn an_audience_the_kind_cannot_have_is_told() {
        let kind = Kind::RiskWarning;
        let audience = "supervisors";
        assert_eq!(problems(rule(kind, Audience::Supervisors)), [Problem::Impossible { kind, audience }]);
        let kind = Kind::ApprovalResult;
        let audience = "originator";
        assert_eq!(problems(rule(kind, Audience::Originator)), [Problem::Impossible { kind, audience }]);
    }

    #[test]
    fn an_audience_of_another_level_needs_leave_and_a_hop_needs_somebody_answerable() {
        assert_eq!(
            problems(rule(Kind::ApprovalResult, Audience::Superiors)),
            [Problem::MayNotCross("second_hop"), Problem::HopWithoutRelay]
        );
    }

    #[test]
    fn a_rule_says_its_basis_its_places_and_its_days() {
        let mut bad = rule(Kind::SupervisionFeedback, Audience::Approver { places: Vec::new() });
        bad.basis = " ".into();
        bad.owes.push(Owed {
            duty: Duty::Sign,
            within_working_days: 0,
            term: crate::domain::obligation::Term::Assumed,
            parts: Vec::new(),
            debtor: Debtor::Recipient,
        });
        assert_eq!(problems(bad), [Problem::NoBasis, Problem::NoPlace, Problem::NoTime(Duty::Sign)]);
        let good = rule(Kind::SupervisionFeedback, Audience::Approver { places: vec![Place::Sender] });
        assert_eq!(problems(good), []);
    }

    #[test]
    fn two_rules_do_not_share_an_id() {
        let one = rule(Kind::ApprovalResult, Audience::Supervisors);
        let faults = Rules::build(vec![one.clone(), one], 1).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].to_string(), "rule 'r': its id stands more than once; give each rule its own");
    }
}
