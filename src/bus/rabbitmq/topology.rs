//! Exchanges and queues, every argument declared (DESIGN section 12).
//!
//! Quorum queues that refuse what does not fit, hand on what was brought too often to a dead-letter queue,
//! and keep it until that queue has confirmed it. A broker that has one of them with other arguments says
//! so, and is not used.

use std::sync::Arc;

use lapin::{
    Channel, Connection, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{Error, Options, Role};
use crate::domain::id::EndpointId;

/// Bytes of a name at most (AMQP 0-9-1 short string).
const NAME_BYTES: usize = 255;
/// Messages in the dead-letter queue at most; beyond it they stay where they are.
const DEAD_LIMIT: usize = 100_000;
/// How often outcomes may be brought: they have no other copy than a lease that ends.
const OUTCOME_DELIVERIES: u32 = 1_000;
/// How often what a system published may be brought: only a hub or a connection that ends brings it again.
const INTAKE_DELIVERIES: u32 = 1_000;

/// What the routing key of an endpoint's own bodies ends with; that of its events is the endpoint's id.
pub(super) const OWN: &str = ".own";

/// Binding of a topic exchange to whatever comes.
const EVERY_KEY: &str = "#";

/// What is declared.
#[derive(Debug)]
pub(super) struct Topology {
    options: Arc<Options>,
}

/// The arguments of one queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds<'a> {
    /// Messages at most.
    pub(super) limit: usize,
    /// How often a message may be brought.
    pub(super) deliveries: u32,
    /// Routing key of its dead letters.
    pub(super) dead_key: &'a str,
}

impl Topology {
    /// The topology of these endpoints; names must fit.
    pub(super) fn new(options: &Arc<Options>) -> Result<Self, Error> {
        let topology = Self { options: Arc::clone(options) };
        let work = options.lanes.iter().map(|lane| topology.work_queue_name(&lane.endpoint));
        let intake = options.intake.endpoints.iter().map(|endpoint| topology.intake_queue_name(endpoint));
        let mailboxes = options.mailboxes.iter().map(|endpoint| topology.mailbox_queue_name(endpoint));
        for name in work.chain(intake).chain(mailboxes) {
            if name.len() > NAME_BYTES {
                return Err(Error::Name { name, limit: NAME_BYTES });
            }
        }
        Ok(topology)
    }

    /// Exchange of work, by endpoint.
    pub(super) fn work(&self) -> ShortString {
        self.name("work")
    }

    /// Exchange and queue of outcomes.
    pub(super) fn outcome(&self) -> ShortString {
        self.name("outcome")
    }

    /// Exchange and queue of dead letters.
    pub(super) fn dead(&self) -> ShortString {
        self.name("dead")
    }

    /// Exchange that systems publish to, by endpoint.
    pub(super) fn intake(&self) -> ShortString {
        self.name("intake")
    }

    /// Queue of what an endpoint's systems publish.
    pub(super) fn intake_queue(&self, endpoint: &EndpointId) -> ShortString {
        short(&self.intake_queue_name(endpoint))
    }

    /// Exchange of what recipients fetch, by endpoint.
    pub(super) fn mailbox(&self) -> ShortString {
        self.name("mailbox")
    }

    /// Queue that an endpoint's systems fetch from.
    pub(super) fn mailbox_queue(&self, endpoint: &EndpointId) -> ShortString {
        short(&self.mailbox_queue_name(endpoint))
    }

    /// Exchange and queue of what recipients answer.
    pub(super) fn answer(&self) -> ShortString {
        self.name("answer")
    }

    /// Whether a queue of this name is the hub's own.
    pub(super) fn is_own(&self, queue: &str) -> bool {
        queue.strip_prefix(&*self.options.prefix).is_some_and(|rest| rest.starts_with('.'))
    }

    /// Queue of an endpoint's work.
    pub(super) fn work_queue(&self, endpoint: &EndpointId) -> ShortString {
        short(&self.work_queue_name(endpoint))
    }

