//! The trail: written once, sealed in the order of the sealer, fenced by the size it continues.

use std::collections::BTreeSet;

use bytes::Bytes;
use liandong::port::store::{EntryId, Error, NewEntry, Seal, SealerState, Selector, Store};

use super::backend::Backend;
use crate::harness::{
    sample::{Draft, at, entry, id},
    steps::accept,
};

on_every_backend!(
    entries_are_unsealed_until_they_are_sealed,
    positions_are_given_in_the_sealers_order,
    a_seal_must_continue_the_stored_size,
    a_late_commit_is_not_skipped,
    a_seal_of_a_stranger_is_damage_and_seals_nothing,
    appending_again_leaves_what_is_there,
    sealed_entries_are_read_in_slices,
    checkpoints_are_listed_above_a_size,
    the_oldest_unsealed_is_told,
    the_trail_of_a_message_holds_that_of_its_deliveries,
    a_checkpoint_may_be_signed_again_without_new_entries,
);

fn seal_of(from_size: u64, entries: Vec<EntryId>) -> Seal {
    let size = from_size + entries.len() as u64;
    let (frontier, checkpoint) = (Bytes::from(format!("frontier {size}")), format!("checkpoint {size}"));
    Seal { from_size, entries, frontier, checkpoint, at: at(50) }
}

async fn append(store: &dyn Store, count: usize) -> Vec<NewEntry> {
    let entries: Vec<_> = (0..count).map(|_| entry("hub.started")).collect();
    store.append(entries.clone()).await.unwrap();
    entries
}

fn ids(entries: &[NewEntry]) -> Vec<EntryId> {
    entries.iter().map(|entry| entry.id).collect()
}

async fn unsealed(store: &dyn Store) -> Vec<EntryId> {
    store.unsealed(1_000).await.unwrap().into_iter().map(|(id, _)| id).collect()
}

async fn entries_are_unsealed_until_they_are_sealed(backend: &dyn Backend) {
    let store = backend.open().await;
    assert_eq!(store.sealer_state().await.unwrap(), SealerState::default());
    let entries = append(&*store, 3).await;
    let waiting = store.unsealed(2).await.unwrap();
    assert_eq!(waiting, [0, 1].map(|at: usize| (entries[at].id, entries[at].body.clone())), "oldest first");
    assert!(store.seal(seal_of(0, ids(&entries[..2]))).await.unwrap());
    assert_eq!(unsealed(&*store).await, [entries[2].id]);
    let state = store.sealer_state().await.unwrap();
    assert_eq!((state.size, state.frontier.as_ref()), (2, b"frontier 2".as_slice()));
    assert_eq!(state.checkpoint.as_deref(), Some("checkpoint 2"));
}

async fn positions_are_given_in_the_sealers_order(backend: &dyn Backend) {
    let store = backend.open().await;
    let entries = append(&*store, 3).await;
    let order = vec![entries[2].id, entries[0].id, entries[1].id];
    assert!(store.seal(seal_of(0, order)).await.unwrap());
    let sealed = store.sealed(0, 10).await.unwrap();
    let told: Vec<_> = sealed.into_iter().map(|entry| (entry.position, entry.body)).collect();
    assert_eq!(
        told,
        [(0, 2), (1, 0), (2, 1)].map(|(place, at): (u64, usize)| (place, entries[at].body.clone()))
    );
}

async fn a_seal_must_continue_the_stored_size(backend: &dyn Backend) {
    let store = backend.open().await;
    let entries = append(&*store, 2).await;
    assert!(!store.seal(seal_of(1, ids(&entries[..1]))).await.unwrap(), "nothing is sealed yet");
    assert!(store.seal(seal_of(0, ids(&entries[..1]))).await.unwrap());
    let state = store.sealer_state().await.unwrap();
    assert!(!store.seal(seal_of(0, ids(&entries[1..]))).await.unwrap(), "a paused sealer wakes up");
    assert_eq!(store.sealer_state().await.unwrap(), state);
    assert_eq!(unsealed(&*store).await, ids(&entries[1..]));
    assert_eq!(store.checkpoints(0, 10).await.unwrap().len(), 1);
}

async fn a_late_commit_is_not_skipped(backend: &dyn Backend) {
    let store = backend.open().await;
    let late = entry("hub.started");
    let entries = append(&*store, 2).await;
    assert!(store.seal(seal_of(0, ids(&entries))).await.unwrap());
    store.append(vec![late.clone()]).await.unwrap();
    assert_eq!(unsealed(&*store).await, [late.id], "older by id and time, later by commit");
    assert!(store.seal(seal_of(2, vec![late.id])).await.unwrap());
    assert_eq!(store.sealed(2, 10).await.unwrap()[0].body, late.body);
}

