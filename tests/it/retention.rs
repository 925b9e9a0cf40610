//! Retention by the binary: archives that prove themselves, a store that is whole without what is in them, and
//! nothing removed that nobody asked for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    contract::backend::Postgres,
    harness::{
        books::Books,
        department::{Behaviour, Department, status},
        hub::Hub,
        sender::{Answer, BUREAU, REGULATOR, Sender, hub_of, receives, result, sends},
    },
};

/// Microseconds of so many days.
const AGO: i64 = 800 * 24 * 3_600 * 1_000_000;

/// A stopped hub with two messages of long ago, each delivered at the second attempt, and nothing else.
struct Old {
    hub: Hub,
    token: String,
    first: Vec<Answer>,
    /// Where it keeps everything, if not in its data directory.
    place: Option<Postgres>,
}

impl Old {
    async fn new(place: Option<Postgres>) -> Self {
        let target = Department::anywhere().await;
        target.behave(|arrival| if arrival.times == 1 { status(500) } else { Behaviour::Take });
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
        let bureau = Sender::with(&hub, &token);
        let mut first = Vec::new();
        for key in ["1", "2"] {
            let answer = bureau.accepted(&result(key, key)).await;
            hub.until(&answer.delivery_to(REGULATOR), "delivered").await;
            first.push(answer);
        }
        // What nobody serves here waits for a person, who decides that it is not sent.
        for parked in hub.get("/v1/deliveries?state=parked").await.as_array().unwrap() {
            hub.order(parked["id"].as_str().unwrap(), "skip").await;
        }
        assert_eq!(hub.stop(), Some(0));
        let old = Self { hub, token, first, place };
        old.age().await;
        old
    }

    /// Makes everything that is stored older; obligations are met, since nobody answers any more.
    async fn age(&self) {
        if let Some(place) = &self.place {
            let days = AGO / (24 * 3_600 * 1_000_000);
            let mut sql = format!(
                "DO $$ DECLARE month date := date_trunc('month', now() - interval '{days} days'); name text; BEGIN \
                 FOREACH name IN ARRAY ARRAY['message', 'attempt'] LOOP \
                 EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', \
                 name || to_char(month, '_YYYY_MM'), name, month::text || ' 00:00:00+00', \
                 (month + interval '1 month')::date::text || ' 00:00:00+00'); END LOOP; END $$;"
            );
            let columns = [
                ("message_key", "accepted_at"),
                ("message", "accepted_at"),
                ("delivery", "created_at"),
                ("attempt", "delivery_created_at"),
                ("trail", "at"),
                ("trail_sealed", "at"),
            ];
            let older = columns.map(|(table, column)| {
                format!("UPDATE {table} SET {column} = {column} - interval '{days} days';")
            });
            sql.push_str(&older.concat());
            sql.push_str("UPDATE obligation SET state = 'met'; SELECT 1");
            place.database().await.run(&sql).await;
            return;
        }
        let columns = [("message", "accepted_at"), ("delivery", "created_at"), ("trail", "at")];
        let older = columns.map(|(table, column)| format!("UPDATE {table} SET {column} = {column} - {AGO};"));
        Books::of(&self.hub).tamper(&(older.concat() + "UPDATE obligation SET state = 'met';"));
    }

    async fn number(&self, table: &str) -> u64 {
        let sql = format!("SELECT count(*) FROM {table}");
        match &self.place {
            Some(place) => place.database().await.run(&sql).await[0].get::<_, i64>(0).unsigned_abs(),
            None => Books::of(&self.hub).number(&sql),
        }
    }

    fn archives(&self) -> PathBuf {
        self.hub.home().join("archive")
    }

    fn apply(&self) -> Value {
        let to = self.archives();
        self.hub.ask(&["retention", "run", "--apply", "--to", to.to_str().unwrap(), "--reason", "按期限归档"])
    }

    /// What the check of the archives says.
    fn verify(&self) -> (bool, Value) {
        let output = self.hub.run(&["retention", "verify", self.archives().to_str().unwrap()]);
        let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
            panic!("no report: {}", String::from_utf8_lossy(&output.stderr));
        });
        (output.status.success(), said)
    }
}

fn change(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from} is not in {}", file.display());
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

