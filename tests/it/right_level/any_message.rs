//! The promise over random messages of the sample world, against an oracle that reads levels off the
//! organisations by itself.

use std::collections::HashSet;

use jiff::{ToSpan as _, civil::date};
use liandong::domain::{
    decision::Verdict,
    division::Level,
    message::{Feedback, RiskDisposal, SupervisionFeedback},
    organisation::Organisation,
    rule::{Crossing, Rule},
};
use proptest::prelude::*;

use super::*;

/// Levels at which an organisation may be addressed, read off its own fields.
fn levels(organisation: &Organisation) -> HashSet<Level> {
    let level = |code| WORLD.registry.divisions().get(code).unwrap().level;
    let principal = organisation.acts_for.as_ref().map(|id| WORLD.registry.organisation(id).unwrap());
    let served = organisation.serves.iter().flat_map(|service| &service.divisions);
    served
        .map(level)
        .chain([level(&organisation.division)])
        .chain(principal.map(|one| level(&one.division)))
        .collect()
}

fn rule<'r>(rules: &'r Rules, delivery: &PlannedDelivery) -> Option<&'r Rule> {
    rules.all().find(|rule| rule.id == delivery.rule)
}

/// Rules without any leave to cross a level; those that cannot be without are left out.
static STRICT: LazyLock<Rules> = LazyLock::new(|| {
    let bound = WORLD.rules.all().filter(|rule| {
        let needs = [Crossing::Licence, Crossing::SecondHop, Crossing::PassDown, Crossing::Place];
        !rule.may_cross.iter().any(|ground| needs.contains(ground))
    });
    Rules::build(bound.cloned().map(|rule| Rule { may_cross: Vec::new(), ..rule }).collect(), 3).unwrap()
});

prop_compose! {
    fn any_message()(
        source in any::<prop::sample::Index>(),
        kind in 0..5_usize,
        items in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        supervised in any::<bool>(),
        places in prop::collection::vec((any::<prop::sample::Index>(), 0..4_usize), 0..4),
        issuer in prop::option::of(any::<prop::sample::Index>()),
        days_ago in 0..400_i64,
        public in any::<bool>(),
        commitment in any::<bool>(),
    ) -> Message {
        let organisations = WORLD.registry.organisations();
        let id = organisations[source.index(organisations.len())].id.as_str();
        let mut message = match kind {
            0 => result(id, FOOD),
            1 => penalty(id, FOOD_SUPERVISION, None),
            2 => warning(None, None),
            3 => base(Kind::SupervisionFeedback, id, Payload::SupervisionFeedback(SupervisionFeedback {
                answers: None,
                feedback: Feedback::Routine,
            })),
            _ => base(Kind::RiskDisposal, id, Payload::RiskDisposal(RiskDisposal {
                warning_no: "YJ1".into(),
                answers: None,
            })),
        };
        message.items.clear();
        for item in items {
            let (approvals, supervisions) =
                (WORLD.registry.approval_items(), WORLD.registry.supervision_items());
            message = if supervised && kind != 0 {
                let code = supervisions[item.index(supervisions.len())].code.as_str();
                with_item(message, ItemFamily::Supervision, code)
            } else {
                with_item(message, ItemFamily::Approval, approvals[item.index(approvals.len())].code.as_str())
            };
        }
        let mut divisions: Vec<_> = WORLD.registry.divisions().all().map(|one| one.code.as_str()).collect();
        divisions.sort_unstable();
        let roles =
            [AddressRole::Registered, AddressRole::Operating, AddressRole::Project, AddressRole::Violation];
        for (division, role) in places {
            message = at(message, roles[role], divisions[division.index(divisions.len())]);
        }
        if let Some(issuer) = issuer {
            let issuer = organisations[issuer.index(organisations.len())].id.as_str();
            message = with_licence(message, "许可证", Some(issuer));
        }
        message.decided_at = noon(date(2026, 3, 9) - days_ago.days());
        if !public {
            message.publicity.level = PublicityLevel::NotPublic;
        }
        if commitment && kind == 0 {
            result_payload(&mut message).procedure = Procedure::Commitment;
        }
        message
    }
}

fn check(message: &Message, rules: &Rules, decision: &Decision) -> Result<(), TestCaseError> {
    let mut seen = HashSet::new();
    for (index, delivery) in decision.deliveries.iter().enumerate() {
        if let Start::Held { after, .. } = &delivery.start {
            prop_assert!(*after < index, "a hop comes after what it waits for");
            prop_assert!(delivery.on_behalf_of.is_some(), "a hop is made in somebody's name");
        }
        let Some(id) = &delivery.organisation else {
            prop_assert!(matches!(delivery.start, Start::Parked { .. }), "nobody is only ever parked");
            continue;
        };
        prop_assert!(seen.insert(id), "{id} receives twice");
        prop_assert!(*id != message.key.organisation, "the sender receives its own message");
        let organisation = WORLD.registry.organisation(id).unwrap();
        if organisation.is_public_audience() {
            prop_assert_eq!(message.publicity.level, PublicityLevel::Public);
        }
        let distributes = matches!(delivery.start, Start::Parked { reason: ParkReason::Distribution, .. });
        let crosses = rule(rules, delivery).is_some_and(|rule| !rule.may_cross.is_empty());
        prop_assert!(
            levels(organisation).contains(&decision.level) || crosses || distributes,
            "{} receives at {:?} what {:?} decided",
            id,
            levels(organisation),
            decision.level
        );
    }
    for owed in &decision.obligations {
        prop_assert!(owed.delivery.is_some_and(|index| index < decision.deliveries.len()));
    }
    for rule in rules.of(message.kind()) {
        prop_assert!(decision.why.iter().any(|why| why.rule == rule.id), "{} is not explained", rule.id);
    }
    for why in &decision.why {
        if let Verdict::Nothing { parked: Some(reason), .. } = &why.verdict {
            let stands = |one: &PlannedDelivery| matches!(&one.start, Start::Parked { reason: why, .. } if why == reason);
            prop_assert!(decision.deliveries.iter().any(stands), "{reason} is said but nothing is parked");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn no_delivery_leaves_its_level_but_by_a_rule_that_says_so(message in any_message()) {
        let world = &*WORLD;
        let history = History::default();
        for rules in [&world.rules, &*STRICT] {
            let decide = || route(&message, &world.registry, rules, &history, &world.calendar, today());
            let Ok(decision) = decide() else { continue };
            check(&message, rules, &decision)?;
            prop_assert_eq!(decide(), Ok(decision), "the same message is routed the same way");
        }
    }
}

#[test]
fn a_rule_that_does_not_say_so_cannot_leave_its_level() {
    let message = at(result("610900-xzspj", HYGIENE), AddressRole::Operating, "610924101");
    let world = &*WORLD;
    let decision =
        route(&message, &world.registry, &STRICT, &History::default(), &world.calendar, today()).unwrap();
    assert!(!recipients(&decision).contains(&"610924-wjj"));
    assert_eq!(parked(&decision), [ParkReason::Ours], "a fault of ours is for a person, not for the wind");
    assert_eq!(recipients(&decision), ["610900-wjw", "610900-xypt", "610900-zwfw"]);
}

#[test]
fn random_messages_reach_somebody_often_enough_to_prove_anything() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let routed = (0..500)
        .filter(|_| {
            let message = any_message().new_tree(&mut runner).unwrap().current();
            routed(&message, &History::default()).is_ok_and(|decision| !decision.deliveries.is_empty())
        })
        .count();
    assert!(routed > 100, "{routed} of 500");
}
