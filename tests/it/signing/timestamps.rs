//! Time stamps over checkpoints, of an authority that `openssl ts` plays: they hold, forged ones do not, and nothing
//! waits for it.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use liandong::{
    evidence::timestamp::{Authorities, Error, Question, verify},
    port::store::Stamps as _,
    store::sqlite::{Options, SqliteStore},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{done, tool};
use crate::harness::{
    books::Books,
    hub::{Hub, PATIENCE, eventually, wait_until_told},
    sender::{BUREAU, Sender, hub_of, result, sends},
};

const CONFIGURATION: &str = "
[ tsa ]
default_tsa = this
[ this ]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
certs = ca.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
";
const EXTENSIONS: &str = "basicConstraints = critical,CA:FALSE\nkeyUsage = critical,digitalSignature\n\
                          extendedKeyUsage = critical,timeStamping\n";

/// Keys and certificates of an authority, in a folder.
fn establish(folder: &Path) {
    fs::write(folder.join("tsa.cnf"), CONFIGURATION).unwrap();
    fs::write(folder.join("extensions.cnf"), EXTENSIONS).unwrap();
    fs::write(folder.join("serial"), "01\n").unwrap();
    let openssl = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        done(folder, "openssl", &words);
    };
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 3650 -subj /CN=Authority \
         -addext keyUsage=critical,keyCertSign",
    );
    openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out tsa.key");
    openssl("req -new -key tsa.key -out tsa.csr -subj /CN=Stamps");
    openssl(
        "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -out tsa.pem -extfile extensions.cnf",
    );
}

/// What the authority answers to a question.
fn answer(folder: &Path, question: &[u8]) -> Vec<u8> {
    fs::write(folder.join("question.tsq"), question).unwrap();
    let arguments =
        ["ts", "-reply", "-config", "tsa.cnf", "-queryfile", "question.tsq", "-out", "answer.tsr"];
    done(folder, "openssl", &arguments);
    fs::read(folder.join("answer.tsr")).unwrap()
}

fn authorities(folder: &Path) -> Authorities {
    Authorities::from_pem(&fs::read(folder.join("ca.pem")).unwrap()).unwrap()
}

#[test]
fn a_stamp_counts_only_where_all_of_it_fits() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    establish(folder.path());
    establish(elsewhere.path());
    let trusted = authorities(folder.path());
    let (text, other) = (b"text\n".as_slice(), b"other\n".as_slice());
    let question = Question::about(text).unwrap();
    let good = answer(folder.path(), &question.to_bytes().unwrap());
    let stamp = question.answered(&good, &trusted).unwrap();
    assert_eq!(verify(&stamp.token, text, &trusted).unwrap(), stamp);

    let again = Question::about(text).unwrap();
    assert!(
        matches!(again.answered(&good, &trusted), Err(Error::Another(_))),
        "the answer to an earlier question"
    );
    assert!(matches!(verify(&stamp.token, other, &trusted), Err(Error::Another(_))), "another text");
    let stranger = answer(elsewhere.path(), &question.to_bytes().unwrap());
    assert!(matches!(question.answered(&stranger, &trusted), Err(Error::Chain(_))), "another authority");
    assert!(question.answered(b"<html>", &trusted).is_err());
    let mut changed = 0;
    for at in (0..stamp.token.len()).step_by(5) {
        let mut token = stamp.token.clone();
        token[at] ^= 1;
        // Of a certificate that nothing is asked of, a byte may change; of what the stamp says, none.
        if let Ok(read) = verify(&token, text, &trusted) {
            assert_eq!(read.time, stamp.time, "byte {at}");
        } else {
            changed += 1;
        }
    }
    assert!(changed > stamp.token.len() / 10, "{changed} of {}", stamp.token.len());
}

/// An authority at an address.
#[derive(Clone)]
struct Authority {
    folder: Arc<tempfile::TempDir>,
    mood: Arc<Mutex<Mood>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Well,
    Away,
}

