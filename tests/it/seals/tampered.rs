//! Stores that somebody changed: each way is found by `liandong seal verify` and named, on SQLite and on PostgreSQL.
//!
//! Whoever tampers here has the whole store and all the time in the world, and does not have the signing key.

use std::fs;

use liandong::evidence::{
    checkpoint::{Checkpoint, Origin, SignedCheckpoint},
    signer::{Ed25519, Signer as _},
    tree::Frontier,
};
use serde_json::Value;

use crate::{
    contract::backend::Postgres,
    harness::{
        books::Books,
        database,
        department::{Behaviour, Department, status},
        hub::{Hub, PATIENCE, eventually, wait_until_told},
        sender::{BUREAU, REGULATOR, Sender, hub_of, receives, result, sends},
    },
    on_postgres::hub_on,
};

/// A stopped hub's store, changed one way after the other.
struct Sealed {
    hub: Hub,
    place: Place,
}

/// Where the store is, and what it is put back to.
enum Place {
    Sqlite { untouched: Vec<u8> },
    Postgres { place: Postgres, url: String, copies: u32 },
}

impl Sealed {
    async fn on_sqlite() -> Self {
        let target = Department::anywhere().await;
        let regulator = receives(REGULATOR, REGULATOR, &target.address(), "");
        let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU])), (REGULATOR, regulator)]);
        work(&mut hub, &target).await;
        let untouched = fs::read(hub.data().join("liandong.db")).unwrap();
        Self { hub, place: Place::Sqlite { untouched } }
    }

    async fn on_postgres() -> Self {
        let (place, target) = (Postgres::new(), Department::anywhere().await);
        let mut hub = hub_on(&place, &target).await;
        work(&mut hub, &target).await;
        let url = place.database().await.url();
        place.database().await.end_sessions().await;
        Self { hub, place: Place::Postgres { place, url, copies: 0 } }
    }

    /// What the check says after these statements; the store is as it was afterwards.
    async fn after(&mut self, sql: &str, arguments: &[&str]) -> (bool, String) {
        match &mut self.place {
            Place::Sqlite { untouched } => {
                if !sql.is_empty() {
                    Books::of(&self.hub).tamper(sql);
                }
                let said = said(&self.hub, arguments, None);
                for log in ["liandong.db-wal", "liandong.db-shm"] {
                    drop(fs::remove_file(self.hub.data().join(log)));
                }
                fs::write(self.hub.data().join("liandong.db"), untouched).unwrap();
                said
            }
            Place::Postgres { url, copies, .. } => {
                *copies += 1;
                let name = url.rsplit_once('/').unwrap().1.split('?').next().unwrap().to_owned();
                let copy = format!("{name}_{copies}");
                let server = database::server();
                database::run(&server, &format!("CREATE DATABASE {copy} TEMPLATE {name}")).await;
                let url = database::url_of(&server, &copy);
                if !sql.is_empty() {
                    database::run(&url, sql.trim_end_matches(';')).await;
                }
                let said = said(&self.hub, arguments, Some(&url));
                database::run(&server, &format!("DROP DATABASE {copy} WITH (FORCE)")).await;
                said
            }
        }
    }

    async fn text(&self, sql: &str) -> String {
        match &self.place {
            Place::Sqlite { .. } => Books::of(&self.hub).text(sql),
            Place::Postgres { place, .. } => place.database().await.run(sql).await[0].get(0),
        }
    }

    /// The same change in the words of the backend.
    fn words<'w>(&self, sqlite: &'w str, postgres: &'w str) -> &'w str {
        match self.place {
            Place::Sqlite { .. } => sqlite,
            Place::Postgres { .. } => postgres,
        }
    }
}

/// Three messages, a failed attempt, several checkpoints.
async fn work(hub: &mut Hub, target: &Department) {
    target.behave(|arrival| if arrival.times == 1 { status(500) } else { Behaviour::Take });
    hub.set("seal.every_ms", 50);
    hub.start();
    let bureau = Sender::at(hub, BUREAU);
    for key in ["1", "2", "3"] {
        let answer = bureau.accepted(&result(key, key)).await;
        hub.until(&answer.delivery_to(REGULATOR), "delivered").await;
        let message = answer.message();
        let sealed = wait_until_told(PATIENCE, async || {
            hub.trail(&message).await.iter().all(|entry| entry["position"].is_u64())
        });
        assert!(sealed.await, "each has checkpoints of its own");
    }
    assert_eq!(hub.stop(), Some(0));
}