async fn a_seal_of_a_stranger_is_damage_and_seals_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    let entries = append(&*store, 2).await;
    let stranger = store.seal(seal_of(0, vec![entries[0].id, EntryId(id())])).await;
    assert!(matches!(stranger, Err(Error::Damaged(_))), "{stranger:?}");
    let twice = store.seal(seal_of(0, vec![entries[0].id, entries[0].id])).await;
    assert!(matches!(twice, Err(Error::Damaged(_))), "{twice:?}");
    assert_eq!(store.sealer_state().await.unwrap(), SealerState::default());
    assert_eq!(unsealed(&*store).await, ids(&entries));
}

async fn appending_again_leaves_what_is_there(backend: &dyn Backend) {
    let store = backend.open().await;
    let mut entries = append(&*store, 2).await;
    entries.push(entry("hub.started"));
    store.append(entries.clone()).await.unwrap();
    assert_eq!(unsealed(&*store).await, ids(&entries));
    assert!(store.seal(seal_of(0, ids(&entries))).await.unwrap());
    store.append(entries).await.unwrap();
    assert!(unsealed(&*store).await.is_empty(), "a sealed entry is not unsealed by saying it again");
}

async fn sealed_entries_are_read_in_slices(backend: &dyn Backend) {
    let store = backend.open().await;
    let entries = append(&*store, 5).await;
    assert!(store.seal(seal_of(0, ids(&entries))).await.unwrap());
    let slice = store.sealed(1, 3).await.unwrap();
    assert_eq!(slice.iter().map(|entry| entry.position).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(store.sealed(5, 3).await.unwrap().is_empty());
}

async fn checkpoints_are_listed_above_a_size(backend: &dyn Backend) {
    let store = backend.open().await;
    let entries = append(&*store, 3).await;
    for (from, entry) in (0..).zip(&entries) {
        assert!(store.seal(seal_of(from, vec![entry.id])).await.unwrap());
    }
    let told = store.checkpoints(1, 10).await.unwrap();
    assert_eq!(told, [(2, "checkpoint 2".to_owned()), (3, "checkpoint 3".to_owned())]);
    assert_eq!(store.checkpoints(0, 1).await.unwrap(), [(1, "checkpoint 1".to_owned())]);
}

async fn the_oldest_unsealed_is_told(backend: &dyn Backend) {
    let store = backend.open().await;
    assert_eq!(store.unsealed_count().await.unwrap(), (0, None));
    let entries = [3, 4].map(|second| NewEntry { at: at(second), ..entry("hub.started") });
    store.append(entries.to_vec()).await.unwrap();
    assert_eq!(store.unsealed_count().await.unwrap(), (2, Some(at(3))));
    assert!(store.seal(seal_of(0, vec![entries[0].id])).await.unwrap());
    assert_eq!(store.unsealed_count().await.unwrap(), (1, Some(at(4))));
}

async fn the_trail_of_a_message_holds_that_of_its_deliveries(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health").to("culture");
    accept(&*store, &draft, at(0)).await;
    let accepted = draft.0.entries[0].id;
    let delivery = Some(draft.delivery(1));
    let both = NewEntry { message: Some(draft.id()), delivery, ..entry("delivery.attempted") };
    let alone = NewEntry { delivery, ..entry("delivery.operated") };
    store.append(vec![both.clone(), entry("hub.started"), alone.clone()]).await.unwrap();
    assert!(store.seal(seal_of(0, vec![accepted, both.id])).await.unwrap());

    let rows = store.trail_of(Selector::Message(draft.id())).await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.id, row.position, row.delivery)).collect();
    assert_eq!(told, [(accepted, Some(0), None), (both.id, Some(1), delivery), (alone.id, None, delivery)]);
    assert_eq!((rows[1].event.as_str(), &rows[1].body), ("delivery.attempted", &both.body));
    let rows = store.trail_of(Selector::Delivery(draft.delivery(1))).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.id).collect::<BTreeSet<_>>(), BTreeSet::from([both.id, alone.id]));
    assert!(store.trail_of(Selector::Delivery(draft.delivery(0))).await.unwrap().is_empty());
}

async fn a_checkpoint_may_be_signed_again_without_new_entries(backend: &dyn Backend) {
    let store = backend.open().await;
    let entries = append(&*store, 1).await;
    assert!(store.seal(seal_of(0, ids(&entries))).await.unwrap());
    let again = Seal { checkpoint: "checkpoint 1, later".to_owned(), ..seal_of(1, vec![]) };
    assert!(store.seal(again).await.unwrap());
    let notes: Vec<_> = store.checkpoints(0, 10).await.unwrap();
    assert_eq!(notes, [(1, "checkpoint 1".to_owned()), (1, "checkpoint 1, later".to_owned())]);
    let latest = store.sealer_state().await.unwrap().checkpoint;
    assert_eq!(latest.as_deref(), Some("checkpoint 1, later"));
}
