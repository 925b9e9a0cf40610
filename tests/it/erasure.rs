//! Erasure by the binary, on both backends: what messages said is gone from store and archives after its term, the tree
//! holds, and the trail says who did it and why.

use serde_json::{Value, json};

use crate::{
    contract::backend::Postgres,
    harness::{
        books::Books,
        department::Department,
        hub::Hub,
        sender::{BUREAU, REGULATOR, Sender, hub_of, receives, result, sends},
    },
};

const WHY: [&str; 5] = ["--apply", "--reason", "保存期满", "--by", "张三"];

struct Stage {
    hub: Hub,
    place: Option<Postgres>,
    messages: Vec<String>,
}

impl Stage {
    /// Two messages that are done with, one that waits for a person.
    async fn new(place: Option<Postgres>) -> Self {
        let target = Department::anywhere().await;
        let regulator = receives(REGULATOR, REGULATOR, &target.address(), "");
        let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU])), (REGULATOR, regulator)]);
        if let Some(place) = &place {
            hub.set("store.backend", "postgres");
            hub.variable("LIANDONG_POSTGRES_URL", &place.database().await.url());
        }
        hub.start();
        let bureau = Sender::at(&hub, BUREAU);
        let mut messages = Vec::new();
        for key in ["1", "2", "3"] {
            let answer = bureau.accepted(&result(key, key)).await;
            let delivery = answer.delivery_to(REGULATOR);
            hub.until(&delivery, "delivered").await;
            messages.push(answer.message());
        }
        for parked in hub.get("/v1/deliveries?state=parked").await.as_array().unwrap() {
            if parked["message"] != messages[2].as_str() {
                hub.order(parked["id"].as_str().unwrap(), "skip").await;
            }
        }
        assert_eq!(hub.stop(), Some(0));
        let stage = Self { hub, place, messages };
        stage.run("UPDATE obligation SET state = 'met'").await;
        stage
    }

    async fn run(&self, sql: &str) {
        match &self.place {
            Some(place) => drop(place.database().await.run(sql).await),
            None => Books::of(&self.hub).tamper(sql),
        }
    }

    /// Messages of which something personal is stored.
    async fn saying(&self) -> u64 {
        let sql =
            "SELECT count(*) FROM message WHERE length(received) + length(canonical) + length(decision) > 0";
        match &self.place {
            Some(place) => place.database().await.run(sql).await[0].get::<_, i64>(0).unsigned_abs(),
            None => Books::of(&self.hub).number(sql),
        }
    }

    fn erase(&self, more: &[&str]) -> Value {
        self.hub.ask(&[&["retention", "erase"], more].concat())
    }
}

