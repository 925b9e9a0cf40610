//! What a hub or worker is given from outside, and where it is found from there.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use metrics_exporter_prometheus::PrometheusHandle;

use crate::{
    config::environment::Environment,
    port::{clock::Clock, operations::By},
};

/// Whose time a hub goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// That of the store: the machine's, or a database's that hubs share.
    OfStore,
    /// The given clock's, whatever a shared database says: a play has a day of its own.
    Given,
}

/// What a hub is given from outside.
#[derive(Debug)]
pub struct Outside {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether a shared database sets it.
    pub time: Time,
    /// Renders the process's metrics.
    pub metrics: PrometheusHandle,
    /// Environment variables, for secrets.
    pub environment: Environment,
    /// Who starts it, and why with what is configured.
    pub by: By,
}

/// Where a hub can be reached.
#[derive(Clone, Debug)]
pub struct Places {
    /// HTTP.
    pub http: SocketAddr,
    /// gRPC, where it is on.
    pub grpc: Option<SocketAddr>,
    /// Probes and metrics.
    pub admin: SocketAddr,
    /// Data directory.
    pub data: PathBuf,
}
