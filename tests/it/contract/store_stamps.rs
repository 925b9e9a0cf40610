//! Time stamps of checkpoints: one a size, in order.

use liandong::port::store::{StampRow, Store};

use super::backend::Backend;
use crate::harness::sample::at;

on_every_backend!(stamps_are_listed_by_size_and_the_first_of_a_size_stays);

fn stamp(size: u64, note: &str) -> StampRow {
    StampRow { size, note: note.to_owned(), at: at(5), token: vec![1, 2, 3].into() }
}

async fn sizes(store: &dyn Store, after: u64) -> Vec<u64> {
    store.stamps(after, 10).await.unwrap().iter().map(|stamp| stamp.size).collect()
}

async fn stamps_are_listed_by_size_and_the_first_of_a_size_stays(backend: &dyn Backend) {
    let store = backend.open().await;
    assert_eq!(store.last_stamp().await.unwrap(), None);
    for (size, added) in [(7, true), (9, true), (7, false)] {
        let note = format!("{size} {added}");
        assert_eq!(store.add_stamp(stamp(size, &note)).await.unwrap(), added, "{size}");
    }
    assert_eq!((sizes(&*store, 0).await, sizes(&*store, 7).await), (vec![7, 9], vec![9]));
    assert_eq!(store.last_stamp().await.unwrap(), Some(stamp(9, "9 true")));
    assert_eq!(store.stamps(0, 1).await.unwrap(), [stamp(7, "7 true")]);
}
