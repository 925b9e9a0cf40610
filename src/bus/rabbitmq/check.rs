//! The check at the start: a broker that could drop messages is refused with a sentence.
//!
//! That queues, exchanges and bindings have the arguments asked for, the broker says when they are
//! declared. What only shows in use is tried on queues made for it and deleted again: that a full queue
//! refuses, that a rejected message arrives among the dead letters, that our account may do all this. And that it
//! takes the largest work: for one that is too large it ends the channel, and all that went out beside it is unknown.

use std::time::Duration;

use lapin::{
    BasicProperties, Channel, Confirmation, Connection,
    options::{
        BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicRejectOptions, ConfirmSelectOptions,
        QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};
use uuid::Uuid;

use super::{
    Error, Options, Role,
    topology::{Bounds, Topology, put},
};

/// How long the whole check may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a dead letter may take.
const DEAD_LIMIT: Duration = Duration::from_secs(10);
/// Between looks for it.
const LOOK: Duration = Duration::from_millis(50);
/// Messages that a queue without room may take before it says so.
const OVERFULL: usize = 20;
/// A queue of a check that was cut off goes away by itself.
const EXPIRES_MS: i64 = 60_000;

/// Checks what this process needs.
pub(super) async fn check(
    connection: &Connection,
    topology: &Topology,
    options: &Options,
) -> Result<(), Error> {
    let checking = async {
        match options.role {
            Role::Hub => {
                takes_the_largest(connection, topology, options).await?;
                Trial::new(connection, topology, options).await?.run().await
            }
            Role::Worker => worker(connection, topology, options).await,
        }
    };
    tokio::time::timeout(LIMIT, checking)
        .await
        .unwrap_or_else(|_| Err(Error::Silent { node: "to be checked".to_owned(), limit: LIMIT }))
}

/// A worker declares nothing; what it needs must be there, and open to its account.
async fn worker(connection: &Connection, topology: &Topology, options: &Options) -> Result<(), Error> {
    for lane in &options.lanes {
        let queue = topology.work_queue(&lane.endpoint);
        let channel = connection.create_channel().await.map_err(Error::Broker)?;
        // Asked for in a way that the broker refuses only after it has found the queue and looked at the rights:
        // a copy that was fetched and given back would count as begun.
        let mut senseless = FieldTable::default();
        put(&mut senseless, "x-priority", super::topology::text("none"));
        let options = BasicConsumeOptions::default();
        match channel.basic_consume(queue.clone(), "".into(), options, senseless).await {
            Err(source) if super::error::is_precondition(&source) => {}
            Err(source) => return Err(topology.refused(format!("queue '{queue}'"), source)),
            Ok(_) => return Err(Error::Loses("it takes a consumer whose priority is no number")),
        }
    }
    let outcome = topology.outcome();
    let channel = confirming(connection).await?;
    let user = options.nodes.user();
    let fate = publish(&channel, &outcome, ".probe", user, BasicPublishOptions::default()).await;
    match fate.map_err(|source| topology.refused(format!("exchange '{outcome}'"), source))? {
        Confirmation::Ack(_) => Ok(()),
        _ => Err(Error::Loses("it does not confirm what is published")),
    }
}

/// To a key that no queue has: it is measured before it is routed.
async fn takes_the_largest(
    connection: &Connection,
    topology: &Topology,
    options: &Options,
) -> Result<(), Error> {
    let channel = confirming(connection).await?;
    let bytes = super::message::largest(options.message_bytes);
    let properties = properties(options.nodes.user());
    let (exchange, key) = (topology.work(), super::topology::short(".probe"));
    let sending = async {
        let body = vec![b' '; bytes];
        channel.basic_publish(exchange, key, BasicPublishOptions::default(), &body, properties).await?.await
    };
    match sending.await {
        Ok(Confirmation::Ack(_)) => channel.close(200, "tried".into()).await.map_err(Error::Broker),
        Ok(_) => Err(Error::Loses("it does not confirm what is published")),
        Err(source) if super::error::is_precondition(&source) => Err(Error::Small { bytes }),
        Err(source) => Err(topology.refused(format!("exchange '{}'", topology.work()), source)),
    }
}

fn properties(user: &str) -> BasicProperties {
    BasicProperties::default().with_delivery_mode(2).with_user_id(super::topology::short(user))
}

/// Queues made to be tried.
struct Trial<'a> {
    topology: &'a Topology,
    user: &'a str,
    channel: Channel,
    /// Whether senders are answered.
    answers: bool,
    /// Like a work queue, with dead letters that go to `dead`.
    queue: ShortString,
    /// Like a work queue, with room for none.
    full: ShortString,
    dead: ShortString,
}

