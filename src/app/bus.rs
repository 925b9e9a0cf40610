//! The one place that chooses what carries work and outcomes.

use std::{path::Path, sync::Arc, time::Duration};

use super::{Error, adapters::Adapters, setup};
use crate::{
    bus::{
        local::LocalBus,
        rabbitmq::{self, IntakeOptions, Lane, Nodes, Options, RabbitmqBus, Role, Served},
        split::SplitBus,
    },
    config::{
        environment::Environment,
        settings::{self, Carrier, Settings},
    },
    domain::{id::EndpointId, registry::Flow},
    engine::{Reach, desk::Leases},
    evidence::slip::SlipKey,
    port::{bus::Bus, inbox::Inbox, mailbox::Post},
    task::Supervisor,
};

/// What a process is to a bus on RabbitMQ.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Gives work away by slips of its store.
    Hub(SlipKey),
    /// Would be a hub: what it is told is looked at, and nothing opened.
    Looks,
    /// Takes work.
    Worker,
}

/// Holds what is said of the bus against the adapters, before anything is opened.
pub(super) fn check(settings: &Settings, adapters: &Adapters) -> Result<(), Error> {
    let queues = adapters.queues();
    let is_known = |endpoint: &EndpointId| queues.iter().any(|queue| queue.endpoint == *endpoint);
    let mut faults = Vec::new();
    for endpoint in settings.bus.workers.keys().filter(|endpoint| !is_known(endpoint)) {
        faults.push(format!("bus.workers: endpoint '{endpoint}' has no adapter that sends to it"));
    }
    let endpoints = adapters.endpoints();
    let speaks = |id: &EndpointId| endpoints.iter().any(|it| it.id == *id && it.flow != Flow::Receives);
    for endpoint in settings.bus.senders.keys().filter(|endpoint| !speaks(endpoint)) {
        faults.push(format!("bus.senders: endpoint '{endpoint}' has no adapter that lets it send"));
    }
    let fetching = adapters.mailboxes();
    for endpoint in settings.bus.mailboxes.keys().filter(|endpoint| !fetching.contains(endpoint)) {
        faults.push(format!("bus.mailboxes: endpoint '{endpoint}' has no adapter with [outbound.mailbox]"));
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Configuration(faults.join("\n"))) }
}

/// The bus of a hub.
pub(super) struct Opened {
    pub(super) bus: Arc<dyn Bus>,
    /// What systems publish, by endpoint.
    pub(super) inboxes: Vec<(EndpointId, Box<dyn Inbox>)>,
    /// What systems fetch, and what they answer; none where nobody does.
    pub(super) mailboxes: Option<(Arc<dyn Post>, Box<dyn Inbox>)>,
}

/// Whether the broker's address and authority are there and can be read.
pub(super) fn check_references(
    settings: &Settings,
    adapters: &Adapters,
    environment: &Environment,
) -> Result<(), Error> {
    match settings.bus.backend {
        Carrier::Local => Ok(()),
        Carrier::Rabbitmq => options(settings, adapters, environment, Part::Looks).map(drop),
    }
}

/// The broker's account that a hub with these settings uses.
pub fn account(bus: &settings::Bus, environment: &Environment) -> Result<String, Error> {
    Ok(nodes(bus, environment)?.user().to_owned())
}

/// Who settles what this hub leases: over a broker any hub takes outcomes, and how much is under way is then
/// known to the store alone.
pub(super) fn leases(settings: &Settings) -> Leases {
    match settings.bus.backend {
        Carrier::Local => Leases::Own,
        Carrier::Rabbitmq => Leases::Shared,
    }
}

