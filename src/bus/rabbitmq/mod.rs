//! The bus on RabbitMQ (3.10 or later; 4.x by its documentation): quorum queues, a work queue an endpoint,
//! one queue of outcomes, one of dead letters; a queue an endpoint that systems publish into, and one that systems
//! fetch from, with one of their answers.
//!
//! - Publishing and consuming use a connection each, so that a broker that blocks publishers still takes
//!   acknowledgements. Each connection is kept by a task; each publishing channel belongs to a task.
//! - An ack without a return is the only success of a publish. Whatever else becomes of work comes back to
//!   the caller; outcomes are published until the broker has them.
//! - Work is acknowledged once its outcome is confirmed, an outcome once it is settled. A process that ends
//!   in between brings about a second copy, never a missing one.
//!
//! The broker's messages are copies: what it loses, the reconciler finds by its lease.

mod check;
mod error;
mod hand;
mod handout;
mod intake;
mod link;
mod look;
mod message;
mod node;
mod options;
mod outcomes;
mod publisher;
mod tap;
mod topology;
mod work;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{
    handout::Copies,
    intake::{Back, Letters},
    link::{Keeper, Link},
    look::{Attended, Looker},
    message::Slip,
    outcomes::{Outcomes, Reporters},
    publisher::{Care, Fate, Owner, Packing, Parcel, Publisher},
    tap::Tap,
    topology::Topology,
    work::{Hands, Source, Stage},
};
use crate::{
    domain::id::EndpointId,
    port::{
        bus::{self, Bus, OutcomeSource, Work, WorkOutcome, WorkSource},
        inbox::Inbox,
        mailbox::Post,
    },
    task::{Failure, Supervisor, retry::Policy},
};

pub use self::{
    error::Error,
    options::{IntakeOptions, Lane, Nodes, Options, Role, Served},
};

/// What the connection that publishes is for.
const PUBLISH: &str = "publish";
/// What the connection that answers senders is for.
const REPLY: &str = "reply";
/// What the connection that consumes is for.
const CONSUME: &str = "consume";
/// Why a worker does not do what a hub does.
const NO_HUB: &str = "a worker neither sends work nor settles outcomes";
/// Broker messages with outcomes that are fetched ahead.
const OUTCOME_PREFETCH: u16 = 32;
/// Answers of recipients that are fetched ahead.
const ANSWER_PREFETCH: u16 = 200;
/// Between tries to publish outcomes.
const AGAIN: Policy = Policy { first: Duration::from_millis(50), max: Duration::from_secs(2) };

/// One process's end of the bus.
#[derive(Debug)]
pub struct RabbitmqBus {
    options: Arc<Options>,
    topology: Arc<Topology>,
    lanes: HashMap<EndpointId, Lane>,
    /// None in a worker.
    work: Option<Publisher>,
    attended: Attended,
    outcomes: Publisher,
    /// Answers to the senders of each endpoint.
    replies: HashMap<EndpointId, Publisher>,
    /// Copies for recipients that fetch, and what they are told of their answers; none where nobody does.
    mailboxes: Option<(Publisher, Publisher)>,
    consume: Link,
    hands: Arc<Hands>,
    reporters: Arc<Reporters>,
    closing: CancellationToken,
    /// Endpoints served here that have not said that they are done.
    busy: Mutex<HashSet<EndpointId>>,
    done: watch::Sender<bool>,
}

