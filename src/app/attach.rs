//! A worker of its own: adapters beside a department's system, attached to the hubs by a bus. It has no store;
//! what it does not finish, the hub finds by its lease.
//!
//! Stop: no new work is taken, what was brought is finished, and its outcomes are confirmed by the broker, or
//! settled by a hub; probes last.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{Error, Outside, PROBES_GRACE, adapters, address, bind, bus, telemetry::upkeep, workers};
use crate::{
    api::{self, admin::Health},
    bus::{grpc::GrpcBus, rabbitmq::RabbitmqBus},
    config::settings::Settings,
    connector::{handout::Handout, mailbox::Mailboxes},
    domain::id::EndpointId,
    engine::desk::Desk,
    port::bus::Bus,
    task::{self, Failure, Supervisor},
};

/// How a worker reaches its hubs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// Through RabbitMQ.
    Amqp,
    /// Over a gRPC stream to a hub, which the worker opens.
    Grpc,
}

/// A running worker.
#[derive(Debug)]
pub struct Attached {
    core: Supervisor,
    transport: Supervisor,
    probes: Supervisor,
    grace: Duration,
    admin: SocketAddr,
    endpoints: Vec<EndpointId>,
}

impl Attached {
    /// Loads the adapters, attaches and works for each endpoint that they send to.
    pub async fn start(settings: &Settings, outside: Outside, attachment: Attachment) -> Result<Self, Error> {
        let adapters = adapters::load(settings, &outside.environment)?;
        let endpoints: Vec<_> = adapters.queues().into_iter().map(|queue| queue.endpoint).collect();
        if endpoints.is_empty() {
            let folder = settings.paths.adapters.display();
            return Err(Error::Configuration(format!(
                "paths.adapters: no adapter in {folder} sends to a system"
            )));
        }
        if let Some(endpoint) = adapters.mailboxes().first() {
            return Err(Error::Configuration(format!(
                "endpoint {endpoint}: has a mailbox, which hubs serve; a worker's paths.adapters must not have it"
            )));
        }
        let desk = Arc::new(Desk::new(HashMap::new(), bus::leases(settings)));
        let mailboxes = Mailboxes::new(desk, Arc::clone(&outside.clock));
        let handout = Arc::new(Handout::new(Arc::clone(&outside.clock)));
        let outgoing = adapters.outgoing(&outside.clock, &mailboxes, &handout, |_| true)?;
        let listener = bind(settings.admin.listen).await?;
        let admin = address(&listener, settings.admin.listen);
        let mut transport = Supervisor::new(CancellationToken::new());
        let environment = &outside.environment;
        let (bus, reach): (Arc<dyn Bus>, Arc<dyn Health>) = match attachment {
            Attachment::Amqp => {
                let bus =
                    bus::on_rabbitmq(settings, &adapters, environment, bus::Part::Worker, &mut transport)
                        .await?;
                let bus = Arc::new(bus);
                (Arc::clone(&bus) as _, Arc::new(Reach::Broker(bus)))
            }
            Attachment::Grpc => {
                let bus = workers::attach(settings, &adapters, environment, &mut transport).await?;
                let bus = Arc::new(bus);
                (Arc::clone(&bus) as _, Arc::new(Reach::Hub(bus)))
            }
        };
        let mut core = Supervisor::new(CancellationToken::new());
        adapters.work(&mut core, &bus, &outside.clock, &outgoing);
        let told = core.token().clone();
        core.spawn("end of work", async move {
            told.cancelled().await;
            bus.close().await;
            Ok(())
        });
        let mut probes = Supervisor::new(CancellationToken::new());
        probes.spawn("metrics", upkeep(outside.metrics.clone(), probes.token().clone()));
        let router = api::admin::router(reach, outside.metrics);
        let end = probes.token().clone().cancelled_owned();
        probes.spawn("admin", async move { Ok(api::serve(listener, router, end).await?) });
        let grace = Duration::from_millis(settings.shutdown.grace_ms);
        Ok(Self { core, transport, probes, grace, admin, endpoints })
    }

    /// Probes and metrics.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The endpoints it works for.
    pub fn endpoints(&self) -> &[EndpointId] {
        &self.endpoints
    }

    /// Waits until a part of it fails; never returns while all is well.
    pub async fn watch(&mut self) -> task::Error {
        tokio::select! {
            error = self.core.watch() => error,
            error = self.transport.watch() => error,
            error = self.probes.watch() => error,
        }
    }

    /// Stops in order, inside the grace period.
    pub async fn stop(self) -> Result<(), Failure> {
        let end = Instant::now() + self.grace;
        let left = || end.saturating_duration_since(Instant::now()).max(PROBES_GRACE);
        let core = self.core.drain(left()).await;
        let transport = self.transport.drain(left()).await;
        self.probes.drain(left()).await?;
        core?;
        Ok(transport?)
    }
}

/// A worker is ready while what it is attached by can be reached.
#[derive(Debug)]
enum Reach {
    Broker(Arc<RabbitmqBus>),
    Hub(Arc<GrpcBus>),
}

#[async_trait]
impl Health for Reach {
    async fn not_ready(&self) -> Vec<String> {
        let (is_up, why) = match self {
            Self::Broker(bus) => (bus.is_connected(), "the broker is not connected"),
            Self::Hub(bus) => (bus.is_attached(), "no hub has this worker attached"),
        };
        if is_up { Vec::new() } else { vec![why.to_owned()] }
    }
}
