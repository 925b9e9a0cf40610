//! A connection that is kept: opened again at one node of the cluster after another when it is lost, given
//! up when it hangs, and watched for the broker's word that it takes no more.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::StreamExt as _;
use lapin::Event;
use metrics::gauge;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Error, Options, node::Live, options::place, topology::Topology};
use crate::task::{
    Failure,
    metrics::{BUS_BLOCKED, BUS_CONNECTED},
    retry::Policy,
};

/// How often the state of the connection is looked at beside what it reports.
const LOOK: Duration = Duration::from_secs(1);
/// How long a connection may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// What uses a kept connection holds.
#[derive(Clone, Debug)]
pub(super) struct Link {
    live: watch::Receiver<Option<Arc<Live>>>,
    blocked: watch::Receiver<Option<Box<str>>>,
}

impl Link {
    /// The connection, if it is up.
    pub(super) fn now(&self) -> Option<Arc<Live>> {
        self.live.borrow().clone()
    }

    /// Waits until the connection is up; for ever if nobody keeps it any more. Cancel-safe.
    pub(super) async fn up(&mut self) -> Arc<Live> {
        match self.live.wait_for(Option::is_some).await.map(|live| live.clone()) {
            Ok(Some(live)) => live,
            _ => std::future::pending().await,
        }
    }

    /// Why the broker takes nothing on it now.
    pub(super) fn blocked(&self) -> Option<Box<str>> {
        self.blocked.borrow().clone()
    }

    /// Waits until the connection, or whether it is blocked, has changed. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        let changed = tokio::select! {
            changed = self.live.changed() => changed,
            changed = self.blocked.changed() => changed,
        };
        if changed.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Keeps one connection.
#[derive(Debug)]
pub(super) struct Keeper {
    /// `publish` or `consume`.
    purpose: &'static str,
    options: Arc<Options>,
    topology: Arc<Topology>,
    live: watch::Sender<Option<Arc<Live>>>,
    blocked: watch::Sender<Option<Box<str>>>,
    /// Node to try next.
    next: usize,
}

enum Ended {
    Told,
    Lost(String),
}

impl Keeper {
    pub(super) fn new(
        purpose: &'static str,
        options: &Arc<Options>,
        topology: &Arc<Topology>,
    ) -> (Self, Link) {
        let (live, seen) = watch::channel(None);
        let (blocked, seen_blocked) = watch::channel(None);
        let link = Link { live: seen, blocked: seen_blocked };
        let (options, topology) = (Arc::clone(options), Arc::clone(topology));
        (Self { purpose, options, topology, live, blocked, next: 0 }, link)
    }

    /// The first connection: each node is tried until one answers or `start_wait` is over.
    pub(super) async fn first(&mut self) -> Result<Arc<Live>, Error> {
        let end = tokio::time::Instant::now() + self.options.start_wait;
        let mut delays = Policy::CONNECTION.delays();
        loop {
            let error = match self.try_next().await {
                Ok(live) => return Ok(self.begin(live)),
                Err(error) => error,
            };
            let delay = delays.draw();
            let is_over = tokio::time::Instant::now() + delay > end;
            if is_over || error.needs_a_person() {
                return Err(error);
            }
            tracing::warn!(%error, "broker cannot be reached, trying again");
            tokio::time::sleep(delay).await;
        }
    }

    /// Lets others use a connection.
    fn begin(&self, live: Live) -> Arc<Live> {
        let live = Arc::new(live);
        self.live.send_replace(Some(Arc::clone(&live)));
        gauge!(BUS_CONNECTED, "connection" => self.purpose).set(1.0);
        live
    }

    /// Keeps the connection until told to end.
    pub(super) async fn run(mut self, first: Arc<Live>, token: CancellationToken) -> Result<(), Failure> {
        let mut opened = Some(first);
        loop {
            let live = if let Some(live) = opened.take() {
                live
            } else {
                tokio::select! {
                    () = token.cancelled() => return Ok(()),
                    live = self.again() => self.begin(live),
                }
            };
            let ended = self.attend(&live, &token).await;
            self.live.send_replace(None);
            self.block(None);
            gauge!(BUS_CONNECTED, "connection" => self.purpose).set(0.0);
            match ended {
                Ended::Lost(why) => {
                    tracing::warn!(connection = self.purpose, why, "connection to the broker lost");
                }
                Ended::Told => {
                    let closing = live.connection.close(200, "done".into());
                    if !matches!(tokio::time::timeout(GOODBYE, closing).await, Ok(Ok(()))) {
                        live.cut();
                    }
                    return Ok(());
                }
            }
            live.cut();
        }
    }

    /// Watches a connection to its end.
    async fn attend(&self, live: &Live, token: &CancellationToken) -> Ended {
        let mut events = pin!(live.connection.events_listener());
        let mut look = tokio::time::interval(LOOK);
        let status = live.connection.status();
        loop {
            tokio::select! {
                () = token.cancelled() => return Ended::Told,
                () = live.over() => return Ended::Lost("it did not answer in time".to_owned()),
                Some(event) = events.next() => match event {
                    Event::ConnectionBlocked(reason) => self.block(Some(reason.into())),
                    Event::ConnectionUnblocked => self.block(None),
                    Event::Error(error) if !status.connected() => return Ended::Lost(error.to_string()),
                    _ => {}
                },
                _ = look.tick() => if !status.connected() {
                    return Ended::Lost("it is closed".to_owned());
                }
            }
        }
    }

    fn block(&self, reason: Option<Box<str>>) {
        if let Some(reason) = &reason {
            tracing::warn!(connection = self.purpose, %reason, "broker blocks publishing");
        }
        // Only who publishes is ever blocked.
        if self.purpose == super::PUBLISH {
            gauge!(BUS_BLOCKED).set(if reason.is_some() { 1.0 } else { 0.0 });
        }
        self.blocked.send_if_modified(|blocked| {
            let is_new = *blocked != reason;
            *blocked = reason;
            is_new
        });
    }

    /// Another connection, with everything declared on it.
    async fn again(&mut self) -> Live {
        let mut delays = Policy::CONNECTION.delays();
        loop {
            tokio::time::sleep(delays.draw()).await;
            match self.try_next().await {
                Ok(live) => return live,
                Err(error) => {
                    tracing::warn!(connection = self.purpose, %error, "broker cannot be used, trying again");
                }
            }
        }
    }

    async fn try_next(&mut self) -> Result<Live, Error> {
        let nodes = self.options.nodes.all();
        let node = &nodes[self.next % nodes.len()];
        self.next = self.next.wrapping_add(1);
        let limit = node.query.connection_timeout.map_or(self.options.connect_timeout, Duration::from_millis);
        let name = format!("liandong {}", self.purpose);
        let opened = Live::open(node, &name, self.options.authority.as_deref(), limit).await;
        let live = opened.map_err(|source| Error::unreachable(place(node), source))?;
        let declared = tokio::time::timeout(limit, self.topology.declare(&live.connection)).await;
        match declared {
            Ok(Ok(())) => Ok(live),
            Ok(Err(error)) => {
                live.cut();
                Err(error)
            }
            Err(_) => {
                live.cut();
                Err(Error::Silent { node: place(node), limit })
            }
        }
    }
}
