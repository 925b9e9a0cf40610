//! The house stays tidy: floors, sizes, words and places (DESIGN section 5, STYLE section 3).
//!
//! Each test names what it found by file and line. That every key of the configuration stands in the
//! default file is tested beside the settings.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{self, Source, files, line_of, rust};

/// Rooms by floor; a room imports only from floors below its own.
const FLOORS: [(&str, u8); 16] = [
    ("domain", 1),
    ("config", 2),
    ("port", 3),
    ("proto", 3),
    ("task", 3),
    ("mapping", 4),
    ("evidence", 4),
    ("store", 5),
    ("bus", 5),
    ("connector", 5),
    ("device", 5),
    ("engine", 6),
    ("worker", 6),
    ("api", 7),
    ("app", 8),
    ("cli", 9),
];

/// Concrete backends, which only `app` may name from outside their room.
const BACKENDS: [&str; 5] = ["store::sqlite", "store::postgres", "bus::grpc", "bus::local", "bus::rabbitmq"];

/// Crates whose types stop at a door, and the doors.
const DOORS: [(&str, &[&str]); 15] = [
    ("rusqlite", &["src/store/sqlite/", "src/cli/bench/"]),
    ("tokio_postgres", &["src/store/postgres/", "src/cli/bench/"]),
    ("deadpool_postgres", &["src/store/postgres/"]),
    ("cryptoki", &["src/device/"]),
    ("lapin", &["src/bus/rabbitmq/", "src/cli/bench/", "src/cli/demo/"]),
    ("backoff", &["src/task/retry.rs"]),
    ("reqwest", &["src/connector/", "src/cli/"]),
    ("axum", &["src/api/", "src/cli/demo/", "src/cli/bench/"]),
    ("minijinja", &["src/mapping/", "src/cli/demo/"]),
    ("quick_xml", &["src/mapping/", "src/cli/demo/"]),
    ("prost", &["src/proto/"]),
    ("prost_reflect", &["src/proto/"]),
    ("pbjson", &["src/proto/"]),
    ("tonic", &["src/api/grpc/", "src/bus/grpc/", "src/cli/bench/"]),
    ("tokio_rustls", &["src/api/grpc/"]),
];

/// What the domain must not know.
const WORLD: [&str; 8] =
    ["tokio::", "std::fs", "std::env", "std::net", "std::io", "std::process", "std::time", "Timestamp::now"];

/// Lines of a file at most.
const LINES: usize = 500;
/// Lines of `main.rs` at most.
const MAIN_LINES: usize = 99;

fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

fn at(source: &Source, line: usize, text: impl std::fmt::Display) -> String {
    format!("{}:{line}: {text}", source.path)
}

#[test]
fn a_room_imports_only_from_floors_below_its_own() {
    let floors: BTreeMap<_, _> = FLOORS.into();
    let mut found = Vec::new();
    for source in files("src", ".rs") {
        let Some(room) = source.room() else { continue };
        let Some(floor) = floors.get(room) else {
            found.push(at(&source, 1, format!("room {room} has no floor")));
            continue;
        };
        for (line, path) in source.paths() {
            let other = path.split("::").next().unwrap_or_default();
            match floors.get(other) {
                Some(below) if other != room && below >= floor => {
                    found.push(at(&source, line, format!("{room} ({floor}) imports {path} ({below})")));
                }
                _ => {}
            }
        }
    }
    none("imports against the floors", &found);
}

#[test]
fn only_the_composition_names_concrete_backends() {
    let mut found = Vec::new();
    for source in files("src", ".rs").iter().filter(|source| source.room() != Some("app")) {
        for (line, path) in source.paths() {
            let named = BACKENDS.iter().find(|backend| path.starts_with(**backend));
            let own = named.and_then(|backend| backend.split("::").next()) == source.room();
            if named.is_some() && !own {
                found.push(at(source, line, format!("names {path}")));
            }
        }
    }
    none("backends named outside app", &found);
}

