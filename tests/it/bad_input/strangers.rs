//! Kinds, senders, items and divisions that nobody knows, and senders that may not say what they say.

use serde_json::{Value, json};

use super::{CANONICAL, Form, Hall, PROVINCE, record, ways};
use crate::harness::sender::{BUREAU, ENFORCEMENT, REGULATOR, penalty, result};

fn changed(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut message = result("K", "L");
    change(&mut message);
    message.to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_kinds_items_divisions_and_organisations_are_refused_with_their_field() {
    let mut hall = Hall::open(|_| {});
    let cases: [(Vec<u8>, &str, &[&str]); 8] = [
        (changed(|it| it["approvalResults"] = it["approvalResult"].take()), "invalid", &["approvalResults"]),
        (
            changed(|it| drop(it.as_object_mut().unwrap().remove("approvalResult"))),
            "invalid",
            &["payload: ", "one of"],
        ),
        (
            changed(|it| {
                it.as_object_mut().unwrap().remove("approvalResult");
                it["riskWarning"] = json!({ "warningNo": "1", "title": "t" });
            }),
            "invalid",
            &["envelope and payload disagree", "risk.warning"],
        ),
        (
            changed(|it| it["items"][0]["code"] = json!("999999999999")),
            "invalid",
            &["items[0].code: ", "item '999999999999' is not in the registry"],
        ),
        (
            changed(|it| {
                it["subject"]["addresses"] =
                    json!([{"role": "ADDRESS_ROLE_OPERATING", "division": "619999"}]);
            }),
            "invalid",
            &["subject.addresses[0].division: ", "'619999' is not in the registry"],
        ),
        (
            changed(|it| it["decidedBy"] = json!("610902-nobody")),
            "invalid",
            &["decidedBy: ", "'610902-nobody'"],
        ),
        (changed(|it| it["organisation"] = json!("610902-nobody")), "forbidden", &["organisation: "]),
        (changed(|it| it["organisation"] = json!(REGULATOR)), "forbidden", &["may not speak for"]),
    ];
    for way in CANONICAL {
        for (message, code, words) in &cases {
            hall.refused(way, message, code, words).await;
        }
    }
    for form in Form::ALL.into_iter().filter(|form| !matches!(form, Form::XmlGb18030 | Form::CsvGb18030)) {
        let text = form.write(&record(&[("item", "999999999999")]));
        for way in ways(form) {
            hall.refused(way, text.as_bytes(), "invalid", &["items[0].code: ", "999999999999"]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_may_not_send_that_kind_is_refused() {
    let mut hall = Hall::open(|_| {});
    let mut by_bureau = penalty("K", "L");
    by_bureau["organisation"] = json!(BUREAU);
    let mut by_enforcement = result("K", "L");
    by_enforcement["organisation"] = json!(ENFORCEMENT);
    let mut by_province = result("K", "L");
    by_province["organisation"] = json!(PROVINCE);
    let before = hall.books.counts();
    for (endpoint, kind, message) in [
        (BUREAU, "penalty.decision", by_bureau),
        (ENFORCEMENT, "approval.result", by_enforcement),
        (PROVINCE, "approval.result", by_province),
    ] {
        let noted = hall.books.refusals().len();
        let answer = hall.sender(endpoint).await.send_text(kind, &message.to_string()).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden"), "{}", answer.json());
        assert!(answer.paths().contains(&"organisation".to_owned()), "{}", answer.json());
        assert!(answer.json().to_string().contains(&format!("'{endpoint}' may not send {kind}")));
        let refusals = hall.books.refusals();
        assert_eq!((refusals.len(), &refusals[noted]["endpoint"]), (noted + 1, &json!(endpoint)));
    }
    assert_eq!(hall.books.counts(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_known_is_told_nothing_and_leaves_nothing() {
    let mut hall = Hall::open(|_| {});
    let bureau = hall.sender(BUREAU).await;
    let (before, message) = (hall.books.counts(), result("K", "L").to_string());
    let (status, _) = hall.hub.operate(reqwest::Method::DELETE, &format!("/v1/tokens/{BUREAU}"), None).await;
    assert_eq!(status, 204);
    for stranger in [bureau.with_token("ld_nobodys"), bureau.with_token(""), bureau] {
        let answer = stranger.send_text("approval.result", &message).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "unauthenticated"), "{}", answer.json());
        let answer = stranger.post("/v1/adapters/own-json", "application/json", "{").await;
        assert_eq!(answer.status, 401, "{}", answer.json());
    }
    let (status, said) = hall
        .hub
        .operate(reqwest::Method::POST, "/v1/tokens", Some(json!({ "name": "x", "endpoint": "nobody" })))
        .await;
    assert_eq!(status, 404, "{said}");
    assert_eq!(hall.books.counts(), before);
    assert_eq!(hall.books.refusals(), Vec::<Value>::new(), "nobody known sent anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_no_other_endpoint() {
    let mut hall = Hall::open(|_| {});
    let bureau = hall.sender(BUREAU).await;
    let answer = bureau.post("/v1/adapters/own-json", "application/json", "{}").await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden"), "{}", answer.json());
    let refusals = hall.books.refusals();
    assert_eq!((refusals.len(), &refusals[0]["endpoint"]), (1, &json!(BUREAU)), "in the trail of who tried");
    let counts = bureau.get("/v1/counts").await;
    assert_eq!((counts.status, counts.code().as_str()), (403, "forbidden"));
}
