//! From a checked adapter to its connectors: secrets are fetched, files read, clients made. Nothing is
//! opened or sent.

use std::{path::PathBuf, sync::Arc};

use super::{
    file_drop::outbound::Folder,
    http_client::{self, BuildError, HttpClient, Settings, Verb},
};
use crate::{
    config::{
        adapter::{Adapter, Ask, Credential, DeliveryIdAt, HttpTarget, Method, Outbound, OutboundConnector},
        environment::Environment,
        secret::{self, Secret},
    },
    domain::id::EndpointId,
    port::{clock::Clock, connector::Connector},
};

/// The connectors of one adapter's way out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Carries deliveries.
    pub connector: Arc<dyn Connector>,
    /// Asks whether the target has one.
    pub ask: Option<Arc<dyn Connector>>,
    /// What must not stand in a record of what was answered.
    pub secrets: Vec<Secret>,
}

/// Why the connectors of an adapter cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its secret cannot be fetched.
    #[error("endpoint {endpoint}: {source}")]
    Secret {
        /// Whose.
        endpoint: EndpointId,
        /// Why.
        source: secret::Error,
    },
    /// Its certificate authorities cannot be read.
    #[error("endpoint {endpoint}: {path} cannot be read")]
    Authorities {
        /// Whose.
        endpoint: EndpointId,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its client cannot be made.
    #[error("endpoint {endpoint}: {source}")]
    Client {
        /// Whose.
        endpoint: EndpointId,
        /// Why.
        source: BuildError,
    },
}

/// The connectors of `adapter`, or none when nothing goes out through it.
///
/// `extension` is that of its codec's files; `environment` reads the variables its secrets refer to; `mailbox`
/// makes the way into its mailbox.
pub fn outgoing(
    adapter: &Adapter,
    extension: &'static str,
    environment: &Environment,
    clock: &Arc<dyn Clock>,
    mailbox: &dyn Fn() -> Arc<dyn Connector>,
) -> Result<Option<Outgoing>, Error> {
    let Some(outbound) = &adapter.outbound else { return Ok(None) };
    let target = match &outbound.connector {
        OutboundConnector::Http(target) => target,
        OutboundConnector::Mailbox => {
            return Ok(Some(Outgoing { connector: mailbox(), ask: None, secrets: Vec::new() }));
        }
        OutboundConnector::File(folder) => {
            let connector = Folder::new(folder.clone(), extension, Arc::clone(clock));
            return Ok(Some(Outgoing { connector: Arc::new(connector), ask: None, secrets: Vec::new() }));
        }
    };
    let fetch = |reference: &secret::SecretRef| {
        let secret = reference.resolve(&adapter.folder, environment);
        secret.map_err(|source| Error::Secret { endpoint: adapter.endpoint.clone(), source })
    };
    let credential = match &target.credential {
        None => None,
        Some(Credential::Bearer(reference)) => Some(http_client::Credential::Bearer(fetch(reference)?)),
        Some(Credential::Header { name, secret }) => {
            Some(http_client::Credential::Header { name: name.clone(), secret: fetch(secret)? })
        }
    };
    let settings = settings(adapter, outbound, target, credential)?;
    let ask = outbound.ask.as_ref().map(|ask| asking(&settings, ask));
    let client = |settings: &Settings| {
        let client = HttpClient::new(settings, Arc::clone(clock));
        client.map_err(|source| Error::Client { endpoint: adapter.endpoint.clone(), source })
    };
    let secrets = settings.credential.iter().map(|credential| credential.secret().clone()).collect();
    Ok(Some(Outgoing {
        connector: Arc::new(client(&settings)?),
        ask: match ask {
            Some(settings) => Some(Arc::new(client(&settings)?)),
            None => None,
        },
        secrets,
    }))
}

fn settings(
    adapter: &Adapter,
    outbound: &Outbound,
    target: &HttpTarget,
    credential: Option<http_client::Credential>,
) -> Result<Settings, Error> {
    let unreadable = |path: &PathBuf| {
        let (endpoint, path) = (adapter.endpoint.clone(), path.clone());
        move |source| Error::Authorities { endpoint, path, source }
    };
    let ca_pem = match &target.ca {
        None => None,
        Some(path) => Some(std::fs::read(path).map_err(unreadable(path))?),
    };
    Ok(Settings {
        url: target.url.clone(),
        verb: match target.method {
            Method::Post => Verb::Post,
            Method::Put => Verb::Put,
        },
        headers: target.headers.clone().into_iter().collect(),
        delivery_header: match &outbound.delivery_id {
            DeliveryIdAt::Header(name) => Some(name.clone()),
            DeliveryIdAt::Nowhere
            | DeliveryIdAt::Field(_)
            | DeliveryIdAt::FileName
            | DeliveryIdAt::Envelope => None,
        },
        credential,
        ca_pem,
        connect_timeout_ms: adapter.limits.connect_timeout_ms,
        idle_ms: adapter.limits.idle_ms,
        max_answer_bytes: adapter.limits.max_answer_bytes,
    })
}

/// Asking goes to another address with the same credential.
fn asking(settings: &Settings, ask: &Ask) -> Settings {
    Settings { url: ask.url.clone(), verb: Verb::Get, delivery_header: None, ..settings.clone() }
}
