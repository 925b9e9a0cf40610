//! The composition: which backends a hub runs on, what runs, and in which order it stops.
//!
//! Only this room names concrete backends. Start: load and check everything, open the store, bind, run.
//! Stop (promise 12): intake first, then what was queued is committed, claims end, workers finish, their
//! outcomes are settled, the trail is sealed, the store closes, probes last.

mod adapters;
mod anchors;
mod attach;
pub mod bus;
mod changes;
mod checked;
pub mod counter;
mod error;
mod health;
mod interfaces;
mod keys;
pub mod load;
mod outside;
mod restored;
pub mod shelf;
pub mod stamps;
pub mod telemetry;
mod tokens;
mod workers;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use checked::Checked;
use error::{bind, setup};
use shelf::{Opening, Shelf};
use tokens::Tokens;

use crate::{
    api::{self, http::Grants},
    config::settings::Settings,
    connector::{handout::Handout, mailbox::Mailboxes},
    domain::id::EndpointId,
    engine::{
        EndpointPolicy,
        acknowledge::Acknowledge,
        census::Census,
        desk::Desk,
        dispatch::{Dispatch, DispatchLimits},
        evidence::issue::Issuer,
        intake::{self, Committer, Reception},
        keys::Keyring,
        office::{self, Office},
        reconcile::Reconcile,
        seal::Sealer,
        settle::Settle,
        trail::{self, About},
        watch::Watch,
        world::Worlds,
    },
    evidence::{
        checkpoint::Origin,
        digest::ContentKey,
        slip::{Purpose, SlipKey},
    },
    port::{anchorage::Anchorage, bus::Bus, inbox::Inbox, intake::Intake, store::Store},
    task::{self, Failure, Supervisor},
};

/// Probes are answered to the end, and end at once.
const PROBES_GRACE: Duration = Duration::from_secs(1);

/// The part of the grace period that requests under way may take: a third.
const FRONT_SHARE: u32 = 3;

/// The part that is kept for what looks after the rest, sealing and closing: a tenth.
const CLOSING_SHARE: u32 = 10;

pub use attach::{Attached, Attachment};
pub use error::Error;
pub use outside::{Outside, Places, Time};

/// A running hub.
#[derive(Debug)]
pub struct Hub {
    store: Shelf,
    sealer: Sealer,
    front: Supervisor,
    core: Supervisor,
    back: Supervisor,
    /// Keeps the bus.
    transport: Supervisor,
    probes: Supervisor,
    grace: Duration,
    places: Places,
    office: Arc<Office>,
    grants: Arc<Grants>,
}

impl Hub {
    /// Loads, checks, opens, binds and runs.
    pub async fn start(settings: &Settings, outside: Outside) -> Result<Self, Error> {
        let environment = outside.environment.clone();
        let opening = Opening::new(settings, &environment, Arc::clone(&outside.clock));
        let clock = match outside.time {
            Time::OfStore => opening.clock(),
            Time::Given => Arc::clone(&outside.clock),
        };
        let outside = Outside { clock, ..outside };
        let checked = Checked::new(settings, &outside)?;
        let store = Shelf::open(&opening).await?;
        let base = Base::new(settings, outside, checked, store.clone()).await?;
        let running = base.run(settings).await;
        if running.is_err() {
            store.close().await?;
        }
        running
    }

    /// Where it can be reached.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// The store, to look at.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.store()
    }

    /// Operates it from inside the process.
    pub fn office(&self) -> Arc<Office> {
        Arc::clone(&self.office)
    }

    /// Waits until a part of it fails; never returns while all is well.
    pub async fn watch(&mut self) -> task::Error {
        tokio::select! {
            error = self.front.watch() => error,
            error = self.core.watch() => error,
            error = self.back.watch() => error,
            error = self.transport.watch() => error,
            error = self.probes.watch() => error,
        }
    }

    /// Lets tokens made or revoked from inside the process take effect.
    pub async fn refresh_grants(&self) -> Result<(), crate::port::store::Error> {
        self.grants.refresh(self.store.store().as_ref()).await
    }

    /// Seals what is unsealed now.
    pub async fn seal(&self) -> Result<(), Failure> {
        self.sealer.seal_all().await
    }

    /// Stops in order, inside the grace period. A sender that never ends its request takes at most its share
    /// of it, and a target that never answers leaves enough to seal and to close.
    pub async fn stop(self) -> Result<(), Failure> {
        let Self { store, sealer, front, core, back, transport, probes, grace, office, .. } = self;
        let end = Instant::now() + grace;
        let left = || end.saturating_duration_since(Instant::now());
        let front = tolerate(front.drain(grace / FRONT_SHARE).await, "requests");
        let core = tolerate(core.drain(left().saturating_sub(grace / CLOSING_SHARE)).await, "deliveries");
        let back = back.drain(left()).await;
        let transport = transport.drain(left()).await;
        let sealed = sealer.seal_all().await;
        drop((sealer, office));
        store.close().await?;
        probes.drain(left().max(PROBES_GRACE)).await?;
        front?;
        core?;
        back?;
        transport?;
        sealed
    }
}

