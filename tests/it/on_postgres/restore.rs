//! The restore drill: a backup taken under load, restored into another server, a hub started on it. What was accepted
//! before the backup is there; the hub says what it cannot vouch for; what may have been handed over after the backup
//! is sent again under its delivery id, and what was accepted after it is taken again from its sender.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use serde_json::Value;

use super::{hub_at, share_key};
use crate::harness::{
    database::{Server, run},
    department::{Behaviour, Department, status},
    hub::{Hub, eventually},
    sender::{Answer, BUREAU, REGULATOR, Sender, result},
};

/// Messages accepted before the backup begins, and after it has ended, at least.
const SIDE: usize = 40;

/// Runs a script of `deploy/postgres` on a database; what it printed.
fn script(name: &str, url: &str, argument: &Path) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/postgres").join(name);
    let done = Command::new(script).arg(argument).env("LIANDONG_POSTGRES_URL", url).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    if done.status.success() {
        Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
    } else {
        Err(said)
    }
}

fn message(number: usize) -> Value {
    result(&format!("JY{}-{number}", number % 5), &format!("JY{}", number % 5))
}

/// A load, and what was accepted of it, in order.
struct Load {
    accepted: AtomicUsize,
    ends: AtomicBool,
}

impl Load {
    async fn run(&self, bureau: &Sender) -> Vec<Answer> {
        let mut answers = Vec::new();
        while !self.ends.load(Ordering::Relaxed) {
            answers.push(bureau.accepted(&message(answers.len())).await);
            self.accepted.fetch_add(1, Ordering::Relaxed);
        }
        answers
    }

    async fn until(&self, count: usize) {
        eventually("so many are accepted", || self.accepted.load(Ordering::Relaxed) >= count).await;
    }
}

/// The size of the last checkpoint that a hub signed.
fn anchored(data: &Path) -> u64 {
    let note = std::fs::read_to_string(data.join("anchor.txt")).unwrap_or_default();
    note.lines().nth(1).map_or(0, |size| size.parse().unwrap())
}

/// How a message was answered before the disaster, and what the target saw of its delivery.
struct Before {
    token: String,
    answers: Vec<Answer>,
    dump: String,
    at_backup: usize,
}

