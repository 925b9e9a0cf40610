//! Evidence files: made by hubs on each store, checked by the binary without a store, by the documented steps with
//! `openssl`, and after every kind of tampering.

mod by_hand;
mod forged;
mod page;
mod served;
pub(crate) mod stage;
mod statements;

use std::fs;

use liandong::{engine::evidence::verify::verify, evidence::signer};
use serde_json::json;
use stage::{Case, exported, parsed, public_key};

use crate::harness::{
    department::Department,
    hub::{Hub, eventually},
    sender::{BUREAU, REGULATOR, Sender, hub_of, receives, result, sends},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_proves_offline_who_sent_what_who_received_it_and_when() {
    let case = Case::new().await;
    let file = case.hub.home().join("evidence.json");
    fs::write(&file, case.file(&case.message, &[])).unwrap();
    let key = case.public_key();
    let stranger = Hub::configure(&[]);
    let (file, key) = (file.display().to_string(), key.display().to_string());
    let said = stranger.ask(&["evidence", "verify", &file, "--key", &key]);
    assert_eq!(
        (&said["holds"], &said["about"]["messages"]),
        (&json!(true), &json!([case.message])),
        "{said}"
    );
    let types: Vec<_> = said["statements"].as_array().unwrap().iter().map(|it| it["type"].clone()).collect();
    assert_eq!(types, ["handed_over", "signed", "not_delivered"], "the portal has no system: {said}");
    let handed_over = &said["statements"][0];
    assert_eq!(handed_over["delivery"], case.delivery.as_str());
    assert_eq!((&handed_over["attempt"], &handed_over["status"]), (&json!(2), &json!(200)), "{handed_over}");
    assert_eq!(handed_over["operative"]["by"], "handed_over", "{handed_over}");
    assert_eq!(handed_over["operative"]["at"], handed_over["at"]);
    assert!(handed_over["basis"].as_str().is_some_and(|basis| !basis.is_empty()), "{handed_over}");
    assert!(handed_over["rules"].is_u64() && handed_over["registry"].is_u64(), "{handed_over}");
    let proves = said["proves"].to_string();
    for expected in ["接收", "送达对方系统并获确认", "接收方签收", "审管界点", "汉滨", "与封存的承诺一致"]
    {
        assert!(proves.contains(expected), "{expected}: {proves}");
    }

    let proven = case.check(&fs::read(&file).unwrap()).unwrap();
    let opened = proven.messages[0].opened.as_ref().unwrap();
    assert_eq!(opened.received, case.sent, "the bytes that were sent");
    assert!(proven.said.values().any(|words| words.contains("收到")), "{:?}", proven.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_store_gives_the_same_bytes_whatever_happens_beside() {
    let mut case = Case::new().await;
    let first = case.file(&case.delivery, &[]);
    assert_eq!(first, case.file(&case.delivery, &[]));
    case.hub.start();
    let token = case.hub.ask(&["token", "new", "again", "--endpoint", BUREAU]);
    let bureau = Sender::with(&case.hub, token["token"].as_str().unwrap());
    let delivery = bureau.accepted(&result("K-3", "JY3")).await.delivery_to(REGULATOR);
    case.hub.until(&delivery, "delivered").await;
    let beside = case.file(&case.delivery, &[]);
    assert_eq!(case.hub.stop(), Some(0));
    assert_eq!(first, beside, "made beside a running hub, after others were sealed");
    assert_ne!(first, case.file(&case.message, &[]), "a delivery is less than its message");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_file_proves_the_rest_and_tells_nothing_of_the_payload() {
    let case = Case::new().await;
    let whole = case.file(&case.message, &[]);
    let redacted = case.file(&case.message, &["--redact"]);
    let text = String::from_utf8(redacted.clone()).unwrap();
    for secret in ["汉滨示例餐饮有限公司", "91610902MA70T3X14T", "opening", "salt", "收到"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let (whole, redacted) = (case.check(&whole).unwrap(), case.check(&redacted).unwrap());
    assert_eq!(whole.statements, redacted.statements, "it is stated all the same, with the basis");
    assert_eq!(whole.lines, redacted.lines);
    assert!(redacted.messages.iter().all(|message| message.opened.is_none() && message.receipt.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sealed_yet_is_refused_or_waited_for() {
    let target = Department::anywhere().await;
    let mut hub = hub_of(&[
        (BUREAU, sends(BUREAU, &[BUREAU])),
        (REGULATOR, receives(REGULATOR, REGULATOR, &target.address(), "")),
    ]);
    hub.set("seal.every_ms", 1_500);
    hub.start();
    let accepted = Sender::at(&hub, BUREAU).accepted(&result("K-1", "JY1")).await;
    hub.until(&accepted.delivery_to(REGULATOR), "delivered").await;
    let refused = hub.run(&["evidence", "export", &accepted.message()]);
    let said = String::from_utf8_lossy(&refused.stderr);
    // A seal may have come between; then there is a file.
    let sealed = refused.status.success();
    assert!(sealed || said.contains("not sealed yet") && said.contains("1.5 s"), "{said}");
    let file = exported(&hub, &accepted.message(), &["--wait"]);
    let keys = public_key(&hub);
    let path = hub.home().join("evidence.json");
    fs::write(&path, file).unwrap();
    let (path, keys) = (path.display().to_string(), keys.display().to_string());
    assert_eq!(hub.ask(&["evidence", "verify", &path, "--key", &keys])["holds"], true);
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_and_a_store_that_was_changed_give_no_file() {
    let case = Case::new().await;
    let unknown = "0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a";
    let refuses = |id: &str, expected: &str| {
        let refused = case.hub.run(&["evidence", "export", id]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(1) && said.contains(expected), "{said}");
    };
    refuses(unknown, "no message and no delivery has the id");
    let books = crate::harness::books::Books::of(&case.hub);
    books.tamper("UPDATE attempt SET detail = 'other' WHERE outcome = 'delivered' AND delivery = 1");
    refuses(&case.message, "the store is not as sealed");
    let longer = "received = CAST(CAST(received AS TEXT) || ' ' AS BLOB)";
    books.tamper(&format!("UPDATE message SET {longer} WHERE number = 3"));
    refuses(&case.other, "the store is not as sealed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_names_the_step_that_fails_and_exits_with_1() {
    let case = Case::new().await;
    let mut file = parsed(&case.file(&case.message, &[]));
    file["entries"][0]["position"] = json!(7_000);
    let path = case.hub.home().join("evidence.json");
    fs::write(&path, stage::written(&file)).unwrap();
    let (path, key) = (path.display().to_string(), case.public_key().display().to_string());
    let refused = case.hub.run(&["evidence", "verify", &path, "--key", &key]);
    let said = parsed(&refused.stdout);
    assert_eq!(
        (refused.status.code(), &said["holds"], &said["step"]),
        (Some(1), &json!(false), &json!("inclusion")),
        "{said}"
    );
    let other = case.hub.run(&["evidence", "verify", &path, "--key", &key, "--log", "other.example/log"]);
    assert_eq!(parsed(&other.stdout)["step"], "checkpoint");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sealed_before_a_change_of_keys_is_stated_with_the_key_of_today() {
    let mut case = Case::new().await;
    case.hub.set("keys.notice_ms", 4_000);
    let before = case.file(&case.message, &[]);
    case.hub.start();
    let made = case.hub.ask(&["key", "new"]);
    case.hub.ask(&["key", "rotate", "--apply", "--reason", "年度更换"]);
    let signs = |file: &[u8]| {
        let statement = parsed(file)["statements"][0].clone();
        parsed(statement.as_str().unwrap().as_bytes())["proof"]["key_id"].clone()
    };
    eventually("the new key signs", || signs(&case.file(&case.message, &[])) == made["key"]).await;
    let file = case.file(&case.message, &[]);
    let next = signer::load(&case.hub.data().join("keys/next.pem")).unwrap();
    assert_eq!(case.hub.stop(), Some(0));
    assert_eq!(case.check(&file).unwrap_err().step.as_str(), "statements", "with the old key alone");
    let mut both = case.keys.clone();
    both.insert(next.public_key().clone());
    let proven = verify(&file, &both, None).unwrap();
    assert_eq!(proven.keys.len(), 2);
    assert!(
        proven.statements[0]["issued_at"].as_str() > Some(&*proven.sealed.time),
        "not before the key signed"
    );
    let earlier = case.check(&before).unwrap();
    assert_eq!(earlier.lines, proven.lines, "what was made before stands");
}
