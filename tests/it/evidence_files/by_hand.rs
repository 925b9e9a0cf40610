//! The steps of `docs/evidence-file.md`, as they stand there: a script without any library of ours, and `openssl`.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::json;

use super::stage::{Case, adapters, parsed, written};
use crate::{
    contract::backend::Postgres,
    harness::{
        department::Department,
        hub::Hub,
        sender::{hub_of, result},
    },
};

/// Runs the script on a file, in a folder of its own.
fn script(folder: &Path, file: &[u8]) -> Output {
    fs::write(folder.join("evidence.json"), file).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/check-evidence.py");
    Command::new("python3").arg(script).arg("evidence.json").current_dir(folder).output().unwrap()
}

/// Checks every signature that the script wrote out; how many there are.
fn signatures(folder: &Path, key: &Path, algorithm: &str) -> Result<usize, String> {
    let more: &[&str] = match algorithm {
        "sm2" => &["-digest", "sm3", "-pkeyopt", "distid:1234567812345678"],
        _ => &[],
    };
    let mut texts: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    texts.sort();
    for text in &texts {
        let output = Command::new("openssl")
            .args(["pkeyutl", "-verify", "-pubin", "-rawin"])
            .args(more)
            .arg("-inkey")
            .arg(key)
            .arg("-in")
            .arg(text)
            .arg("-sigfile")
            .arg(text.with_extension("sig"))
            .output()
            .unwrap();
        if !output.status.success() {
            return Err(format!("{}: {}", text.display(), String::from_utf8_lossy(&output.stdout)));
        }
    }
    Ok(texts.len())
}

/// Both ways: by the binary of a hub that has nothing to do with it, and by hand.
fn holds(case: &Case, id: &str, algorithm: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (file, key) = (case.file(id, &[]), case.public_key());
    let checked = script(folder.path(), &file);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.contains("handed_over") && said.contains(&case.delivery), "{said}");
    let count = signatures(folder.path(), &key, algorithm).unwrap();
    assert!(count >= 3, "the checkpoint, the statements and the receipts: {count}");

    let whole = parsed(&file);
    for attempt in whole["attempts"].as_array().unwrap() {
        let entry = whole["entries"].as_array().unwrap().iter().find(|it| it["position"] == attempt["entry"]);
        for digest in ["sha256", "sm3"] {
            let path = folder.path().join(format!("exchanged-{}.bin", attempt["entry"]));
            let output =
                Command::new("openssl").args(["dgst", "-r", &format!("-{digest}")]).arg(path).output();
            let told = String::from_utf8(output.unwrap().stdout).unwrap();
            let sealed = format!("\\\"{digest}:{}\\\"", told.split(' ').next().unwrap());
            assert!(told.len() > 64 && entry.unwrap().to_string().contains(&sealed), "{sealed}: {entry:?}");
        }
    }

    let stranger = Hub::configure(&[]);
    let path = folder.path().join("evidence.json").display().to_string();
    let said = stranger.ask(&["evidence", "verify", &path, "--key", &key.display().to_string()]);
    assert_eq!(said["holds"], true, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_made_on_postgres_holds_for_the_embedded_binary_and_by_hand_with_openssl() {
    for algorithm in ["ed25519", "sm2"] {
        let (place, regulator) = (Postgres::new(), Department::anywhere().await);
        let bureau = Department::anywhere().await;
        let mut hub = hub_of(&adapters(&regulator, &bureau));
        hub.set("keys.algorithm", algorithm);
        hub.set("store.backend", "postgres");
        hub.variable("LIANDONG_POSTGRES_URL", &place.database().await.url());
        let case = Case::played(hub, &regulator, result("K-1", "JY1")).await;
        for id in [&case.message, &case.delivery] {
            holds(&case, id, algorithm);
        }
        assert_eq!(
            case.file(&case.message, &[]),
            case.file(&case.message, &[]),
            "{algorithm}: the same bytes"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_by_hand_find_what_was_changed_too() {
    let case = Case::new().await;
    holds(&case, &case.message, "ed25519");
    let whole = parsed(&case.file(&case.message, &[]));
    let (folder, key) = (tempfile::tempdir().unwrap(), case.public_key());
    let finds = |altered: serde_json::Value, expected: &str| {
        let checked = script(folder.path(), &written(&altered));
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(!checked.status.success() && said.contains(expected), "{expected}: {said}");
    };
    let mut entry = whole.clone();
    entry["entries"][0]["position"] = entry["entries"][1]["position"].clone();
    finds(entry, "not in the tree");
    let mut payload = whole.clone();
    payload["messages"][0]["opening"]["received"] = json!("e30=");
    finds(payload, "commitment");
    let mut exchanged = whole.clone();
    exchanged["attempts"][1]["exchanged"]["answer"] = exchanged["attempts"][0]["exchanged"]["answer"].clone();
    finds(exchanged, "exchanged does not open");
    let mut removed = whole.clone();
    removed["entries"].as_array_mut().unwrap().remove(1);
    finds(removed, "contents");
    let mut receipt = whole.clone();
    receipt["messages"][0]["receipt"] = receipt["messages"][1]["receipt"].clone();
    finds(receipt, "receipt");

    // What only the signature tells: the time of the checkpoint.
    let mut dated = whole;
    let note = dated["checkpoint"].as_str().unwrap().replace("time 20", "time 19");
    dated["checkpoint"] = json!(note);
    let fresh = tempfile::tempdir().unwrap();
    let checked = script(fresh.path(), &written(&dated));
    let signed = checked.status.success().then(|| signatures(fresh.path(), &key, "ed25519"));
    assert!(signed.is_none_or(|signed| signed.is_err()), "a checkpoint that was dated back");
}