#[test]
fn wire_types_stay_with_the_interfaces() {
    let allowed =
        ["src/proto/", "src/api/", "src/bus/grpc/", "src/connector/grpc/", "src/cli/bench/production/"];
    let mut found = Vec::new();
    for source in files("src", ".rs") {
        if !allowed.iter().any(|room| source.path.starts_with(room)) {
            let wire = source.paths().into_iter().filter(|(_, path)| path.starts_with("proto::v1"));
            found.extend(wire.map(|(line, path)| at(&source, line, format!("names {path}"))));
        }
    }
    none("wire types outside the interfaces", &found);
}

#[test]
fn types_of_drivers_stop_at_their_doors() {
    let mut found = Vec::new();
    for source in files("src", ".rs") {
        let code = source.shipped();
        for (name, doors) in DOORS {
            if doors.iter().any(|door| source.path.starts_with(door)) {
                continue;
            }
            let lines = Source::lines_with(&code, &format!("{name}::"));
            found.extend(lines.into_iter().map(|line| at(&source, line, format!("uses {name}"))));
        }
    }
    none("drivers used outside their rooms", &found);
}

#[test]
fn the_domain_is_pure() {
    let mut found = Vec::new();
    for source in files("src/domain", ".rs") {
        let code = source.shipped();
        for word in WORLD {
            let lines = Source::lines_with(&code, word);
            found.extend(lines.into_iter().map(|line| at(&source, line, format!("uses {word}"))));
        }
    }
    none("the domain touches the world", &found);
}

#[test]
fn the_environment_is_read_in_one_place() {
    let mut found = Vec::new();
    for source in files("src", ".rs").iter().filter(|source| source.path != "src/config/environment.rs") {
        let code = source.shipped();
        for (place, _) in code.match_indices("env::var") {
            found.push(at(source, line_of(&code, place), "reads the environment"));
        }
    }
    none("environment read outside config::environment", &found);
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = rust().into_iter().filter(|source| !source.text.starts_with("//! "));
    let found: Vec<_> = silent.map(|source| at(&source, 1, "does not open with //!")).collect();
    none("files without purpose", &found);
}

#[test]
fn files_stay_short() {
    let mut found = Vec::new();
    for source in rust() {
        let limit = if source.path == "src/main.rs" { MAIN_LINES } else { LINES };
        let lines = source.text.lines().count();
        if lines > limit {
            found.push(at(&source, limit, format!("{lines} lines, at most {limit}")));
        }
    }
    none("files too long", &found);
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("<<<<", "<<< ")];
    let mut found = Vec::new();
    for source in rust() {
        for (index, line) in source.text.lines().enumerate() {
            for mark in marks.iter().filter(|mark| !Source::lines_with(line, mark).is_empty()) {
                found.push(at(&source, index + 1, mark));
            }
        }
    }
    none("left for later", &found);
}

#[test]
fn no_test_is_ignored_and_nothing_sleeps_a_thread() {
    let mut found = Vec::new();
    for source in rust() {
        let code = source.code();
        for word in ["#[ignore", "thread::sleep"] {
            for (place, _) in code.match_indices(word) {
                found.push(at(&source, line_of(&code, place), word));
            }
        }
    }
    none("ignored or sleeping", &found);
}

#[test]
fn tests_wait_on_conditions_and_not_on_time() {
    let mut found = Vec::new();
    for source in files("tests", ".rs").iter().filter(|source| !source.path.starts_with("tests/it/harness/"))
    {
        let code = source.code();
        let lines = code.match_indices("sleep(").map(|(place, _)| line_of(&code, place));
        found.extend(lines.map(|line| at(source, line, "sleeps; the harness waits on conditions")));
    }
    none("tests that sleep", &found);
}

#[test]
fn shipped_code_unwraps_nothing() {
    let mut found = Vec::new();
    for source in files("src", ".rs") {
        let code = source.shipped();
        for (place, _) in code.match_indices(".unwrap()") {
            found.push(at(&source, line_of(&code, place), "unwrap"));
        }
    }
    none("unwrapped", &found);
}

