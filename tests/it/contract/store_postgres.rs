//! What only the store on PostgreSQL promises: a server it can trust, migrations beside other hubs, partitions
//! by month, a clock for all, and claims that stay cheap beside a long transaction.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use liandong::{
    domain::delivery::{Next, Outcome},
    port::{
        clock::{Clock as _, SystemClock},
        store::{Accept as _, Deliveries as _, Error, Query as _, Settled, Trail as _, Verdict},
    },
    store::postgres::{DatabaseClock, Options, PostgresStore},
};

use super::backend::{Backend as _, Postgres};
use crate::harness::{
    clock::TestClock,
    database::{Database, run, server, url_of},
    hub::wait_until_told,
    sample::{Draft, at, entry},
    steps::{accept, claim, claim_one, deliver, settlement, submit},
};

async fn opened(options: &Options) -> Result<PostgresStore, Error> {
    PostgresStore::open(options, DatabaseClock::new(Arc::new(SystemClock))).await
}

async fn refusal(place: &Postgres) -> String {
    let refused = opened(&place.options()).await.unwrap_err();
    assert!(!refused.retryable(), "{refused:?}");
    refused.to_string()
}

async fn set(database: &Database, setting: &str) {
    let name = database.run("SELECT current_database()::text").await[0].get::<_, String>(0);
    run(&server(), &format!("ALTER DATABASE {name} SET {setting}")).await;
}

#[tokio::test]
async fn a_server_that_does_not_keep_what_it_confirms_is_refused() {
    let place = Postgres::new();
    set(place.database().await, "synchronous_commit = off").await;
    let told = refusal(&place).await;
    assert!(told.contains("synchronous_commit is off: it would confirm what it has not kept"), "{told}");
}

