//! What was exchanged is in the trail by salted commitments alone: nothing in it confirms a guess of the bytes, and once
//! they are erased nothing in the whole database does. By the binary, on both backends.

use jiff::{Timestamp, tz};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    contract::backend::Postgres,
    evidence_files::stage::{exported, parsed, public_key},
    harness::{
        books::Books,
        department::{Department, say},
        dump::{confirmed_by, tables},
        hub::Hub,
        sender::{BUREAU, REGULATOR, Sender, hub_of, receives, result, sends},
    },
};

const REFUSAL: &str = r#"{"code":7,"msg":"请稍后"}"#;
const TAKEN: &str = r#"{"code":0,"msg":"收到"}"#;
const WHY: [&str; 3] = ["--apply", "--reason", "保存期满"];

/// A stopped hub with one message that was handed over at the second attempt, and all that went over the wire.
struct Stage {
    hub: Hub,
    place: Option<Postgres>,
    message: String,
    delivery: String,
    /// The sender's.
    token: String,
    /// Bytes that were accepted.
    received: Vec<u8>,
    /// Bytes that were refused.
    refused: Vec<u8>,
    /// What it was, and its bytes.
    exchanged: Vec<(&'static str, Vec<u8>)>,
}

impl Stage {
    async fn new(place: Option<Postgres>) -> Self {
        let target = Department::anywhere().await;
        target.behave(|arrival| if arrival.times == 1 { say(503, REFUSAL) } else { say(200, TAKEN) });
        let regulator = receives(REGULATOR, REGULATOR, &target.address(), "");
        let mut hub = hub_of(&[(BUREAU, sends(BUREAU, &[BUREAU])), (REGULATOR, regulator)]);
        hub.set("retry.min_ms", 10);
        hub.set("retry.first_ms", 20);
        if let Some(place) = &place {
            hub.set("store.backend", "postgres");
            hub.variable("LIANDONG_POSTGRES_URL", &place.database().await.url());
        }
        hub.start();
        let token = hub.token(BUREAU);
        let sender = Sender::with(&hub, &token);
        let text = result("K-1", "JY1").to_string();
        let answer = sender.send_text("approval.result", &text).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        let mut refused = result("K-2", "JY2");
        refused["decidedAt"] = json!("昨天");
        let refused = refused.to_string();
        assert_eq!(sender.send_text("approval.result", &refused).await.code(), "invalid");
        let delivery = answer.delivery_to(REGULATOR);
        hub.until(&delivery, "delivered").await;
        for parked in hub.get("/v1/deliveries?state=parked").await.as_array().unwrap() {
            hub.order(parked["id"].as_str().unwrap(), "skip").await;
        }
        assert_eq!(hub.stop(), Some(0));
        let sent = target.look(|ledger| ledger.arrivals[1].body.clone());
        let stage = Self {
            hub,
            place,
            message: answer.message(),
            delivery,
            refused: refused.into_bytes(),
            token,
            received: text.into_bytes(),
            exchanged: vec![
                ("sent", sent),
                ("refused by the target", REFUSAL.into()),
                ("taken", TAKEN.into()),
            ],
        };
        stage.run("UPDATE obligation SET state = 'met'").await;
        stage
    }

    async fn run(&self, sql: &str) {
        match &self.place {
            Some(place) => drop(place.database().await.run(sql).await),
            None => Books::of(&self.hub).tamper(sql),
        }
    }

    /// Entries with a word.
    async fn bodies(&self, event: &str) -> Vec<Value> {
        let sql = format!("SELECT body FROM trail WHERE event = '{event}' ORDER BY id");
        let Some(place) = &self.place else { return Books::of(&self.hub).bodies(&sql) };
        let rows = place.database().await.run(&sql).await;
        rows.iter().map(|row| serde_json::from_slice(row.get(0)).unwrap()).collect()
    }