    pub(super) fn name(&self, last: &str) -> ShortString {
        short(&format!("{}.{last}", self.options.prefix))
    }

    fn work_queue_name(&self, endpoint: &EndpointId) -> String {
        format!("{}.work.{endpoint}", self.options.prefix)
    }

    fn mailbox_queue_name(&self, endpoint: &EndpointId) -> String {
        format!("{}.mailbox.{endpoint}", self.options.prefix)
    }

    fn intake_queue_name(&self, endpoint: &EndpointId) -> String {
        format!("{}.intake.{endpoint}", self.options.prefix)
    }

    /// Declares everything a hub needs; a worker has no right to and need of it.
    pub(super) async fn declare(&self, connection: &Connection) -> Result<(), Error> {
        if self.options.role == Role::Worker {
            return Ok(());
        }
        let channel = connection.create_channel().await.map_err(Error::Broker)?;
        let dead = self.dead();
        for exchange in [self.work(), self.outcome(), dead.clone()] {
            self.exchange(&channel, exchange, ExchangeKind::Direct).await?;
        }
        let mut arguments = quorum(DEAD_LIMIT);
        // Nobody of ours consumes it, and it has no dead letters of its own.
        put(&mut arguments, "x-delivery-limit", AMQPValue::LongLongInt(i64::from(OUTCOME_DELIVERIES)));
        self.queue(&channel, &dead, arguments).await?;
        self.bind(&channel, &dead, &dead, dead.as_str()).await?;
        let outcome = self.outcome();
        let bounds = Bounds {
            limit: self.options.outcome_limit,
            deliveries: OUTCOME_DELIVERIES,
            dead_key: dead.as_str(),
        };
        self.queue(&channel, &outcome, self.arguments(bounds)).await?;
        self.bind(&channel, &outcome, &outcome, outcome.as_str()).await?;
        for lane in &self.options.lanes {
            let queue = self.work_queue(&lane.endpoint);
            let deliveries = self.options.delivery_limit;
            let bounds = Bounds { limit: lane.limit, deliveries, dead_key: dead.as_str() };
            self.queue(&channel, &queue, self.arguments(bounds)).await?;
            self.bind(&channel, &queue, &self.work(), lane.endpoint.as_str()).await?;
        }
        self.declare_intake(&channel).await?;
        self.declare_mailboxes(&channel).await?;
        channel.close(200, "declared".into()).await.map_err(Error::Broker)
    }

    /// What systems publish into: one process at a time takes from a queue, so that its order holds. By topics, since
    /// of those the broker can hold an account to its own.
    async fn declare_intake(&self, channel: &Channel) -> Result<(), Error> {
        let intake = &self.options.intake;
        if intake.endpoints.is_empty() {
            return Ok(());
        }
        self.exchange(channel, self.intake(), ExchangeKind::Topic).await?;
        let (dead, deliveries) = (self.dead(), INTAKE_DELIVERIES);
        for endpoint in &intake.endpoints {
            let queue = self.intake_queue(endpoint);
            let bounds = Bounds { limit: intake.limit, deliveries, dead_key: dead.as_str() };
            let mut arguments = self.arguments(bounds);
            put(&mut arguments, "x-single-active-consumer", AMQPValue::Boolean(true));
            self.queue(channel, &queue, arguments).await?;
            for key in [endpoint.to_string(), format!("{endpoint}{OWN}")] {
                self.bind(channel, &queue, &self.intake(), &key).await?;
            }
        }
        Ok(())
    }