/// What was cut off is a matter of the others: a request was not accepted, and what became of an attempt is
/// found out, and said, when its lease has ended.
fn tolerate(drained: Result<(), task::Error>, what: &'static str) -> Result<(), task::Error> {
    match drained {
        Err(error @ task::Error::CutOff { .. }) => {
            tracing::warn!(%error, what, "stopped before the others had finished");
            Ok(())
        }
        other => other,
    }
}

/// What everything else is built on.
struct Base {
    store: Shelf,
    shared: Arc<dyn Store>,
    outside: Outside,
    adapters: adapters::Adapters,
    outgoing: Vec<adapters::Outgoing>,
    worlds: Arc<Worlds>,
    keys: Arc<Keyring>,
    content_key: ContentKey,
    origin: Origin,
    desk: Arc<Desk>,
    mailboxes: Arc<Mailboxes>,
    certificates: Option<Arc<api::grpc::Certificates>>,
    attachments: api::grpc::Attachments,
    bus: Arc<dyn Bus>,
    inboxes: Vec<(EndpointId, Box<dyn Inbox>)>,
    /// Of those who fetch their deliveries.
    answers: Option<Box<dyn Inbox>>,
    handout: Arc<Handout>,
    transport: Supervisor,
    policies: HashMap<EndpointId, EndpointPolicy>,
    grants: Arc<Grants>,
    /// Places outside that checkpoints are sent to.
    anchorages: Vec<Arc<dyn Anchorage>>,
}

impl Base {
    async fn new(
        settings: &Settings,
        outside: Outside,
        checked: Checked,
        store: Shelf,
    ) -> Result<Self, Error> {
        let Checked { adapters, outgoing, policies, desk, mailboxes, handout, certificates, world, origin } =
            checked;
        let shared = store.store();
        let now = outside.clock.now();
        let world =
            load::world(settings, adapters.endpoints(), &world, shared.as_ref(), (&outside.by, now)).await?;
        let keys = keys::open(settings, &outside.environment, &shared, now).await?;
        let content_key = load::content_key(shared.as_ref()).await?;
        restored::account(shared.as_ref(), &settings.paths.data, now).await?;
        let data = json!({
            "registry": world.registry.version(), "rules": world.rules.version(),
            "key": keys.at(now).ok().map(|signer| signer.key_id()), "version": env!("CARGO_PKG_VERSION"),
        });
        shared.append(vec![trail::entry(trail::STARTED, About::default(), &data, now)]).await?;
        let mut transport = Supervisor::new(CancellationToken::new());
        let slips = SlipKey::of(&content_key, Purpose::Work);
        let opened = bus::open(settings, &adapters, &outside.environment, &slips, &mut transport).await?;
        let bus::Opened { bus, inboxes, mailboxes: fetched } = opened;
        let answers = fetched.map(|(post, answers)| {
            handout.open(post, SlipKey::of(&content_key, Purpose::Copies));
            answers
        });
        let anchorages = anchors::places(settings, &outside.environment, &outside.clock)?;
        Ok(Self {
            anchorages,
            attachments: workers::attachments(settings, &bus, slips, &outside.clock),
            bus,
            inboxes,
            answers,
            handout,
            transport,
            desk,
            mailboxes,
            certificates,
            worlds: Arc::new(Worlds::new(world)),
            shared,
            store,
            outside,
            adapters,
            outgoing,
            keys,
            content_key,
            origin,
            policies,
            grants: Arc::new(Grants::new(office::hash_token)),
        })
    }