#[tokio::test]
async fn a_database_in_another_encoding_is_refused() {
    let name = format!("liandong_test_{}_ascii", std::process::id());
    let make = format!("CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
    run(&server(), &make).await;
    let options = crate::harness::database::options(&url_of(&server(), &name));
    let told = opened(&options).await.unwrap_err().to_string();
    run(&server(), &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    assert!(told.contains("server_encoding is SQL_ASCII"), "{told}");
}

#[tokio::test]
async fn a_standby_is_waited_for_until_it_is_the_primary() {
    let place = Postgres::new();
    let store = place.store().await;
    let database = place.database().await;
    set(database, "default_transaction_read_only = on").await;
    database.end_sessions().await;
    let refused = store.append(vec![entry("hub.started")]).await.unwrap_err();
    assert!(refused.retryable(), "{refused:?}");
    set(database, "default_transaction_read_only = off").await;
    store.append(vec![entry("hub.started")]).await.unwrap();
    assert_eq!(store.unsealed_count().await.unwrap().0, 1);
}

#[tokio::test]
async fn a_database_that_a_later_version_wrote_is_refused() {
    let place = Postgres::new();
    let sql = "INSERT INTO migration (number, name, sha256) VALUES (99, '0099_later', ''); SELECT 1";
    place.database().await.run(sql).await;
    let told = refusal(&place).await;
    assert!(told.contains("has migration 99") && told.contains("run the version that wrote it"), "{told}");
}

#[tokio::test]
async fn a_migration_that_was_changed_is_refused() {
    let place = Postgres::new();
    place
        .database()
        .await
        .run("UPDATE migration SET sha256 = decode(repeat('00', 32), 'hex') RETURNING 1")
        .await;
    let told = refusal(&place).await;
    assert!(told.contains("0001_store was applied with another text"), "{told}");
}

#[tokio::test]
async fn hubs_that_start_together_migrate_once() {
    let name = format!("liandong_test_{}_together", std::process::id());
    run(&server(), &format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")).await;
    let options = crate::harness::database::options(&url_of(&server(), &name));
    let stores = futures::future::join_all((0..4).map(|_| opened(&options))).await;
    for store in &stores {
        store.as_ref().unwrap().append(vec![entry("hub.started")]).await.unwrap();
    }
    assert_eq!(stores[0].as_ref().unwrap().unsealed_count().await.unwrap().0, 4);
    drop(stores);
    run(&server(), &format!("DROP DATABASE {name} WITH (FORCE)")).await;
}

#[tokio::test]
async fn looking_makes_nothing() {
    let name = format!("liandong_test_{}_look", std::process::id());
    run(&server(), &format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")).await;
    let url = url_of(&server(), &name);
    let options = crate::harness::database::options(&url);
    let absent = PostgresStore::look(&options, DatabaseClock::new(Arc::new(SystemClock))).await;
    assert!(matches!(absent, Err(Error::Absent(_))), "{absent:?}");
    let tables = run(&url, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'").await;
    run(&server(), &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    assert!(tables.is_empty());
}

#[tokio::test]
async fn rows_go_into_the_partition_of_their_month_and_else_into_the_default() {
    let place = Postgres::new();
    let store = place.store().await;
    let now = SystemClock.now();
    let (old, new) = (Draft::new("K-1").to("health"), Draft::new("K-2").to("health"));
    accept(&store, &old, "2001-02-03T04:05:06Z".parse().unwrap()).await;
    accept(&store, &new, now).await;
    let sql = "SELECT tableoid::regclass::text FROM message ORDER BY number";
    let found: Vec<String> = place.database().await.run(sql).await.iter().map(|row| row.get(0)).collect();
    let month = now.strftime("message_%Y_%m").to_string();
    assert_eq!(found, ["message_default".to_owned(), month]);
    for draft in [&old, &new] {
        assert!(store.message(draft.id()).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_month_whose_rows_are_in_the_default_partition_stops_nothing() {
    let place = Postgres::new();
    let database = place.database().await;
    let month = SystemClock.now().strftime("%Y_%m").to_string();
    database.run(&format!("DROP TABLE message_{month}; SELECT 1")).await;
    let store = place.store().await;
    drop(store);
    database.run(&format!("DROP TABLE message_{month}; SELECT 1")).await;
    let draft = Draft::new("K-1").to("health");
    let insert = format!(
        "INSERT INTO message (number, accepted_at, matter, endpoint, received, salt, canonical, decision)
         VALUES (1, now(), '', '', '', '', '', ''); SELECT to_regclass('message_{month}') IS NULL"
    );
    let missing: bool = database.run(&insert).await[0].get(0);
    assert!(missing);
    let store = place.store().await;
    accept(&store, &draft, SystemClock.now()).await;
    assert!(store.message(draft.id()).await.unwrap().is_some());
}

#[tokio::test]
async fn hubs_follow_the_clock_of_the_database() {
    let place = Postgres::new();
    place.database().await;
    let wrong = TestClock::at("2001-02-03T04:05:06Z".parse().unwrap());
    let store = PostgresStore::open(&place.options(), DatabaseClock::new(Arc::new(wrong))).await.unwrap();
    let off = store.clock().now().duration_until(SystemClock.now()).abs();
    assert!(off < SignedDuration::from_secs(30), "{off}");
}

#[tokio::test]
async fn text_that_the_server_takes_not_is_kept_without_what_offends() {
    let place = Postgres::new();
    let store = place.store().await;
    let draft = Draft::new("K-1").to("health");
    accept(&store, &draft, at(0)).await;
    let work = claim_one(&store, "health", at(1)).await;
    let mut settled = settlement(&work, Outcome::Delivered, Next::Delivered, at(2));
    settled.record.detail = "answered \0 at last".into();
    let told = store.settle(vec![settled], at(2)).await.unwrap();
    assert!(matches!(told[..], [Settled::Applied { .. }]), "{told:?}");
    assert_eq!(store.attempts(draft.delivery(0)).await.unwrap()[0].detail, "answered \u{FFFD} at last");

    let (before, bad, after) = (Draft::new("K-2"), Draft::new("K-\0"), Draft::new("K-3"));
    let batch = [&before, &bad, &after].map(|draft| draft.0.clone()).to_vec();
    let verdicts = store.accept(batch, at(3)).await.unwrap();
    assert!(matches!(&verdicts[1], Verdict::Unstorable { why } if !why.contains("K-")), "{verdicts:?}");
    assert!(matches!((&verdicts[0], &verdicts[2]), (Verdict::Accepted { .. }, Verdict::Accepted { .. })));
}

#[tokio::test]
async fn a_lock_that_is_not_given_in_time_may_be_tried_again() {
    let place = Postgres::new();
    let store = place.store().await;
    let draft = Draft::new("K-1").to("health");
    accept(&store, &draft, at(0)).await;
    let work = claim_one(&store, "health", at(1)).await;
    let options = Options { lock_timeout: Duration::from_millis(100), ..place.options() };
    let hasty = opened(&options).await.unwrap();
    let settled = settlement(&work, Outcome::Delivered, Next::Delivered, at(2));

    let (mut client, connection) =
        tokio_postgres::connect(&place.database().await.url(), tokio_postgres::NoTls).await.unwrap();
    let held = async {
        let transaction = client.transaction().await.unwrap();
        transaction.execute("SELECT 1 FROM order_key FOR UPDATE", &[]).await.unwrap();
        let refused = hasty.settle(vec![settled.clone()], at(2)).await.unwrap_err();
        transaction.rollback().await.unwrap();
        refused
    };
    let refused =
        tokio::select! { refused = held => refused, _ = connection => panic!("the connection ended") };
    assert!(refused.retryable() && refused.to_string().contains("55P03"), "{refused:?}");
    let told = hasty.settle(vec![settled], at(3)).await.unwrap();
    assert!(matches!(told[..], [Settled::Applied { .. }]), "{told:?}");
}

/// Pages that one claim goes through to find what is due, by the statement itself.
async fn pages_of_a_claim(client: &tokio_postgres::Client, now: Timestamp, floor: Option<Timestamp>) -> i64 {
    let claim = include_str!("../../../src/store/postgres/sql/claim.sql")
        .replace("$1", "'{health}'")
        .replace("$2", "'{10}'")
        .replace("$3", &floor.map_or_else(|| "'{NULL}'".to_owned(), |floor| format!("'{{\"{floor}\"}}'")))
        .replace("$4", &format!("'{now}'::timestamptz"))
        .replace("$5", &format!("'{now}'::timestamptz"))
        .replace("$6", &format!("'{now}'::timestamptz"));
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {claim}");
    let plan = client.simple_query(&format!("BEGIN; {explain}; ROLLBACK")).await.unwrap();
    let text = plan.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    let plan: serde_json::Value = serde_json::from_str(&text.unwrap()).unwrap();
    let scan = scan_of(&plan[0]["Plan"], "open_delivery_claim").expect("the claim index is used");
    let blocks = |name: &str| scan[name].as_i64().unwrap();
    blocks("Shared Hit Blocks") + blocks("Shared Read Blocks")
}

/// The node of a plan that goes through an index.
fn scan_of<'p>(node: &'p serde_json::Value, index: &str) -> Option<&'p serde_json::Value> {
    if node["Index Name"] == index {
        return Some(node);
    }
    node["Plans"].as_array()?.iter().find_map(|below| scan_of(below, index))
}

#[tokio::test]
async fn claims_stay_cheap_and_find_everything_beside_a_long_transaction() {
    let place = Postgres::new();
    let store = place.store().await;
    let url = place.database().await.url();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let (other, other_connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let long = async {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM open_delivery";
        client.batch_execute(begin).await.unwrap();
        for round in 0..20_i64 {
            let drafts: Vec<_> =
                (0..100).map(|number| Draft::new(&format!("K-{round}-{number}")).to("health")).collect();
            let batch = drafts.iter().map(|draft| draft.0.clone()).collect();
            store.accept(batch, at(round * 10)).await.unwrap();
            let work = claim(&store, "health", 100, at(round * 10)).await;
            assert_eq!(work.len(), 100, "round {round}");
            let settled = work
                .iter()
                .map(|work| settlement(work, Outcome::Delivered, Next::Delivered, at(round * 10 + 1)))
                .collect();
            store.settle(settled, at(round * 10 + 1)).await.unwrap();
        }
        // What comes with an earlier time than what was claimed is found all the same.
        let early = Draft::new("early").to("health");
        accept(&store, &early, at(5)).await;
        let work = claim_one(&store, "health", at(300)).await;
        assert_eq!(work.delivery, early.delivery(0));
        deliver(&store, &work, at(301)).await;

        accept(&store, &Draft::new("last").to("health"), at(400)).await;
        let whole = pages_of_a_claim(&other, at(400), None).await;
        let from_floor = pages_of_a_claim(&other, at(400), Some(at(390))).await;
        client.batch_execute("COMMIT").await.unwrap();
        (whole, from_floor)
    };
    let (whole, from_floor) = tokio::select! {
        pages = long => pages,
        _ = connection => panic!("the connection ended"),
        _ = other_connection => panic!("the connection ended"),
    };
    assert!(from_floor * 5 < whole, "{from_floor} pages from the floor on, {whole} from the beginning");
}

#[tokio::test]
async fn a_store_that_has_just_been_made_reads_no_table_from_end_to_end() {
    let place = Postgres::new();
    let store = place.store().await;
    // As long as the server has not counted them, it takes tables for small.
    for round in 0..10_i64 {
        let drafts: Vec<_> =
            (0..100).map(|number| Draft::new(&format!("K-{round}-{number}")).to("health")).collect();
        let batch = drafts.iter().map(|draft| draft.0.clone()).collect();
        store.accept(batch, at(round)).await.unwrap();
        let work = claim(&store, "health", 100, at(round)).await;
        let settled = work
            .iter()
            .map(|work| settlement(work, Outcome::Delivered, Next::Delivered, at(round)))
            .collect();
        store.settle(settled, at(round)).await.unwrap();
    }
    store.close().await.unwrap();
    // A server tells what a session read when that has ended.
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                    AND application_name = 'liandong'";
    let database = place.database().await;
    let ended = async || database.run(sessions).await[0].get::<_, i64>(0) == 0;
    assert!(wait_until_told(Duration::from_secs(30), ended).await);
    let read = "SELECT relname::text, seq_tup_read FROM pg_stat_user_tables \
                WHERE relname ~ '^(message|message_key|delivery|delivery_end|open_delivery|order_key|attempt|trail)(_[0-9]+)*$' \
                AND seq_tup_read > 0";
    let read = database.run(read).await;
    let read: Vec<(String, i64)> = read.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert!(read.is_empty(), "{read:?}");
}

#[tokio::test]
async fn counts_are_the_same_before_and_after_they_are_folded() {
    let place = Postgres::new();
    let store = place.store().await;
    let drafts: Vec<_> = (0..20).map(|number| Draft::new(&format!("K-{number}")).to("health")).collect();
    for draft in &drafts {
        accept(&store, draft, at(0)).await;
    }
    deliver(&store, &claim(&store, "health", 1, at(1)).await[0], at(2)).await;
    let before = store.counts().await.unwrap();
    let entries: Vec<_> = store.unsealed(1_000).await.unwrap().into_iter().map(|(id, _)| id).collect();
    let seal = liandong::port::store::Seal {
        from_size: 0,
        entries,
        frontier: "f".into(),
        checkpoint: "c".to_owned(),
        at: at(3),
    };
    assert!(store.seal(seal).await.unwrap());
    let left = place.database().await.run("SELECT count(*) FROM delivery_count_change").await;
    assert_eq!(left[0].get::<_, i64>(0), 0, "they were folded");
    assert_eq!(store.counts().await.unwrap(), before);
}

#[tokio::test]
async fn a_closed_store_takes_nothing_and_finishes_what_it_took() {
    let place = Postgres::new();
    let store = place.store().await;
    let drafts: Vec<_> = (0..20).map(|number| Draft::new(&format!("K-{number}")).to("health")).collect();
    let submitted = futures::future::join_all(drafts.iter().map(|draft| submit(&store, draft, at(0))));
    let (verdicts, closed) = futures::future::join(submitted, store.close()).await;
    closed.unwrap();
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Accepted { .. })), "{verdicts:?}");
    let refused = store.accept(vec![Draft::new("K-x").0], at(1)).await;
    assert!(matches!(&refused, Err(error) if error.retryable()), "{refused:?}");
    let again = place.open().await;
    assert_eq!(claim(&*again, "health", 100, at(2)).await.len(), 20);
}
