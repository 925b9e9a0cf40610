//! Workers that attach over gRPC: what a hub lets them attach to, and how a worker finds its hubs.

use std::{fs, path::Path, sync::Arc, time::Duration};

use super::{Error, adapters::Adapters, setup};
use crate::{
    api::grpc::Attachments,
    bus::grpc::{GrpcBus, Lane, Options, Tls},
    config::{
        environment::Environment,
        settings::{self, Settings},
    },
    evidence::slip::SlipKey,
    port::{bus::Bus, clock::Clock},
    task::Supervisor,
};

/// The largest body that any hub can be configured to take.
const MESSAGE_BYTES: usize = 64 << 20;

/// What workers attach to at a hub: its own bus, and the endpoints that `bus.workers` lists.
pub(super) fn attachments(
    settings: &Settings,
    bus: &Arc<dyn Bus>,
    slips: SlipKey,
    clock: &Arc<dyn Clock>,
) -> Attachments {
    let listed = settings.bus.workers.clone();
    Attachments { bus: Arc::clone(bus), slips, listed, clock: Arc::clone(clock) }
}

/// Whether what a worker is told of its hubs can be read, where it is told of any.
pub(super) fn check_references(
    settings: &Settings,
    adapters: &Adapters,
    environment: &Environment,
) -> Result<(), Error> {
    if settings.worker.hubs.is_empty() {
        return Ok(());
    }
    options(&settings.worker, adapters, environment).map(drop)
}

/// Attaches to the first hub that lets the worker in.
pub(super) async fn attach(
    settings: &Settings,
    adapters: &Adapters,
    environment: &Environment,
    tasks: &mut Supervisor,
) -> Result<GrpcBus, Error> {
    let options = options(&settings.worker, adapters, environment)?;
    GrpcBus::open(options, tasks).await.map_err(|error| {
        if error.needs_a_person() {
            Error::Configuration(format!("worker: {error}"))
        } else {
            setup("hub")(error.into())
        }
    })
}

fn options(
    worker: &settings::Worker,
    adapters: &Adapters,
    environment: &Environment,
) -> Result<Options, Error> {
    if worker.hubs.is_empty() {
        return Err(wrong("hubs", &"names no hub to attach to, as https://hub1:50051"));
    }
    let token = worker.token.as_ref().map(|token| token.resolve(Path::new(""), environment)).transpose();
    let authority = worker.authority.as_deref().map(|path| pem("authority", path)).transpose()?;
    let identity = worker
        .identity
        .as_ref()
        .map(|(certificate, key)| Ok::<_, Error>((pem("certificate", certificate)?, pem("key", key)?)));
    let identity = identity.transpose()?;
    let lane = |queue: super::adapters::Queue| Lane { endpoint: queue.endpoint, window: queue.window };
    Ok(Options {
        hubs: worker.hubs.iter().map(ToString::to_string).collect(),
        token: token.map_err(|error| wrong("token", &error))?,
        tls: authority.map(|authority| Tls { authority, identity }),
        lanes: adapters.queues().into_iter().map(lane).collect(),
        connect_timeout: Duration::from_millis(worker.connect_timeout_ms),
        start_wait: Duration::from_millis(worker.start_wait_ms),
        keepalive: Duration::from_millis(worker.keepalive_ms),
        outcome_limit: worker.outcome_limit,
        message_bytes: MESSAGE_BYTES,
    })
}

fn pem(key: &str, path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| wrong(key, &format!("{}: {error}", path.display())))
}

fn wrong(key: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Configuration(format!("worker.{key}: {error}"))
}