async fn what_was_said_is_erased_and_the_tree_holds(place: Option<Postgres>) {
    let mut stage = Stage::new(place).await;
    let [one, two, open] = [0, 1, 2].map(|place| stage.messages[place].clone());
    let all = ["--message", &one, "--message", &two, "--message", &open];
    let would = stage.erase(&all);
    assert_eq!(
        (&would["done"], &would["online"]["erased"], &would["online"]["held"]),
        (&json!(false), &json!(2), &json!(1))
    );
    assert_eq!(stage.saying().await, 3, "looking changes nothing");
    let missing = stage.hub.run(&[&["retention", "erase", "--apply"], &all[..]].concat());
    assert_eq!(missing.status.code(), Some(2), "nothing is erased without a reason");

    let done = stage.erase(&[&all[..], &WHY].concat());
    assert_eq!(
        (&done["done"], &done["online"]["erased"], &done["online"]["held"]),
        (&json!(true), &json!(2), &json!(1))
    );
    assert_eq!(stage.saying().await, 1, "what waits for a person stays");
    let again = stage.erase(&[&all[..], &WHY].concat());
    assert_eq!((&again["online"]["erased"], &again["online"]["already"]), (&json!(0), &json!(2)));
    stage.hub.start();
    let trail = stage.hub.trail(&one).await;
    let erased = trail.iter().find(|entry| entry["event"] == "payload.erased").unwrap();
    assert_eq!(
        (&erased["data"]["by"], &erased["data"]["reason"]),
        (&json!("张三"), &json!("保存期满")),
        "{erased}"
    );
    assert!(
        stage.hub.get(&format!("/v1/messages/{one}")).await["accepted_at"].is_string(),
        "that it was there is known"
    );
    assert_eq!(stage.hub.stop(), Some(0));
    let report = stage.hub.ask(&["seal", "verify"]);
    assert!(report["report"]["mismatch"].is_null() && report["contradiction"].is_null(), "{report}");
    let mut named: Vec<_> = report["erased"]["ids"].as_array().unwrap().clone();
    named.sort_by_key(ToString::to_string);
    assert_eq!((&report["erased"]["messages"], named), (&json!(2), vec![json!(one), json!(two)]));

    // Emptied by hand is not erased.
    let nothing = if stage.place.is_some() { "''" } else { "x''" };
    stage.run(&format!("UPDATE message SET received = {nothing} WHERE length(received) > 0")).await;
    let output = stage.hub.run(&["seal", "verify"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!output.status.success());
    assert!(
        said["contradiction"]["what"].as_str().unwrap().contains("no entry says that it was erased"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_erased_from_an_embedded_store_and_the_tree_holds() {
    what_was_said_is_erased_and_the_tree_holds(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_erased_from_postgresql_and_the_tree_holds() {
    what_was_said_is_erased_and_the_tree_holds(Some(Postgres::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn archived_months_lose_what_was_said_and_still_verify() {
    let stage = Stage::new(None).await;
    let [one, open] = [0, 2].map(|place| stage.messages[place].clone());
    stage.erase(&[&["--message", &one][..], &WHY].concat());
    // Of long ago, and all is done with.
    let ago = 800_i64 * 24 * 3_600 * 1_000_000;
    let columns = [("message", "accepted_at"), ("delivery", "created_at"), ("trail", "at")];
    let older = columns.map(|(table, column)| format!("UPDATE {table} SET {column} = {column} - {ago};"));
    stage.run(&older.concat()).await;
    let near = stage.hub.run(&["retention", "erase", "--before", "2999-01-01"]);
    assert!(String::from_utf8(near.stderr).unwrap().contains("six months"), "too near");
    for row in stage.hub.ask(&["deliveries", "list", "--message", &open]).as_array().unwrap() {
        if row["state"] == "parked" {
            stage.hub.ask(&["deliveries", "skip", row["id"].as_str().unwrap(), "--reason", "已另行送达"]);
        }
    }
    stage.run(&format!("UPDATE trail SET at = at - {ago} WHERE event = 'delivery.operated'")).await;
    let folder = stage.hub.home().join("archive").display().to_string();
    stage.hub.ask(&["retention", "run", "--apply", "--to", &folder, "--reason", "按期限归档"]);
    let verified = stage.hub.ask(&["retention", "verify", &folder]);
    let sum = |name: &str| -> u64 {
        verified["archives"].as_array().unwrap().iter().map(|row| row[name].as_u64().unwrap()).sum()
    };
    assert_eq!((sum("messages"), sum("erased_messages")), (2, 1), "{verified}");

    let day = "2025-01-01";
    let receipts = "SELECT count(*) FROM message_key WHERE length(receipt) > 0";
    assert_eq!(Books::of(&stage.hub).number(receipts), 2, "of two the receipts are kept with the key");
    let would = stage.erase(&["--before", day, "--archives", &folder]);
    assert!(!would["archives"].as_array().unwrap().is_empty(), "{would}");
    let done = stage.erase(&[&["--before", day, "--archives", &folder][..], &WHY].concat());
    assert_eq!(done["archives"], would["archives"]);
    let verified = stage.hub.ask(&["retention", "verify", &folder]);
    assert!(verified["archives"].as_array().unwrap().iter().all(|row| row["erased"] == true), "{verified}");
    assert_eq!(Books::of(&stage.hub).number(receipts), 0, "they go with the archived contents");
    let said = Books::of(&stage.hub)
        .bodies("SELECT body FROM trail WHERE event = 'payload.erased' AND message IS NULL");
    assert_eq!(said.len(), done["archives"].as_array().unwrap().len());
    assert_eq!(said[0]["data"]["by"], "张三");
    stage.hub.ask(&["seal", "verify"]);
}