#[test]
fn every_metric_is_named_and_described_in_one_file() {
    let metrics = std::fs::read_to_string(source::root().join("src/task/metrics.rs")).unwrap();
    let named: BTreeMap<_, _> = metrics.lines().filter_map(constant).collect();
    assert!(!named.is_empty(), "src/task/metrics.rs names no metric");
    let described = metrics.split_once("pub fn describe()").map(|(_, body)| body).unwrap_or_default();
    let mut found: Vec<_> = named
        .iter()
        .filter(|(_, name)| !described.contains(&format!("!({name}, ")))
        .map(|(metric, _)| format!("{metric} is not described"))
        .collect();
    let sources = files("src", ".rs");
    for source in sources.iter().filter(|source| source.path != "src/task/metrics.rs") {
        for (line, word) in metric_words(&source.text) {
            if !named.contains_key(word) {
                found.push(at(source, line, format!("{word} is not named in src/task/metrics.rs")));
            }
        }
    }
    for name in named.values() {
        let used = |source: &Source| source.room() != Some("task") && source.shipped().contains(name);
        if !sources.iter().any(used) {
            found.push(format!("{name} is never reported"));
        }
    }
    none("metrics out of their file", &found);
}

#[test]
fn alerts_watch_metrics_that_exist() {
    let metrics = std::fs::read_to_string(source::root().join("src/task/metrics.rs")).unwrap();
    let named: BTreeSet<_> = metrics.lines().filter_map(constant).map(|(metric, _)| metric).collect();
    let mut found = Vec::new();
    for source in files("deploy/prometheus", ".yml") {
        for (line, word) in metric_words(&source.text) {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
            if !named.contains(word) && !base.is_some_and(|base| named.contains(base)) {
                found.push(at(&source, line, format!("{word} does not exist")));
            }
        }
    }
    none("alerts on nothing", &found);
}

#[test]
fn every_promise_has_a_test_file_of_its_name() {
    let text = std::fs::read_to_string(source::root().join("ARCHITECTURE.md")).unwrap();
    let (_, after) = text.split_once("## Where each promise is held").unwrap();
    let section = after.split("\n## ").next().unwrap_or_default();
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert_eq!(rows.len(), 14, "the promises of the design");
    let mut found = Vec::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, _, proof] = cells[..] else { panic!("a row has three cells: {row}") };
        let module = name.replace(' ', "_");
        let files = [format!("tests/it/{module}.rs"), format!("tests/it/{module}/mod.rs")];
        let file = files.iter().find(|file| source::root().join(file).is_file());
        let expected = format!("`{}`", file.unwrap_or(&files[0]));
        if proof != expected || file.is_none() {
            found.push(format!("{name}: says {proof}, it is {expected}"));
        }
    }
    none("promises without their test file", &found);
}

#[test]
fn every_test_file_is_part_of_the_test_binary() {
    let main = std::fs::read_to_string(source::root().join("tests/it/main.rs")).unwrap();
    let mut found = Vec::new();
    for source in files("tests/it", ".rs") {
        let path = source.path.trim_start_matches("tests/it/");
        let module = path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix(".rs")).unwrap_or(path);
        let is_own = !module.contains('/') && module != "main";
        if is_own && !main.lines().any(|line| line == format!("mod {module};")) {
            found.push(source.path);
        }
    }
    none("not named in tests/it/main.rs", &found);
}

/// `pub const NAME: &str = "metric";` as (metric, NAME).
fn constant(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix("pub const ")?.split_once(": &str = \"")?;
    Some((value.strip_suffix("\";")?, name))
}

/// Words that look like a metric of ours, with their lines.
fn metric_words(text: &str) -> Vec<(usize, &str)> {
    let hits = text.match_indices("liandong_").filter(|(at, _)| {
        !text[..*at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '/' || c == '-')
    });
    hits.map(|(at, _)| {
        let end =
            text[at..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len() - at);
        (line_of(text, at), &text[at..at + end])
    })
    .collect()
}
