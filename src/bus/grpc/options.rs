//! What a worker is told of its hubs: addresses, credential, encryption, and for which endpoints it works.

use std::time::Duration;

use tonic::{
    Code, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
};

use crate::{config::secret::Secret, domain::id::EndpointId};

/// How a worker attaches.
#[derive(Debug)]
pub struct Options {
    /// Addresses of hubs on one store, tried in turn: `https://host:port`, or `http://` on the same machine.
    pub hubs: Vec<String>,
    /// Its token; none where its certificate is enough.
    pub token: Option<Secret>,
    /// Encryption.
    pub tls: Option<Tls>,
    /// Endpoints that it works for.
    pub lanes: Vec<Lane>,
    /// Longest time until a hub has it attached.
    pub connect_timeout: Duration,
    /// How long hubs that cannot be reached are waited for at the start.
    pub start_wait: Duration,
    /// When a silent hub is asked whether it lives, and how long it may take to answer.
    pub keepalive: Duration,
    /// Outcomes kept until they are settled, at most; beyond it attempts wait.
    pub outcome_limit: usize,
    /// Largest message that a hub may bring.
    pub message_bytes: usize,
}

/// One endpoint's work.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Whose.
    pub endpoint: EndpointId,
    /// Pieces that are neither reported nor dismissed, at most.
    pub window: usize,
}

/// PEM texts.
#[derive(Clone)]
pub struct Tls {
    /// Authority that signs the certificates of hubs.
    pub authority: String,
    /// The worker's own certificate and its private key, where it comes with one.
    pub identity: Option<(String, String)>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("identity", &self.identity.is_some()).finish_non_exhaustive()
    }
}

/// Why a worker is not attached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address that is none.
    #[error("hub address number {number} {text}")]
    Address {
        /// Which, from 1.
        number: usize,
        /// Why.
        text: String,
    },
    /// The credential cannot be sent.
    #[error("the token is not printable ASCII on one line")]
    Token,
    /// A hub was reached and does not let it in.
    #[error("hub {hub} refuses this worker: {text}")]
    Refused {
        /// Which.
        hub: String,
        /// In its words.
        text: String,
    },
    /// No hub could be reached in time.
    #[error("no hub could be reached within {wait:?}, last {hub}: {text}")]
    Unreachable {
        /// How long was waited.
        wait: Duration,
        /// The last one tried.
        hub: String,
        /// Why.
        text: String,
    },
}

impl Error {
    /// Whether somebody has to change something before it can work.
    pub fn needs_a_person(&self) -> bool {
        !matches!(self, Self::Unreachable { .. })
    }
}

/// Whether a hub that says this will say it again however often it is asked.
pub(super) fn is_final(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unauthenticated
            | Code::PermissionDenied
            | Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::Unimplemented
    )
}

/// A hub with the way to it.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) name: String,
    pub(super) endpoint: Endpoint,
}

impl Options {
    /// The ways to all hubs.
    pub(super) fn ways(&self) -> Result<Vec<Hub>, Error> {
        self.hubs.iter().enumerate().map(|(index, hub)| self.way(index + 1, hub)).collect()
    }

    fn way(&self, number: usize, hub: &str) -> Result<Hub, Error> {
        let wrong = |text: &str| Error::Address { number, text: text.to_owned() };
        let form =
            || wrong("must be as https://host:50051, or http://127.0.0.1:50051 on the hub's own machine");
        let endpoint = Endpoint::from_shared(hub.to_owned()).map_err(|_| form())?;
        let endpoint = match (endpoint.uri().scheme_str(), &self.tls) {
            (Some("http"), _) => endpoint,
            (Some("https"), Some(tls)) => {
                let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.authority));
                if let Some((certificate, key)) = &tls.identity {
                    config = config.identity(Identity::from_pem(certificate, key));
                }
                let unfit = "cannot be encrypted: authority, certificate and key do not fit";
                endpoint.tls_config(config).map_err(|_| wrong(unfit))?
            }
            (Some("https"), None) => return Err(wrong("is https: name the authority of the hubs")),
            _ => return Err(form()),
        };
        let endpoint = endpoint
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(self.keepalive)
            .keep_alive_timeout(self.keepalive)
            .keep_alive_while_idle(true);
        Ok(Hub { name: hub.to_owned(), endpoint })
    }

    /// The token as it is sent.
    pub(super) fn credential(&self) -> Result<Option<MetadataValue<Ascii>>, Error> {
        let Some(token) = &self.token else { return Ok(None) };
        let mut value: MetadataValue<Ascii> =
            format!("Bearer {}", token.expose().trim()).parse().map_err(|_| Error::Token)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(hub: &str) -> Options {
        Options {
            hubs: vec![hub.to_owned()],
            token: None,
            tls: None,
            lanes: Vec::new(),
            connect_timeout: Duration::from_secs(1),
            start_wait: Duration::ZERO,
            keepalive: Duration::from_secs(1),
            outcome_limit: 1,
            message_bytes: 1,
        }
    }

    #[test]
    fn an_address_that_is_none_is_said_so() {
        assert!(options("http://127.0.0.1:50051").ways().is_ok());
        for (hub, said) in [
            ("127.0.0.1:50051", "must be as https://"),
            ("ftp://a:1", "must be as https://"),
            ("https://a:1", "name the authority"),
        ] {
            let error = options(hub).ways().unwrap_err();
            assert!(error.to_string().contains(said) && error.needs_a_person(), "{hub}: {error}");
        }
    }

    #[test]
    fn a_token_is_sent_whole_and_never_printed() {
        let token = |text: &str| Options { token: Some(Secret::new(text)), ..options("http://a:1") };
        let value = token("secret\n").credential().unwrap().unwrap();
        assert_eq!(value.to_str().unwrap(), "Bearer secret");
        assert!(!format!("{value:?} {:?}", token("secret")).contains("secret"));
        assert!(matches!(token("a\nb").credential(), Err(Error::Token)));
    }
}
