//! Reconciliation (对账) by the binary and over HTTP: the same figures both times, a counterpart's list held against them,
//! what is missing sent again under the same id; and nobody sees the pairs of others. On both backends.

use std::fs;

use liandong::port::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    contract::backend::Postgres,
    harness::{
        department::{Behaviour, Department, status},
        hub::Hub,
        sender::{BUREAU, ENFORCEMENT, REGULATOR, Sender, hub_of, receives, result, sends},
    },
};

fn today() -> String {
    jiff::tz::offset(8).to_datetime(SystemClock.now()).date().to_string()
}

fn cells(csv: &str) -> Vec<Vec<String>> {
    csv.lines().map(|line| line.trim_end().split(',').map(str::to_owned).collect()).collect()
}

/// A hub between a bureau, an enforcement and a regulator that refuses one of the messages.
async fn opened(place: Option<&Postgres>) -> (Hub, Department) {
    let target = Department::anywhere().await;
    target.behave(|arrival| if arrival.text("key") == "K-2" { status(400) } else { Behaviour::Take });
    let regulator = receives(REGULATOR, REGULATOR, &target.address(), "");
    let mut hub = hub_of(&[
        (BUREAU, sends(BUREAU, &[BUREAU])),
        (ENFORCEMENT, sends(ENFORCEMENT, &[ENFORCEMENT])),
        (REGULATOR, regulator),
    ]);
    if let Some(place) = place {
        hub.set("store.backend", "postgres");
        hub.variable("LIANDONG_POSTGRES_URL", &place.database().await.url());
    }
    hub.start();
    (hub, target)
}

async fn two_sides_reconcile(place: Option<Postgres>) {
    let (mut hub, target) = opened(place.as_ref()).await;
    let bureau = Sender::at(&hub, BUREAU);
    let mut deliveries = Vec::new();
    for key in ["K-0", "K-1", "K-2"] {
        let delivery = bureau.accepted(&result(key, key)).await.delivery_to(REGULATOR);
        hub.until(&delivery, if key == "K-2" { "parked" } else { "delivered" }).await;
        deliveries.push(delivery);
    }
    let (day, pair) = (today(), format!("{BUREAU}:{REGULATOR}"));
    let reconcile = |hub: &Hub, more: &[&str]| {
        hub.command(&[&["reconcile", "--day", &day, "--pair", &pair], more].concat()).output().unwrap()
    };
    let sums = String::from_utf8(reconcile(&hub, &[]).stdout).unwrap();
    let rows = cells(&sums);
    assert_eq!(rows[0], ["day", "sender", "recipient", "kind", "deliveries", "handed_over", "digest"]);
    assert_eq!(rows[1][1..6], [BUREAU, REGULATOR, "approval.result", "3", "2"].map(str::to_owned), "{sums}");

    let file = hub.home().join("day.csv");
    let written = reconcile(&hub, &["--lines", "--bom", "--to", file.to_str().unwrap()]);
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let list = fs::read_to_string(&file).unwrap();
    assert!(list.starts_with('\u{feff}'), "a spreadsheet program reads it as UTF-8");
    let mut lines: Vec<_> = cells(&list)[1..].iter().map(|row| format!("{} {}\n", row[6], row[9])).collect();
    lines.sort();
    assert_eq!(rows[1][6], format!("sha256:{}", hex::encode(Sha256::digest(lines.concat()))), "by hand");
    let arrived = target.look(|ledger| ledger.arrivals[0].body.clone());
    assert_eq!(cells(&list)[1][10], hex::encode(Sha256::digest(arrived)), "what the target got");

    // The sender sees the same, one who has nothing to do with it nothing, and nobody without a token.
    let path = format!("/v1/exchanges?day={day}&recipient={REGULATOR}");
    let seen = bureau.get(&path).await.json();
    assert_eq!(seen["sums"][0]["digest"], rows[1][6], "{seen}");
    assert_eq!(Sender::at(&hub, ENFORCEMENT).get(&path).await.json()["sums"], json!([]));
    assert_eq!(bureau.with_token("nobody").get(&path).await.status, 401);
    assert_eq!(bureau.get("/v1/exchanges?day=yesterday").await.status, 400);

    // The counterpart lacks one, has one changed, and one that nobody sent.
    let stranger = "0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a";
    let theirs: Vec<String> = list
        .lines()
        .filter(|line| !line.contains(&deliveries[2]))
        .map(|line| if line.contains(&deliveries[1]) { line.replace("K-1", "K-9") } else { line.to_owned() })
        .chain([format!("{day},{BUREAU},{REGULATOR},approval.result,K-7,1,{stranger},delivered,,,")])
        .collect();
    let list = hub.home().join("theirs.csv");
    fs::write(&list, theirs.join("\n")).unwrap();
    let compare = ["--compare", list.to_str().unwrap(), "--json"];
    let found: Value = serde_json::from_slice(&reconcile(&hub, &compare).stdout).unwrap();
    assert_eq!((&found["same"], &found["missing_here"]), (&json!(1), &json!([stranger])), "{found}");
    assert_eq!(found["missing_there"], json!([{ "delivery": deliveries[2], "state": "parked" }]));
    assert_eq!(found["different"], json!([{ "delivery": deliveries[1], "columns": ["business_key"] }]));
    assert_eq!((&found["plan"], &found["sent_again"]), (&json!([deliveries[2]]), &Value::Null));
    hub.until(&deliveries[2], "parked").await;

    target.behave(|_| Behaviour::Take);
    let apply = [&compare[..], &["--apply", "--reason", "对方缺少", "--by", "张三"]].concat();
    let done: Value = serde_json::from_slice(&reconcile(&hub, &apply).stdout).unwrap();
    assert_eq!(done["sent_again"][0]["delivery"], deliveries[2].as_str(), "{done}");
    hub.until(&deliveries[2], "delivered").await;
    let last = target.look(|ledger| ledger.arrivals.last().unwrap().delivery.clone());
    assert_eq!(last, deliveries[2], "the id is the same");
    assert_eq!(hub.stop(), Some(0));
    let again = String::from_utf8(reconcile(&hub, &[]).stdout).unwrap();
    assert_eq!(cells(&again)[1][6], rows[1][6], "a stopped hub's store says the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sides_reconcile_on_an_embedded_store() {
    two_sides_reconcile(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sides_reconcile_on_postgresql() {
    two_sides_reconcile(Some(Postgres::new())).await;
}
