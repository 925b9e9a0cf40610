//! Tokens, versions of configuration, settings of the data directory.

use liandong::port::store::{Grant, NewToken, Scope};

use super::backend::Backend;
use crate::harness::sample::{at, digest, entry};

on_every_backend!(
    a_token_is_granted_until_it_is_revoked,
    a_token_opens_what_it_was_made_for,
    a_name_is_unique_among_live_tokens,
    revoking_what_is_not_live_changes_nothing,
    the_same_digest_has_the_same_version_and_a_new_one_the_next,
    versions_are_counted_for_each_table,
    a_setting_keeps_its_first_value,
    a_setting_is_taken_away_by_one,
);

fn token(name: &str, secret: &str, scope: Scope) -> NewToken {
    NewToken { name: name.to_owned(), hash: digest(secret), scope, created_at: at(0) }
}

async fn a_token_is_granted_until_it_is_revoked(backend: &dyn Backend) {
    let store = backend.open().await;
    let scope = Scope::Endpoint("health".into());
    assert!(store.add_token(token("health", "one", scope.clone()), entry("token.added")).await.unwrap());
    assert!(store.add_token(token("ops", "two", Scope::Operator), entry("token.added")).await.unwrap());
    let grant = |name: &str, secret, scope| Grant { name: name.to_owned(), hash: digest(secret), scope };
    let operator = grant("ops", "two", Scope::Operator);
    assert_eq!(store.grants().await.unwrap(), [grant("health", "one", scope), operator.clone()]);

    assert!(store.revoke_token("health", entry("token.revoked"), at(9)).await.unwrap());
    assert_eq!(store.grants().await.unwrap(), [operator]);
    let tokens = store.tokens().await.unwrap();
    let told: Vec<_> = tokens.iter().map(|token| (token.name.as_str(), token.revoked_at)).collect();
    assert_eq!(told, [("health", Some(at(9))), ("ops", None)]);
    assert_eq!(store.unsealed_count().await.unwrap().0, 3);
}

async fn a_token_opens_what_it_was_made_for(backend: &dyn Backend) {
    let store = backend.open().await;
    let scopes = [Scope::Endpoint("north".into()), Scope::Worker("north".into()), Scope::Operator];
    for (name, scope) in ["a", "b", "c"].into_iter().zip(scopes.clone()) {
        assert!(store.add_token(token(name, name, scope), entry("token.added")).await.unwrap());
    }
    let tokens = store.tokens().await.unwrap();
    assert_eq!(tokens.into_iter().map(|token| token.scope).collect::<Vec<_>>(), scopes);
}

async fn a_name_is_unique_among_live_tokens(backend: &dyn Backend) {
    let store = backend.open().await;
    assert!(store.add_token(token("ops", "one", Scope::Operator), entry("token.added")).await.unwrap());
    assert!(!store.add_token(token("ops", "two", Scope::Operator), entry("token.added")).await.unwrap());
    assert_eq!(store.grants().await.unwrap()[0].hash, digest("one"));
    assert_eq!(store.unsealed_count().await.unwrap().0, 1, "what was not done is not in the trail");
    assert!(store.revoke_token("ops", entry("token.revoked"), at(1)).await.unwrap());
    assert!(store.add_token(token("ops", "two", Scope::Operator), entry("token.added")).await.unwrap());
    assert_eq!(store.tokens().await.unwrap().len(), 2);
}

async fn revoking_what_is_not_live_changes_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    assert!(!store.revoke_token("nobody", entry("token.revoked"), at(1)).await.unwrap());
    store.add_token(token("ops", "one", Scope::Operator), entry("token.added")).await.unwrap();
    assert!(store.revoke_token("ops", entry("token.revoked"), at(2)).await.unwrap());
    assert!(!store.revoke_token("ops", entry("token.revoked"), at(3)).await.unwrap());
    assert_eq!(store.tokens().await.unwrap()[0].revoked_at, Some(at(2)));
    assert_eq!(store.unsealed_count().await.unwrap().0, 2);
}

async fn the_same_digest_has_the_same_version_and_a_new_one_the_next(backend: &dyn Backend) {
    let store = backend.open().await;
    let mut versions = Vec::new();
    for text in ["a", "a", "b", "a", "c"] {
        versions.push(store.publish("registry", digest(text), text.into(), at(0)).await.unwrap());
    }
    assert_eq!(versions, [1, 1, 2, 1, 3]);
}

async fn versions_are_counted_for_each_table(backend: &dyn Backend) {
    let store = backend.open().await;
    assert_eq!(store.publish("registry", digest("a"), b"a".to_vec(), at(0)).await.unwrap(), 1);
    assert_eq!(store.publish("registry", digest("b"), b"b".to_vec(), at(0)).await.unwrap(), 2);
    assert_eq!(store.publish("rules", digest("b"), b"b".to_vec(), at(0)).await.unwrap(), 1);
}

async fn a_setting_keeps_its_first_value(backend: &dyn Backend) {
    let store = backend.open().await;
    assert_eq!(store.keep_setting("salt", b"first".to_vec()).await.unwrap(), b"first");
    assert_eq!(store.keep_setting("salt", b"second".to_vec()).await.unwrap(), b"first");
    assert_eq!(store.keep_setting("key", b"second".to_vec()).await.unwrap(), b"second");
}

async fn a_setting_is_taken_away_by_one(backend: &dyn Backend) {
    let store = backend.open().await;
    assert_eq!(store.setting("mark").await.unwrap(), None);
    store.keep_setting("mark", b"left".to_vec()).await.unwrap();
    assert_eq!(store.setting("mark").await.unwrap(), Some(b"left".to_vec()));
    assert!(store.take_setting("mark", entry("store.restored")).await.unwrap());
    assert!(!store.take_setting("mark", entry("store.restored")).await.unwrap());
    assert_eq!((store.setting("mark").await.unwrap(), store.unsealed_count().await.unwrap().0), (None, 1));
}
