//! Why a hub or a worker does not start.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::task::Failure;

/// Why a hub does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Configuration, registry, rules or adapters are not in order: nothing was started.
    #[error("{0}")]
    Configuration(String),
    /// The store cannot be opened or used.
    #[error(transparent)]
    Store(#[from] crate::port::store::Error),
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {source}; stop what uses it or configure another")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Anything else that must be in order first.
    #[error("{what}: {source}")]
    Setup {
        /// What was being set up.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: Failure,
    },
}

/// What was being set up, said with why it failed.
pub(super) fn setup(what: &'static str) -> impl FnOnce(Failure) -> Error {
    move |source| Error::Setup { what, source }
}

/// Listens, or says what stands in the way.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Bind { address, source })
}
