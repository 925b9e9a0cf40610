//! The places outside that the latest checkpoint is sent to, by the settings.

use std::{path::Path, sync::Arc, time::Duration};

use super::Error;
use crate::{
    config::{environment::Environment, settings::Settings},
    connector::{
        anchorage::{Address, Folder},
        http_client::{self, Credential, Verb},
    },
    engine::anchor::Anchoring,
    port::{anchorage::Anchorage, clock::Clock, store::Store},
    task::Supervisor,
};

/// As much of an answer as is worth reading.
const ANSWER_BYTES: usize = 4_096;

/// The places; none is asked.
pub(super) fn places(
    settings: &Settings,
    environment: &Environment,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Arc<dyn Anchorage>>, Error> {
    let anchor = &settings.anchor;
    let mut places: Vec<Arc<dyn Anchorage>> = Vec::new();
    if let Some(folder) = &anchor.folder {
        places.push(Arc::new(Folder::new(folder.clone())));
    }
    let Some(url) = &anchor.url else { return Ok(places) };
    let wrong =
        |key: &str, error: &dyn std::fmt::Display| Error::Configuration(format!("anchor.{key}: {error}"));
    let token = anchor.token.as_ref().map(|token| token.resolve(Path::new(""), environment)).transpose();
    let authority = anchor.authority.as_ref().map(std::fs::read).transpose();
    let client = http_client::Settings {
        url: url.to_string(),
        verb: Verb::Post,
        headers: Vec::new(),
        delivery_header: None,
        credential: token.map_err(|error| wrong("token", &error))?.map(Credential::Bearer),
        ca_pem: authority.map_err(|error| wrong("authority", &error))?,
        connect_timeout_ms: anchor.timeout_ms,
        idle_ms: 0,
        max_answer_bytes: ANSWER_BYTES,
    };
    let timeout = Duration::from_millis(anchor.timeout_ms);
    let address = Address::new(client, timeout, Arc::clone(clock));
    places.push(Arc::new(address.map_err(|error| wrong("url", &error))?));
    Ok(places)
}

/// Sends checkpoints to one of them until the end.
pub(super) fn send(
    tasks: &mut Supervisor,
    place: Arc<dyn Anchorage>,
    settings: &Settings,
    (store, clock): (&Arc<dyn Store>, &Arc<dyn Clock>),
) {
    let every = Duration::from_millis(settings.anchor.every_ms);
    let task = Anchoring { store: Arc::clone(store), clock: Arc::clone(clock), place, every };
    tasks.spawn("anchor", task.run(tasks.token().clone()));
}
