//! What only the embedded store promises: one process a directory, a full disk told and nothing torn, a
//! log that is moved at close.

use std::sync::Arc;

use bytes::Bytes;
use liandong::{
    port::store::{Accept as _, Deliveries as _, DeliveryFilter, Error, Query as _, Store, Verdict},
    store::sqlite::{Options, SqliteStore},
};

use super::backend::{Backend as _, Sqlite};
use crate::harness::{
    sample::{Draft, at},
    steps::{ALL, accept, claim, deliver, submit},
};

#[tokio::test]
async fn a_directory_has_one_store_at_a_time() {
    let place = Sqlite::new();
    let store = SqliteStore::open(&place.options()).unwrap();
    let second = SqliteStore::open(&place.options());
    assert!(matches!(second, Err(Error::InUse(_))), "{second:?}");
    store.close().await.unwrap();
    SqliteStore::open(&place.options()).unwrap();
}

#[tokio::test]
async fn a_store_is_looked_into_beside_the_one_that_writes() {
    let place = Sqlite::new();
    let absent = SqliteStore::look(&place.options());
    assert!(matches!(absent, Err(Error::Absent(_))), "{absent:?}");
    let store = SqliteStore::open(&place.options()).unwrap();
    let first = Draft::new("K-1").to("health");
    accept(&store, &first, at(0)).await;
    let looking = SqliteStore::look(&place.options()).unwrap();
    let second = Draft::new("K-2").to("health");
    accept(&store, &second, at(1)).await;
    assert_eq!(looking.deliveries(DeliveryFilter::default(), ALL).await.unwrap().len(), 2);
    let refused = looking.accept(vec![Draft::new("K-3").0.clone()], at(2)).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    store.close().await.unwrap();
    assert_eq!(looking.deliveries(DeliveryFilter::default(), ALL).await.unwrap().len(), 2);
    looking.close().await.unwrap();
    let after = SqliteStore::look(&place.options()).unwrap();
    assert_eq!(after.deliveries(DeliveryFilter::default(), ALL).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_is_torn() {
    let place = Sqlite::new();
    // Full for the next batch of eight, which goes whole or not at all; with room left for the small rows of settlements.
    let small = Options { size_limit_bytes: Some((2 * 1024 + 128) * 1024), ..place.options() };
    let store = SqliteStore::open(&small).unwrap();
    let mut accepted = Vec::new();
    let full = loop {
        let keys = accepted.len()..accepted.len() + 8;
        let batch: Vec<_> = keys.map(|number| large(&format!("K-{number}"))).collect();
        match store.accept(batch.iter().map(|draft| draft.0.clone()).collect(), at(0)).await {
            Ok(verdicts) => {
                assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Accepted { .. })));
                accepted.extend(batch);
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(full, Error::DiskFull(_)) && full.retryable(), "{full:?}");
    assert!(!accepted.is_empty());

    assert_whole(&store, &accepted, 0).await;
    let room = claim(&store, "health", 4, at(1)).await;
    for work in &room {
        deliver(&store, work, at(2)).await;
    }
    store.close().await.unwrap();
    let store: Arc<dyn Store> = place.open().await;
    assert_whole(&*store, &accepted, room.len()).await;
    accept(&*store, &large("there is room now"), at(3)).await;
}

/// A message of 32 KiB.
fn large(key: &str) -> Draft {
    let mut draft = Draft::new(key).to("health");
    draft.0.received = Bytes::from(vec![b'x'; 32 * 1024]);
    draft
}

async fn assert_whole(store: &dyn Store, accepted: &[Draft], attempts: usize) {
    let rows = store.deliveries(DeliveryFilter::default(), ALL).await.unwrap();
    assert_eq!(rows.len(), accepted.len(), "deliveries of accepted messages and no others");
    for draft in accepted {
        let message = store.message(draft.id()).await.unwrap().unwrap();
        assert_eq!(message.received, draft.0.received);
    }
    let entries = store.unsealed_count().await.unwrap().0;
    assert_eq!(entries, (accepted.len() + attempts) as u64, "an entry a message and an attempt");
}

#[tokio::test]
async fn a_closed_store_takes_nothing_and_says_so() {
    let place = Sqlite::new();
    let store = SqliteStore::open(&place.options()).unwrap();
    let draft = Draft::new("K-1").to("health");
    accept(&store, &draft, at(0)).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
    let refused = store.accept(vec![Draft::new("K-2").0], at(1)).await;
    assert!(matches!(&refused, Err(error) if error.retryable()), "{refused:?}");
    assert!(store.waiting(at(1)).await.is_err());
    let log = place.options().directory.join("liandong.db-wal");
    let left = std::fs::metadata(&log).map_or(0, |file| file.len());
    assert_eq!(left, 0, "the log was moved into the database");
    let again = place.open().await;
    assert!(matches!(submit(&*again, &draft.again(), at(2)).await, Verdict::Duplicate { .. }));
}

#[tokio::test]
async fn what_is_queued_when_it_closes_is_still_done() {
    let place = Sqlite::new();
    let store = SqliteStore::open(&place.options()).unwrap();
    let drafts: Vec<_> = (0..20).map(|number| Draft::new(&format!("K-{number}")).to("health")).collect();
    let submitted = futures::future::join_all(drafts.iter().map(|draft| submit(&store, draft, at(0))));
    let (verdicts, closed) = futures::future::join(submitted, store.close()).await;
    closed.unwrap();
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Accepted { .. })), "{verdicts:?}");
}

#[tokio::test]
async fn a_full_queue_refuses_to_accept_at_once() {
    let place = Sqlite::new();
    let store = SqliteStore::open(&Options { queue_limit: 1, ..place.options() }).unwrap();
    let submitted = (0..200).map(|number| {
        let draft = Draft::new(&format!("K-{number}")).to("health");
        let store = &store;
        async move { store.accept(vec![draft.0], at(0)).await }
    });
    let answers = futures::future::join_all(submitted).await;
    let refused = answers.iter().filter(|answer| matches!(answer, Err(Error::Unavailable(_)))).count();
    let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(refused > 0 && accepted > 0, "{refused} refused, {accepted} accepted");
    assert_eq!(refused + accepted, 200);
}