    /// The tables that confirm what was exchanged, of each.
    async fn confirmed(&self) -> Vec<(&'static str, String)> {
        let tables = tables(&self.hub, self.place.as_ref()).await;
        self.exchanged.iter().map(|(what, bytes)| (*what, confirmed_by(&tables, bytes))).collect()
    }

    fn verify(&self) -> (bool, Value) {
        let output = self.hub.run(&["seal", "verify"]);
        (output.status.success(), serde_json::from_slice(&output.stdout).unwrap())
    }
}

/// The name of a partition, without its month.
fn of(tables: &str) -> String {
    let names = tables.split(' ').map(|name| name.split("_2").next().unwrap().trim_end_matches("_default"));
    names.collect::<Vec<_>>().join(" ")
}

async fn nothing_confirms_what_was_exchanged(place: Option<Postgres>) {
    let mut stage = Stage::new(place).await;
    for (what, tables) in stage.confirmed().await {
        assert_eq!(of(&tables), "attempt", "{what}: kept where it can be erased, and nowhere else");
    }
    let tables = tables(&stage.hub, stage.place.as_ref()).await;
    let received = confirmed_by(&tables, &stage.received);
    assert_eq!(received, "message_key", "for who sends the same again, and for the receipt");
    let (message, delivery) = (stage.message.clone(), stage.delivery.clone());
    let whole = parsed(&exported(&stage.hub, &message, &[]));
    opens_by_hand(&whole, &stage);

    stage.hub.ask(&[&["retention", "erase", "--message", &message][..], &WHY].concat());
    for (what, tables) in stage.confirmed().await {
        assert_eq!(tables, "", "{what} can be confirmed after it was erased");
    }
    nothing_is_left_of_what_was_received(&mut stage).await;
    let (intact, said) = stage.verify();
    assert!(intact && said["erased"]["ids"] == json!([message]), "{said}");
    // A running hub seals that it was erased.
    stage.hub.start();
    assert_eq!(stage.hub.stop(), Some(0));
    still_proven(&stage, &delivery);
}

/// Neither digest nor receipt; who sends the same again is told so, and the day's sums say it too.
async fn nothing_is_left_of_what_was_received(stage: &mut Stage) {
    let tables = tables(&stage.hub, stage.place.as_ref()).await;
    assert_eq!(confirmed_by(&tables, &stage.received), "", "what was received can be confirmed");
    stage.hub.start();
    let sender = Sender::with(&stage.hub, &stage.token);
    let again = sender.send_text("approval.result", std::str::from_utf8(&stage.received).unwrap()).await;
    assert_eq!((again.status, again.code().as_str()), (410, "erased"), "{}", again.json());
    let spelled = serde_json::to_string_pretty(&result("K-1", "JY1")).unwrap();
    assert_eq!(sender.send_text("approval.result", &spelled).await.code(), "erased", "the same facts");
    assert_eq!(sender.send(&result("K-1", "JY9")).await.code(), "conflict", "others under the key");
    let accepted = &stage.hub.get(&format!("/v1/messages/{}", stage.message)).await["accepted_at"];
    let accepted: Timestamp = accepted.as_str().unwrap().parse().unwrap();
    let day = tz::Offset::constant(8).to_datetime(accepted).date();
    let sums = stage.hub.get(&format!("/v1/exchanges?day={day}")).await;
    let sum = sums["sums"].as_array().unwrap().iter().find(|sum| sum["recipient"] == REGULATOR).unwrap();
    assert_eq!((&sum["deliveries"], &sum["erased"], &sum["digest"]), (&json!(1), &json!(1), &Value::Null));
    let lines = stage.hub.get(&format!("/v1/exchanges/lines?day={day}")).await;
    let line = lines["lines"].as_array().unwrap().iter().find(|line| line["recipient"] == REGULATOR).unwrap();
    assert_eq!(line["erased"], true, "{line}");
    assert!(line["received_sha256"].is_null() && line["sent_sha256"].is_null(), "{line}");
    assert_eq!(stage.hub.stop(), Some(0));
}

/// What opens the commitments of both attempts, repeated without any of our types.
fn opens_by_hand(whole: &Value, stage: &Stage) {
    let attempts = whole["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{whole}");
    let digest = |bytes: &[u8]| json!(format!("sha256:{}", hex::encode(Sha256::digest(bytes))));
    let answers = [REFUSAL, TAKEN].map(|text| digest(text.as_bytes()));
    for (attempt, answer) in attempts.iter().zip(answers) {
        let entries = whole["entries"].as_array().unwrap();
        let entry = entries.iter().find(|entry| entry["position"] == attempt["entry"]).unwrap();
        let body: Value = serde_json::from_str(entry["body"].as_str().unwrap()).unwrap();
        let salt = hex::decode(attempt["salt"].as_str().unwrap()).unwrap();
        let salted = [salt, attempt["exchanged"].to_string().into_bytes()].concat();
        assert_eq!(body["data"]["exchanged"], digest(&salted), "{entry}");
        let by_sm3 = format!("sm3:{}", hex::encode(sm3::Sm3::digest(&salted)));
        assert_eq!(body["data"]["exchanged_sm3"], by_sm3, "{entry}");
        assert_eq!(attempt["exchanged"]["answer"], answer);
        assert_eq!(attempt["exchanged"]["sent"], digest(&stage.exchanged[0].1));
    }
}

/// After the erasure: that it was handed over, when, and that what it said cannot be proven any more.
fn still_proven(stage: &Stage, delivery: &str) {
    let file = exported(&stage.hub, delivery, &[]);
    let bare = parsed(&file);
    assert!(bare.get("attempts").is_none() && bare["said"] == json!([]), "{bare}");
    let path = stage.hub.home().join("evidence.json");
    std::fs::write(&path, &file).unwrap();
    let key = public_key(&stage.hub);
    let arguments = ["evidence", "verify", path.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let said = stage.hub.ask(&arguments).to_string();
    assert!(said.contains("\"holds\":true"), "{said}");
    for text in ["送达对方系统并获确认", "收发字节的摘要不在本包内", "清除（保存期满）", "\"attempts\":[]"]
    {
        assert!(said.contains(text), "{text}: {said}");
    }
    for (what, bytes) in &stage.exchanged {
        let found = confirmed_by(&[("the file".to_owned(), file.clone())], bytes);
        assert_eq!(found, "", "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_an_embedded_trail_confirms_what_was_exchanged_and_after_erasure_nothing_at_all() {
    nothing_confirms_what_was_exchanged(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_a_trail_on_postgresql_confirms_what_was_exchanged_and_after_erasure_nothing_at_all() {
    nothing_confirms_what_was_exchanged(Some(Postgres::new())).await;
}

/// Changes to what opens an attempt are found; so is one that is emptied by hand.
async fn altered_openings_are_found(place: Option<Postgres>) {
    let stage = Stage::new(place).await;
    assert!(stage.verify().0);
    let zero = |bytes: usize| {
        if stage.place.is_some() {
            format!("decode(repeat('00', {bytes}), 'hex')")
        } else {
            format!("zeroblob({bytes})")
        }
    };
    let (digest, salt) = (zero(32), zero(16));
    let emptied = "sent_digest = NULL, answer_digest = NULL, sent_sm3 = NULL, answer_sm3 = NULL, detail = ''";
    for (change, expected) in [
        (format!("sent_digest = {digest}"), "not as it was sealed"),
        (format!("answer_sm3 = {digest}"), "not as it was sealed"),
        ("detail = 'other'".to_owned(), "not as it was sealed"),
        ("salt = NULL".to_owned(), "not as it was sealed"),
        (format!("{emptied}, salt = {salt}"), "no entry says that it was erased"),
    ] {
        stage.run("CREATE TABLE kept AS SELECT * FROM attempt; UPDATE attempt SET status = status").await;
        stage.run(&format!("UPDATE attempt SET {change} WHERE outcome = 'delivered'")).await;
        let (intact, said) = stage.verify();
        let what = said["contradiction"]["what"].as_str().unwrap_or_default();
        assert!(!intact && what.contains(expected), "{change}: {said}");
        let back = "DELETE FROM attempt; INSERT INTO attempt SELECT * FROM kept; DROP TABLE kept; \
                    UPDATE attempt SET status = status";
        stage.run(back).await;
        assert!(stage.verify().0, "{change}: taken back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn altered_openings_are_found_in_an_embedded_store() {
    altered_openings_are_found(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn altered_openings_are_found_on_postgresql() {
    altered_openings_are_found(Some(Postgres::new())).await;
}

/// Makes the refusal one of long ago.
async fn age(stage: &Stage) {
    let refused = "IN (SELECT entry FROM refusal)";
    let sql = if stage.place.is_some() {
        let ago = "interval '800 days'";
        format!(
            "UPDATE trail SET at = at - {ago} WHERE id {refused}; \
             UPDATE trail_sealed SET at = at - {ago} WHERE id {refused}; UPDATE refusal SET at = at - {ago}"
        )
    } else {
        let ago = 800_i64 * 24 * 3_600 * 1_000_000;
        format!("UPDATE trail SET at = at - {ago} WHERE id {refused}; UPDATE refusal SET at = at - {ago}")
    };
    stage.run(&sql).await;
}

async fn what_was_refused_is_shown_by_who_has_it(place: Option<Postgres>) {
    let mut stage = Stage::new(place).await;
    let tables = tables(&stage.hub, stage.place.as_ref()).await;
    assert_eq!(confirmed_by(&tables, &stage.refused), "", "no digest of what was refused is anywhere");
    let file = stage.hub.home().join("refused.json");
    std::fs::write(&file, &stage.refused).unwrap();
    let look = ["evidence", "refused", file.to_str().unwrap()];
    let said = stage.hub.ask(&look);
    let found = said["refused"].as_array().unwrap();
    assert_eq!((found.len(), &found[0]["data"]["code"]), (1, &json!("invalid")), "{said}");
    let salt = hex::decode(found[0]["salt"].as_str().unwrap()).unwrap();
    let salted = [salt, stage.refused.clone()].concat();
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&salted)));
    assert_eq!(found[0]["data"]["commitment"], digest, "shown by hand");
    assert!(found[0]["position"].is_u64(), "{said}");
    std::fs::write(&file, &stage.exchanged[0].1).unwrap();
    let other = stage.hub.run(&look);
    let told = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(other.status.code() == Some(1) && told.contains("none of the 1 refusals"), "{told}");

    age(&stage).await;
    std::fs::write(&file, &stage.refused).unwrap();
    let before = ["retention", "erase", "--before", "2025-01-01"];
    assert_eq!(stage.hub.ask(&before)["online"]["refusals"], 1, "looking changes nothing");
    assert_eq!(stage.hub.ask(&look)["looked_at"], 1);
    let done = stage.hub.ask(&[&before[..], &WHY].concat());
    assert_eq!((&done["online"]["refusals"], &done["online"]["erased"]), (&json!(1), &json!(0)), "{done}");
    let gone = stage.hub.run(&look);
    assert_eq!(gone.status.code(), Some(1), "nobody can show it any more");
    stage.hub.start();
    assert_eq!(stage.hub.stop(), Some(0));
    assert!(stage.verify().0, "the trail is as it was");
    let erased = stage.bodies("payload.erased").await;
    assert_eq!((erased.len(), &erased[0]["data"]["reason"]), (1, &json!("保存期满")), "{erased:?}");
    assert!(erased[0]["data"]["refusals_before"].is_string(), "{erased:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_shown_by_who_has_it_until_its_salt_is_erased_from_an_embedded_store() {
    what_was_refused_is_shown_by_who_has_it(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_shown_by_who_has_it_until_its_salt_is_erased_from_postgresql() {
    what_was_refused_is_shown_by_who_has_it(Some(Postgres::new())).await;
}