impl Authority {
    async fn open(mood: Mood) -> (Self, String) {
        let folder = tempfile::tempdir().unwrap();
        establish(folder.path());
        let this = Self { folder: Arc::new(folder), mood: Arc::new(Mutex::new(mood)) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/tsa", listener.local_addr().unwrap());
        let router = Router::new().route("/tsa", post(Self::serve)).with_state(this.clone());
        #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
        drop(tokio::spawn(async { axum::serve(listener, router).await.unwrap() }));
        (this, address)
    }

    async fn serve(State(this): State<Self>, question: Bytes) -> (StatusCode, Vec<u8>) {
        let mood = *this.mood.lock().unwrap();
        match mood {
            Mood::Well => {
                let answered = tokio::task::spawn_blocking(move || answer(this.folder.path(), &question));
                (StatusCode::OK, answered.await.unwrap())
            }
            Mood::Away => (StatusCode::SERVICE_UNAVAILABLE, Vec::new()),
        }
    }

    fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

/// A hub that has its checkpoints stamped.
fn hub(authority: &Authority, address: &str) -> Hub {
    let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))]);
    hub.set("timestamp.url", address);
    hub.set("timestamp.authority", authority.folder.path().join("ca.pem").display());
    hub.set("timestamp.every_ms", 200);
    hub.set("timestamp.grace_ms", 1_000);
    hub.set("seal.every_ms", 100);
    hub
}

fn stamps(books: &Books) -> u64 {
    books.number("SELECT count(*) FROM stamp")
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_stamped_and_openssl_verifies_the_stamps() {
    let (authority, address) = Authority::open(Mood::Well).await;
    let mut hub = hub(&authority, &address);
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    let books = Books::of(&hub);
    for number in 1..=2_u64 {
        bureau.accepted(&result(&format!("K-{number}"), "JY1")).await;
        eventually("it is stamped", || stamps(&books) >= number).await;
    }
    drop(books);
    assert_eq!(hub.stop(), Some(0));
    let report = hub.ask(&["seal", "verify"]);
    assert!(report["stamps"].as_u64().unwrap() >= 2, "{report}");

    let store = SqliteStore::open(&Options::new(hub.data())).unwrap();
    let kept = store.last_stamp().await.unwrap().unwrap();
    store.close().await.unwrap();
    let folder = authority.folder.path();
    let check = |note: &str| {
        fs::write(folder.join("note.txt"), note).unwrap();
        fs::write(folder.join("token.der"), &kept.token).unwrap();
        let arguments =
            ["ts", "-verify", "-data", "note.txt", "-in", "token.der", "-token_in", "-CAfile", "ca.pem"];
        tool(folder, "openssl", &arguments).status.success()
    };
    assert!(check(&kept.note) && !check(&kept.note.replace("time 2", "time 1")));

    for change in ["UPDATE stamp SET at = at + 1000000", "UPDATE stamp SET note = note || ' '"] {
        let database = hub.data().join("liandong.db");
        let untouched = fs::read(&database).unwrap();
        Books::of(&hub).tamper(change);
        let output = hub.run(&["seal", "verify"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("time stamp of size"), "{change}: {said}");
        for log in ["liandong.db-wal", "liandong.db-shm"] {
            drop(fs::remove_file(hub.data().join(log)));
        }
        fs::write(&database, untouched).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_away_is_alarmed_about_and_nothing_waits_for_it() {
    let (authority, address) = Authority::open(Mood::Away).await;
    let mut hub = hub(&authority, &address);
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    let books = Books::of(&hub);
    let mut number = 0;
    let alarmed = wait_until_told(PATIENCE, async || {
        number += 1;
        bureau.accepted(&result(&format!("K-{number}"), "JY1")).await;
        hub.metric("liandong_timestamp_overdue").await == 1
    });
    assert!(alarmed.await, "{number} messages were accepted meanwhile");
    eventually("sealing goes on", || books.number("SELECT count(*) FROM trail_unsealed") == 0).await;
    assert_eq!(stamps(&books), 0);

    authority.becomes(Mood::Well);
    eventually("it is stamped", || stamps(&books) > 0).await;
    hub.until_metric("liandong_timestamp_overdue", 0).await;
    drop(books);
    assert_eq!(hub.stop(), Some(0));
    let report = hub.ask(&["seal", "verify"]);
    assert!(report["stamps"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(report["report"]["mismatch"], Value::Null, "{report}");
    let covered = report["report"]["sealed"].clone();
    assert!(covered.as_u64().unwrap() > number, "{covered} {}", json!(number));
}
