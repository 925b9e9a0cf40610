//! Promise 14, `one_behaviour`: every store and every bus keeps the same contract, since every suite of
//! `contract/` runs on every backend there is.
//!
//! Which backends there are, the source tree says; which tests ran on them, this binary says of itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use crate::source::{files, root};

/// A port with its backends, each a folder of its room, and the suites of its contract.
struct Port {
    room: &'static str,
    backends: &'static [&'static str],
    suites: &'static [&'static str],
}

const PORTS: [Port; 2] = [
    Port {
        room: "store",
        backends: &["postgres", "sqlite"],
        suites: &[
            "store_accept",
            "store_access",
            "store_crash",
            "store_effects",
            "store_hops",
            "store_keys",
            "store_lanes",
            "store_operate",
            "store_query",
            "store_replay",
            "store_retention",
            "store_settle",
            "store_stamps",
            "store_trail",
        ],
    },
    Port {
        room: "bus",
        backends: &["grpc", "local", "rabbitmq"],
        suites: &["bus_bounds", "bus_close", "bus_outcomes", "bus_work"],
    },
];

/// Suites of one backend alone: what it promises beyond the contract.
fn is_own(port: &Port, suite: &str) -> bool {
    port.backends.iter().any(|backend| suite.starts_with(&format!("{}_{backend}", port.room)))
}

/// Names of the tests of this binary: suite, backend, sentence.
fn tests() -> BTreeSet<(String, String, String)> {
    let listing = Command::new(std::env::current_exe().unwrap())
        .args(["--list", "--format", "terse", "contract::"])
        .output()
        .unwrap();
    let text = String::from_utf8(listing.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.strip_suffix(": test")?.strip_prefix("contract::"));
    let parts = names.filter_map(|name| {
        let mut parts = name.split("::").map(str::to_owned);
        Some((parts.next()?, parts.next()?, parts.next()?))
    });
    parts.collect()
}

/// Sentences of a suite: its functions over a backend.
fn sentences(suite: &str) -> BTreeSet<String> {
    let source = crate::source::open(&format!("tests/it/contract/{suite}.rs"));
    let functions = source.text.split("\nasync fn ").skip(1).filter_map(|rest| rest.split_once('('));
    let over_a_backend = functions.filter(|(_, rest)| rest.trim_start().starts_with("backend: &dyn "));
    over_a_backend.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_backend_that_is_built_is_in_the_table() {
    for port in &PORTS {
        let folder = root().join("src").join(port.room);
        // What backends share is private to their room.
        let declared = crate::source::open(&format!("src/{}/mod.rs", port.room)).text;
        let built: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().unwrap().is_dir())
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| declared.contains(&format!("\npub mod {name};")))
            .collect();
        assert_eq!(
            built,
            port.backends.iter().map(ToString::to_string).collect(),
            "backends of {}",
            port.room
        );
    }
}

#[test]
fn every_suite_of_a_contract_is_in_the_table() {
    for port in &PORTS {
        let written: BTreeSet<String> = files("tests/it/contract", ".rs")
            .iter()
            .filter_map(|file| {
                file.path.strip_prefix("tests/it/contract/")?.strip_suffix(".rs").map(str::to_owned)
            })
            .filter(|suite| suite.starts_with(&format!("{}_", port.room)) && !is_own(port, suite))
            .filter(|suite| suite != "bus_backend")
            .collect();
        assert_eq!(written, port.suites.iter().map(ToString::to_string).collect(), "suites of {}", port.room);
    }
}

#[test]
fn every_sentence_of_every_suite_runs_on_every_backend() {
    let mut ran: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for (suite, backend, sentence) in tests() {
        ran.entry((suite, backend)).or_default().insert(sentence);
    }
    for port in &PORTS {
        for suite in port.suites {
            let sentences = sentences(suite);
            assert!(!sentences.is_empty(), "{suite} says nothing");
            for backend in port.backends {
                let on_it = ran.get(&((*suite).to_owned(), (*backend).to_owned()));
                assert_eq!(on_it, Some(&sentences), "{suite} on {backend}");
            }
        }
    }
}
