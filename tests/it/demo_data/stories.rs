//! The stories of the demo: each one's file, key and end are what routing decides, and the parties' systems
//! have the faults that the day is meant to survive.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem::discriminant,
    sync::LazyLock,
};

use liandong::{
    cli::demo::{
        party::{fault::Fault, script::Script},
        story::{Stories, Story},
    },
    domain::{
        decision::{Decision, ParkReason, PlannedDelivery, Start},
        id::{EndpointId, OrganisationId},
    },
};

use super::{
    day::{End, Record, WALK, routed},
    demo,
};

/// What the demo must show among its messages.
const TOLD: [&str; 17] = [
    "unlicensed",
    "enforcement",
    "pass-down",
    "not-public",
    "relay-authorised",
    "relay-confirmed",
    "entrusted",
    "commitment",
    "correction",
    "sent-twice",
    "conflict",
    "no-supervisor",
    "devolved",
    "cancelled-refused",
    "zone-named",
    "branch-for-bureau",
    "warning-no-item",
];

static STORIES: LazyLock<Vec<Story>> = LazyLock::new(|| {
    Stories::read(&demo().join("stories.toml")).unwrap_or_else(|error| panic!("{error:?}")).stories
});

static SCRIPTS: LazyLock<BTreeMap<EndpointId, Script>> = LazyLock::new(|| {
    let files = std::fs::read_dir(demo().join("parties")).unwrap();
    let scripts = files.map(|file| Script::read(&file.unwrap().path()).unwrap());
    scripts.map(|script| (script.endpoint.clone(), script)).collect()
});

fn is_of(story: &Story, record: &Record) -> bool {
    let key = &record.message.key;
    (&key.organisation, key.kind, &*key.business_key, record.message.revision)
        == (&story.organisation, story.kind, &*story.key, story.revision)
}

/// The record of the story's file that the story is about.
fn told_by(story: &Story) -> &'static Record {
    let mut records = WALK.records.iter().filter(|record| record.file == story.file && is_of(story, record));
    let record =
        records.next().unwrap_or_else(|| panic!("{}: {} holds no such message", story.id, story.file));
    assert!(records.next().is_none(), "{}: told twice by one file", story.id);
    record
}

/// How its message is routed, by this file or by an earlier one with the same message.
fn decision_of(story: &Story) -> &'static Decision {
    let mut records = WALK.records.iter().filter(|record| is_of(story, record));
    records.find_map(routed).unwrap_or_else(|| panic!("{}: never accepted", story.id))
}

fn arrives(delivery: &PlannedDelivery, organisation: &OrganisationId) -> bool {
    delivery.organisation.as_ref() == Some(organisation)
        && delivery.endpoint.is_some()
        && !matches!(delivery.start, Start::Parked { .. })
}

fn told() -> impl Iterator<Item = (&'static Story, &'static Decision)> {
    STORIES.iter().filter(|story| story.refused.is_none()).map(|story| (story, decision_of(story)))
}

#[test]
fn each_story_has_a_name_of_its_own_and_all_that_must_be_shown_is_told() {
    let ids: BTreeSet<&str> = STORIES.iter().map(|story| story.id.as_str()).collect();
    assert_eq!(ids.len(), STORIES.len());
    let untold: Vec<_> = TOLD.iter().filter(|id| !ids.contains(**id)).collect();
    assert!(untold.is_empty(), "{untold:?}");
    for story in STORIES.iter() {
        let task = story.basis.starts_with("任务");
        assert!(task || story.basis.contains('〔'), "{}: '{}' is no basis", story.id, story.basis);
        let says = !story.reaches.is_empty() || story.parked.is_some() || story.refused.is_some();
        assert!(says, "{} says nothing", story.id);
    }
}

#[test]
fn each_storys_file_holds_its_message() {
    for story in STORIES.iter() {
        told_by(story);
    }
}

#[test]
fn each_story_reaches_whom_it_says_and_nobody_it_forbids() {
    for (story, decision) in told() {
        for organisation in &story.reaches {
            let reached = decision.deliveries.iter().any(|one| arrives(one, organisation));
            assert!(reached, "{}: does not reach {organisation}", story.id);
        }
        for organisation in &story.never {
            assert!(WALK.registry.organisation(organisation).is_some(), "{}: {organisation}", story.id);
            let sent = decision.deliveries.iter().any(|one| one.organisation.as_ref() == Some(organisation));
            assert!(!sent, "{}: is sent to {organisation}", story.id);
        }
    }
}

#[test]
fn each_storys_hops_are_made_in_the_name_it_says() {
    for (story, decision) in told() {
        for hop in &story.in_the_name_of {
            let made = |one: &PlannedDelivery| {
                arrives(one, &hop.to)
                    && one.on_behalf_of.as_ref() == Some(&hop.by)
                    && matches!(one.start, Start::Held { .. })
            };
            assert!(decision.deliveries.iter().any(made), "{}: {} by {}", story.id, hop.to, hop.by);
        }
    }
}

#[test]
fn each_story_that_parks_is_parked_by_routing_or_refused_by_its_recipients_system() {
    for (story, decision) in told() {
        let Some(wanted) = story.parked else { continue };
        let parked = |one: &PlannedDelivery| {
            if wanted == ParkReason::Refused {
                let script = one.endpoint.as_ref().and_then(|endpoint| SCRIPTS.get(endpoint));
                return script
                    .is_some_and(|it| it.faults.iter().any(|it| matches!(it, Fault::Refuse { .. })));
            }
            matches!(&one.start, Start::Parked { reason, .. } if *reason == wanted)
        };
        assert!(decision.deliveries.iter().any(parked), "{}: nothing is parked as {wanted}", story.id);
    }
}

#[test]
fn what_is_refused_is_refused_as_a_story_says_and_nothing_else_is() {
    for record in &WALK.records {
        let code = match &record.end {
            End::Refused(code) => Some(*code),
            End::Routed(_) | End::Again => None,
        };
        let story = STORIES.iter().find(|story| story.file == record.file && is_of(story, record));
        assert_eq!(code, story.and_then(|story| story.refused), "{}", record.file);
    }
}

#[test]
fn the_parties_have_every_fault_that_the_day_is_to_survive() {
    let wanted = [
        Fault::Down { for_ms: 0 },
        Fault::Busy { requests: 0 },
        Fault::Refuse { when: String::new() },
        Fault::Slow { by_ms: 0 },
        Fault::Cut { every: 0 },
    ];
    for fault in wanted {
        let has =
            |script: &&Script| script.faults.iter().any(|one| discriminant(one) == discriminant(&fault));
        assert_eq!(SCRIPTS.values().filter(has).count(), 1, "{fault:?}");
    }
    let endpoints: BTreeSet<_> = SCRIPTS.keys().collect();
    assert_eq!(endpoints, WALK.adapters.keys().collect(), "a script for each adapter");
}

#[test]
fn the_page_for_officials_tells_every_story_and_every_party() {
    let page = std::fs::read_to_string(demo().join("../../docs/demo.zh-CN.md")).unwrap();
    for story in STORIES.iter() {
        for told in [&story.name.zh, &story.file, &story.basis] {
            assert!(page.contains(told.as_str()), "{}: '{told}' is not on the page", story.id);
        }
    }
    for script in SCRIPTS.values() {
        assert!(page.contains(&script.name.zh), "{} is not on the page", script.endpoint);
    }
}
