//! The demo is the main job: it keeps every promise it checks, and leaves nothing behind.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

fn demo(arguments: &[&str], temporary: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_liandong"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("TMPDIR", temporary)
        .args(arguments)
        .arg("demo")
        .output()
        .unwrap()
}

fn sum(organisations: &Value, column: &str) -> u64 {
    organisations.as_array().unwrap().iter().map(|row| row[column].as_u64().unwrap()).sum()
}

#[test]
fn the_demo_keeps_every_promise_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let output = demo(&["--json"], temporary.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stdout));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["broken"], Value::Array(Vec::new()));
    assert_eq!(result["kinds"].as_object().unwrap().len(), 7, "{}", result["kinds"]);
    let totals = &result["totals"];
    assert!(totals["messages"].as_u64().unwrap() >= 300, "{totals}");
    assert_eq!(totals["moving"], 0);
    let organisations = &result["organisations"];
    for column in ["delivered", "held", "parked"] {
        assert_eq!(totals[column].as_u64().unwrap(), sum(organisations, column), "{column}");
    }
    for column in ["retried", "signed", "answered"] {
        assert!(sum(organisations, column) > 0, "{column}");
    }
    assert!(result["stories"].as_u64().unwrap() >= 12, "{}", result["stories"]);
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn a_world_that_is_not_there_is_said_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_liandong"))
        .env("TMPDIR", temporary.path())
        .args(["--lang", "en", "demo", "--world", "nowhere"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nowhere") && said.contains("--world"), "{said}");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}
