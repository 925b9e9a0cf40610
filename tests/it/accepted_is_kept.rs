//! Promise 1 and 5: what was accepted is delivered, in order, though the hub is killed in the middle.

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::harness::{
    department::Department,
    hub::{Hub, free_address, wait_until},
};

const MESSAGES: usize = 10_000;
/// Messages about one licence, which stay in order.
const OF_ONE_LICENCE: usize = 10;
/// Events in one request: one licence's messages in their order.
const BATCH: usize = OF_ONE_LICENCE;

const SENDER: &str = r#"
endpoint = "ankang-spj"
name = "安康市行政审批平台"
organisations = ["610900-xzspj"]
[inbound]
http = {}
codec = { format = "json" }
mappings = { "approval.result" = "in.toml" }
"#;

const IN: &str = r#"
name = "in"
[fields]
"businessKey" = "record.no"
"#;

const OUT: &str = r#"
name = "out"
[fields]
"key" = "record.businessKey"
"sequence" = "delivery.lane_sequence"
"licence" = "record.licences[0].number"
"#;

fn receiver(address: &str) -> String {
    format!(
        r#"
endpoint = "ankang-scjg"
name = "安康市市场监管综合业务系统"
organisations = ["610900-scjgj"]
[outbound]
http = {{ url = "http://{address}/receive" }}
codec = {{ format = "json" }}
success = "status == 200 and answer.code == 0"
on_unknown = "resend"
delivery_id = "header:X-Delivery-Id"
mappings = {{ "*" = "out.toml" }}
[limits]
window = 64
queue = 64
timeout_ms = 5000
"#
    )
}

fn event(licence: usize, number: usize) -> Value {
    let key = format!("{licence}-{number}");
    json!({
        "specversion": "1.0", "id": key, "source": "610900-xzspj", "type": "liandong.approval.result",
        "data": {
            "businessKey": key, "decidedAt": "2026-03-05T09:30:00+08:00",
            "items": [{"family": "ITEM_FAMILY_APPROVAL", "code": "000131016000"}],
            "subject": {"type": "SUBJECT_TYPE_LEGAL_PERSON", "name": "汉滨某餐饮有限公司",
                "identifiers": [{"type": "IDENTIFIER_TYPE_USCC", "number": "91610902MA70T3X14T"}]},
            "licences": [{"type": "食品经营许可证", "number": format!("JY{licence:06}")}],
            "publicity": {"level": "PUBLICITY_LEVEL_PUBLIC"},
            "approvalResult": {"caseNo": key, "handling": "HANDLING_TYPE_CHANGE", "outcome": "OUTCOME_GRANTED",
                "procedure": "PROCEDURE_ORDINARY"},
        }
    })
}

/// Sends one licence's messages until all are accepted or the hub is gone; how many it has receipts for.
async fn send(client: &reqwest::Client, hub: &str, token: &str, licence: usize) -> Option<usize> {
    let events: Vec<_> = (0..BATCH).map(|number| event(licence, number)).collect();
    let request = client
        .post(format!("http://{hub}/v1/messages"))
        .bearer_auth(token)
        .header("content-type", "application/cloudevents-batch+json")
        .body(Value::Array(events).to_string());
    let answers: Vec<Value> = serde_json::from_slice(&request.send().await.ok()?.bytes().await.ok()?).ok()?;
    let accepted = answers.iter().filter(|answer| answer["status"] == 201 || answer["status"] == 200).count();
    assert_eq!(accepted, BATCH, "{answers:?}");
    Some(accepted)
}

/// Sends the licences; those whose receipts did not arrive come back.
async fn send_all(hub: &str, token: &str, licences: Vec<usize>, stop_after: usize) -> (usize, Vec<usize>) {
    let client = reqwest::Client::new();
    let (mut accepted, mut unsure, mut rest) = (0, Vec::new(), licences);
    let later = rest.split_off(stop_after.min(rest.len()));
    let sends = rest.into_iter().map(|licence| {
        let client = &client;
        async move { (licence, send(client, hub, token, licence).await) }
    });
    let mut sends = stream::iter(sends).buffer_unordered(8);
    while let Some((licence, receipts)) = sends.next().await {
        match receipts {
            Some(count) => accepted += count,
            None => unsure.push(licence),
        }
    }
    unsure.extend(later);
    (accepted, unsure)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_killed_under_load_delivers_every_accepted_message_in_order() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let address = free_address();
    let department = Department::open(&address).await;
    let receiver = receiver(&address);
    let mut hub = Hub::configure(&[
        ("ankang-spj", &[("adapter.toml", SENDER), ("in.toml", IN)]),
        ("ankang-scjg", &[("adapter.toml", &receiver), ("out.toml", OUT)]),
    ]);
    hub.start();
    let token = hub.token("ankang-spj");

    let half = MESSAGES / OF_ONE_LICENCE / 2;
    let (first, rest) = send_all(&hub.http, &token, (0..MESSAGES / OF_ONE_LICENCE).collect(), half).await;
    assert_eq!(first, MESSAGES / 2);
    let http = hub.http.clone();
    let loading = send_all(&http, &token, rest, usize::MAX);
    let killed = async {
        let under_way = || department.look(|ledger| ledger.first_seen.len()) > MESSAGES / 10;
        wait_until(Duration::from_mins(1), under_way).await
    };
    let ((_, unsure), was_under_way) = tokio::join!(loading, async {
        let under_way = killed.await;
        hub.kill();
        under_way
    });
    assert!(was_under_way, "nothing was being delivered when the hub was killed");

    hub.start();
    let (again, unsure) = send_all(&hub.http, &token, unsure, usize::MAX).await;
    assert!(unsure.is_empty(), "after the restart all is accepted, {again} of them now");
    let all_arrived = || department.look(|ledger| ledger.first_seen.len()) >= MESSAGES;
    let arrived = wait_until(Duration::from_mins(2), all_arrived).await;
    let count = department.look(|ledger| ledger.first_seen.len());
    assert!(arrived, "{count} of {MESSAGES} arrived");

    let mut by_licence: HashMap<String, Vec<u64>> = HashMap::new();
    department.look(|ledger| {
        for (_, body) in &ledger.first_seen {
            let licence = body["licence"].as_str().unwrap().to_owned();
            by_licence.entry(licence).or_default().push(body["sequence"].as_u64().unwrap());
        }
    });
    for (licence, sequences) in &by_licence {
        assert_eq!(sequences.len(), OF_ONE_LICENCE, "licence {licence}: {sequences:?}");
        assert!(sequences.is_sorted(), "licence {licence} is out of order: {sequences:?}");
    }
    assert_eq!(hub.stop(), Some(0));
    let report = hub.ask(&["seal", "verify"]);
    assert_eq!(report["report"]["unsealed"], 0, "{report}");
}
