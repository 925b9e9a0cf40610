//! Bad folders tell all that is wrong with them, and where.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::*;
use crate::domain::registry::Flow;

/// A copy of the registry that ships, to be spoiled.
fn copy() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/registry");
    for entry in fs::read_dir(shipped).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

fn spoil(folder: &TempDir, file: &str, from: &str, to: &str) {
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} holds no {from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

fn told(folder: &TempDir) -> String {
    load(folder.path(), Vec::new(), 1).unwrap_err().to_string()
}

#[test]
fn the_registry_that_ships_is_sound_and_its_digest_is_stable() {
    let folder = copy();
    let registry = load(folder.path(), Vec::new(), 7).unwrap();
    assert_eq!(registry.version(), 7);
    assert_eq!(registry.digest(), load(folder.path(), Vec::new(), 8).unwrap().digest());
    assert_eq!(registry.divisions().all().count(), 151 + 3);
    assert!(registry.organisations().len() > 100 && registry.approval_items().len() >= 12);
    let contact = registry.contacts_of(&"610900-scjgj".into()).next().unwrap();
    assert_eq!(&*contact.office, "行政许可与登记协调科");
}

#[test]
fn a_table_that_a_spreadsheet_saved_is_read() {
    let folder = copy();
    let path = folder.path().join(CROSS_WALK);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
    assert!(load(folder.path(), Vec::new(), 1).is_ok());
}

#[test]
fn a_dangling_reference_is_told_at_its_row() {
    let folder = copy();
    spoil(&folder, ORGANISATIONS, "acts_for = \"610900-scjgj\"", "acts_for = \"610900-nobody\"");
    let line = fs::read_to_string(folder.path().join(ORGANISATIONS))
        .unwrap()
        .lines()
        .position(|line| line.contains("610900-GX-scjgj"))
        .unwrap();
    let text = told(&folder);
    let expected = format!(
        "organisations.toml:{line}: organisation '610900-GX-scjgj': acts_for refers to organisation '610900-nobody'"
    );
    assert!(text.contains(&expected), "{text}");
}

#[test]
fn a_cycle_in_superiors_is_told() {
    let folder = copy();
    spoil(
        &folder,
        ORGANISATIONS,
        "{ line = \"应急管理\", organisation = \"610000-yjglt\" }",
        "{ line = \"应急管理\", organisation = \"610902-yjglj\" }",
    );
    let text = told(&folder);
    assert!(text.contains("610900-yjglj -> 610902-yjglj -> 610900-yjglj"), "{text}");
}

#[test]
fn every_fault_of_every_file_comes_at_once() {
    let folder = copy();
    spoil(&folder, DIVISIONS, "610981,旬阳市,610900,county", "610981,旬阳市,610900,prefecture");
    spoil(&folder, ORGANISATIONS, "uscc = \"11610000MB2001373J\"", "uscc = \"11610000MB2001373K\"");
    spoil(&folder, APPROVAL_ITEMS, "commitment = true", "commitment = true\ncolour = \"red\"");
    spoil(&folder, SUPERVISION_ITEMS, "code = \"13101600100001\"", "code = \"131016001000\"");
    spoil(&folder, CROSS_WALK, "2025-01-01,2027-12-31", "2028-01-01,2027-12-31");
    fs::remove_file(folder.path().join(CONTACTS)).unwrap();
    let text = told(&folder);
    for expected in [
        "divisions.csv:14: ",
        "organisations.toml:6: 610000-scjgj: uscc: ",
        "unknown field `colour`",
        "supervision_items.toml:3: 131016001000: code: ",
        "cross-walk '000125020000 = 12502100100001': from, to ends before it begins",
        "contacts.toml: cannot be read",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(
        !text.contains("refers to"),
        "what an unread row leaves dangling is no fault of its own:\n{text}"
    );
}

#[test]
fn a_supervisor_is_an_organisation_or_a_line_with_its_place() {
    let folder = copy();
    spoil(&folder, APPROVAL_ITEMS, "    place = [\"sender\"]\n", "");
    assert!(told(&folder).contains("either an organisation, or a line with its place"));
}

#[test]
fn an_endpoint_for_an_unknown_organisation_is_told() {
    let folder = copy();
    let endpoint = Endpoint { id: "e1".into(), organisations: vec!["nobody".into()], flow: Flow::Both };
    let text = load(folder.path(), vec![endpoint], 1).unwrap_err().to_string();
    assert!(text.contains("endpoint 'e1': organisations refers to organisation 'nobody'"), "{text}");
}

#[test]
fn broken_toml_is_told_with_its_line() {
    let folder = copy();
    spoil(&folder, ZONES, "parent = \"610900\"", "parent = ");
    assert!(told(&folder).contains("zones.toml:7: "), "{}", told(&folder));
}
