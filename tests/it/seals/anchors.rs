//! Checkpoints outside: they come to a folder and to an address, whatever happens meanwhile; what went back behind them
//! is found, and what continues them is proved.

use std::{fs, path::PathBuf, time::Duration};

use liandong::evidence::{
    checkpoint::SignedCheckpoint,
    signer::{Ed25519, Signer as _},
};
use serde_json::Value;

use crate::harness::{
    books::Books,
    department::{Behaviour, Department, status},
    hub::{Hub, eventually, wait_until_told},
    sender::{BUREAU, Sender, hub_of, result, sends},
};

fn hub() -> Hub {
    let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))]);
    hub.set("seal.every_ms", 50);
    hub.set("anchor.every_ms", 50);
    hub
}

/// The checkpoints in a folder, the earliest first.
fn kept(folder: &std::path::Path) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    let paths = files.map(|file| file.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|it| it == "txt")).collect();
    paths.sort_by_key(|path| size(&fs::read_to_string(path).unwrap()));
    paths
}

fn size(note: &str) -> u64 {
    SignedCheckpoint::parse(note).unwrap().checkpoint().size()
}

/// The largest that came to an address.
fn posted(address: &Department) -> u64 {
    let notes = address.look(|ledger| ledger.arrivals.iter().map(|it| it.body.clone()).collect::<Vec<_>>());
    notes.iter().map(|note| size(std::str::from_utf8(note).unwrap())).max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_checkpoint_comes_outside_and_nothing_waits_for_a_place_that_is_away() {
    let address = Department::anywhere().await;
    address.behave(|_| status(503));
    let mut hub = hub();
    let folder = hub.home().join("kept");
    hub.set("anchor.folder", folder.display());
    hub.set("anchor.url", format!("http://{}/checkpoints", address.address()));
    hub.set("anchor.token", "env:ANCHOR_TOKEN");
    hub.variable("ANCHOR_TOKEN", "sesame");
    hub.start_logged();
    let bureau = Sender::at(&hub, BUREAU);
    bureau.accepted(&result("K-1", "L")).await;
    let books = Books::of(&hub);
    let sealed = || books.number("SELECT max(size) FROM checkpoint");
    eventually("it is sealed", || books.number("SELECT count(*) FROM trail_unsealed") == 0).await;
    eventually("it came to the folder", || {
        kept(&folder).last().is_some_and(|last| size(&fs::read_to_string(last).unwrap()) == sealed())
    })
    .await;
    let failed = r#"liandong_anchors_sent_total{place="address",result="failed"}"#;
    let told = wait_until_told(Duration::from_mins(1), async || hub.metric(failed).await > 2);
    assert!(told.await, "it was tried again");
    let overdue = wait_until_told(Duration::from_mins(1), async || {
        let (_, text) = hub.probe("/metrics").await.unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(r#"liandong_anchor_overdue_seconds{place="address"} "#));
        line.is_some_and(|value| value.parse::<f64>().unwrap() > 0.0)
    });
    assert!(overdue.await, "it is said that it is overdue");
    assert_eq!(hub.log().matches("could not be sent outside").count(), 1, "said once: {}", hub.log());

    address.behave(|_| Behaviour::Take);
    eventually("it came to the address", || posted(&address) == sealed()).await;
    let shown =
        address.look(|ledger| ledger.arrivals.iter().map(|it| it.authorization.clone()).collect::<Vec<_>>());
    assert!(shown.iter().all(|shown| shown == "Bearer sesame"), "{shown:?}");
    let arrivals = address.arrivals();
    bureau.accepted(&result("K-2", "L")).await;
    eventually("the next came too", || address.arrivals() > arrivals && posted(&address) == sealed()).await;
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_rolled_back_to_last_week_is_found_against_what_was_sent_outside() {
    let mut hub = hub();
    let folder = hub.home().join("kept");
    hub.set("anchor.folder", folder.display());
    hub.start();
    let token = hub.token(BUREAU);
    Sender::with(&hub, &token).accepted(&result("K-1", "L")).await;
    assert_eq!(hub.stop(), Some(0));
    let last_week = fs::read(hub.data().join("liandong.db")).unwrap();
    hub.start();
    Sender::with(&hub, &token).accepted(&result("K-2", "L")).await;
    let sealed = |hub: &Hub| Books::of(hub).number("SELECT max(size) FROM checkpoint");
    eventually("it came outside", || {
        let unsealed = Books::of(&hub).number("SELECT count(*) FROM trail_unsealed");
        let last = kept(&folder).pop().unwrap();
        unsealed == 0 && size(&fs::read_to_string(last).unwrap()) == sealed(&hub)
    })
    .await;
    assert_eq!(hub.stop(), Some(0));
    let anchor = kept(&folder).pop().unwrap().display().to_string();
    hub.ask(&["seal", "verify", "--anchor", &anchor]);

    for log in ["liandong.db-wal", "liandong.db-shm"] {
        drop(fs::remove_file(hub.data().join(log)));
    }
    fs::write(hub.data().join("liandong.db"), last_week).unwrap();
    let alone = hub.ask(&["seal", "verify"]);
    assert!(alone["report"]["mismatch"].is_null(), "alone, an earlier state looks whole: {alone}");
    let output = hub.run(&["seal", "verify", "--anchor", &anchor]);
    assert!(!output.status.success());
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(said["report"]["mismatch"].as_str().unwrap().contains("the log was cut"), "{said}");
    let output = hub.run(&["seal", "prove", &anchor]);
    assert!(!output.status.success(), "what is gone is not proved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_between_two_checkpoints_is_checked_without_the_store() {
    let mut hub = hub();
    let folder = hub.home().join("kept");
    hub.set("anchor.folder", folder.display());
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    for number in 0..5 {
        let before = kept(&folder).len();
        bureau.accepted(&result(&format!("K-{number}"), "L")).await;
        eventually("a checkpoint came outside", || kept(&folder).len() > before).await;
    }
    let kept: Vec<_> = kept(&folder).iter().map(|path| path.display().to_string()).collect();
    let home = hub.home().to_owned();
    let path = |name: &str| home.join(name).display().to_string();
    // Beside the running hub.
    hub.ask(&["seal", "prove", &kept[1], &kept[3], "--to", &path("some.json")]);
    hub.ask(&["seal", "prove", &kept[0], "--to", &path("all.json")]);
    assert_eq!(hub.stop(), Some(0));
    let signer = Ed25519::load(&hub.data().join("keys/signing.pem")).unwrap();
    fs::write(path("hub.pem"), signer.public_key().to_pem()).unwrap();
    fs::write(path("other.pem"), Ed25519::from_seed(&[9; 32]).public_key().to_pem()).unwrap();

    fs::rename(hub.data(), hub.home().join("gone")).unwrap();
    let held = hub.ask(&["seal", "verify-proof", &path("some.json"), "--key", &path("hub.pem")]);
    assert_eq!(held["old"], size(&fs::read_to_string(&kept[1]).unwrap()), "{held}");
    assert_eq!(held["new"], size(&fs::read_to_string(&kept[3]).unwrap()), "{held}");
    hub.ask(&["seal", "verify-proof", &path("all.json"), "--key", &path("hub.pem")]);
    let output = hub.run(&["seal", "verify-proof", &path("all.json"), "--key", &path("other.pem")]);
    assert!(!output.status.success(), "another's key counts for nothing");
    fs::rename(hub.home().join("gone"), hub.data()).unwrap();

    Books::of(&hub).tamper(
        "UPDATE trail SET body = CAST(replace(CAST(body AS TEXT), 'event', 'evend') AS BLOB) WHERE number = 1",
    );
    let output = hub.run(&["seal", "prove", &kept[0]]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("not to that of the earlier checkpoint"), "{said}");
}