    /// What recipients fetch, and what they answer. Copies that expire are gone: dead letters are none of them.
    async fn declare_mailboxes(&self, channel: &Channel) -> Result<(), Error> {
        if self.options.mailboxes.is_empty() {
            return Ok(());
        }
        self.exchange(channel, self.mailbox(), ExchangeKind::Direct).await?;
        for endpoint in &self.options.mailboxes {
            let queue = self.mailbox_queue(endpoint);
            let mut arguments = quorum(self.options.mailbox_limit);
            let deliveries = i64::from(self.options.delivery_limit);
            put(&mut arguments, "x-delivery-limit", AMQPValue::LongLongInt(deliveries));
            self.queue(channel, &queue, arguments).await?;
            self.bind(channel, &queue, &self.mailbox(), endpoint.as_str()).await?;
        }
        let (answer, dead) = (self.answer(), self.dead());
        self.exchange(channel, answer.clone(), ExchangeKind::Topic).await?;
        let bounds = Bounds {
            limit: self.options.outcome_limit,
            deliveries: OUTCOME_DELIVERIES,
            dead_key: dead.as_str(),
        };
        self.queue(channel, &answer, self.arguments(bounds)).await?;
        self.bind(channel, &answer, &answer, EVERY_KEY).await
    }

    /// The arguments of a queue that loses nothing.
    pub(super) fn arguments(&self, bounds: Bounds<'_>) -> FieldTable {
        let mut arguments = quorum(bounds.limit);
        put(&mut arguments, "x-delivery-limit", AMQPValue::LongLongInt(i64::from(bounds.deliveries)));
        put(&mut arguments, "x-dead-letter-exchange", text(self.dead().as_str()));
        put(&mut arguments, "x-dead-letter-routing-key", text(bounds.dead_key));
        put(&mut arguments, "x-dead-letter-strategy", text("at-least-once"));
        arguments
    }

    async fn exchange(&self, channel: &Channel, name: ShortString, kind: ExchangeKind) -> Result<(), Error> {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let what = format!("exchange '{name}'");
        let declared = channel.exchange_declare(name, kind, options, FieldTable::default());
        declared.await.map_err(|source| self.refused(what, source))
    }

    pub(super) async fn queue(
        &self,
        channel: &Channel,
        name: &ShortString,
        arguments: FieldTable,
    ) -> Result<(), Error> {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(name.clone(), options, arguments).await;
        declared.map(drop).map_err(|source| self.refused(format!("queue '{name}'"), source))
    }

    pub(super) async fn bind(
        &self,
        channel: &Channel,
        queue: &ShortString,
        exchange: &ShortString,
        key: &str,
    ) -> Result<(), Error> {
        let options = QueueBindOptions::default();
        let bound =
            channel.queue_bind(queue.clone(), exchange.clone(), short(key), options, FieldTable::default());
        bound.await.map_err(|source| self.refused(format!("binding of '{queue}' to '{exchange}'"), source))
    }

    /// What the broker refused, and what to do about it.
    pub(super) fn refused(&self, what: String, source: lapin::Error) -> Error {
        let account = self.options.nodes.user().to_owned();
        let prefix = self.options.prefix.replace('.', "\\.");
        let needs = match self.options.role {
            Role::Hub if !self.options.replies() => {
                format!("configure, write and read permission on ^{prefix}\\.")
            }
            Role::Hub => format!(
                "configure and read permission on ^{prefix}\\. and write permission on ^({prefix}\\.|amq\\.default$)"
            ),
            Role::Worker => format!(
                "read permission on ^{prefix}\\.work\\.(its endpoints)$ and write permission on ^{prefix}\\.outcome$"
            ),
        };
        Error::refused(what, account, needs, source)
    }
}

/// A quorum queue that refuses what does not fit. The broker checks each argument against what it has.
fn quorum(limit: usize) -> FieldTable {
    let mut arguments = FieldTable::default();
    put(&mut arguments, "x-queue-type", text("quorum"));
    put(&mut arguments, "x-max-length", AMQPValue::LongLongInt(i64::try_from(limit).unwrap_or(i64::MAX)));
    put(&mut arguments, "x-overflow", text("reject-publish"));
    arguments
}

pub(super) fn put(arguments: &mut FieldTable, name: &str, value: AMQPValue) {
    arguments.insert(short(name), value);
}

pub(super) fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// Text as a name of the protocol. Names are checked when the bus is opened; one that would not fit is cut,
/// and so refused by the broker, instead of ending the process.
pub(super) fn short(text: &str) -> ShortString {
    let end = text.floor_char_boundary(NAME_BYTES);
    text[..end].into()
}
