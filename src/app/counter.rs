//! The counter of a stopped hub: its store, looked at and operated as that of a running one.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use super::{
    Error, adapters, keys, load, restored,
    shelf::{Opening, Shelf},
};
use crate::{
    api::http::{Counter, Grants, ask},
    config::{environment::Environment, settings::Settings},
    domain::id::EndpointId,
    engine::{
        desk::{Desk, Leases},
        evidence::{issue::Issuer, statements::Configured},
        keys::Keyring,
        office::{self, Office},
        seal::Sealer,
    },
    port::{clock::Clock, operations::Said, store::Store},
    store::directory,
    task::Failure,
};

/// Who works on a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Another process: a hub, or for a moment another command.
    Another,
    /// Nobody.
    Nobody,
}

/// Looks who works on the configured data directory.
pub fn holder(settings: &Settings) -> Result<Holder, Error> {
    let held = directory::is_held(&settings.paths.data)?;
    Ok(if held { Holder::Another } else { Holder::Nobody })
}

/// The store of a stopped hub.
#[derive(Debug)]
pub struct Stopped {
    store: Shelf,
    counter: Counter,
    sealer: Option<Sealer>,
}

impl Stopped {
    /// Opens it for look-ups; nothing is locked or made.
    pub async fn look(
        settings: &Settings,
        environment: &Environment,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let opening = Opening::new(settings, environment, clock);
        let store = Shelf::look(&opening).await?;
        let keys = match keys::look(settings, environment, store.store()).await {
            Ok(keys) => keys,
            Err(error) => {
                store.close().await?;
                return Err(error);
            }
        };
        let configured = load::configured(settings);
        let counter = counter(&store, opening.clock(), (HashSet::new(), configured), keys);
        Ok(Self { store, counter, sealer: None })
    }

    /// Opens it for operations; no hub starts on it meanwhile.
    pub async fn operate(
        settings: &Settings,
        environment: &Environment,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let endpoints = adapters::load(settings, environment)?.endpoints();
        let origin = load::origin(settings)?;
        let opening = Opening::new(settings, environment, clock);
        let store = Shelf::open_existing(&opening).await?;
        let clock = opening.clock();
        let keys = match keys::open(settings, environment, &store.store(), clock.now()).await {
            Ok(keys) => keys,
            Err(refused) => {
                store.close().await?;
                return Err(refused);
            }
        };
        let sealer = Sealer {
            store: store.store(),
            clock: Arc::clone(&clock),
            keys: Arc::clone(&keys),
            origin,
            every: Duration::from_millis(settings.seal.every_ms),
            backlog: settings.seal.backlog_entries,
            entries: settings.seal.entries,
            anchor: Some(restored::anchor(&settings.paths.data)),
        };
        let endpoints = endpoints.into_iter().map(|endpoint| endpoint.id).collect();
        let counter = counter(&store, clock, (endpoints, load::configured(settings)), keys);
        Ok(Self { store, counter, sealer: Some(sealer) })
    }

    /// Asks as the operator of this name, who says this of himself: the status and the body of the answer.
    pub async fn ask(
        &self,
        operator: (&str, &Said),
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(u16, Bytes), Failure> {
        Ok(ask(&self.counter, operator, method, path, body).await?)
    }

    /// Seals what was written, so that no entry waits for the next start, and closes the store.
    pub async fn close(self) -> Result<(), Failure> {
        let Self { store, counter, sealer } = self;
        let sealed = match &sealer {
            Some(sealer) => sealer.seal_all().await,
            None => Ok(()),
        };
        drop((sealer, counter));
        store.close().await?;
        sealed
    }
}

fn counter(
    store: &Shelf,
    clock: Arc<dyn Clock>,
    (endpoints, configured): (HashSet<EndpointId>, Configured),
    keys: Arc<Keyring>,
) -> Counter {
    let store: Arc<dyn Store> = store.store();
    let desk = Arc::new(Desk::new(HashMap::new(), Leases::Own));
    let issuer = Issuer::new(Arc::clone(&store), Arc::clone(&keys), Arc::clone(&clock), configured);
    let office = Office { store: Arc::clone(&store), clock, desk, endpoints, keys };
    Counter {
        operations: Arc::new(office),
        store,
        grants: Arc::new(Grants::new(office::hash_token)),
        evidence: Arc::new(issuer),
    }
}
