//! The history of the keys that sign: one after the other, and for ever.

use liandong::port::store::{SigningKey, Store};

use super::backend::Backend;
use crate::harness::sample::{at, entry};

on_every_backend!(
    keys_follow_each_other_and_stay_as_they_were,
    of_those_who_add_at_the_same_time_one_does,
    a_hub_of_the_version_before_finds_the_key_that_signs,
);

fn key(number: u32) -> SigningKey {
    let said = |who: &str| (number > 1).then(|| format!("{who} says that {number} follows"));
    SigningKey {
        number,
        public: format!("key {number}"),
        from: at(i64::from(number)),
        by_predecessor: said("the one before"),
        by_itself: said("itself"),
    }
}

async fn numbers(store: &dyn Store) -> Vec<u32> {
    store.signing_keys().await.unwrap().iter().map(|key| key.number).collect()
}

async fn keys_follow_each_other_and_stay_as_they_were(backend: &dyn Backend) {
    let store = backend.open().await;
    assert_eq!(numbers(&*store).await, [0; 0]);
    assert!(store.add_signing_key(key(1), None).await.unwrap());
    assert!(!store.add_signing_key(key(3), Some(entry("key.rotated"))).await.unwrap(), "one is left out");
    assert!(store.add_signing_key(key(2), Some(entry("key.rotated"))).await.unwrap());
    assert!(!store.add_signing_key(key(2), Some(entry("key.rotated"))).await.unwrap(), "there is one");
    assert_eq!(store.signing_keys().await.unwrap(), [key(1), key(2)]);
    assert_eq!(store.unsealed_count().await.unwrap().0, 1, "what was not done is not in the trail");
}

async fn of_those_who_add_at_the_same_time_one_does(backend: &dyn Backend) {
    let store = backend.open().await;
    assert!(store.add_signing_key(key(1), None).await.unwrap());
    let add = |name: &str| {
        let other = SigningKey { public: name.to_owned(), ..key(2) };
        store.add_signing_key(other, Some(entry("key.rotated")))
    };
    let (one, other, third) = tokio::join!(add("one"), add("other"), add("third"));
    let done = [one, other, third].map(Result::unwrap);
    assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
    assert_eq!(numbers(&*store).await, [1, 2]);
    assert_eq!(store.unsealed_count().await.unwrap().0, 1);
}

async fn a_hub_of_the_version_before_finds_the_key_that_signs(backend: &dyn Backend) {
    let store = backend.open().await;
    for number in 1..=2 {
        assert!(store.add_signing_key(key(number), None).await.unwrap());
        let found = store.setting("signing_key").await.unwrap().unwrap();
        assert_eq!(found, format!("key {number}").as_bytes());
    }
}