/// A hub under load is backed up, goes on, and is lost with its database.
async fn disaster(hub: &mut Hub, target: &Department, url: &str) -> Before {
    hub.start();
    let token = hub.token(BUREAU);
    let bureau = Sender::with(hub, &token);
    let load = Load { accepted: AtomicUsize::new(0), ends: AtomicBool::new(false) };
    let data = hub.data();
    let backup = async {
        load.until(SIDE).await;
        let at_backup = load.accepted.load(Ordering::Relaxed);
        let (url, folder) = (url.to_owned(), hub.home().join("backup"));
        let dump =
            tokio::task::spawn_blocking(move || script("backup", &url, &folder)).await.unwrap().unwrap();
        let sealed = anchored(&data);
        // Held back until now: handed over after the backup.
        target.behave(|_| Behaviour::Take);
        load.until(load.accepted.load(Ordering::Relaxed) + SIDE).await;
        eventually("some are handed over", || target.kept() > 0).await;
        load.ends.store(true, Ordering::Relaxed);
        eventually("more is sealed", || anchored(&data) > sealed).await;
        (dump, at_backup)
    };
    let (answers, (dump, at_backup)) = futures::future::join(load.run(&bureau), backup).await;
    let first = answers[0].delivery_to(REGULATOR);
    hub.until(&first, "delivered").await;
    hub.kill();
    Before { token, answers, dump, at_backup }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_restored_elsewhere_and_the_hub_says_what_it_cannot_vouch_for() {
    let (here, there, target) = (Server::start(), Server::start(), Department::anywhere().await);
    target.behave(|_| status(503));
    let url = here.database("hub", "").await;
    let mut lost = hub_at(&url, &target);
    for (key, value) in [("retry.min_ms", 10), ("retry.first_ms", 20), ("breaker.failures", 1_000)] {
        lost.set(key, value);
    }
    let before = disaster(&mut lost, &target, &url).await;
    here.control("stop");

    let elsewhere = there.database("hub", "").await;
    script("restore", &elsewhere, Path::new(&before.dump)).unwrap();
    let twice = script("restore", &elsewhere, Path::new(&before.dump)).unwrap_err();
    assert!(twice.contains("restore into an empty one"), "{twice}");

    let mut hub = hub_at(&elsewhere, &target);
    share_key(&lost, &mut hub);
    hub.start_logged();
    let log = hub.log();
    assert!(log.contains("the store has gone back in time") && log.contains("taken_at"), "{log}");
    let said = "SELECT convert_from(body, 'UTF8') FROM trail WHERE event = 'store.restored'";
    let entries = run(&elsewhere, said).await;
    let entry: Value = serde_json::from_str(entries[0].get(0)).unwrap();
    assert_eq!(entries.len(), 1);
    assert!(entry["data"]["backup"]["taken_at"].is_string(), "{entry}");
    let open = entry["data"]["open_deliveries"].as_object().unwrap();
    assert!(open.values().map(|count| count.as_u64().unwrap()).sum::<u64>() > 0, "{entry}");

    let bureau = Sender::with(&hub, &before.token);
    for (number, first) in before.answers.iter().enumerate() {
        let again = bureau.send(&message(number)).await;
        if number < before.at_backup {
            assert_eq!(
                (again.status, again.statement()),
                (200, first.statement()),
                "{number} was before the backup"
            );
        }
        assert!(matches!(again.status, 200 | 201), "{number}: {}", again.json());
        hub.until(&again.delivery_to(REGULATOR), "delivered").await;
    }
    let again = before.answers[0].delivery_to(REGULATOR);
    let times = target
        .look(|ledger| ledger.arrivals.iter().filter(|it| it.delivery == again && it.times > 1).count());
    assert!(times > 0, "handed over after the backup, and sent again under its id");

    assert_eq!(hub.stop(), Some(0));
    assert!(hub.run(&["seal", "verify"]).status.success());
    let anchor = lost.data().join("anchor.txt");
    let beyond = hub.run(&["seal", "verify", "--anchor", anchor.to_str().unwrap()]);
    assert!(!beyond.status.success(), "a checkpoint from after the backup does not hold");
    hub.start_logged();
    assert_eq!(hub.log().matches("gone back in time").count(), 1, "said once");
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_finds_out_by_itself_that_its_store_went_back() {
    let (server, target) = (Server::start(), Department::anywhere().await);
    let url = server.database("hub", "").await;
    let mut hub = hub_at(&url, &target);
    hub.start();
    let first = Sender::at(&hub, BUREAU).accepted(&result("JY1-0", "JY1")).await;
    hub.until(&first.delivery_to(REGULATOR), "delivered").await;
    assert_eq!(hub.stop(), Some(0));
    run(&server.url(), "CREATE DATABASE kept TEMPLATE hub").await;
    hub.start();
    assert_eq!(hub.stop(), Some(0));
    assert!(
        hub.run(&["seal", "verify", "--anchor", hub.data().join("anchor.txt").to_str().unwrap()])
            .status
            .success()
    );

    hub.variable("LIANDONG_POSTGRES_URL", &crate::harness::database::url_of(&server.url(), "kept"));
    hub.start_logged();
    let log = hub.log();
    assert!(log.contains("the store has gone back in time") && log.contains("lost_checkpoint"), "{log}");
    assert_eq!(hub.stop(), Some(0));
    let kept = std::fs::read_dir(hub.data()).unwrap();
    let kept =
        kept.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("lost-")).count();
    assert_eq!(kept, 1, "the checkpoint that does not hold is kept as evidence");
}
