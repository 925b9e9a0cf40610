//! Altered evidence files: each is caught, and the step that fails is named.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use liandong::evidence::{
    checkpoint::{Checkpoint, Origin, TIME},
    signer::{Ed25519, Signer as _},
    statement,
    tree::{Tree, leaf_hash},
};
use serde_json::{Value, json};

use super::stage::{Case, parsed, written};
use crate::harness::books::Books;

/// The step at which the check fails.
fn step(case: &Case, file: &Value) -> &'static str {
    step_of(case, &written(file))
}

fn step_of(case: &Case, bytes: &[u8]) -> &'static str {
    match case.check(bytes) {
        Ok(_) => "none",
        Err(failed) => failed.step.as_str(),
    }
}

/// A text of the file with something replaced; it must be there.
fn replace(value: &mut Value, from: &str, to: &str) {
    let text = value.as_str().unwrap();
    assert!(text.contains(from), "no {from} in {text}");
    *value = json!(text.replacen(from, to, 1));
}

type Change = (&'static str, Box<dyn Fn(&mut Value)>);

fn change(expected: &'static str, how: impl Fn(&mut Value) + 'static) -> Change {
    (expected, Box::new(how))
}

fn remove(list: &mut Value, index: usize) {
    list.as_array_mut().unwrap().remove(index);
}

/// What somebody without the key can do to a file.
fn changes(other: &Value) -> Vec<Change> {
    [contents_changed(), entries_moved(), mixed_with(other), left_out_or_put_in()]
        .into_iter()
        .flatten()
        .collect()
}

fn contents_changed() -> Vec<Change> {
    vec![
        change("openings", |file| {
            let received = STANDARD.encode(r#"{"changed":"payload"}"#);
            file["messages"][0]["opening"]["received"] = json!(received);
        }),
        change("openings", |file| {
            replace(&mut file["messages"][0]["opening"]["content"], "汉滨示例", "汉滨另一");
        }),
        change("openings", |file| {
            replace(&mut file["messages"][0]["opening"]["decision"], "610902-scjgj", "610902-wjj");
        }),
        change("openings", |file| file["messages"][0]["opening"]["salt"] = json!("00".repeat(16))),
        change("openings", |file| {
            let zeros = format!("sha256:{}", "00".repeat(32));
            file["attempts"][1]["exchanged"]["sent"] = json!(zeros);
        }),
        change("openings", |file| file["attempts"][0]["exchanged"]["answer_sm3"] = Value::Null),
        change("openings", |file| file["attempts"][1]["salt"] = json!("00".repeat(16))),
        change("openings", |file| {
            let other = file["attempts"][0]["exchanged"].clone();
            file["attempts"][1]["exchanged"] = other;
        }),
        change("openings", |file| file["attempts"][1]["entry"] = file["entries"][0]["position"].clone()),
        change("openings", |file| file["attempts"].as_array_mut().unwrap().swap(0, 1)),
        change("words", |file| remove(&mut file["attempts"], 1)),
        // Removed entries: the first attempt, which failed; the last one, the signature; with the list.
        change("contents", |file| remove(&mut file["entries"], 1)),
        change("contents", |file| {
            let last = file["entries"].as_array().unwrap().len() - 1;
            remove(&mut file["entries"], last);
        }),
        change("statements", |file| {
            remove(&mut file["entries"], 1);
            let last = file["statements"].as_array().unwrap().len() - 1;
            remove(&mut file["statements"], last);
        }),
    ]
}

fn entries_moved() -> Vec<Change> {
    vec![
        change("inclusion", |file| file["entries"].as_array_mut().unwrap().swap(0, 1)),
        change("inclusion", |file| {
            let (one, two) = (file["entries"][0]["position"].clone(), file["entries"][1]["position"].clone());
            let bodies = (file["entries"][0]["body"].clone(), file["entries"][1]["body"].clone());
            (file["entries"][0]["position"], file["entries"][1]["position"]) = (one, two);
            (file["entries"][0]["body"], file["entries"][1]["body"]) = (bodies.1, bodies.0);
        }),
        change("statements", |file| file["statements"].as_array_mut().unwrap().swap(0, 1)),
        // Re-dated.
        change("inclusion", |file| replace(&mut file["entries"][0]["body"], "\"at\":\"20", "\"at\":\"19")),
        change("receipts", |file| {
            replace(&mut file["messages"][0]["receipt"], "\"issued_at\":\"20", "\"issued_at\":\"19");
        }),
        change("statements", |file| replace(&mut file["statements"][0], "\"at\":\"20", "\"at\":\"19")),
        change("checkpoint", |file| replace(&mut file["checkpoint"], "time 20", "time 19")),
    ]
}

/// With what belongs to another message.
fn mixed_with(other: &Value) -> Vec<Change> {
    let (other, stranger) = (other.clone(), other.clone());
    vec![
        change("inclusion", |file| file["entries"][0]["path"] = file["entries"][1]["path"].clone()),
        change("receipts", move |file| {
            file["messages"][0]["receipt"] = other["messages"][0]["receipt"].clone();
        }),
        change("contents", move |file| file["statements"] = stranger["statements"].clone()),
    ]
}

fn left_out_or_put_in() -> Vec<Change> {
    vec![
        change("contents", |file| {
            file["messages"][0].as_object_mut().unwrap().remove("receipt");
        }),
        change("contents", |file| remove(&mut file["messages"], 1)),
        change("statements", |file| remove(&mut file["statements"], 0)),
        change("statements", |file| {
            let first = file["statements"][0].clone();
            file["statements"].as_array_mut().unwrap().push(first);
        }),
        change("words", |file| replace(&mut file["said"][1]["words"], "收到", "拒收")),
        change("words", |file| file["said"][1]["entry"] = file["entries"][0]["position"].clone()),
        change("keys", |file| file["keys"] = json!([Ed25519::from_seed(&[9; 32]).public_key().to_pem()])),
        change("keys", |file| file["keys"] = json!([])),
        change("reading", |file| file["note"] = json!("x")),
        change("reading", |file| file["format"] = json!("liandong/evidence/v0")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_altered_file_is_caught_by_the_step_that_it_breaks() {
    let case = Case::new().await;
    let whole = parsed(&case.file(&case.message, &[]));
    let other = parsed(&case.file(&case.other, &[]));
    assert_eq!(step(&case, &whole), "none");
    for (number, (expected, how)) in changes(&other).into_iter().enumerate() {
        let mut altered = whole.clone();
        how(&mut altered);
        assert_ne!(altered, whole, "change {number} does nothing");
        assert_eq!(
            step(&case, &altered),
            expected,
            "change {number}: {:?}",
            case.check(&written(&altered)).err()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_another_time_another_log_or_another_key_is_caught() {
    let case = Case::new().await;
    let whole = parsed(&case.file(&case.message, &[]));
    let own = whole["checkpoint"].as_str().unwrap().to_owned();
    let books = Books::of(&case.hub);
    let notes: Value =
        serde_json::from_str(&books.text("SELECT json_group_array(note) FROM checkpoint")).unwrap();
    let notes: Vec<_> = notes.as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    assert!(notes.len() > 1 && notes.contains(&own.as_str()), "{notes:?}");
    for note in notes.iter().filter(|note| **note != own) {
        let mut replayed = whole.clone();
        replayed["checkpoint"] = json!(note);
        assert_eq!(step(&case, &replayed), "inclusion", "{note}");
    }

    // A tree of this file's entries alone, signed by somebody else.
    let leaves: Vec<_> = whole["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| leaf_hash(entry["body"].as_str().unwrap().as_bytes()))
        .collect();
    let stranger = Ed25519::from_seed(&[9; 32]);
    let origin = Origin::new(own.lines().next().unwrap()).unwrap();
    let checkpoint = Checkpoint::of(origin, &leaves.iter().copied().collect());
    let checkpoint = checkpoint.with_extension(TIME, "2026-03-05T01:30:00Z").unwrap();
    let mut forged = whole.clone();
    forged["checkpoint"] = json!(checkpoint.sign(&stranger).unwrap().to_string());
    let tree = Tree::new(leaves);
    for (index, entry) in (0..).zip(forged["entries"].as_array_mut().unwrap()) {
        entry["position"] = json!(index);
        entry["path"] = json!(tree.inclusion_path(index).unwrap());
    }
    forged["keys"] = json!([stranger.public_key().to_pem()]);
    assert_eq!(step(&case, &forged), "checkpoint", "a key in the file is not trusted");
    let stranger_only = [stranger.public_key().clone()].into_iter().collect();
    let wrong_key = liandong::engine::evidence::verify::verify(&written(&whole), &stranger_only, None);
    assert_eq!(wrong_key.unwrap_err().step.as_str(), "checkpoint", "the wrong key");
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_say_more_than_the_entries_are_caught_even_when_the_hubs_key_signed_them() {
    let case = Case::new().await;
    let whole = parsed(&case.file(&case.message, &[]));
    let signer = Ed25519::load(&case.hub.data().join("keys/signing.pem")).unwrap();
    let stated: Vec<Value> = whole["statements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|envelope| parsed(envelope.as_str().unwrap().as_bytes())["statement"].clone())
        .collect();
    let resigned = |stated: &[Value]| {
        let mut file = whole.clone();
        let envelopes = statement::sign_batch(stated, &signer).unwrap();
        file["statements"] = envelopes.into_iter().map(|it| json!(String::from_utf8(it).unwrap())).collect();
        file
    };
    assert_eq!(step(&case, &resigned(&stated)), "none");
    let mut dated = stated.clone();
    dated[0]["at"] = json!("2020-01-01T00:00:00Z");
    let mut unsigned = stated.clone();
    unsigned.remove(1);
    let mut basis = stated;
    basis[0]["basis"] = json!("另一依据");
    for wrong in [dated, unsigned, basis] {
        assert_eq!(step(&case, &resigned(&wrong)), "facts");
    }
}

/// How many texts, numbers, members and items it has, each of which is changed or taken away in turn.
fn values(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(|item| 1 + values(item)).sum(),
        Value::Object(members) => members.values().map(|member| 1 + values(member)).sum(),
        _ => 1,
    }
}

/// Every value of the file in turn: texts and numbers changed, members and items taken away, neighbours swapped.
fn mutants(value: &Value, place: &str, out: &mut Vec<(String, Value)>) {
    let mut put = |what: &str, changed: Value| out.push((format!("{place} {what}"), changed));
    match value {
        Value::String(text) => {
            let mut cut = text.clone();
            let last = cut.pop();
            put("cut", json!(cut));
            put("changed", json!(format!("{cut}{}", if last == Some('A') { 'B' } else { 'A' })));
            put("longer", json!(format!("{text} ")));
        }
        Value::Number(number) => put("risen", json!(number.as_u64().unwrap() + 1)),
        Value::Array(items) => {
            for index in 0..items.len() {
                let mut less = items.clone();
                less.remove(index);
                put(&format!("without {index}"), json!(less));
                if index > 0 && items[index] != items[index - 1] {
                    let mut swapped = items.clone();
                    swapped.swap(index, index - 1);
                    put(&format!("swapped at {index}"), json!(swapped));
                }
            }
            for (index, item) in items.iter().enumerate() {
                let mut inner = Vec::new();
                mutants(item, &format!("{place}/{index}"), &mut inner);
                for (what, changed) in inner {
                    let mut all = items.clone();
                    all[index] = changed;
                    out.push((what, json!(all)));
                }
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let mut less = members.clone();
                less.remove(name);
                out.push((format!("{place}/{name} gone"), json!(less)));
                let mut inner = Vec::new();
                mutants(member, &format!("{place}/{name}"), &mut inner);
                for (what, changed) in inner {
                    let mut all = members.clone();
                    all.insert(name.clone(), changed);
                    out.push((what, json!(all)));
                }
            }
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_can_be_changed_unnoticed_but_what_a_file_may_leave_out() {
    let case = Case::new().await;
    let whole = parsed(&case.file(&case.delivery, &[]));
    let mut all = Vec::new();
    mutants(&whole, "", &mut all);
    assert!(all.len() > values(&whole), "{} of {}", all.len(), values(&whole));
    // The payload and the words of a target may be left out; then they are not in what is proven.
    let may_go = |place: &str| place.ends_with("/opening gone") || place.starts_with("/said without");
    for (place, changed) in all {
        let checked = case.check(&written(&changed));
        match checked {
            Ok(proven) => {
                assert!(may_go(&place), "{place} passes unnoticed");
                let left_out = proven.messages.iter().any(|message| message.opened.is_none());
                assert!(left_out || proven.said.len() < whole["said"].as_array().unwrap().len(), "{place}");
            }
            Err(_) => assert!(!may_go(&place), "{place} may be left out"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_can_be_flipped_unnoticed() {
    let case = Case::new().await;
    let whole = case.file(&case.delivery, &["--redact"]);
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        assert_ne!(step_of(&case, &flipped), "none", "byte {at}");
    }
    for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
        assert_eq!(step_of(&case, &whole[..cut]), "reading", "cut to {cut} bytes");
    }
}