    async fn run(mut self, settings: &Settings) -> Result<Hub, Error> {
        let http = bind(settings.http.listen).await?;
        let admin = bind(settings.admin.listen).await?;
        let grpc = match settings.grpc.listen {
            Some(listen) => Some(bind(listen).await?),
            None => None,
        };
        let places = Places {
            http: address(&http, settings.http.listen),
            grpc: grpc.as_ref().zip(settings.grpc.listen).map(|(bound, listen)| address(bound, listen)),
            admin: address(&admin, settings.admin.listen),
            data: settings.paths.data.clone(),
        };
        let (reception, committer) = intake::open(intake::Parts {
            store: Arc::clone(&self.shared),
            clock: Arc::clone(&self.outside.clock),
            worlds: Arc::clone(&self.worlds),
            keys: Arc::clone(&self.keys),
            desk: Arc::clone(&self.desk),
            content_key: self.content_key.clone(),
            queue_limit: settings.intake.queue_limit,
            batch_limit: settings.intake.batch_limit,
        });
        let office = Arc::new(Office {
            store: Arc::clone(&self.shared),
            clock: Arc::clone(&self.outside.clock),
            desk: Arc::clone(&self.desk),
            endpoints: self.policies.keys().cloned().collect(),
            keys: Arc::clone(&self.keys),
        });
        let settle = Settle {
            store: Arc::clone(&self.shared),
            bus: Arc::clone(&self.bus),
            clock: Arc::clone(&self.outside.clock),
            desk: Arc::clone(&self.desk),
        };
        let core = self.core(settings, settle.clone());
        let mut back = self.back(settings, settle.clone());
        stamps::spawn(&mut back, settings, &self.shared, &self.outside.clock)?;
        let acknowledge = Arc::new(Acknowledge { settle });
        let way_in = (reception, committer);
        let front = self.front(settings, (http, grpc), way_in, (&office, acknowledge)).await?;
        let probes = self.probes(admin, &front);
        let sealer = self.sealer(settings);
        let grace = Duration::from_millis(settings.shutdown.grace_ms);
        Ok(Hub {
            store: self.store,
            sealer,
            front,
            core,
            back,
            transport: self.transport,
            probes,
            grace,
            places,
            office,
            grants: self.grants,
        })
    }

    /// Dispatch, workers, settle.
    fn core(&self, settings: &Settings, settle: Settle) -> Supervisor {
        let mut core = Supervisor::new(CancellationToken::new());
        let dispatch = Dispatch {
            store: Arc::clone(&self.shared),
            bus: Arc::clone(&self.bus),
            clock: Arc::clone(&self.outside.clock),
            desk: Arc::clone(&self.desk),
            settle: settle.clone(),
            limits: DispatchLimits {
                claim_limit: settings.dispatch.claim_limit,
                lease_margin_ms: settings.dispatch.lease_margin_ms,
                idle_scan_ms: settings.dispatch.idle_scan_ms,
            },
            timeout_ms: self.adapters.longest_attempt_ms(),
        };
        core.spawn("dispatch", dispatch.run(core.token().clone()));
        core.spawn("settle", settle.run());
        self.adapters.work(&mut core, &self.bus, &self.outside.clock, &self.outgoing);
        core
    }

    /// What looks after the rest.
    fn back(&mut self, settings: &Settings, settle: Settle) -> Supervisor {
        let mut back = Supervisor::new(CancellationToken::new());
        let reconcile = Reconcile {
            store: Arc::clone(&self.shared),
            clock: Arc::clone(&self.outside.clock),
            settle,
            every: Duration::from_millis(settings.dispatch.idle_scan_ms),
        };
        let census = Census {
            store: Arc::clone(&self.shared),
            every: Duration::from_millis(settings.dispatch.idle_scan_ms),
        };
        back.spawn("reconcile", reconcile.run(back.token().clone()));
        back.spawn("census", census.run(back.token().clone()));
        let tokens = Tokens {
            grants: Arc::clone(&self.grants),
            store: Arc::clone(&self.shared),
            every: Duration::from_millis(settings.http.token_refresh_ms),
        };
        back.spawn("tokens", tokens.run(back.token().clone()));
        let every = Duration::from_millis(settings.watch.every_ms);
        let watch = Watch::new(Arc::clone(&self.shared), Arc::clone(&self.outside.clock), every);
        back.spawn("watch", watch.run(back.token().clone()));
        back.spawn("seal", self.sealer(settings).run(back.token().clone()));
        for place in std::mem::take(&mut self.anchorages) {
            anchors::send(&mut back, place, settings, (&self.shared, &self.outside.clock));
        }
        back.spawn("metrics", telemetry::upkeep(self.outside.metrics.clone(), back.token().clone()));
        back
    }

