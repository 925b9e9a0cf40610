//! Sealers of several hubs on one database: one gets ahead of another at any moment.

use std::{sync::Arc, time::Duration};

use liandong::{
    engine::{keys::Keyring, seal::Sealer},
    evidence::{checkpoint::Origin, signer::Ed25519},
    port::{clock::SystemClock, store::Store},
};

use crate::{
    contract::backend::{Backend as _, Postgres},
    harness::{database::until_blocked, sample::entry},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_sealer_that_another_gets_ahead_of_has_nothing_to_complain_about() {
    let place = Postgres::new();
    let store: Arc<dyn Store> = place.open().await;
    store.append(vec![entry("hub.started"), entry("hub.started")]).await.unwrap();
    let sealer = Sealer {
        store: Arc::clone(&store),
        clock: Arc::new(SystemClock),
        keys: Arc::new(Keyring::of(Arc::new(Ed25519::generate().unwrap()))),
        origin: Origin::new("liandong/test").unwrap(),
        every: Duration::from_secs(1),
        backlog: 100,
        entries: 10,
        anchor: None,
    };
    let url = place.database().await.url();
    let (mut other, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let overtaken = async {
        let ahead = other.transaction().await.unwrap();
        ahead.batch_execute("LOCK TABLE sealer IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let sealed = async {
            until_blocked(place.database().await).await;
            // What another hub's sealer does, while this one waits to see how far the log is.
            let seals = "WITH taken AS (DELETE FROM trail_unsealed RETURNING id, at)
                         INSERT INTO trail_sealed SELECT row_number() OVER (ORDER BY id) - 1, id, at FROM taken;
                         UPDATE sealer SET size = 2";
            ahead.batch_execute(seals).await.unwrap();
            ahead.commit().await.unwrap();
        };
        futures::future::join(sealer.seal_all(), sealed).await.0
    };
    tokio::select! {
        outcome = overtaken => outcome.unwrap(),
        ended = connection => panic!("the connection ended: {ended:?}"),
    }
    assert_eq!(store.unsealed_count().await.unwrap().0, 0);
    assert_eq!(store.sealer_state().await.unwrap().size, 2, "nothing was sealed twice");
}
