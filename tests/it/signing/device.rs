//! A hub whose key lies in a device, spoken to over PKCS#11: `SoftHSM`, which is a device in software.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use liandong::config::environment::Environment;
use serde_json::{Value, json};

use super::{done, verifies};
use crate::harness::{
    books::Books,
    hub::{Hub, PATIENCE, eventually, wait_until_told},
    sender::{BUREAU, Sender, hub_of, result, sends},
};

const PIN: &str = "731942";

/// A token of its own, in a folder of its own.
struct Token(tempfile::TempDir);

impl Token {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tokens")).unwrap();
        let text =
            format!("directories.tokendir = {}\nlog.level = ERROR\n", folder.path().join("tokens").display());
        fs::write(folder.path().join("softhsm2.conf"), text).unwrap();
        let token = Self(folder);
        let made = Command::new("softhsm2-util")
            .env("SOFTHSM2_CONF", token.configuration())
            .args(["--init-token", "--free", "--label", "liandong", "--pin", PIN, "--so-pin", PIN])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        token
    }

    fn configuration(&self) -> PathBuf {
        self.0.path().join("softhsm2.conf")
    }

    /// Pulls it out.
    fn pull(&self) {
        fs::rename(self.0.path().join("tokens"), self.0.path().join("away")).unwrap();
        fs::create_dir(self.0.path().join("tokens")).unwrap();
    }

    /// Puts it back.
    fn put_back(&self) {
        fs::remove_dir_all(self.0.path().join("tokens")).unwrap();
        fs::rename(self.0.path().join("away"), self.0.path().join("tokens")).unwrap();
    }
}

/// Has a hub sign with the device.
fn use_device(hub: &mut Hub, token: &Token) {
    let environment = Environment::of_process();
    let library = environment.get("LIANDONG_TEST_PKCS11_LIBRARY").unwrap_or_else(|| {
        panic!("LIANDONG_TEST_PKCS11_LIBRARY is not set: run the tests by deploy/services/run")
    });
    hub.set("device.library", library);
    hub.variable("SOFTHSM2_CONF", token.configuration().to_str().unwrap());
    hub.variable("LIANDONG_DEVICE_PIN", PIN);
}

fn hub() -> Hub {
    hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU]))])
}