impl<'a> Trial<'a> {
    async fn new(
        connection: &Connection,
        topology: &'a Topology,
        options: &'a Options,
    ) -> Result<Self, Error> {
        let id = Uuid::new_v4().simple();
        let name = |kind: &str| topology.name(&format!("work..{kind}-{id}"));
        Ok(Self {
            topology,
            user: options.nodes.user(),
            channel: confirming(connection).await?,
            answers: options.replies(),
            queue: name("check"),
            full: name("full"),
            dead: name("dead"),
        })
    }

    async fn run(&self) -> Result<(), Error> {
        self.replies_go_out().await?;
        self.declare().await?;
        let tried = match self.refuses_when_full().await {
            Ok(()) => self.keeps_what_is_rejected().await,
            Err(error) => Err(error),
        };
        for queue in [&self.queue, &self.full, &self.dead] {
            // They go away by themselves where this fails.
            drop(self.channel.queue_delete(queue.clone(), QueueDeleteOptions::default()).await);
        }
        tried
    }

    /// Answers go to queues of senders, through the exchange that has no name.
    async fn replies_go_out(&self) -> Result<(), Error> {
        if !self.answers {
            return Ok(());
        }
        let options = BasicPublishOptions::default();
        let fate = publish(&self.channel, &super::topology::short(""), ".probe", self.user, options).await;
        match fate.map_err(|source| self.topology.refused("exchange 'amq.default'".to_owned(), source))? {
            Confirmation::Ack(_) => Ok(()),
            _ => Err(Error::Loses("it does not confirm what is published")),
        }
    }

    async fn declare(&self) -> Result<(), Error> {
        let bounds = Bounds { limit: 10, deliveries: 10, dead_key: self.dead.as_str() };
        for (queue, bounds) in
            [(&self.queue, bounds), (&self.full, Bounds { limit: 0, ..bounds }), (&self.dead, bounds)]
        {
            let mut arguments = self.topology.arguments(bounds);
            put(&mut arguments, "x-expires", AMQPValue::LongLongInt(EXPIRES_MS));
            self.topology.queue(&self.channel, queue, arguments).await?;
        }
        for queue in [&self.queue, &self.full] {
            self.topology.bind(&self.channel, queue, &self.topology.work(), queue.as_str()).await?;
        }
        self.topology.bind(&self.channel, &self.dead, &self.topology.dead(), self.dead.as_str()).await
    }

    async fn publish(&self, key: &ShortString) -> Result<Confirmation, Error> {
        let exchange = self.topology.work();
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let fate = publish(&self.channel, &exchange, key.as_str(), self.user, options).await;
        fate.map_err(|source| self.topology.refused(format!("exchange '{exchange}'"), source))
    }

    /// A quorum queue notices that it is full when it has taken what is too much.
    async fn refuses_when_full(&self) -> Result<(), Error> {
        for _ in 0..OVERFULL {
            if let Confirmation::Nack(_) = self.publish(&self.full).await? {
                return Ok(());
            }
        }
        Err(Error::Loses("a full queue takes messages that it cannot keep"))
    }

    async fn keeps_what_is_rejected(&self) -> Result<(), Error> {
        match self.publish(&self.queue).await? {
            Confirmation::Ack(None) => {}
            _ => return Err(Error::Loses("a queue does not take a message")),
        }
        let Some(message) = self.fetch(&self.queue).await? else {
            return Err(Error::Loses("a confirmed message is not in its queue"));
        };
        let options = BasicRejectOptions { requeue: false };
        message.delivery.acker.reject(options).await.map_err(Error::Broker)?;
        let arrives = async {
            loop {
                if self.fetch(&self.dead).await?.is_some() {
                    return Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(DEAD_LIMIT, arrives)
            .await
            .unwrap_or(Err(Error::Loses("a rejected message does not arrive among the dead letters")))
    }

    async fn fetch(&self, queue: &ShortString) -> Result<Option<lapin::message::BasicGetMessage>, Error> {
        let fetched = self.channel.basic_get(queue.clone(), BasicGetOptions::default()).await;
        fetched.map_err(|source| self.topology.refused(format!("queue '{queue}'"), source))
    }
}

async fn confirming(connection: &Connection) -> Result<Channel, Error> {
    let channel = connection.create_channel().await.map_err(Error::Broker)?;
    channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(Error::Broker)?;
    Ok(channel)
}

async fn publish(
    channel: &Channel,
    exchange: &ShortString,
    key: &str,
    user: &str,
    options: BasicPublishOptions,
) -> lapin::Result<Confirmation> {
    let key = super::topology::short(key);
    channel.basic_publish(exchange.clone(), key, options, b"{}", properties(user)).await?.await
}
