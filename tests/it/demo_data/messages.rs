//! The message files of the demo's day: each one maps, parses and routes, or is what a story says.

use std::collections::{BTreeSet, HashMap};

use jiff::civil::date;
use liandong::{
    domain::{
        calendar::china_date,
        decision::{Redaction, Start},
        identifier,
        kind::Kind,
        message::{
            Handling, IdentifierScheme, LicenceKey, MessageKey, Payload, SubjectIdentifier, SubjectKind,
        },
    },
    mapping::codec::{Codec, Encoding},
};

use super::{
    day::{End, Record, WALK, routed},
    outbound,
};

#[test]
fn there_are_enough_messages_and_every_kind_a_party_can_state_on_its_own() {
    let accepted = WALK.records.iter().filter(|record| routed(record).is_some()).count();
    assert!(accepted >= 300, "{accepted}");
    let kinds: BTreeSet<Kind> = WALK.records.iter().map(|record| record.message.kind()).collect();
    let stated: BTreeSet<Kind> = Kind::all().filter(|kind| *kind != Kind::Receipt).collect();
    assert_eq!(kinds, stated, "a receipt names a delivery, so the scripts of the parties write those");
}

#[test]
fn every_party_that_may_send_sends_in_its_own_form() {
    let senders: BTreeSet<_> = WALK.files.iter().map(|(endpoint, _)| endpoint.as_str()).collect();
    let stating = WALK.adapters.values().filter(|adapter| {
        let inbound = adapter.config().inbound.as_ref();
        inbound.is_some_and(|inbound| inbound.mappings.keys().any(|kind| *kind != Kind::Receipt))
    });
    let stating: BTreeSet<_> = stating.map(|adapter| adapter.endpoint().as_str()).collect();
    assert_eq!(senders, stating);
}

#[test]
fn files_of_a_party_that_writes_gb18030_are_gb18030_and_no_others_are() {
    let mut checked = 0;
    for (endpoint, sheet) in &WALK.files {
        let inbound = WALK.adapters[endpoint].config().inbound.as_ref().unwrap();
        let codec: Codec = inbound.codec.clone().try_into().unwrap();
        let is_utf8 = std::str::from_utf8(&sheet.bytes).is_ok();
        assert_eq!(is_utf8, codec.encoding == Encoding::Utf8, "{endpoint} {}", sheet.name);
        if codec.encoding == Encoding::Gb18030 {
            let (text, faulty) = encoding_rs::GB18030.decode_without_bom_handling(&sheet.bytes);
            assert!(!faulty && text.chars().any(|c| ('一'..='龥').contains(&c)), "{}", sheet.name);
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn a_key_comes_once_but_where_a_message_is_sent_again() {
    let mut seen: HashMap<(&MessageKey, u32), Vec<&Record>> = HashMap::new();
    for record in &WALK.records {
        seen.entry((&record.message.key, record.message.revision)).or_default().push(record);
    }
    let again: Vec<_> = seen.into_values().filter(|records| records.len() > 1).collect();
    assert_eq!(again.len(), 2, "one is sent twice, one twice with different content");
    for records in again {
        assert!(matches!(records[0].end, End::Routed(_)), "{}", records[0].file);
        assert!(records[1..].iter().all(|record| !matches!(record.end, End::Routed(_))));
    }
}

#[test]
fn a_revision_follows_the_one_before_it() {
    let keys: BTreeSet<_> =
        WALK.records.iter().map(|record| (&record.message.key, record.message.revision)).collect();
    let later: Vec<_> = keys.iter().filter(|(_, revision)| *revision > 1).collect();
    assert!(later.len() >= 8, "{later:?}");
    for (key, revision) in later {
        assert!(keys.contains(&(*key, revision - 1)), "{key:?} {revision}");
    }
}

#[test]
fn every_number_of_a_subject_passes_its_check() {
    for record in &WALK.records {
        for number in record.message.subject.iter().flat_map(|subject| &subject.identifiers) {
            let kind = match number.scheme {
                IdentifierScheme::Uscc => identifier::Kind::Uscc,
                IdentifierScheme::ResidentId => identifier::Kind::ResidentId,
                IdentifierScheme::OrganisationCode => identifier::Kind::OrganisationCode,
                other => panic!("{}: a number of {other:?} has no check", record.file),
            };
            assert_eq!(identifier::check(kind, &number.number), None, "{}", record.file);
        }
    }
}

#[test]
fn nothing_about_an_accepted_message_is_doubtful() {
    for record in &WALK.records {
        if let Some(decision) = routed(record) {
            assert_eq!(decision.warnings, [], "{}", record.file);
        }
    }
}

#[test]
fn everything_is_decided_on_a_working_day_before_the_day_of_the_demo() {
    for record in &WALK.records {
        let day = china_date(record.message.decided_at);
        assert!(WALK.calendar.is_working_day(day), "{}: {day}", record.file);
        assert!((date(2026, 10, 9)..=date(2026, 11, 20)).contains(&day), "{}: {day}", record.file);
    }
}

#[test]
fn a_licence_has_one_holder_and_is_penalised_after_it_was_granted() {
    let mut holders: HashMap<LicenceKey, &str> = HashMap::new();
    let mut granted = HashMap::new();
    for record in &WALK.records {
        let message = &record.message;
        let name = message.subject.as_ref().map_or("", |subject| &subject.name);
        for licence in &message.licences {
            let holder = *holders.entry(licence.key()).or_insert(name);
            assert_eq!(holder, name, "{}: {licence:?}", record.file);
            if let Payload::ApprovalResult(result) = &message.payload
                && result.handling == Handling::New
            {
                granted.insert(licence.key(), message.decided_at);
            }
            if message.kind() == Kind::PenaltyDecision
                && let Some(since) = granted.get(&licence.key())
            {
                assert!(*since <= message.decided_at, "{}: {licence:?}", record.file);
            }
        }
    }
    assert!(granted.len() > 50, "{}", granted.len());
}

#[tokio::test]
async fn every_delivery_can_be_written_in_its_recipients_form() {
    let mut reached = BTreeSet::new();
    for record in &WALK.records {
        for delivery in routed(record).into_iter().flat_map(|decision| &decision.deliveries) {
            let Some(endpoint) = &delivery.endpoint else {
                assert!(matches!(delivery.start, Start::Parked { .. }), "{}", record.file);
                continue;
            };
            let name = format!("{} to {}", record.file, delivery.organisation.as_ref().unwrap());
            let written = outbound::written(&WALK.adapters[endpoint], record, delivery).await;
            let body = written.unwrap_or_else(|fault| panic!("{name}: {fault}"));
            if delivery.redaction == Redaction::PersonalNumbers {
                let numbers = record.message.subject.iter().flat_map(|subject| {
                    let is_personal = |number: &&SubjectIdentifier| {
                        subject.kind == SubjectKind::NaturalPerson
                            || number.scheme == IdentifierScheme::ResidentId
                    };
                    subject.identifiers.iter().filter(is_personal)
                });
                for number in numbers {
                    let given = body.windows(number.number.len()).any(|it| it == number.number.as_bytes());
                    assert!(!given, "{name} gives a person's number away");
                }
            }
            reached.insert(endpoint);
        }
    }
    assert!(reached.len() > 20, "{reached:?}");
}