/// What stands in any file below a folder.
fn files(folder: &Path, found: &mut Vec<Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(fs::read(path).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_a_hub_lies_in_a_device_and_nowhere_else() {
    let (mut hub, token) = (hub(), Token::new());
    use_device(&mut hub, &token);
    hub.start_logged();
    let receipt = Sender::at(&hub, BUREAU).accepted(&result("K-1", "JY1")).await;
    assert_eq!(hub.stop(), Some(0));

    let folder = tempfile::tempdir().unwrap();
    let keys = hub.ask(&["key", "list"]);
    assert_eq!(keys[0]["held"], json!(true), "{keys}");
    fs::write(folder.path().join("hub.pub.pem"), keys[0]["public"].as_str().unwrap()).unwrap();
    fs::write(folder.path().join("receipt.json"), &receipt.body).unwrap();
    let script = crate::source::root().join("docs/check-receipt.py");
    done(folder.path(), "python3", &[script.to_str().unwrap(), "receipt.json"]);
    assert!(verifies(folder.path(), "ed25519"), "openssl verifies what the device signed");
    let report = hub.ask(&["seal", "verify"]);
    assert_eq!(
        (&report["report"]["mismatch"], &report["report"]["unsealed"]),
        (&Value::Null, &json!(0)),
        "{report}"
    );

    assert!(!hub.data().join("keys").exists(), "no key in a file");
    let mut written = Vec::new();
    files(hub.home(), &mut written);
    let pin = PIN.as_bytes();
    assert!(
        !written.iter().any(|bytes| bytes.windows(pin.len()).any(|part| part == pin)),
        "the PIN is in no file"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_device_is_away_senders_are_told_to_try_later_and_nothing_is_half_done() {
    let (mut hub, token) = (hub(), Token::new());
    use_device(&mut hub, &token);
    hub.set("seal.every_ms", 100);
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    bureau.accepted(&result("K-1", "JY1")).await;
    let books = Books::of(&hub);
    eventually("all is sealed", || books.number("SELECT count(*) FROM trail_unsealed") == 0).await;
    let (before, entries) = (books.counts(), books.number("SELECT count(*) FROM trail"));

    token.pull();
    let away = wait_until_told(PATIENCE, async || {
        let answer = bureau.send(&result("K-2", "JY2")).await;
        assert!(matches!(answer.status, 201 | 200 | 503), "{}", answer.json());
        answer.status == 503
    });
    assert!(away.await, "it cannot sign without the device");
    let (counts, all) = (books.counts(), books.number("SELECT count(*) FROM trail"));
    let answer = bureau.send(&result("K-3", "JY3")).await;
    assert_eq!((answer.status, answer.code()), (503, "unavailable".to_owned()), "{}", answer.json());
    assert_eq!(
        (books.counts(), books.number("SELECT count(*) FROM trail")),
        (counts, all),
        "nothing is half done"
    );
    assert!(counts.messages - before.messages <= 1 && all >= entries, "at most the one before it was seen");
    assert_eq!(hub.probe("/livez").await.unwrap().0, 200, "the hub lives on");

    token.put_back();
    let back = wait_until_told(PATIENCE, async || bureau.send(&result("K-3", "JY3")).await.status == 201);
    assert!(back.await, "it goes on by itself");
    eventually("all is sealed", || books.number("SELECT count(*) FROM trail_unsealed") == 0).await;
    drop(books);
    assert_eq!(hub.stop(), Some(0));
    let report = hub.ask(&["seal", "verify"]);
    assert_eq!(report["report"]["mismatch"], Value::Null, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_moves_its_key_into_a_device_by_a_change_of_keys() {
    let (mut hub, token) = (hub(), Token::new());
    hub.set("keys.notice_ms", 4_000);
    hub.set("keys.algorithm", "sm2");
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    let receipt = bureau.accepted(&result("K-1", "JY1")).await;
    assert_eq!(hub.stop(), Some(0));
    use_device(&mut hub, &token);
    hub.start();
    let made = hub.ask(&["key", "new"]);
    assert_eq!((&made["algorithm"], &made["place"]), (&json!("ed25519"), &json!("liandong-2")), "{made}");
    hub.ask(&["key", "rotate", "--apply", "--reason", "into the device"]);
    let mut number = 1;
    let signed = wait_until_told(PATIENCE, async || {
        number += 1;
        let answer = bureau.accepted(&result(&format!("K-{number}"), "JY1")).await;
        answer.json()["proof"]["key_id"] == made["key"]
    });
    assert!(signed.await, "the device signs");
    assert_eq!(receipt.json()["proof"]["algorithm"], "sm2");
    assert_eq!(hub.stop(), Some(0));
    let report = hub.ask(&["seal", "verify"]);
    assert_eq!(report["report"]["mismatch"], Value::Null, "{report}");
}

/// Has the hub sign with the device through a library that hangs while a file is there; that file.
fn use_hanging_device(hub: &mut Hub, token: &Token) -> PathBuf {
    let environment = Environment::of_process();
    let real = environment.get("LIANDONG_TEST_PKCS11_LIBRARY").unwrap().to_owned();
    use_device(hub, token);
    let (library, file) = (token.0.path().join("libhanging.so"), token.0.path().join("hangs"));
    let source = crate::source::root().join("tests/it/signing/hanging.c");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o", library.to_str().unwrap(), source.to_str().unwrap(), "-ldl"])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    hub.set("device.library", library.display());
    hub.variable("LIANDONG_TEST_PKCS11_REAL", &real);
    hub.variable("LIANDONG_TEST_HANGS_WHILE", file.to_str().unwrap());
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_device_hangs_senders_are_told_in_time_and_the_hub_can_stop() {
    let timeout = Duration::from_secs(3);
    let (mut hub, token) = (hub(), Token::new());
    let hangs = use_hanging_device(&mut hub, &token);
    hub.set("device.timeout_ms", timeout.as_millis());
    hub.set("seal.every_ms", 100);
    hub.start();
    let bureau = Sender::at(&hub, BUREAU);
    bureau.accepted(&result("K-1", "JY1")).await;
    let books = Books::of(&hub);
    eventually("all is sealed", || books.number("SELECT count(*) FROM trail_unsealed") == 0).await;

    fs::write(&hangs, "").unwrap();
    let before = books.counts();
    let answer = bureau.send(&result("K-2", "JY2")).await;
    assert_eq!((answer.status, answer.code()), (503, "unavailable".to_owned()), "{}", answer.json());
    let begun = Instant::now();
    let answer = bureau.send(&result("K-3", "JY3")).await;
    assert_eq!(answer.status, 503, "{}", answer.json());
    assert!(begun.elapsed() < timeout, "the next ones are refused at once: {:?}", begun.elapsed());
    assert_eq!(books.counts(), before, "nothing is half done");
    assert_eq!(hub.probe("/livez").await.unwrap().0, 200, "the hub lives on");

    fs::remove_file(&hangs).unwrap();
    let back = wait_until_told(PATIENCE, async || bureau.send(&result("K-3", "JY3")).await.status == 201);
    assert!(back.await, "it goes on by itself when the device comes back");

    fs::write(&hangs, "").unwrap();
    let answer = bureau.send(&result("K-4", "JY4")).await;
    assert_eq!(answer.status, 503, "{}", answer.json());
    drop(books);
    assert_eq!(hub.stop(), Some(0), "it stops though the device has not come back");
    fs::remove_file(&hangs).unwrap();
    hub.start();
    let token =
        hub.ask(&["token", "new", "again", "--endpoint", BUREAU])["token"].as_str().unwrap().to_owned();
    Sender::with(&hub, &token).accepted(&result("K-4", "JY4")).await;
    assert_eq!(hub.stop(), Some(0));
    let report = hub.ask(&["seal", "verify"]);
    assert_eq!(report["report"]["mismatch"], Value::Null, "{report}");
}

#[test]
fn a_device_that_is_not_there_is_said_at_the_start() {
    let (mut hub, token) = (hub(), Token::new());
    use_device(&mut hub, &token);
    hub.set("device.token", "another");
    let refused = hub.run(&["serve"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("it has no token 'another' now"), "{said}");
    hub.set("device.pin", "file:pin.txt");
    let refused = hub.run(&["check"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(64), "{said}");
    assert!(said.contains("must be env:NAME"), "{said}");
}