async fn archives_and_goes_on(place: Option<Postgres>) {
    let mut old = Old::new(place).await;
    let plan = old.hub.ask(&["retention", "run"]);
    let due = plan["due"].as_array().unwrap();
    assert_eq!(due.iter().map(|row| row["messages"].as_u64().unwrap()).sum::<u64>(), 2, "{plan}");
    assert_eq!((old.number("message").await, old.number("archive").await), (2, 0), "looking changes nothing");

    let done = old.apply();
    assert_eq!(done["archived"].as_array().unwrap().len(), due.len(), "{done}");
    assert_eq!((old.number("message").await, old.number("attempt").await), (0, 0));
    assert_eq!((old.number("message_key").await, old.number("delivery").await), (2, 4));
    let (intact, said) = old.verify();
    assert!(intact, "{said}");
    let messages = said["archives"].as_array().unwrap().iter().map(|one| one["messages"].as_u64().unwrap());
    assert_eq!(messages.sum::<u64>(), 2, "{said}");
    assert_eq!(old.apply()["archived"], json!([]), "once");

    old.hub.start();
    let bureau = Sender::with(&old.hub, &old.token);
    for (key, first) in ["1", "2"].iter().zip(&old.first) {
        let again = bureau.send(&result(key, key)).await;
        assert_eq!((again.status, again.statement()), (200, first.statement()), "once for ever");
    }
    let third = bureau.accepted(&result("3", "1")).await;
    old.hub.until(&third.delivery_to(REGULATOR), "delivered").await;
    assert_eq!(old.hub.stop(), Some(0));
    let report = old.hub.ask(&["seal", "verify"]);
    assert_eq!(
        (&report["report"]["mismatch"], &report["contradiction"]),
        (&Value::Null, &Value::Null),
        "{report}"
    );
    assert!(report["report"]["entries"].as_u64().unwrap() > 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_beyond_its_term_is_archived_and_the_hub_goes_on() {
    archives_and_goes_on(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_beyond_its_term_is_archived_and_the_hub_goes_on_on_postgres() {
    archives_and_goes_on(Some(Postgres::new())).await;
}

/// Evidence of what left the store is made from its archive, and is what was made before.
async fn evidence_comes_from_archives(place: Option<Postgres>) {
    let old = Old::new(place).await;
    let (message, delivery) = (old.first[0].message(), old.first[0].delivery_to(REGULATOR));
    let folder = old.archives();
    let folder = folder.to_str().unwrap();
    let export = |id: &str, more: &[&str]| old.hub.run(&[&["evidence", "export", id], more].concat());
    let made = |id: &str, more: &[&str]| {
        let output = export(id, more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let asked: [(&str, &[&str]); 4] =
        [(&delivery, &[]), (&message, &[]), (&message, &["--matter"]), (&delivery, &["--redact"])];
    let before: Vec<_> = asked.iter().map(|(id, more)| made(id, more)).collect();
    old.apply();
    let refused = export(&delivery, &[]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("--archives"), "{said}");
    for ((id, more), before) in asked.iter().zip(&before) {
        let after = made(id, &[more, &["--archives", folder][..]].concat());
        assert_eq!(&after, before, "{more:?}: the same bytes as before it was archived");
    }

    // What the archive says is held against its manifest, and the rest against the checkpoints.
    let month = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let month = month
        .into_iter()
        .find(|path| fs::read_to_string(path.join("trail.jsonl")).is_ok_and(|text| text.contains(&message)));
    let month = month.unwrap();
    let trail = fs::read_to_string(month.join("trail.jsonl")).unwrap();
    change(&month.join("trail.jsonl"), r#"\"attempt\":2"#, r#"\"attempt\":3"#);
    let refused = export(&delivery, &["--archives", folder]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("trail.jsonl"), "{said}");
    fs::write(month.join("trail.jsonl"), trail).unwrap();

    // After the legal term of what it said the rest is proven all the same.
    fs::remove_file(month.join("messages.jsonl")).unwrap();
    let erased: Value = serde_json::from_slice(&made(&delivery, &["--archives", folder])).unwrap();
    assert!(erased["messages"][0]["opening"].is_null(), "{erased}");
    assert!(erased["statements"].as_array().unwrap().len() > 1, "it still says what happened: {erased}");
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_what_left_an_embedded_store_is_made_from_its_archive() {
    evidence_comes_from_archives(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_what_left_postgresql_is_made_from_its_archive() {
    evidence_comes_from_archives(Some(Postgres::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_finished_is_named_and_stays() {
    let old = Old::new(None).await;
    Books::of(&old.hub).tamper("UPDATE obligation SET state = 'open' WHERE number = 1");
    let plan = old.hub.ask(&["retention", "run"]);
    let held: u64 = plan["due"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["held_by"]["open_obligations"].as_u64().unwrap())
        .sum();
    assert!(held > 0, "{plan}");
    let to = old.archives();
    let refused =
        old.hub.run(&["retention", "run", "--apply", "--to", to.to_str().unwrap(), "--reason", "按期限归档"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("1 obligations open"), "{said}");
    assert_eq!(old.number("message").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_removed_without_a_folder_and_a_reason() {
    let old = Old::new(None).await;
    let to = old.archives();
    for line in [&["--apply"][..], &["--apply", "--to", to.to_str().unwrap()], &["--apply", "--reason", "x"]]
    {
        let refused = old.hub.run(&[&["retention", "run"], line].concat());
        assert_eq!(refused.status.code(), Some(2), "{line:?}");
    }
    let blank = old.hub.run(&["retention", "run", "--apply", "--to", to.to_str().unwrap(), "--reason", " "]);
    assert!(String::from_utf8_lossy(&blank.stderr).contains("say why"), "{blank:?}");
    assert_eq!(old.number("message").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_tampers_with_an_archive_is_found_out_and_erasing_the_personal_part_is_not_tampering() {
    let old = Old::new(None).await;
    old.apply();
    let mut months: Vec<_> =
        fs::read_dir(old.archives()).unwrap().map(|entry| entry.unwrap().path()).collect();
    months.sort();
    let month =
        months.into_iter().find(|month| fs::metadata(month.join("messages.jsonl")).unwrap().len() > 0);
    let month = month.expect("a month with messages");
    for (file, from, to) in [
        ("trail.jsonl", "message.accepted", "message.refused"),
        ("trail.jsonl", "\"position\":0", "\"position\":1"),
        ("messages.jsonl", "\"revision\":1", "\"revision\":2"),
        ("messages.jsonl", "\"received\":\"e", "\"received\":\"f"),
        ("deliveries.jsonl", "\"attempt\":1", "\"attempt\":3"),
        ("checkpoints.jsonl", "time 20", "time 19"),
        ("manifest.json", "\"lines\":", "\"lines\":1"),
    ] {
        let path = month.join(file);
        let kept = fs::read(&path).unwrap();
        change(&path, from, to);
        let (intact, said) = old.verify();
        assert!(!intact, "{file}: {from} is not found: {said}");
        fs::write(&path, kept).unwrap();
    }
    // Changed with its manifest, which nobody signs: the entry of the attempt still says what it was.
    let (messages, manifest) = (month.join("messages.jsonl"), month.join("manifest.json"));
    let digest = |path: &Path| hex::encode(Sha256::digest(fs::read(path).unwrap()));
    for (from, to) in
        [("\"detail\":\"", "\"detail\":\"另"), ("\"sent_digest\":\"", "\"sent_digest\":null,\"x\":\"")]
    {
        let kept = [&messages, &manifest].map(|path| (path.clone(), fs::read(path).unwrap()));
        let before = digest(&messages);
        let bytes = fs::metadata(&messages).unwrap().len();
        change(&messages, from, to);
        change(&manifest, &before, &digest(&messages));
        let longer = fs::metadata(&messages).unwrap().len();
        change(&manifest, &format!("\"bytes\":{bytes},"), &format!("\"bytes\":{longer},"));
        let (intact, said) = old.verify();
        assert!(!intact && said.to_string().contains("an attempt is not as it was sealed"), "{from}: {said}");
        for (path, bytes) in &kept {
            fs::write(path, bytes).unwrap();
        }
    }
    let opened = old.verify().1;
    let opened = opened["archives"].as_array().unwrap().iter().map(|one| one["attempts"].as_u64().unwrap());
    assert_eq!(opened.sum::<u64>(), 4, "two attempts a message");
    fs::remove_file(month.join("messages.jsonl")).unwrap();
    let (intact, said) = old.verify();
    assert!(intact && said["archives"].to_string().contains("\"erased\":true"), "{said}");
}