    /// HTTP, gRPC, AMQP, the folders that systems drop files into, and the committer that ends when all have.
    async fn front(
        &mut self,
        settings: &Settings,
        (http, grpc): (TcpListener, Option<TcpListener>),
        (reception, committer): (Reception, Committer),
        (office, acknowledge): (&Arc<Office>, Arc<Acknowledge>),
    ) -> Result<Supervisor, Error> {
        let mut front = Supervisor::new(CancellationToken::new());
        let intake = Arc::new(reception) as Arc<dyn Intake>;
        front.spawn("commit", committer.run());
        let grants = Arc::clone(&self.grants);
        grants.refresh(self.shared.as_ref()).await?;
        self.adapters.receive(&mut front, &intake).await?;
        let translate = self.adapters.translate();
        interfaces::amqp(&mut front, std::mem::take(&mut self.inboxes), settings, &intake, &translate);
        if let Some(answers) = self.answers.take() {
            let counter = api::amqp::mailbox::Counter {
                tickets: Arc::clone(&self.handout) as _,
                acknowledgements: Arc::clone(&acknowledge) as _,
                recipients: Arc::new(settings.bus.mailboxes.clone()),
            };
            let batch = settings.intake.batch_limit;
            let answering = api::amqp::mailbox::run(counter, answers, batch, front.token().clone());
            front.spawn("answers of those who fetch", answering);
        }
        let counter = api::http::Counter {
            operations: Arc::clone(office) as _,
            store: Arc::clone(&self.shared),
            grants,
            evidence: Arc::new(Issuer::new(
                Arc::clone(&self.shared),
                Arc::clone(&self.keys),
                Arc::clone(&self.outside.clock),
                load::configured(settings),
            )),
        };
        if let Some(listener) = grpc {
            let parts = api::grpc::Parts {
                intake: Arc::clone(&intake),
                counter: counter.clone(),
                mailboxes: Arc::clone(&self.mailboxes) as _,
                acknowledgements: acknowledge,
                attachments: self.attachments.clone(),
                health: self.readiness(&front),
                certificates: self.certificates.clone(),
                limits: interfaces::grpc(settings),
            };
            front.spawn("grpc", api::grpc::serve(listener, parts, front.token().clone()));
        }
        let router = api::http::router(api::http::Parts {
            intake,
            translate,
            counter,
            limits: interfaces::http(settings),
        });
        let end = front.token().clone().cancelled_owned();
        let serve = api::serve(http, router, end);
        front.spawn("http", async { Ok(serve.await?) });
        Ok(front)
    }

    fn probes(&self, listener: TcpListener, front: &Supervisor) -> Supervisor {
        let mut probes = Supervisor::new(CancellationToken::new());
        let router = api::admin::router(self.readiness(front), self.outside.metrics.clone());
        let end = probes.token().clone().cancelled_owned();
        let serve = api::serve(listener, router, end);
        probes.spawn("admin", async { Ok(serve.await?) });
        probes
    }

    fn readiness(&self, front: &Supervisor) -> Arc<dyn api::admin::Health> {
        Arc::new(health::Readiness { store: Arc::clone(&self.shared), intake: front.token().clone() })
    }

    fn sealer(&self, settings: &Settings) -> Sealer {
        Sealer {
            store: Arc::clone(&self.shared),
            clock: Arc::clone(&self.outside.clock),
            keys: Arc::clone(&self.keys),
            origin: self.origin.clone(),
            every: Duration::from_millis(settings.seal.every_ms),
            backlog: settings.seal.backlog_entries,
            entries: settings.seal.entries,
            anchor: Some(restored::anchor(&settings.paths.data)),
        }
    }
}

fn address(listener: &TcpListener, wanted: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(wanted)
}
