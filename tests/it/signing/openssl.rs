//! Receipts and checkpoints of a real hub, checked with `docs/check-receipt.py` and `openssl` alone.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use base64::Engine as _;
use serde_json::Value;

use super::{done, export_key, tool, verifies};
use crate::{
    harness::{
        hub::Hub,
        sender::{BUREAU, Sender, hub_of, result, sends},
    },
    source::root,
};

/// A hub that signed a receipt and sealed its trail, stopped.
async fn signed(mut hub: Hub) -> (Hub, Vec<u8>) {
    hub.start();
    let receipt = Sender::at(&hub, BUREAU).accepted(&result("K-1", "JY1")).await.body;
    assert_eq!(hub.stop(), Some(0));
    (hub, receipt)
}

/// The steps of `docs/evidence.md` with a receipt.
fn check_receipt(folder: &Path, receipt: &[u8], algorithm: &str) -> bool {
    fs::write(folder.join("receipt.json"), receipt).unwrap();
    let script = root().join("docs/check-receipt.py");
    let steps = tool(folder, "python3", &[script.to_str().unwrap(), "receipt.json"]);
    steps.status.success() && verifies(folder, algorithm)
}

/// The steps of `docs/evidence.md` with a checkpoint.
fn check_checkpoint(folder: &Path, note: &str, algorithm: &str) -> bool {
    let (text, signatures) = note.rsplit_once("\n\n").unwrap();
    fs::write(folder.join("signed.txt"), format!("{text}\n")).unwrap();
    let encoded = signatures.trim().rsplit_once(' ').unwrap().1;
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
    fs::write(folder.join("signature"), &bytes[4..]).unwrap();
    verifies(folder, algorithm)
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_verifies_receipts_and_checkpoints_by_the_documented_steps() {
    for algorithm in ["ed25519", "sm2"] {
        let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))]);
        hub.set("keys.algorithm", algorithm);
        let (hub, receipt) = signed(hub).await;
        let folder = tempfile::tempdir().unwrap();
        export_key(folder.path(), &hub.data().join("keys/signing.pem"));

        assert!(check_receipt(folder.path(), &receipt, algorithm), "{algorithm}");
        let stated: Value = serde_json::from_slice(&receipt).unwrap();
        assert_eq!(stated["proof"]["algorithm"], algorithm);
        let changed = String::from_utf8(receipt).unwrap().replace("K-1", "K-2");
        assert!(
            !check_receipt(folder.path(), changed.as_bytes(), algorithm),
            "{algorithm}: another statement"
        );

        let note = fs::read_to_string(hub.data().join("anchor.txt")).unwrap();
        assert!(check_checkpoint(folder.path(), &note, algorithm), "{algorithm}");
        assert!(
            !check_checkpoint(folder.path(), &note.replace("time 2", "time 1"), algorithm),
            "{algorithm}"
        );
        let report =
            hub.ask(&["seal", "verify", "--anchor", hub.data().join("anchor.txt").to_str().unwrap()]);
        assert_eq!(report["report"]["mismatch"], Value::Null, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receipt_states_of_the_bytes_received_is_what_openssl_computes() {
    let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))]);
    hub.start();
    let message = result("K-1", "JY1").to_string();
    let receipt = Sender::at(&hub, BUREAU).send_text("approval.result", &message).await;
    assert_eq!(hub.stop(), Some(0));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sent.json"), &message).unwrap();
    let statement = receipt.statement();
    for (digest, member) in [("sha256", "received"), ("sm3", "received_sm3")] {
        let said = done(folder.path(), "openssl", &["dgst", &format!("-{digest}"), "-r", "sent.json"]);
        let computed = said.split_whitespace().next().unwrap();
        assert_eq!(statement[member], format!("{digest}:{computed}"), "{statement}");
    }
    let sealed = hub.sealed().await;
    let accepted = sealed.iter().find(|entry| entry["event"] == "message.accepted").unwrap();
    let commitment = accepted["data"]["commitment_sm3"].as_str().unwrap();
    assert!(commitment.starts_with("sm3:"), "{accepted}");
    assert_ne!(commitment, statement["received_sm3"], "in the trail it is salted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_openssl_made_signs() {
    let curve = ["-pkeyopt", "ec_paramgen_curve:SM2"];
    let made: [(&str, &[&str], &str); 3] =
        [("SM2", &[], "sm2"), ("EC", &curve, "sm2"), ("ed25519", &[], "ed25519")];
    for (name, options, algorithm) in made {
        let hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))]);
        let key = hub.data().join("keys/signing.pem");
        fs::create_dir_all(key.parent().unwrap()).unwrap();
        let arguments =
            [&["genpkey", "-algorithm", name][..], options, &["-out", key.to_str().unwrap()]].concat();
        done(hub.home(), "openssl", &arguments);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let (_hub, receipt) = signed(hub).await;
        let folder = tempfile::tempdir().unwrap();
        export_key(folder.path(), &key);
        assert!(check_receipt(folder.path(), &receipt, algorithm), "{name}");
    }
}
