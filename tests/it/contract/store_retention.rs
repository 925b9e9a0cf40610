//! What leaves the store: archived months, whole and never unfinished ones; what must stay for ever stays.

use jiff::Timestamp;
use liandong::{
    domain::obligation::Duty,
    port::store::{Archived, DeliveryFilter, NewEntry, Seal, Selector, Sha256Digest, Store, Verdict},
};

use super::backend::Backend;
use crate::harness::{
    sample::{Draft, at, day, digest, entry},
    steps::{ALL, accept, claim_one, deliver, submit},
};

on_every_backend!(
    what_is_archived_leaves_and_what_must_stay_stays,
    nothing_leaves_that_is_not_finished,
    a_time_is_retired_once_and_none_before_it,
    an_empty_store_has_no_beginning_and_nothing_to_sweep,
);

/// The sample month, and the one after.
fn months() -> [Timestamp; 3] {
    ["2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z"].map(|time| time.parse().unwrap())
}

/// What is written when a month goes.
fn said_at(at: Timestamp) -> NewEntry {
    NewEntry { at, ..entry("retention.archived") }
}

async fn seal_all(store: &dyn Store) -> u64 {
    let from_size = store.sealer_state().await.unwrap().size;
    let entries: Vec<_> = store.unsealed(1_000).await.unwrap().into_iter().map(|(id, _)| id).collect();
    let size = from_size + entries.len() as u64;
    let seal = Seal {
        from_size,
        entries,
        frontier: format!("frontier {size}").into(),
        checkpoint: format!("checkpoint {size}"),
        at: at(100),
    };
    assert!(store.seal(seal).await.unwrap());
    size
}

fn archived(until: Timestamp, size: u64) -> Archived {
    Archived {
        until,
        size,
        frontier: format!("frontier {size}").into(),
        checkpoint: Some(format!("checkpoint {size}")),
        manifest: Sha256Digest([7; 32]),
    }
}

async fn what_is_archived_leaves_and_what_must_stay_stays(backend: &dyn Backend) {
    let store = backend.open().await;
    let [march, april, may] = months();
    let old: Vec<_> = (0..5).map(|number| Draft::new(&format!("K-{number}")).to("health")).collect();
    for draft in &old {
        accept(&*store, draft, at(0)).await;
        deliver(&*store, &claim_one(&*store, "health", at(1)).await, at(2)).await;
    }
    let sealed = seal_all(&*store).await;
    let mut young = Draft::new("young").to("health");
    young.0.entries[0].at = april;
    accept(&*store, &young, april).await;
    assert_eq!(store.begins().await.unwrap(), Some(at(0)));
    let stock = store.stock(march, april).await.unwrap();
    assert_eq!((stock.messages, stock.entries >= 10, stock.trail_end), (5, true, sealed), "{stock:?}");
    assert!(!stock.is_held(), "{stock:?}");
    let ids: Vec<_> = old.iter().map(Draft::id).collect();
    let listed = store.accepted_in(march, april, 0, 3).await.unwrap();
    let rest = store.accepted_in(march, april, listed.last().unwrap().0, 100).await.unwrap();
    let listed: Vec<_> = listed.into_iter().chain(rest).map(|(_, id)| id).collect();
    assert_eq!(listed, ids, "in order of acceptance");

    assert_eq!(store.archived().await.unwrap(), None);
    let to = archived(april, sealed);
    assert!(store.retire(to.clone(), said_at(april)).await.unwrap());
    assert_eq!(store.archived().await.unwrap(), Some(to));
    while store.sweep(2).await.unwrap() > 0 {}
    assert_eq!(store.stock(march, april).await.unwrap().messages, 0);
    for draft in &old {
        assert!(store.message(draft.id()).await.unwrap().is_none(), "its content is gone");
        assert!(store.attempts(draft.delivery(0)).await.unwrap().is_empty());
        assert!(store.trail_of(Selector::Message(draft.id())).await.unwrap().is_empty());
        let receipt = draft.0.receipt.clone();
        let again = submit(&*store, &draft.again(), may).await;
        assert_eq!(
            again,
            Verdict::Duplicate { message: draft.id(), receipt },
            "the same message is once for ever"
        );
    }
    assert_eq!(store.deliveries(DeliveryFilter::default(), ALL).await.unwrap().len(), 6);
    assert!(store.message(young.id()).await.unwrap().is_some(), "what is not archived stays");
    assert_eq!(claim_one(&*store, "health", may).await.delivery, young.delivery(0));
    assert_eq!(store.unsealed_count().await.unwrap().0, 2, "the young one's, and that of the archive");
}

async fn nothing_leaves_that_is_not_finished(backend: &dyn Backend) {
    let store = backend.open().await;
    let [march, april, _] = months();
    let draft = Draft::new("K-1").to("health").owing(Duty::Sign, 0, day(20));
    accept(&*store, &draft, at(0)).await;
    let refused =
        async |size| !store.retire(archived(april, size), entry("retention.archived")).await.unwrap();
    let stock = store.stock(march, april).await.unwrap();
    assert_eq!((stock.open_deliveries, stock.open_obligations, stock.unsealed), (1, 1, 1));
    assert!(refused(0).await, "open, owed and unsealed");
    deliver(&*store, &claim_one(&*store, "health", at(1)).await, at(2)).await;
    let size = seal_all(&*store).await;
    let stock = store.stock(march, april).await.unwrap();
    assert_eq!((stock.open_deliveries, stock.open_obligations, stock.unsealed), (0, 1, 0));
    assert!(refused(size).await, "still owed");
    assert_eq!(store.sweep(100).await.unwrap(), 0);
    assert!(store.message(draft.id()).await.unwrap().is_some());
    assert_eq!(store.unsealed_count().await.unwrap().0, 0, "what was not done is not in the trail");
}

async fn a_time_is_retired_once_and_none_before_it(backend: &dyn Backend) {
    let store = backend.open().await;
    let [march, april, may] = months();
    for (until, done) in [(april, true), (april, false), (march, false), (may, true)] {
        assert_eq!(store.retire(archived(until, 0), said_at(may)).await.unwrap(), done, "{until}");
    }
    assert_eq!(store.archived().await.unwrap().unwrap().until, may);
}

async fn an_empty_store_has_no_beginning_and_nothing_to_sweep(backend: &dyn Backend) {
    let store = backend.open().await;
    assert_eq!(store.begins().await.unwrap(), None);
    assert_eq!(store.sweep(10).await.unwrap(), 0);
    let draft = Draft::new("K-1");
    store.accept(vec![draft.content(&digest("x").0.len().to_string()).0], at(0)).await.unwrap();
    assert_eq!(store.begins().await.unwrap(), Some(at(0)));
    assert_eq!(store.sweep(10).await.unwrap(), 0, "nothing is archived");
}
