//! The adapters of the demo and their mapping tests, run as `liandong adapter test` runs them.

use liandong::worker::cases::{Cases, Failure};

use super::programs::adapters;

/// What is wrong with one test, for a person.
fn said(failure: &Failure) -> String {
    match failure {
        Failure::Differs(found) => found
            .iter()
            .map(|one| format!("\n    {}: expected {:?}, got {:?}", one.path, one.expected, one.got))
            .collect::<Vec<_>>()
            .concat(),
        Failure::Refused(refusal) => format!("{refusal} {:?}", refusal.faults),
        Failure::Unmapped(faults) => format!("{failure} {faults:?}"),
        other => other.to_string(),
    }
}

#[test]
fn every_mapping_has_a_test_and_passes_it() {
    let mut ran = 0;
    let mut wrong = Vec::new();
    for adapter in adapters() {
        let endpoint = adapter.endpoint();
        let found = Cases::of(&adapter).unwrap();
        wrong.extend(found.untested.iter().map(|name| format!("{endpoint} {name} has no test")));
        wrong.extend(found.stray.iter().map(|path| format!("{} belongs to no test", path.display())));
        for case in &found.cases {
            ran += 1;
            if let Err(failure) = case.run(&adapter) {
                wrong.push(format!("{endpoint} {case}: {}", said(&failure)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ran > 160, "{ran}");
}
