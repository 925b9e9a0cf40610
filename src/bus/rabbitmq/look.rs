//! What the hub looks at from time to time: how many dead letters there are, so that somebody is told, and
//! who takes the work of endpoints that are served outside or fetch it, so that none is leased for nobody.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use lapin::{
    Channel, Queue,
    options::QueueDeclareOptions,
    types::{FieldTable, ShortString},
};
use metrics::gauge;
use tokio_util::sync::CancellationToken;

use super::{Options, Served, link::Link, node::Live, topology::Topology};
use crate::{
    domain::id::EndpointId,
    task::{
        Failure,
        metrics::{BUS_CONSUMERS, BUS_DEAD},
    },
};

/// How often.
const EVERY: Duration = Duration::from_secs(1);
/// How long one look may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Endpoints served outside, or that fetch, whose work somebody takes now.
#[derive(Clone, Debug, Default)]
pub(super) struct Attended(Arc<RwLock<BTreeSet<EndpointId>>>);

impl Attended {
    pub(super) fn contains(&self, endpoint: &EndpointId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(endpoint)
    }

    fn replace(&self, endpoints: BTreeSet<EndpointId>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = endpoints;
    }
}

/// Looks until told to end.
#[derive(Debug)]
pub(super) struct Looker {
    pub(super) link: Link,
    pub(super) options: Arc<Options>,
    pub(super) topology: Arc<Topology>,
    pub(super) attended: Attended,
}

impl Looker {
    pub(super) async fn run(self, token: CancellationToken) -> Result<(), Failure> {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut open = None;
        loop {
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                _ = every.tick() => {}
            }
            let Some(live) = self.link.now() else {
                open = None;
                continue;
            };
            match tokio::time::timeout(LIMIT, self.look(&live, open.take())).await {
                Ok(Ok(channel)) => open = Some(channel),
                Ok(Err(error)) => tracing::warn!(%error, "queues cannot be looked at"),
                Err(_) => tracing::warn!("queues cannot be looked at: the broker does not answer"),
            }
        }
    }

    /// One look, over the channel of the one before if that is still good.
    async fn look(&self, live: &Live, open: Option<Channel>) -> lapin::Result<Channel> {
        let channel = match open.filter(|channel| channel.status().connected()) {
            Some(channel) => channel,
            None => live.connection.create_channel().await?,
        };
        let dead = queue(&channel, self.topology.dead()).await?;
        gauge!(BUS_DEAD).set(f64::from(dead.message_count()));
        let mut attended = BTreeSet::new();
        let outside = self.options.lanes.iter().filter(|lane| lane.served == Served::Outside);
        let outside = outside.map(|lane| (&lane.endpoint, self.topology.work_queue(&lane.endpoint)));
        let fetching = self.options.mailboxes.iter();
        let fetching = fetching.map(|endpoint| (endpoint, self.topology.mailbox_queue(endpoint)));
        for (endpoint, name) in outside.chain(fetching) {
            let consumers = queue(&channel, name).await?.consumer_count();
            gauge!(BUS_CONSUMERS, "endpoint" => endpoint.to_string()).set(f64::from(consumers));
            if consumers > 0 {
                attended.insert(endpoint.clone());
            }
        }
        self.attended.replace(attended);
        Ok(channel)
    }
}

async fn queue(channel: &Channel, name: ShortString) -> lapin::Result<Queue> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name, options, FieldTable::default()).await
}
