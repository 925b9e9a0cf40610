//! The way in without a process around it: reception and committer over a store of the test's choice, and
//! the registry and rules that ship.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use liandong::{
    config,
    domain::registry::{Endpoint, Flow},
    engine::{
        desk::{Desk, Leases},
        intake::{self, Committer, Reception},
        keys::Keyring,
        world::{World, Worlds},
    },
    evidence::{digest::ContentKey, signer::Ed25519},
    port::{
        clock::SystemClock,
        intake::{Accepted, Intake as _, Refusal, Submission},
        store::{Moment, Store},
    },
};
use serde_json::Value;

use super::sender::BUREAU;

/// A reception that speaks with one sending system, whose endpoint has the name of its organisation.
#[derive(Debug)]
pub(crate) struct Front {
    reception: Reception,
    store: Arc<dyn Store>,
}

impl Front {
    /// Over this store, with room for so many messages; nobody commits what is queued until
    /// [`Front::commit`] says so.
    pub(crate) fn new(store: Arc<dyn Store>, queue_limit: usize) -> (Self, Committer) {
        let (reception, committer) = intake::open(intake::Parts {
            store: Arc::clone(&store),
            clock: Arc::new(SystemClock),
            worlds: Arc::new(Worlds::new(world())),
            keys: Arc::new(Keyring::of(Arc::new(Ed25519::from_seed(&[7; 32])))),
            desk: Arc::new(Desk::new(HashMap::new(), Leases::Own)),
            content_key: ContentKey::generate().unwrap(),
            queue_limit,
            batch_limit: 100,
        });
        (Self { reception, store }, committer)
    }

    /// Sets a committer to work.
    pub(crate) fn commit(committer: Committer) {
        #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
        drop(tokio::spawn(committer.run()));
    }

    /// Its store.
    pub(crate) fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// Hands in a message.
    pub(crate) async fn submit(&self, message: Value) -> Result<Accepted, Refusal> {
        self.submit_all(vec![message]).await.remove(0)
    }

    /// Hands in several in one call.
    pub(crate) async fn submit_all(&self, messages: Vec<Value>) -> Vec<Result<Accepted, Refusal>> {
        let submission = |message: Value| {
            let received = message.to_string().into();
            Submission { endpoint: BUREAU.into(), kind: None, received, message }
        };
        self.reception.submit(messages.into_iter().map(submission).collect()).await
    }
}

fn world() -> World {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config");
    let endpoint = Endpoint { id: BUREAU.into(), organisations: vec![BUREAU.into()], flow: Flow::Both };
    World {
        registry: config::registry::load(&root.join("registry"), vec![endpoint], 1).unwrap(),
        rules: config::rules::load(&root.join("rules"), 1).unwrap(),
        calendar: config::calendar::load(&root.join("calendar/holidays.csv")).unwrap(),
        moment: Moment::HandedOver,
    }
}
