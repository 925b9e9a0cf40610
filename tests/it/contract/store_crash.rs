//! Crash: what was answered is there afterwards, whole, and work goes on without repair (promises 1, 12).

use liandong::{
    domain::delivery::{Next, Outcome, Transport},
    port::store::{DeliveryFilter, EntryId, NewEntry, Seal, Verdict},
};

use super::backend::Backend;
use crate::harness::{
    sample::{Draft, at, entry},
    steps::{ALL, accept, claim, claim_one, deliver, retry_at, settle, state, submit},
};

on_every_backend!(
    what_was_answered_is_there_after_a_crash,
    what_was_answered_is_there_after_an_end_without_close,
    a_lease_survives_and_is_found_by_its_end,
    the_seal_survives_with_its_entries,
    many_senders_at_once_are_each_accepted_once,
);

async fn what_was_answered_is_there_after_a_crash(backend: &dyn Backend) {
    let store = backend.open().await;
    let (done, again) = (Draft::new("K-1").to("health"), Draft::new("K-2").to("health"));
    for draft in [&done, &again] {
        accept(&*store, draft, at(0)).await;
    }
    let work = claim(&*store, "health", 10, at(1)).await;
    deliver(&*store, &work[0], at(2)).await;
    retry_at(&*store, &work[1], at(50), at(2)).await;
    let late = Draft::new("K-3").to("culture");
    accept(&*store, &late, at(3)).await;

    let crashed = backend.crashed().await;
    let found = crashed.open().await;
    assert_eq!(found.counts().await.unwrap(), store.counts().await.unwrap());
    let before = store.deliveries(DeliveryFilter::default(), ALL).await.unwrap();
    assert_eq!(found.deliveries(DeliveryFilter::default(), ALL).await.unwrap(), before);
    let verdict = submit(&*found, &late.again(), at(4)).await;
    assert_eq!(verdict, Verdict::Duplicate { message: late.id(), receipt: late.0.receipt.clone() });
    assert_eq!(claim_one(&*found, "culture", at(5)).await.delivery, late.delivery(0));
    assert_eq!(claim_one(&*found, "health", at(50)).await.attempt, 2);
}

async fn what_was_answered_is_there_after_an_end_without_close(backend: &dyn Backend) {
    let draft = Draft::new("K-1").to("health");
    let store = backend.open().await;
    accept(&*store, &draft, at(0)).await;
    drop(store);
    let store = backend.open().await;
    assert!(store.message(draft.id()).await.unwrap().is_some());
    assert_eq!(claim_one(&*store, "health", at(1)).await.delivery, draft.delivery(0));
}

async fn a_lease_survives_and_is_found_by_its_end(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "health", at(1)).await;
    let found = backend.crashed().await;
    let found = found.open().await;
    assert!(claim(&*found, "health", 10, at(2)).await.is_empty(), "a worker may still be at it");
    let expired = found.expired(at(120), 10).await.unwrap().remove(0).work;
    assert_eq!((expired.delivery, expired.lease), (work.delivery, work.lease));
    settle(&*found, &expired, Outcome::Unknown, Next::Scheduled { at: at(120) }, at(120)).await;
    let second = claim_one(&*found, "health", at(121)).await;
    assert!(second.lease > work.lease);
    assert_eq!(state(&*found, draft.delivery(0)).await, Transport::Leased);
}

async fn the_seal_survives_with_its_entries(backend: &dyn Backend) {
    let store = backend.open().await;
    let entries: Vec<NewEntry> = (0..4).map(|_| entry("hub.started")).collect();
    store.append(entries.clone()).await.unwrap();
    let order: Vec<EntryId> = entries[..3].iter().map(|entry| entry.id).collect();
    let seal = Seal {
        from_size: 0,
        entries: order,
        frontier: "frontier".into(),
        checkpoint: "checkpoint".to_owned(),
        at: at(1),
    };
    assert!(store.seal(seal).await.unwrap());
    let found = backend.crashed().await;
    let found = found.open().await;
    assert_eq!(found.sealer_state().await.unwrap(), store.sealer_state().await.unwrap());
    assert_eq!(found.sealed(0, 10).await.unwrap(), store.sealed(0, 10).await.unwrap());
    assert_eq!(found.unsealed(10).await.unwrap(), [(entries[3].id, entries[3].body.clone())]);
}

async fn many_senders_at_once_are_each_accepted_once(backend: &dyn Backend) {
    let store = backend.open().await;
    let drafts: Vec<_> = (0..40).map(|number| Draft::new(&format!("K-{number}")).to("health")).collect();
    let copies: Vec<_> = drafts.iter().map(Draft::again).collect();
    let submitted = drafts.iter().chain(&copies).map(|draft| submit(&*store, draft, at(0)));
    let verdicts = futures::future::join_all(submitted).await;
    let (accepted, duplicates): (Vec<_>, Vec<_>) =
        verdicts.iter().partition(|verdict| matches!(verdict, Verdict::Accepted { .. }));
    assert_eq!((accepted.len(), duplicates.len()), (40, 40));
    assert!(duplicates.iter().all(|verdict| matches!(verdict, Verdict::Duplicate { .. })), "{duplicates:?}");
    assert_eq!(claim(&*store, "health", 100, at(1)).await.len(), 40);
}