impl RabbitmqBus {
    /// Connects, declares and checks; `supervisor` runs what the bus is made of and must outlive its users.
    pub async fn open(options: Options, supervisor: &mut Supervisor) -> Result<Self, Error> {
        let options = Arc::new(options);
        let topology = Arc::new(Topology::new(&options)?);
        let (mut publishing, publish) = Keeper::new(PUBLISH, &options, &topology);
        let (mut consuming, consume) = Keeper::new(CONSUME, &options, &topology);
        let first = publishing.first().await?;
        check::check(&first.connection, &topology, &options).await?;
        let second = consuming.first().await?;

        // The connections end when the last of those who use them has ended.
        let ending = CancellationToken::new();
        let guard = Arc::new(ending.clone().drop_guard());
        supervisor.spawn("bus connection that publishes", publishing.run(first, ending.clone()));
        supervisor.spawn("bus connection that consumes", consuming.run(second, ending));
        let mut own = |owner: Owner, name: &str| {
            let owning = owner.run(supervisor.token().clone());
            supervisor.spawn(format!("publisher of {name}"), guarded(owning, Arc::clone(&guard)));
        };
        let (owner, outcomes) =
            Owner::new(publish.clone(), topology.outcome(), Packing::Joined, Care::Strict, &options);
        own(owner, "outcomes");
        let mut single = |exchange, name| {
            let (owner, publisher) =
                Owner::new(publish.clone(), exchange, Packing::Single, Care::Strict, &options);
            own(owner, name);
            publisher
        };
        let work = (options.role == Role::Hub).then(|| single(topology.work(), "work"));
        let copies = (!options.mailboxes.is_empty()).then(|| single(topology.mailbox(), "mailboxes"));
        let attended = Attended::default();
        if options.role == Role::Hub {
            let looker = Looker {
                link: consume.clone(),
                options: Arc::clone(&options),
                topology: Arc::clone(&topology),
                attended: attended.clone(),
            };
            let looking = looker.run(supervisor.token().clone());
            supervisor.spawn("look at queues", guarded(looking, Arc::clone(&guard)));
        }
        let (replies, counts) = Self::answering(&options, &topology, supervisor).await?;
        let mut bus = Self::assemble(options, topology, outcomes, consume);
        bus.work = work;
        bus.replies = replies;
        bus.mailboxes = copies.zip(counts);
        bus.attended = attended;
        Ok(bus)
    }

    /// A way of their own for the answers to each endpoint's senders, and one for all recipients, on one more
    /// connection.
    async fn answering(
        options: &Arc<Options>,
        topology: &Arc<Topology>,
        supervisor: &mut Supervisor,
    ) -> Result<(HashMap<EndpointId, Publisher>, Option<Publisher>), Error> {
        if !options.replies() {
            return Ok((HashMap::new(), None));
        }
        let (mut keeper, link) = Keeper::new(REPLY, options, topology);
        let first = keeper.first().await?;
        let ending = CancellationToken::new();
        let guard = Arc::new(ending.clone().drop_guard());
        supervisor.spawn("bus connection that answers", keeper.run(first, ending));
        let mut answering = |name: String| {
            let (owner, publisher) =
                Owner::new(link.clone(), "".into(), Packing::Single, Care::Lenient, options);
            let owning = owner.run(supervisor.token().clone());
            supervisor.spawn(name, guarded(owning, Arc::clone(&guard)));
            publisher
        };
        let endpoints = options.intake.endpoints.iter();
        let replies =
            endpoints.map(|endpoint| (endpoint.clone(), answering(format!("answers to {endpoint}"))));
        let replies = replies.collect();
        let counts = (!options.mailboxes.is_empty()).then(|| answering("answers to recipients".to_owned()));
        Ok((replies, counts))
    }

    /// Puts copies into mailbox queues; none where nobody fetches.
    pub fn post(&self) -> Option<Arc<dyn Post>> {
        let (copies, _) = self.mailboxes.as_ref()?;
        Some(Arc::new(Copies { publisher: copies.clone(), largest: self.largest() }))
    }

    /// What recipients answer; none where nobody fetches.
    pub fn answers(&self) -> Option<Box<dyn Inbox>> {
        let (_, counts) = self.mailboxes.as_ref()?;
        let tap = self.tap(self.topology.answer(), ANSWER_PREFETCH);
        Some(Box::new(Letters::new(tap, self.back(counts))))
    }

    fn back(&self, replies: &Publisher) -> Back {
        Back {
            replies: replies.clone(),
            topology: Arc::clone(&self.topology),
            limit: self.options.publish_timeout,
        }
    }

    /// What the systems of each endpoint publish, once each.
    pub fn inboxes(&self) -> Vec<(EndpointId, Box<dyn Inbox>)> {
        let inbox = |(endpoint, replies): (&EndpointId, &Publisher)| {
            let tap = self.tap(self.topology.intake_queue(endpoint), self.options.intake.prefetch);
            let letters = Letters::new(tap, self.back(replies));
            (endpoint.clone(), Box::new(letters) as Box<dyn Inbox>)
        };
        self.replies.iter().map(inbox).collect()
    }

