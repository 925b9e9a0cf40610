//! The demo is the main job: it keeps every promise it checks, and leaves nothing behind.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use crate::{contract::backend::Postgres, harness::broker::Broker};

/// The demo, with its files in a folder of the test's.
fn demo(arguments: &[&str], temporary: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liandong"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("TMPDIR", temporary).arg("demo").args(arguments);
    command
}

/// It kept every promise; its result.
fn kept(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stdout));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["broken"], Value::Array(Vec::new()));
    result
}

fn sum(organisations: &Value, column: &str) -> u64 {
    organisations.as_array().unwrap().iter().map(|row| row[column].as_u64().unwrap()).sum()
}

#[test]
fn the_demo_keeps_every_promise_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let result = kept(&demo(&["--json"], temporary.path()).output().unwrap());
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

#[tokio::test(flavor = "multi_thread")]
async fn hubs_and_workers_as_in_production_keep_the_same_promises() {
    let (broker, place, temporary) = (Broker::new().await, Postgres::new(), tempfile::tempdir().unwrap());
    let url = place.database().await.url();
    let production = || {
        let mut command = demo(&["--json", "--production"], temporary.path());
        command.env("LIANDONG_POSTGRES_URL", &url).env("LIANDONG_AMQP_URL", broker.url());
        command.output().unwrap()
    };
    let result = kept(&production());
    assert_eq!(result["stories"], 42);
    assert_eq!(result["totals"]["moving"], 0);
    let shares = result["processes"].as_object().unwrap();
    let names: Vec<_> = shares.keys().map(String::as_str).collect();
    assert_eq!(names, ["hub-1", "hub-2", "worker-1", "worker-2"]);
    assert!(shares.values().all(|share| share.as_u64().unwrap() > 0), "all did some of it: {shares:?}");
    let accepted: u64 = ["hub-1", "hub-2"].iter().map(|hub| shares[*hub].as_u64().unwrap()).sum();
    assert_eq!(result["totals"]["messages"], accepted, "each message was accepted by one hub");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);

    let again = production();
    assert_eq!(again.status.code(), Some(1), "a database that is in use is left alone");
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(said.contains("signed with key"), "{said}");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn a_demo_as_in_production_says_which_address_it_lacks() {
    let temporary = tempfile::tempdir().unwrap();
    let mut command = demo(&["--lang", "en", "--production"], temporary.path());
    let output = command.env_remove("LIANDONG_AMQP_URL").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("bus.url") && said.contains("LIANDONG_AMQP_URL"), "{said}");
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
