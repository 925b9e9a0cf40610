//! Readable, but wrong: identifiers, dates, codes, and 涉密.

use serde_json::{Value, json};

use super::{CANONICAL, Form, Hall, PROVINCE, record, ways};
use crate::harness::sender::{BUREAU, result};

/// The last character should be T.
const BAD_CODE: &str = "91610902MA70T3X14X";
const CLASSIFIED: &str = "000155001000";

fn changed(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut message = result("K", "L");
    change(&mut message);
    message.to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_identifier_is_refused_on_our_own_level_and_warned_about_from_above() {
    let mut hall = Hall::open(|_| {});
    let own = changed(|it| it["subject"]["identifiers"][0]["number"] = json!(BAD_CODE));
    let words = ["subject.identifiers[0].number: ", "check character is 'X'", "should be 'T'"];
    for way in CANONICAL {
        hall.refused(way, &own, "invalid", &words).await;
    }
    for form in [Form::Json, Form::Xml, Form::Csv, Form::Pairs] {
        let text = form.write(&record(&[("code", BAD_CODE)]));
        for way in ways(form) {
            hall.refused(way, text.as_bytes(), "invalid", &words).await;
        }
    }

    let warning = json!({
        "businessKey": "FX-1", "decidedAt": "2026-03-05T09:30:00+08:00",
        "items": [{"family": "ITEM_FAMILY_SUPERVISION", "code": "13101600100001"}],
        "subject": {"type": "SUBJECT_TYPE_LEGAL_PERSON", "name": "汉滨示例餐饮有限公司",
            "identifiers": [{"type": "IDENTIFIER_TYPE_USCC", "number": BAD_CODE}]},
        "publicity": {"level": "PUBLICITY_LEVEL_NOT_PUBLIC", "reason": "内部预警"},
        "riskWarning": {"warningNo": "FX-1", "title": "证照即将到期", "region": "610902"},
    });
    let (noted, messages) = (hall.books.refusals().len(), hall.books.counts().messages);
    let answer = hall.sender(PROVINCE).await.send_text("risk.warning", &warning.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    let warnings = answer.statement()["warnings"].clone();
    assert_eq!(warnings[0]["field"], "subject.identifiers[0].number", "{warnings}");
    assert!(warnings[0]["detail"].as_str().unwrap().contains("check character"), "{warnings}");
    assert_eq!(hall.books.counts().messages, messages + 1, "it is accepted");
    assert_eq!(hall.books.refusals().len(), noted);
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_out_of_order_or_none_at_all_are_refused_with_their_field() {
    let mut hall = Hall::open(|_| {});
    let cases: [(Vec<u8>, &[&str]); 6] = [
        (
            changed(|it| {
                it["licences"][0]["validFrom"] = json!("2026-03-05");
                it["licences"][0]["validTo"] = json!("2026-03-04");
            }),
            &["licences[0].validTo: ", "ends on 2026-03-04, before it begins on 2026-03-05"],
        ),
        (
            changed(|it| {
                it["approvalResult"]["validFrom"] = json!("2031-01-01");
                it["approvalResult"]["validTo"] = json!("2030-12-31");
            }),
            &["approvalResult.validTo: ", "before it begins"],
        ),
        (
            changed(|it| it["decidedAt"] = json!("2026-02-30T09:30:00+08:00")),
            &["decidedAt: ", "is not a time"],
        ),
        (changed(|it| it["decidedAt"] = json!("")), &["decidedAt: ", "is not a time"]),
        (
            changed(|it| it["publicity"]["until"] = json!("31.12.2026")),
            &["publicity.until: ", "is not a date"],
        ),
        (
            changed(|it| {
                it["decidedAt"] = json!("yesterday");
                it["publicity"]["until"] = json!("soon");
                it["licences"][0]["validTo"] = json!("ever");
            }),
            &["decidedAt: ", "publicity.until: ", "licences[0].validTo: "],
        ),
    ];
    for way in CANONICAL {
        for (message, words) in &cases {
            hall.refused(way, message, "invalid", words).await;
        }
    }
    for form in [Form::Json, Form::Xml, Form::Csv, Form::Pairs] {
        let text = form.write(&record(&[("time", "2026-02-30")]));
        for way in ways(form) {
            let words = ["record 1", "decidedAt: ", "'9999-99-99'", "result line"];
            hall.refused(way, text.as_bytes(), "unmapped", &words).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disposal_answered_before_it_was_claimed_is_refused() {
    let mut hall = Hall::open(|_| {});
    let message = json!({
        "businessKey": "CZ-1", "decidedAt": "2026-03-05T09:30:00+08:00",
        "publicity": {"level": "PUBLICITY_LEVEL_NOT_PUBLIC", "reason": "内部"},
        "riskDisposal": {"warningNo": "FX-1", "result": "已处置",
            "claimedAt": "2026-03-05T09:30:00+08:00", "feedbackAt": "2026-03-05T09:29:59+08:00"},
    });
    let answer = hall.sender(BUREAU).await.send_text("risk.disposal", &message.to_string()).await;
    assert_eq!((answer.status, answer.paths()), (422, vec!["riskDisposal.feedbackAt".to_owned()]));
    assert_eq!((hall.books.counts().messages, hall.books.refusals().len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_no_table_has_is_refused_with_table_field_and_line() {
    let mut hall = Hall::open(|_| {});
    for form in [Form::Json, Form::Xml, Form::Csv, Form::Pairs] {
        for (code, told) in [("9", "no code '9'"), ("也许", "no code '字字'")] {
            let text = form.write(&record(&[("outcome", code)]));
            for way in ways(form) {
                let words =
                    ["record 1", "approvalResult.outcome: ", "code table 'outcome' has", told, "result line"];
                hall.refused(way, text.as_bytes(), "unmapped", &words).await;
            }
        }
        let missing: Vec<_> = record(&[]).into_iter().filter(|(name, _)| *name != "outcome").collect();
        for way in ways(form) {
            let words = ["approvalResult.outcome: ", "record.outcome"];
            hall.refused(way, form.write(&missing).as_bytes(), "unmapped", &words).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn classified_items_and_messages_are_refused_whatever_their_way() {
    let mut hall = Hall::open(|_| {});
    let item = changed(|it| it["items"][0]["code"] = json!(CLASSIFIED));
    let marked = changed(|it| it["classified"] = json!(true));
    for way in CANONICAL {
        hall.refused(way, &item, "classified", &["items[0].code: "]).await;
        hall.refused(way, &marked, "classified", &["classified: "]).await;
    }
    for form in [Form::Json, Form::Xml, Form::Csv, Form::Pairs] {
        let text = form.write(&record(&[("item", CLASSIFIED)]));
        let mut fields = record(&[]);
        fields.push(("secret", "1"));
        for way in ways(form) {
            hall.refused(way, text.as_bytes(), "classified", &["items[0].code: "]).await;
            hall.refused(way, form.write(&fields).as_bytes(), "classified", &["classified: "]).await;
        }
    }
    assert!(hall.books.refusals().iter().all(|refusal| refusal["commitment"].is_null()));
}
