//! The adapters of the demo and their mapping tests.
//!
//! `tests/in-<kind>.<ext>` is a body as the system sends it, `in-<kind>.expected.json` the message it
//! becomes. `tests/out-<kind>.json` is a delivery and its message, `out-<kind>.expected.<ext>` the body the
//! system must get. Bodies are compared as records, since white space and order say nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use liandong::{
    cli::demo::party::post::on_the_wire,
    domain::kind::Kind,
    mapping::{Mapping, codec::Codec},
    worker::Adapter,
};
use serde_json::{Map, Value};

use super::programs::{adapters, tables};

/// Files of a folder whose names begin and end so, by what stands between.
fn cases(folder: &Path, begins: &str, ends: &str) -> BTreeMap<Kind, PathBuf> {
    let mut cases = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let kind = name.strip_prefix(begins).and_then(|rest| rest.strip_suffix(ends));
        if let Some(kind) = kind.and_then(|kind| kind.parse::<Kind>().ok()) {
            cases.insert(kind, path);
        }
    }
    cases
}

fn extension(codec: &Codec) -> &'static str {
    match codec.format.extension() {
        "form" => "txt",
        other => other,
    }
}

fn codec(table: &toml::Table) -> Codec {
    table.clone().try_into().unwrap()
}

fn body(codec: &Codec, path: &Path) -> Vec<u8> {
    on_the_wire(codec.media_type(), &fs::read(path).unwrap())
}

/// Numbers and texts are alike in what most systems write.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::String(number.to_string()),
        Value::Array(values) => values.iter().map(plain).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn every_inbound_mapping_has_a_test_and_passes_it() {
    let mut ran = 0;
    for adapter in adapters() {
        let Some(inbound) = &adapter.config().inbound else { continue };
        let codec = codec(&inbound.codec);
        let folder = adapter.config().folder.join("tests");
        let cases = cases(&folder, "in-", &format!(".{}", extension(&codec)));
        let mapped: BTreeSet<_> = inbound.mappings.keys().copied().collect();
        assert_eq!(cases.keys().copied().collect::<BTreeSet<_>>(), mapped, "{}", adapter.endpoint());
        for (kind, path) in cases {
            check_inbound(&adapter, kind, &body(&codec, &path), &folder);
            ran += 1;
        }
    }
    assert!(ran > 60, "{ran}");
}

fn check_inbound(adapter: &Adapter, kind: Kind, body: &[u8], folder: &Path) {
    let name = format!("{} in-{kind}", adapter.endpoint());
    let submissions = adapter.inbound(body).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
    let [submission] = submissions.as_slice() else { panic!("{name}: not one message") };
    let expected = fs::read_to_string(folder.join(format!("in-{kind}.expected.json"))).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    assert_eq!(submission.kind, Some(kind), "{name}");
    assert_eq!(submission.message, expected, "{name}");
}

#[test]
fn every_outbound_mapping_has_a_test_and_passes_it() {
    let tables = tables();
    let mut ran = 0;
    for adapter in adapters() {
        let Some(outbound) = &adapter.config().outbound else { continue };
        let codec = codec(&outbound.codec);
        let folder = &adapter.config().folder;
        let cases = cases(&folder.join("tests"), "out-", ".json");
        for (kind, file) in &outbound.mappings.kinds {
            let name = format!("{} out-{kind}", adapter.endpoint());
            let case = cases.get(kind).unwrap_or_else(|| panic!("{name} has no test"));
            let case: Value = serde_json::from_str(&fs::read_to_string(case).unwrap()).unwrap();
            let context = Map::from_iter([
                ("kind".to_owned(), Value::String(kind.to_string())),
                ("delivery".to_owned(), case["delivery"].clone()),
            ]);
            let mapping =
                Mapping::read(&folder.join(file), &tables).unwrap_or_else(|error| panic!("{error}"));
            let mapped =
                mapping.run(&case["record"], &context).unwrap_or_else(|error| panic!("{name}: {error}"));
            let expected = folder.join(format!("tests/out-{kind}.expected.{}", extension(&codec)));
            let expected = codec.decode(&body(&codec, &expected)).unwrap();
            let made = codec.decode(&codec.encode(&mapped).unwrap()).unwrap();
            assert_eq!(made.len(), 1, "{name}");
            assert_eq!(plain(&made[0].value), plain(&expected[0].value), "{name}");
            ran += 1;
        }
    }
    assert!(ran > 100, "{ran}");
}
