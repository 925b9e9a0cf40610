//! The schema stays compatible: what `proto/liandong/v1/lock.txt` says of a field, a value or a method holds for
//! ever. Fields may be added, and left out; a number or a name is never given to another.
//!
//! `make protolock` adds what is new to the lock; it never takes anything out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use liandong::proto::DESCRIPTORS;
use prost_reflect::{Cardinality, DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

use crate::source::root;

const LOCK: &str = "proto/liandong/v1/lock.txt";

/// Set to `add` by `make protolock`.
const VARIABLE: &str = "LIANDONG_PROTO_LOCK";

/// What the schema says now, one line a field, value or method.
fn lines() -> BTreeSet<String> {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let mut lines = BTreeSet::new();
    for message in pool.all_messages() {
        lines.extend(message.fields().map(|field| line_of(&message, &field)));
    }
    for value in pool.all_enums().flat_map(|one| one.values().collect::<Vec<_>>()) {
        let of = value.parent_enum().full_name().to_owned();
        lines.insert(format!("enum {of} {} {}", value.number(), value.name()));
    }
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let stream = |is: bool| if is { "stream " } else { "" };
        lines.insert(format!(
            "service {} {} {}{} {}{}",
            method.parent_service().full_name(),
            method.name(),
            stream(method.is_client_streaming()),
            method.input().full_name(),
            stream(method.is_server_streaming()),
            method.output().full_name(),
        ));
    }
    lines
}

fn line_of(message: &MessageDescriptor, field: &FieldDescriptor) -> String {
    let kind = match field.kind() {
        Kind::Message(other) => other.full_name().to_owned(),
        Kind::Enum(other) => other.full_name().to_owned(),
        scalar => format!("{scalar:?}"),
    };
    let many = if field.cardinality() == Cardinality::Repeated { "repeated " } else { "" };
    let choice = field.containing_oneof().filter(|choice| !choice.name().starts_with('_'));
    let choice = choice.map(|choice| format!(" in {}", choice.name())).unwrap_or_default();
    format!("message {} {} {} {many}{kind}{choice}", message.full_name(), field.number(), field.name())
}

/// Parts of a line that nothing else may have: the number in its type, and the name in its type.
fn claims(line: &str) -> Vec<String> {
    let words: Vec<_> = line.split(' ').collect();
    match words[..] {
        ["message" | "enum", of, number, name, ..] => vec![format!("{of} #{number}"), format!("{of}.{name}")],
        ["service", of, name, ..] => vec![format!("{of}.{name}")],
        _ => panic!("{LOCK}: not understood: {line}"),
    }
}

/// What in `now` takes from what is locked: a number, a name, a type.
fn broken(locked: &BTreeSet<String>, now: &BTreeSet<String>) -> Vec<String> {
    let owners: BTreeMap<String, &String> =
        locked.iter().flat_map(|line| claims(line).into_iter().map(move |claim| (claim, line))).collect();
    let mut broken = BTreeSet::new();
    for line in now {
        for owner in claims(line).iter().filter_map(|claim| owners.get(claim)) {
            if *owner != line {
                broken.insert(format!("locked: {owner}\n     now: {line}"));
            }
        }
    }
    broken.into_iter().collect()
}

fn set(text: &str) -> BTreeSet<String> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[expect(clippy::disallowed_methods, reason = "how `make protolock` says that it wants the lock extended")]
fn adds() -> bool {
    std::env::var(VARIABLE).is_ok_and(|value| value == "add")
}

#[test]
fn no_number_or_name_of_the_schema_is_ever_given_to_another() {
    let path = root().join(LOCK);
    let locked = set(&fs::read_to_string(&path).unwrap_or_default());
    let now = lines();
    let broken = broken(&locked, &now);
    assert!(broken.is_empty(), "the schema breaks with what is in use:\n  {}", broken.join("\n  "));
    if adds() {
        let head = "# What is in use of the schema, for ever. Extended by `make protolock`; no line is changed or taken out.\n";
        let all: Vec<_> = locked.union(&now).map(String::as_str).collect();
        fs::write(&path, format!("{head}{}\n", all.join("\n"))).unwrap();
        return;
    }
    let new: Vec<_> = now.difference(&locked).map(String::as_str).collect();
    assert!(new.is_empty(), "not in {LOCK} yet, run `make protolock`:\n  {}", new.join("\n  "));
}

#[test]
fn a_number_a_name_or_a_type_that_changes_hands_is_found() {
    let locked = set("message m 1 a String\nmessage m 2 b Uint64\nenum e 1 A\nservice s Call r r\n");
    let breaks = |now: &str| !broken(&locked, &set(now)).is_empty();
    assert!(!breaks(
        "message m 1 a String\nmessage m 3 c String\nenum e 1 A\nenum e 2 B\nservice s Call r r\n"
    ));
    assert!(!breaks(""), "leaving out breaks nothing, since it stays locked");
    for now in [
        "message m 1 a Bytes",
        "message m 2 a String",
        "message m 1 c String",
        "message m 1 a repeated String",
        "enum e 1 B",
        "enum e 2 A",
        "service s Call r stream r",
    ] {
        assert!(breaks(now), "{now}");
    }
}
