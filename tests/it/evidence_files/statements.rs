//! Each kind of statement, made from the entries of a real history.

use serde_json::{Value, json};

use super::stage::{adapters, exported, parsed, receipt};
use crate::harness::{
    books::Books,
    department::{Department, say},
    hub::{Hub, eventually},
    sender::{Answer, BUREAU, REGULATOR, Sender, hub_of, result},
};

/// The statements of a file, without the list of contents.
fn stated(bytes: &[u8]) -> Vec<Value> {
    let file = parsed(bytes);
    let envelopes = file["statements"].as_array().unwrap();
    let statement = |envelope: &Value| parsed(envelope.as_str().unwrap().as_bytes())["statement"].clone();
    let mut all: Vec<_> = envelopes.iter().map(statement).collect();
    assert_eq!(all.pop().unwrap()["type"], "contents");
    all
}

/// The one statement of a kind, which names what every statement names.
fn one(bytes: &[u8], kind: &str) -> Value {
    let all = stated(bytes);
    let found: Vec<_> = all.iter().filter(|statement| statement["type"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind}: {all:?}");
    let statement = found[0].clone();
    for member in ["rule", "basis", "moment", "issued_at", "at", "organisation", "message", "delivery"] {
        assert!(statement[member].is_string(), "{member}: {statement}");
    }
    assert!(statement["registry"].is_u64() && statement["rules"].is_u64(), "{statement}");
    statement
}

fn hub_with(regulator: &Department, bureau: &Department) -> Hub {
    let mut hub = hub_of(&adapters(regulator, bureau));
    hub.set("seal.every_ms", 50);
    hub.start();
    hub
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_its_target_refuses_is_certified_as_not_delivered() {
    let (regulator, bureau) = (Department::anywhere().await, Department::anywhere().await);
    regulator.behave(|_| say(400, r#"{"code":7,"msg":"字段缺失"}"#));
    let mut hub = hub_with(&regulator, &bureau);
    let sender = Sender::at(&hub, BUREAU);
    let refused = sender.accepted(&result("K-1", "JY1")).await.delivery_to(REGULATOR);
    hub.until(&refused, "parked").await;
    let statement = one(&exported(&hub, &refused, &["--wait"]), "not_delivered");
    assert_eq!(
        (&statement["state"], &statement["reason"]),
        (&json!("parked"), &json!("refused")),
        "{statement}"
    );
    assert_eq!((&statement["attempts"], &statement["operative"]), (&json!(1), &Value::Null), "{statement}");

    // Called off.
    hub.order(&refused, "withdraw").await;
    let statement = one(&exported(&hub, &refused, &["--wait"]), "not_delivered");
    assert_eq!(
        (&statement["state"], &statement["attempts"]),
        (&json!("withdrawn"), &json!(1)),
        "{statement}"
    );
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn service_on_paper_is_recorded_with_its_number_and_is_operative() {
    let (regulator, bureau) = (Department::anywhere().await, Department::anywhere().await);
    regulator.behave(|_| say(400, r#"{"code":7}"#));
    let mut hub = hub_with(&regulator, &bureau);
    let served = Sender::at(&hub, BUREAU).accepted(&result("K-1", "JY1")).await.delivery_to(REGULATOR);
    hub.until(&served, "parked").await;
    hub.ask(&["deliveries", "offline", &served, "--document", "安送〔2026〕7号"]);
    let file = exported(&hub, &served, &["--wait"]);
    let statement = one(&file, "served_offline");
    assert_eq!(statement["document"], "安送〔2026〕7号", "{statement}");
    assert_eq!(statement["operative"]["by"], "served_offline", "{statement}");
    assert_eq!(statement["operative"]["at"], statement["at"]);
    assert!(stated(&file).iter().all(|statement| statement["type"] != "not_delivered"), "it has arrived");
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_takes_the_operative_moment_back_and_a_signature_after_it_sets_it() {
    let (regulator, bureau) = (Department::anywhere().await, Department::anywhere().await);
    let mut hub = hub_with(&regulator, &bureau);
    let delivery = Sender::at(&hub, BUREAU).accepted(&result("K-1", "JY1")).await.delivery_to(REGULATOR);
    hub.until(&delivery, "delivered").await;
    let own = Sender::at(&hub, REGULATOR);
    own.accepted(&receipt("R-1", &delivery, "RECEIPT_ACTION_RETURNED")).await;
    let file = exported(&hub, &delivery, &["--wait"]);
    let returned = one(&file, "returned");
    assert_eq!((&returned["by"], &returned["operative"]), (&json!(REGULATOR), &Value::Null), "{returned}");
    assert!(one(&file, "handed_over")["at"].is_string(), "that it was handed over stands");

    own.accepted(&receipt("R-2", &delivery, "RECEIPT_ACTION_SIGNED")).await;
    let file = exported(&hub, &delivery, &["--wait"]);
    let (handed_over, signed) = (one(&file, "handed_over"), one(&file, "signed"));
    assert_eq!(signed["operative"], handed_over["operative"]);
    assert_eq!(signed["operative"]["at"], handed_over["at"], "{signed}");
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_signing_is_operative_the_signature_is_the_moment() {
    let (regulator, bureau) = (Department::anywhere().await, Department::anywhere().await);
    let mut hub = hub_of(&adapters(&regulator, &bureau));
    hub.set("seal.every_ms", 50);
    hub.set("moment.operative", "signed");
    hub.start();
    let delivery = Sender::at(&hub, BUREAU).accepted(&result("K-1", "JY1")).await.delivery_to(REGULATOR);
    hub.until(&delivery, "delivered").await;
    let before = one(&exported(&hub, &delivery, &["--wait"]), "handed_over");
    assert_eq!((&before["moment"], &before["operative"]), (&json!("signed"), &Value::Null), "{before}");
    Sender::at(&hub, REGULATOR).accepted(&receipt("R-1", &delivery, "RECEIPT_ACTION_SIGNED")).await;
    let signed = one(&exported(&hub, &delivery, &["--wait"]), "signed");
    assert_eq!((&signed["operative"]["by"], &signed["operative"]["at"]), (&json!("signed"), &signed["at"]));
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passed_is_noticed_once_and_certified_though_it_is_met_later() {
    let (regulator, bureau) = (Department::anywhere().await, Department::anywhere().await);
    let mut hub = hub_with(&regulator, &bureau);
    let delivery = Sender::at(&hub, BUREAU).accepted(&result("K-1", "JY1")).await.delivery_to(REGULATOR);
    hub.until(&delivery, "delivered").await;
    assert_eq!(hub.stop(), Some(0));
    let books = Books::of(&hub);
    let owed = books.number("SELECT count(*) FROM obligation WHERE state = 'open'");
    assert!(owed > 0, "its recipient owes a signature");
    books.tamper("UPDATE obligation SET due = '2026-01-05'");
    hub.set("watch.every_ms", 20);
    let noticed = "SELECT count(*) FROM trail WHERE event = 'obligation.missed'";
    for _ in 0..2 {
        hub.start();
        eventually("the deadline is noticed", || books.number(noticed) >= owed).await;
        assert_eq!(hub.stop(), Some(0));
        assert_eq!(books.number(noticed), owed, "a hub that starts again says it no second time");
    }
    hub.start();
    Sender::at(&hub, REGULATOR).accepted(&receipt("R-1", &delivery, "RECEIPT_ACTION_SIGNED")).await;
    let file = exported(&hub, &delivery, &["--wait"]);
    let all = stated(&file);
    let missed: Vec<_> = all.iter().filter(|it| it["type"] == "deadline_missed").collect();
    assert_eq!(missed.len() as u64, owed, "{all:?}");
    let missed = missed[0];
    assert_eq!((&missed["owes"], &missed["due"]), (&json!(REGULATOR), &json!("2026-01-05")), "{missed}");
    assert_eq!(missed["at"], "2026-01-05T16:00:00Z", "when the day was over in China");
    assert!(
        missed["basis"].is_string() && missed["rule"].is_string() && missed["duty"].is_string(),
        "{missed}"
    );
    one(&file, "signed");
    assert_eq!(hub.stop(), Some(0));
    assert!(hub.ask(&["seal", "verify"])["contradiction"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_matter_has_its_corrections_receipts_and_answers_from_whichever_end() {
    let (regulator, bureau) = (Department::anywhere().await, Department::anywhere().await);
    let mut hub = hub_with(&regulator, &bureau);
    let (sender, own) = (Sender::at(&hub, BUREAU), Sender::at(&hub, REGULATOR));
    let first = sender.accepted(&result("K-1", "JY1")).await;
    hub.until(&first.delivery_to(REGULATOR), "delivered").await;
    let mut again = result("K-1", "JY1");
    again["revision"] = json!(2);
    again["approvalResult"]["content"] = json!("更正");
    let second = sender.accepted(&again).await;
    hub.until(&second.delivery_to(REGULATOR), "delivered").await;
    let signed = own.accepted(&receipt("R-1", &first.delivery_to(REGULATOR), "RECEIPT_ACTION_SIGNED")).await;
    let answer = feedback("F-1", &first.message()).to_string();
    let answer = own.send_text("supervision.feedback", &answer).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    let stranger = sender.accepted(&result("K-2", "JY2")).await;
    let mut expected = [&first, &second, &signed, &answer].map(Answer::message);
    expected.sort();
    let matter = |id: &str| {
        let file = exported(&hub, id, &["--matter", "--wait"]);
        let contents = parsed(&file)["statements"].as_array().unwrap().last().unwrap().clone();
        let about = parsed(contents.as_str().unwrap().as_bytes())["statement"]["about"].clone();
        let mut ids: Vec<_> =
            about["messages"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        ids.sort();
        (ids, file)
    };
    for id in &expected {
        assert_eq!(matter(id).0, expected, "from {id}");
    }
    assert_eq!(matter(&stranger.message()).0, [stranger.message()]);
    let (_, file) = matter(&first.message());
    let answered = stated(&file).into_iter().find(|it| it["type"] == "answered").unwrap();
    assert_eq!(answered["by_message"], answer.message().as_str(), "{answered}");
    assert_eq!(hub.stop(), Some(0));
    let trail = hub.ask(&["trail", &first.message()])["trail"].to_string();
    assert!(trail.contains("message.answered"), "{trail}");
}

/// What the regulator has to say to a result of the bureau.
fn feedback(key: &str, answers: &str) -> Value {
    json!({
        "organisation": REGULATOR, "businessKey": key, "decidedAt": "2026-03-07T09:30:00+08:00",
        "items": [{"family": "ITEM_FAMILY_APPROVAL", "code": "000131016000"}],
        "subject": {"type": "SUBJECT_TYPE_LEGAL_PERSON", "name": "汉滨示例餐饮有限公司",
            "identifiers": [{"type": "IDENTIFIER_TYPE_USCC", "number": "91610902MA70T3X14T"}]},
        "publicity": {"level": "PUBLICITY_LEVEL_NOT_PUBLIC", "reason": "涉及商业秘密"},
        "supervisionFeedback": {"answersMessage": answers, "type": "FEEDBACK_TYPE_ROUTINE",
            "result": "FEEDBACK_RESULT_CONFORMING", "treatment": "通过", "checkedOn": "2026-03-07"},
    })
}
