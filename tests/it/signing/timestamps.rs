//! Time stamps over checkpoints, of an authority that `openssl ts` plays: they hold, forged ones do not, and nothing
//! waits for it.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use liandong::{
    engine::evidence::{stamp::Stamp, verify::verify_stamped},
    evidence::{
        digest::Digest,
        signer::{Ed25519, PublicKeys, Signer as _},
        statement,
        timestamp::{Authorities, Error, Question, verify},
    },
    port::store::Stamps as _,
    store::sqlite::{Options, SqliteStore},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{done, tool};
use crate::evidence_files::stage::{exported, parsed, public_key, written};
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

/// A stopped hub with one message whose entries a stamped checkpoint covers, and its evidence file.
async fn stamped() -> (Authority, Hub, Value) {
    let (authority, address) = Authority::open(Mood::Well).await;
    let mut hub = hub(&authority, &address);
    hub.start();
    let message = Sender::at(&hub, BUREAU).accepted(&result("K-1", "JY1")).await.message();
    let books = Books::of(&hub);
    eventually("it is sealed", || books.number("SELECT count(*) FROM trail_unsealed") == 0).await;
    let size = books.number("SELECT count(*) FROM trail_sealed");
    let newest = "SELECT coalesce(max(size), 0) FROM stamp";
    eventually("it is stamped", || books.number(newest) >= size).await;
    drop(books);
    assert_eq!(hub.stop(), Some(0));
    let file = parsed(&exported(&hub, &message, &[]));
    assert_eq!(written(&file), exported(&hub, &message, &[]), "the same bytes");
    (authority, hub, file)
}

fn keys_of(hub: &Hub) -> PublicKeys {
    let signer = Ed25519::load(&hub.data().join("keys/signing.pem")).unwrap();
    [signer.public_key().clone()].into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evidence_file_carries_the_stamp_of_its_checkpoint_which_openssl_verifies_too() {
    let (authority, hub, file) = stamped().await;
    let (folder, key) = (authority.folder.path(), public_key(&hub));
    let path = folder.join("evidence.json");
    fs::write(&path, written(&file)).unwrap();
    let (path, key) = (path.to_str().unwrap(), key.to_str().unwrap());
    let certificate = folder.join("ca.pem");
    // A hub that has nothing to do with it, and no authority of its own.
    let stranger = Hub::configure(&[]);
    let verify = ["evidence", "verify", path, "--key", key];
    let said = stranger.ask(&verify);
    assert_eq!((&said["holds"], &said["stamp"]), (&json!(true), &json!({ "checked": false })), "{said}");
    assert!(said["proves"].to_string().contains("此次未核验"), "{said}");
    let said = stranger.ask(&[&verify[..], &["--authority", certificate.to_str().unwrap()]].concat());
    assert_eq!(said["stamp"]["checked"], true, "{said}");
    assert!(said["proves"].to_string().contains("可信时间戳机构证明"), "{said}");
    assert_eq!(hub.ask(&verify)["stamp"], said["stamp"], "by the authority that is configured");
    let page = folder.join("page.html");
    stranger.ask(
        &[&verify[..], &["--html", page.to_str().unwrap(), "--authority", certificate.to_str().unwrap()]]
            .concat(),
    );
    assert!(fs::read_to_string(&page).unwrap().contains("可信时间戳机构证明"));

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/check-evidence.py");
    done(folder, "python3", &[script.to_str().unwrap(), "evidence.json"]);
    let by_hand = |note: &str| {
        let arguments =
            ["ts", "-verify", "-data", note, "-in", "stamp.der", "-token_in", "-CAfile", "ca.pem"];
        tool(folder, "openssl", &arguments).status.success()
    };
    assert!(by_hand("checkpoint.note") && !by_hand("evidence.json"), "the documented steps");
}

#[tokio::test(flavor = "multi_thread")]
async fn altered_stamps_of_evidence_files_are_caught() {
    let (authority, hub, file) = stamped().await;
    let (keys, trusted) = (keys_of(&hub), authorities(authority.folder.path()));
    let step = |file: &Value, authorities: Option<&Authorities>| match verify_stamped(
        &written(file),
        &keys,
        None,
        authorities,
    ) {
        Ok(proven) => match proven.stamp {
            Stamp::Absent => "absent",
            Stamp::Unchecked => "unchecked",
            Stamp::Holds(_) => "holds",
        },
        Err(failed) => failed.step.as_str(),
    };
    assert_eq!((step(&file, None), step(&file, Some(&trusted))), ("unchecked", "holds"));

    // Without the key of the hub: not even without knowing the authority.
    let token = STANDARD.decode(file["stamp"].as_str().unwrap()).unwrap();
    for at in (0..token.len()).step_by(97) {
        let mut flipped = (file.clone(), token.clone());
        flipped.1[at] ^= 1;
        flipped.0["stamp"] = json!(STANDARD.encode(&flipped.1));
        assert_eq!(step(&flipped.0, None), "contents", "byte {at}");
    }
    let mut without = file.clone();
    without.as_object_mut().unwrap().remove("stamp");
    assert_eq!(step(&without, None), "contents", "taken out");

    // By who holds that key: stamps over something else, of an authority that nobody trusts, and no stamps at all.
    let elsewhere = tempfile::tempdir().unwrap();
    establish(elsewhere.path());
    let note = file["checkpoint"].as_str().unwrap();
    let given = |folder: &Path, text: &str, trusted: &Authorities| {
        let question = Question::about(text.as_bytes()).unwrap();
        question.answered(&answer(folder, &question.to_bytes().unwrap()), trusted).unwrap().token
    };
    let replayed = given(authority.folder.path(), &note.replace("time 2", "time 1"), &trusted);
    let foreign = given(elsewhere.path(), note, &authorities(elsewhere.path()));
    let again = given(authority.folder.path(), note, &trusted);
    for (token, expected) in
        [(replayed, "stamp"), (foreign, "stamp"), (b"no token".to_vec(), "stamp"), (again, "holds")]
    {
        let signed = signed_anew(&hub, &file, &STANDARD.encode(token));
        assert_eq!(step(&signed, Some(&trusted)), expected);
    }
    assert_eq!(step(&signed_anew(&hub, &file, "%"), None), "stamp", "no base64");
}

/// The file with another stamp, listed by the hub's own key.
fn signed_anew(hub: &Hub, file: &Value, stamp: &str) -> Value {
    let statement = |envelope: &Value| parsed(envelope.as_str().unwrap().as_bytes())["statement"].clone();
    let mut stated: Vec<_> = file["statements"].as_array().unwrap().iter().map(statement).collect();
    let contents = stated.last_mut().unwrap();
    contents["stamp"] = json!(Digest::of(stamp.as_bytes()));
    let signer = Ed25519::load(&hub.data().join("keys/signing.pem")).unwrap();
    let envelopes = statement::sign_batch(&stated, &signer).unwrap();
    let mut file = file.clone();
    file["statements"] = envelopes.into_iter().map(|it| json!(String::from_utf8(it).unwrap())).collect();
    file["stamp"] = json!(stamp);
    file
}
