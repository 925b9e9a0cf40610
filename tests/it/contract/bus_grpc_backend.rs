//! The bus of an attached worker as a backend of the contract: the hub's end is a bus inside a process behind the real
//! interface, the worker's end attaches to it over a socket.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use liandong::{
    bus::{
        grpc::{GrpcBus, Lane, Options},
        local::LocalBus,
    },
    config::secret::Secret,
    domain::id::{DeliveryId, EndpointId},
    port::bus::{Bus, Error, Kept, LeaseToken, OutcomeSource, Safe, Work, WorkOutcome, WorkSource},
    task::Supervisor,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::bus_backend::BusBackend;
use crate::harness::{
    hub::PATIENCE,
    rpc::channel,
    stand::Stand,
    stream::{WorkerStream, told},
};

/// The worker of the suites.
const WORKER: &str = "north";
/// An endpoint of the worker's that no suite has, for whoever reports what was never brought.
const ELSEWHERE: &str = "elsewhere";
/// Attempts at once.
const WINDOW: usize = 16;
/// Outcomes in one request.
const TOGETHER: usize = 100;

type Key = (DeliveryId, LeaseToken);

fn key(work: &Work) -> Key {
    (work.delivery, work.lease)
}

/// A worker attached over gRPC.
#[derive(Debug)]
pub(crate) struct Grpc {
    tasks: Mutex<Vec<Supervisor>>,
}

impl Grpc {
    /// Nothing is shared between tests.
    pub(crate) fn new() -> Self {
        Self { tasks: Mutex::new(Vec::new()) }
    }
}

#[async_trait]
impl BusBackend for Grpc {
    async fn open(&self, endpoints: &[(&str, usize)]) -> Arc<dyn Bus> {
        let outside = endpoints.iter().chain([&(ELSEWHERE, 1)]);
        let outside = outside.map(|(endpoint, limit)| (EndpointId::from(*endpoint), *limit));
        let hub = Arc::new(Watched {
            bus: LocalBus::with_outside([], outside),
            taken: watch::Sender::new(HashSet::new()),
            refused: Mutex::new(None),
        });
        let names: Vec<_> = endpoints.iter().map(|(name, _)| *name).chain([ELSEWHERE]).collect();
        let stand = Stand::new(Arc::clone(&hub) as _, WORKER, &names).await;
        let mut tasks = Supervisor::new(CancellationToken::new());
        let worker = GrpcBus::open(options(&stand, endpoints), &mut tasks).await.unwrap();
        self.tasks.lock().unwrap().push(tasks);
        Arc::new(Ends { hub, worker, stand, brought: Arc::default() })
    }
}

fn options(stand: &Stand, endpoints: &[(&str, usize)]) -> Options {
    let lane = |(endpoint, _): &(&str, usize)| Lane { endpoint: (*endpoint).into(), window: WINDOW };
    Options {
        hubs: vec![stand.address.clone()],
        token: Some(Secret::new(stand.token.as_str())),
        tls: None,
        lanes: endpoints.iter().map(lane).collect(),
        connect_timeout: PATIENCE,
        start_wait: PATIENCE,
        keepalive: Duration::from_secs(30),
        outcome_limit: 10_000,
        message_bytes: 1 << 20,
    }
}

/// The hub's bus, with an eye on what it takes. What it took counts as kept, since some sentences settle nothing.
#[derive(Debug)]
struct Watched {
    bus: LocalBus,
    taken: watch::Sender<HashSet<Key>>,
    refused: Mutex<Option<Error>>,
}

#[async_trait]
impl Bus for Watched {
    async fn ready(&self) {
        self.bus.ready().await;
    }

    fn has_workers(&self, endpoint: &EndpointId) -> bool {
        self.bus.has_workers(endpoint)
    }

    async fn send_work(&self, work: Vec<Work>) -> Vec<(Error, Work)> {
        self.bus.send_work(work).await
    }

    async fn work(&self, endpoint: &EndpointId) -> Result<Box<dyn WorkSource>, Error> {
        self.bus.work(endpoint).await
    }

    async fn send_outcomes(&self, outcomes: Vec<WorkOutcome>) -> Result<(), Error> {
        self.bus.send_outcomes(outcomes).await
    }