    fn assemble(options: Arc<Options>, topology: Arc<Topology>, outcomes: Publisher, consume: Link) -> Self {
        let here = options.lanes.iter().filter(|lane| lane.served == Served::Here);
        let reporters = Reporters { own: options.nodes.user().into(), others: options.reporters.clone() };
        Self {
            busy: Mutex::new(here.map(|lane| lane.endpoint.clone()).collect()),
            lanes: options.lanes.iter().map(|lane| (lane.endpoint.clone(), lane.clone())).collect(),
            options,
            topology,
            work: None,
            replies: HashMap::new(),
            mailboxes: None,
            attended: Attended::default(),
            outcomes,
            consume,
            hands: Arc::default(),
            reporters: Arc::new(reporters),
            closing: CancellationToken::new(),
            done: watch::Sender::new(false),
        }
    }

    /// Whether the broker can be reached now.
    pub fn is_connected(&self) -> bool {
        self.consume.now().is_some()
    }

    /// Whether the bus is closed and nobody here has anything more to report.
    fn settle_done(&self) {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closing.is_cancelled() && busy.is_empty() {
            self.done.send_replace(true);
        }
    }

    /// Why a piece cannot even be tried.
    fn refusal(&self, work: &Work) -> Option<bus::Error> {
        if self.closing.is_cancelled() {
            Some(bus::Error::Closed)
        } else if !self.lanes.contains_key(&work.endpoint) {
            Some(bus::Error::UnknownEndpoint(work.endpoint.clone()))
        } else {
            None
        }
    }

    /// What the caller is told of a piece that was not taken.
    fn failure(&self, fate: Fate, work: &Work) -> Option<bus::Error> {
        let endpoint = || work.endpoint.clone();
        let limit = || self.lanes.get(&work.endpoint).map_or(0, |lane| lane.limit);
        match fate {
            Fate::Taken => None,
            Fate::NotSent(why) => Some(bus::Error::Unavailable(why)),
            Fate::Nacked => Some(bus::Error::Full { endpoint: endpoint(), limit: limit() }),
            Fate::Returned => Some(bus::Error::Unrouted(endpoint())),
            Fate::Unknown(why) => Some(bus::Error::Unconfirmed(why)),
        }
    }

    /// Bytes in one message at most: so many the broker was seen to take.
    fn largest(&self) -> usize {
        message::largest(self.options.message_bytes)
    }

    /// Work on its way out, sealed.
    fn parcel(&self, work: &Work) -> Result<Parcel, bus::Error> {
        let unfit = |why: &dyn std::fmt::Display| bus::Error::Unavailable(why.to_string().into());
        let key = self.options.slips.as_ref().ok_or_else(|| unfit(&NO_HUB))?;
        let parcel = message::work(work, key).map_err(|error| unfit(&error))?;
        let (bytes, limit) = (parcel.body.len(), self.largest());
        if bytes > limit { Err(bus::Error::TooLarge { bytes, limit }) } else { Ok(parcel) }
    }

    /// The slip that goes back with an outcome: that which came with the work, or a hub's own.
    fn slip(&self, work: &Work) -> Option<Slip> {
        self.hands.slip(work).or_else(|| Slip::write(work, self.options.slips.as_ref()?).ok())
    }

    fn tap(&self, queue: lapin::types::ShortString, prefetch: u16) -> Tap {
        Tap::new(self.consume.clone(), queue, prefetch, self.options.connect_timeout)
    }
}

/// A task that keeps the connections open until it has ended.
async fn guarded(
    task: impl Future<Output = Result<(), Failure>>,
    guard: Arc<DropGuard>,
) -> Result<(), Failure> {
    let ended = task.await;
    drop(guard);
    ended
}

#[async_trait]
impl Bus for RabbitmqBus {
    async fn ready(&self) {
        match &self.work {
            Some(publisher) => publisher.clone().ready().await,
            None => std::future::pending().await,
        }
    }