/// What `seal verify` says: whether all is well, else what it found.
fn said(hub: &Hub, arguments: &[&str], url: Option<&str>) -> (bool, String) {
    let mut command = hub.command(&["seal", "verify"]);
    if let Some(url) = url {
        command.env("LIANDONG_POSTGRES_URL", url);
    }
    let output = command.args(arguments).arg("--json").output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no report: {}", String::from_utf8_lossy(&output.stderr)));
    assert!(said["entries_per_second"].as_f64().is_some() && said["megabytes_per_second"].as_f64().is_some());
    let found = [&said["report"]["mismatch"], &said["contradiction"]["what"]];
    let found = found.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned();
    (output.status.success(), found)
}

/// The size of the last checkpoint, in SQL.
const TOP: &str = "(SELECT max(size) FROM checkpoint)";

/// A checkpoint over entries that nobody sealed, signed by somebody.
fn forged(note: &str) -> String {
    let signed = SignedCheckpoint::parse(note).unwrap();
    let size = signed.checkpoint().size();
    let frontier = (0..size).map(|_| liandong::evidence::tree::leaf_hash(b"forged")).collect::<Frontier>();
    let checkpoint = Checkpoint::of(Origin::new("liandong/ankang").unwrap(), &frontier);
    checkpoint.sign(&Ed25519::from_seed(&[3; 32])).unwrap().to_string()
}

/// What is changed, how, and what is said of it.
type Case = (&'static str, String, &'static str);

/// What is stored of messages, in the dialect of the store.
fn of_messages(store: &Sealed) -> Vec<Case> {
    vec![
        (
            "changed payload",
            store
                .words(
                    "UPDATE message SET received = CAST(CAST(received AS TEXT) || ' ' AS BLOB) WHERE number = 2",
                    "UPDATE message SET received = received || ' '::bytea WHERE number = 2",
                )
                .to_owned(),
            "bytes received are not those",
        ),
        (
            "re-dated receipt",
            store
                .words(
                    "UPDATE message_key SET receipt = CAST(replace(CAST(receipt AS TEXT), 'issued_at\":\"20', \
                     'issued_at\":\"19') AS BLOB) WHERE number = 2",
                    "UPDATE message_key SET receipt = convert_to(replace(convert_from(receipt, 'UTF8'), \
                     'issued_at\":\"20', 'issued_at\":\"19'), 'UTF8') WHERE number = 2",
                )
                .to_owned(),
            "receipt is not the one that was sealed",
        ),
        (
            "the proof of another message",
            store
                .words(
                    "CREATE TEMP TABLE kept AS SELECT number, receipt FROM message_key WHERE number IN (1, 2); \
                     UPDATE message_key SET receipt = (SELECT receipt FROM kept WHERE kept.number <> message_key.number) \
                     WHERE number IN (SELECT number FROM kept)",
                    "UPDATE message_key k SET receipt = o.receipt FROM message_key o \
                     WHERE k.number + o.number = 3 AND k.number IN (1, 2)",
                )
                .to_owned(),
            "receipt is not the one that was sealed",
        ),
    ]
}

/// The log's entries and their places.
fn of_entries() -> Vec<Case> {
    let swapped = "UPDATE trail_sealed SET position = -position - 1 WHERE position IN (1, 2); \
                   UPDATE trail_sealed SET position = 3 + position + 1 WHERE position IN (-2, -3)";
    vec![
        // The positions -2 and -3 were 1 and 2; each becomes the other.
        ("swapped order", swapped.to_owned(), "was changed"),
        ("removed entry", "DELETE FROM trail_sealed WHERE position = 2".to_owned(), "entry at 2 is missing"),
        (
            "removed entry, the rest renumbered",
            "DELETE FROM trail_sealed WHERE position = 2; \
             UPDATE trail_sealed SET position = -position WHERE position > 2; \
             UPDATE trail_sealed SET position = -position - 1 WHERE position < 0"
                .to_owned(),
            "was changed",
        ),
        (
            "truncated tree",
            format!("DELETE FROM trail_sealed WHERE position >= {TOP} - 1"),
            "the log was cut",
        ),
        (
            "truncated tree with its checkpoints",
            "DELETE FROM trail_sealed WHERE position >= (SELECT min(size) FROM checkpoint); \
             DELETE FROM checkpoint WHERE size > (SELECT min(size) FROM checkpoint)"
                .to_owned(),
            "the log was cut",
        ),
    ]
}