/// Opens the bus of a hub; `tasks` keeps it and must end after all who use it.
pub(super) async fn open(
    settings: &Settings,
    adapters: &Adapters,
    environment: &Environment,
    slips: &SlipKey,
    tasks: &mut Supervisor,
) -> Result<Opened, Error> {
    match settings.bus.backend {
        Carrier::Local => {
            let lanes = adapters.queues().into_iter().map(|queue| (queue.endpoint, queue.limit));
            let (outside, inside): (Vec<_>, Vec<_>) =
                lanes.partition(|(endpoint, _)| settings.bus.workers.contains_key(endpoint));
            let bus = Arc::new(LocalBus::with_outside(inside, outside));
            Ok(Opened { bus, inboxes: Vec::new(), mailboxes: None })
        }
        Carrier::Rabbitmq => {
            let part = Part::Hub(slips.clone());
            let bus = on_rabbitmq(settings, adapters, environment, part, tasks).await?;
            let (inboxes, mailboxes) = (bus.inboxes(), bus.post().zip(bus.answers()));
            let here = adapters.queues().into_iter().filter(|queue| queue.reach != Reach::Called);
            let here: Vec<_> = here.map(|queue| (queue.endpoint, queue.limit)).collect();
            let stays = here.iter().map(|(endpoint, _)| endpoint.clone()).collect();
            let here = Arc::new(LocalBus::new(here));
            Ok(Opened { inboxes, mailboxes, bus: Arc::new(SplitBus::new(here, Arc::new(bus), stays)) })
        }
    }
}

/// Opens an end of the bus on RabbitMQ.
pub(super) async fn on_rabbitmq(
    settings: &Settings,
    adapters: &Adapters,
    environment: &Environment,
    part: Part,
    tasks: &mut Supervisor,
) -> Result<RabbitmqBus, Error> {
    let options = options(settings, adapters, environment, part)?;
    RabbitmqBus::open(options, tasks).await.map_err(|error| {
        if error.needs_a_person() {
            Error::Configuration(error.to_string())
        } else {
            setup("bus")(error.into())
        }
    })
}

fn options(
    settings: &Settings,
    adapters: &Adapters,
    environment: &Environment,
    part: Part,
) -> Result<Options, Error> {
    let bus = &settings.bus;
    let (role, slips) = match part {
        Part::Hub(slips) => (Role::Hub, Some(slips)),
        Part::Looks => (Role::Hub, None),
        Part::Worker => (Role::Worker, None),
    };
    let authority = bus.authority.as_ref().map(std::fs::read_to_string).transpose();
    // What a system that connects to this hub, or fetches from a queue, is handed goes out from here.
    let apart = adapters.queues().into_iter().filter(|queue| queue.reach == Reach::Called);
    let lanes = apart.map(|queue| Lane {
        limit: bus.work_limit,
        window: u16::try_from(queue.window).unwrap_or(u16::MAX),
        served: match role {
            Role::Hub if bus.workers.contains_key(&queue.endpoint) => Served::Outside,
            _ => Served::Here,
        },
        endpoint: queue.endpoint,
    });
    let senders = match role {
        Role::Hub => bus.senders.keys().cloned().collect(),
        Role::Worker => Vec::new(),
    };
    let mailboxes = match role {
        Role::Hub => bus.mailboxes.keys().cloned().collect(),
        Role::Worker => Vec::new(),
    };
    Ok(Options {
        nodes: nodes(bus, environment)?,
        prefix: bus.prefix.clone(),
        lanes: lanes.collect(),
        role,
        slips,
        connect_timeout: Duration::from_millis(bus.connect_timeout_ms),
        publish_timeout: Duration::from_millis(bus.publish_timeout_ms),
        start_wait: Duration::from_millis(bus.start_wait_ms),
        delivery_limit: bus.delivery_limit,
        message_bytes: settings.http.body_limit_bytes.max(settings.grpc.message_limit_bytes),
        outcome_limit: bus.outcome_limit,
        reporters: bus.workers.clone().into_iter().collect(),
        mailboxes,
        mailbox_limit: bus.work_limit,
        intake: IntakeOptions { endpoints: senders, limit: bus.intake_limit, prefetch: bus.intake_prefetch },
        authority: authority.map_err(|error| wrong("authority", &error))?,
    })
}

fn nodes(bus: &settings::Bus, environment: &Environment) -> Result<Nodes, Error> {
    let url = bus.url.resolve(Path::new(""), environment).map_err(|error| wrong("url", &error))?;
    Nodes::parse(url.expose()).map_err(|error: rabbitmq::Error| wrong("url", &error))
}

fn wrong(key: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Configuration(format!("bus.{key}: {error}"))
}