    fn has_workers(&self, endpoint: &EndpointId) -> bool {
        let is_outside = self.lanes.get(endpoint).is_some_and(|lane| lane.served == Served::Outside);
        let is_seen = is_outside || self.options.mailboxes.contains(endpoint);
        !is_seen || self.attended.contains(endpoint)
    }

    async fn send_work(&self, work: Vec<Work>) -> Vec<(bus::Error, Work)> {
        let mut back = Vec::new();
        let mut sent = Vec::with_capacity(work.len());
        let mut parcels = Vec::with_capacity(work.len());
        for piece in work {
            match self.refusal(&piece) {
                Some(error) => back.push((error, piece)),
                None => match self.parcel(&piece) {
                    Ok(parcel) => {
                        parcels.push(parcel);
                        sent.push(piece);
                    }
                    Err(error) => back.push((error, piece)),
                },
            }
        }
        let fates = match &self.work {
            _ if parcels.is_empty() => Vec::new(),
            Some(publisher) => publisher.publish(parcels).await,
            None => vec![Fate::NotSent(NO_HUB.into()); sent.len()],
        };
        let failed = |(piece, fate)| Some((self.failure(fate, &piece)?, piece));
        back.extend(sent.into_iter().zip(fates).filter_map(failed));
        back
    }

    async fn work(&self, endpoint: &EndpointId) -> Result<Box<dyn WorkSource>, bus::Error> {
        let lane = self.lanes.get(endpoint).ok_or_else(|| bus::Error::UnknownEndpoint(endpoint.clone()))?;
        Ok(Box::new(Source {
            endpoint: endpoint.clone(),
            tap: self.tap(self.topology.work_queue(endpoint), lane.window),
            hand: self.hands.add(endpoint),
            hands: Arc::clone(&self.hands),
            role: self.options.role,
            closing: self.closing.clone(),
            limit: self.options.publish_timeout,
            stage: Stage::Open,
        }))
    }

    async fn send_outcomes(&self, outcomes: Vec<WorkOutcome>) -> Result<(), bus::Error> {
        let queue = self.topology.outcome();
        let slips: Vec<_> =
            outcomes.iter().filter_map(|outcome| Some((outcome, self.slip(&outcome.work)?))).collect();
        let unknown = outcomes.len() - slips.len();
        if unknown > 0 {
            tracing::error!(count = unknown, "outcomes of work that was not brought here are not reported");
        }
        let mut delays = AGAIN.delays();
        loop {
            if *self.done.borrow() {
                return Err(bus::Error::Closed);
            }
            let parcels = message::outcomes(slips.iter().cloned(), queue.as_str())
                .map_err(|error| bus::Error::Unavailable(error.to_string().into()))?;
            let fates = self.outcomes.publish(parcels).await;
            // Those that are there already are settled twice, which changes nothing.
            let Some(why) = fates.into_iter().find(|fate| *fate != Fate::Taken) else { break };
            if self.outcomes.is_closed() {
                return Err(bus::Error::Closed);
            }
            tracing::warn!(
                count = outcomes.len(),
                ?why,
                "outcomes not taken by the broker, publishing again"
            );
            tokio::time::sleep(delays.draw()).await;
            self.outcomes.clone().ready().await;
        }
        self.hands.reported(&outcomes, self.options.publish_timeout).await;
        Ok(())
    }

    async fn outcomes(&self) -> Result<Box<dyn OutcomeSource>, bus::Error> {
        let slips = self.options.slips.clone();
        Ok(Box::new(Outcomes {
            slips: slips.ok_or_else(|| bus::Error::Unavailable(NO_HUB.into()))?,
            tap: self.tap(self.topology.outcome(), OUTCOME_PREFETCH),
            reporters: Arc::clone(&self.reporters),
            done: self.done.subscribe(),
            limit: self.options.publish_timeout,
            stage: outcomes::Stage::Open,
            read: std::collections::VecDeque::new(),
            given: Vec::new(),
        }))
    }

    async fn finish(&self, endpoint: &EndpointId) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(endpoint);
        self.settle_done();
    }

    async fn close(&self) {
        self.closing.cancel();
        self.settle_done();
    }
}