/// Checkpoints, of which the store was signed with these two, and this one by somebody else.
fn of_checkpoints(first: &str, last: &str) -> Vec<Case> {
    let last_is = |note: &str| {
        format!(
            "UPDATE checkpoint SET note = '{note}' WHERE size = {TOP}; UPDATE sealer SET checkpoint = '{note}'"
        )
    };
    vec![
        (
            "edited checkpoint",
            "UPDATE checkpoint SET note = replace(note, 'time 20', 'time 19') WHERE size = (SELECT min(size) FROM \
             checkpoint)"
                .to_owned(),
            "changed after it was signed",
        ),
        ("forged checkpoint", last_is(&forged(last)), "not signed by a trusted key"),
        ("replayed old checkpoint", last_is(first), "a log only grows"),
        (
            "replayed old checkpoint in the store alone",
            format!("UPDATE checkpoint SET note = '{first}' WHERE size = {TOP}"),
            "a log only grows",
        ),
        (
            "removed checkpoints, set back",
            format!(
                "DELETE FROM checkpoint WHERE size > (SELECT min(size) FROM checkpoint); \
                 UPDATE sealer SET size = (SELECT min(size) FROM checkpoint), checkpoint = '{first}'"
            ),
            "a checkpoint was removed",
        ),
    ]
}

async fn every_tampering_is_found_and_named(mut store: Sealed) {
    let (intact, found) = store.after("", &[]).await;
    assert!(intact, "{found}");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let first = store.text("SELECT note FROM checkpoint ORDER BY size LIMIT 1").await;
    let last = store.text("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1").await;
    let cases = [of_messages(&store), of_entries(), of_checkpoints(&first, &last)].concat();
    for (what, sql, expected) in &cases {
        let (intact, found) = store.after(sql, &[]).await;
        assert!(!intact && found.contains(expected), "{what}: {found}");
    }

    fs::write(path("other.pem"), Ed25519::from_seed(&[9; 32]).public_key().to_pem()).unwrap();
    let (intact, found) = store.after("", &["--key", &path("other.pem")]).await;
    assert!(!intact && found.contains("not signed by a trusted key"), "wrong key: {found}");

    // Everything as it was at the first checkpoint: alone it looks whole.
    fs::write(path("anchor.txt"), &last).unwrap();
    let rolled_back = format!(
        "DELETE FROM trail_sealed WHERE position >= (SELECT min(size) FROM checkpoint); \
         DELETE FROM checkpoint WHERE size > (SELECT min(size) FROM checkpoint); \
         UPDATE sealer SET size = (SELECT min(size) FROM checkpoint), checkpoint = '{first}'; {}",
        store.words(
            "DELETE FROM message WHERE number NOT IN (SELECT message_key.number FROM message_key JOIN trail ON \
             trail.message = message_key.id JOIN trail_sealed ON entry = trail.number)",
            "DELETE FROM message WHERE number NOT IN (SELECT k.number FROM message_key k JOIN trail t ON \
             t.message = k.id JOIN trail_sealed s ON s.id = t.id)"
        )
    );
    let (_, found) = store.after(&rolled_back, &[]).await;
    assert!(!found.contains("check"), "the log alone looks whole: {found}");
    let (intact, found) = store.after(&rolled_back, &["--anchor", &path("anchor.txt")]).await;
    assert!(!intact && found.contains("the log was cut"), "rolled back: {found}");
    let (intact, _) = store.after("", &["--anchor", &path("anchor.txt")]).await;
    assert!(intact);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tampering_with_an_embedded_store_is_found_and_named() {
    every_tampering_is_found_and_named(Sealed::on_sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tampering_with_a_store_on_postgresql_is_found_and_named() {
    every_tampering_is_found_and_named(Sealed::on_postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_grows_under_a_check_that_runs_beside_the_hub() {
    let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))]);
    hub.set("seal.every_ms", 10);
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    let books = Books::of(&hub);
    for number in 0..12 {
        bureau.accepted(&result(&format!("K-{number}"), "L")).await;
        let (intact, found) = said(&hub, &[], None);
        assert!(intact, "{found}");
    }
    eventually("all is sealed", || books.number("SELECT count(*) FROM trail_unsealed") == 0).await;
    assert_eq!(hub.stop(), Some(0));
}