    async fn hand_in(&self, outcomes: Vec<WorkOutcome>) -> Result<Kept, Error> {
        let keys: Vec<_> = outcomes.iter().map(|outcome| key(&outcome.work)).collect();
        if let Err(error) = self.bus.send_outcomes(outcomes).await {
            *self.refused.lock().unwrap() = Some(error.clone());
            return Err(error);
        }
        self.taken.send_modify(|taken| taken.extend(keys));
        Ok(Box::pin(std::future::ready(Safe::Yes)))
    }

    async fn outcomes(&self) -> Result<Box<dyn OutcomeSource>, Error> {
        self.bus.outcomes().await
    }

    async fn finish(&self, endpoint: &EndpointId) {
        self.bus.finish(endpoint).await;
    }

    async fn close(&self) {
        self.bus.close().await;
    }
}

/// Both ends as one bus: the hub's side is the hub's, the worker's side the worker's.
#[derive(Debug)]
struct Ends {
    hub: Arc<Watched>,
    worker: GrpcBus,
    stand: Stand,
    /// What the worker was given.
    brought: Arc<Mutex<HashSet<Key>>>,
}

impl Ends {
    /// Reports outcomes of work that no source gave, with the slips that a hub would have written for it: the
    /// worker's own end reports only what it was brought.
    async fn report_unbrought(&self, outcomes: &[WorkOutcome]) -> Result<(), Error> {
        let channel = channel(self.stand.address.trim_start_matches("http://"));
        let mut stream = WorkerStream::attach(&channel, &self.stand.token, &[(ELSEWHERE, 0)]).await.unwrap();
        for some in outcomes.chunks(TOGETHER) {
            let slip = |outcome: &WorkOutcome| {
                let record = Work { body: Bytes::new(), ..outcome.work.clone() };
                let record = serde_json::to_vec(&record).unwrap();
                let mut slip = BytesMut::from(&self.stand.slips.seal(WORKER, &record)[..]);
                slip.extend_from_slice(&record);
                told(outcome, slip.freeze())
            };
            if stream.try_report(some.iter().map(slip).collect()).await.is_err() {
                return Err(self.hub.refused.lock().unwrap().clone().expect("a reason"));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Bus for Ends {
    async fn ready(&self) {
        self.hub.ready().await;
    }

    fn has_workers(&self, endpoint: &EndpointId) -> bool {
        self.hub.has_workers(endpoint) && self.worker.has_workers(endpoint)
    }

    async fn send_work(&self, work: Vec<Work>) -> Vec<(Error, Work)> {
        self.hub.send_work(work).await
    }

    async fn work(&self, endpoint: &EndpointId) -> Result<Box<dyn WorkSource>, Error> {
        let source = self.worker.work(endpoint).await?;
        Ok(Box::new(Seen { source, brought: Arc::clone(&self.brought) }))
    }

    async fn send_outcomes(&self, outcomes: Vec<WorkOutcome>) -> Result<(), Error> {
        let is_brought = |outcome: &WorkOutcome| self.brought.lock().unwrap().contains(&key(&outcome.work));
        let (brought, others): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(is_brought);
        self.report_unbrought(&others).await?;
        let keys: Vec<_> = brought.iter().map(|outcome| key(&outcome.work)).collect();
        self.worker.send_outcomes(brought).await?;
        let mut taken = self.hub.taken.subscribe();
        taken.wait_for(|taken| keys.iter().all(|key| taken.contains(key))).await.unwrap();
        Ok(())
    }

    async fn outcomes(&self) -> Result<Box<dyn OutcomeSource>, Error> {
        self.hub.outcomes().await
    }

    async fn finish(&self, endpoint: &EndpointId) {
        self.worker.finish(endpoint).await;
        self.hub.finish(endpoint).await;
    }

    async fn close(&self) {
        self.hub.close().await;
        self.hub.finish(&ELSEWHERE.into()).await;
        self.worker.close().await;
    }
}

/// A source of the worker's, with a note of what it gave.
#[derive(Debug)]
struct Seen {
    source: Box<dyn WorkSource>,
    brought: Arc<Mutex<HashSet<Key>>>,
}

#[async_trait]
impl WorkSource for Seen {
    async fn next(&mut self) -> Option<Work> {
        let work = self.source.next().await?;
        self.brought.lock().unwrap().insert(key(&work));
        Some(work)
    }

    async fn dismiss(&mut self, work: Work) {
        self.source.dismiss(work).await;
    }

    async fn leave(&mut self) {
        self.source.leave().await;
    }
}
