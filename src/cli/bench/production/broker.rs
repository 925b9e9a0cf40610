//! The broker without the hub: messages of 1 KiB through one quorum queue, persistent and mandatory, published with
//! confirms in a window and consumed with one acknowledgement for many.

use std::{collections::VecDeque, time::Duration};

use futures::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
        ConfirmSelectOptions, ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::time::Instant;

use super::figures::Queue;
use crate::{
    cli::bench::{
        figures::Rate,
        message::{FanOut, MESSAGE_BYTES, Series},
    },
    task::Failure,
};

/// Publishes whose confirms are waited for together.
pub(super) const WINDOW: usize = 1_000;
/// Messages that a consumer may have unacknowledged.
const PREFETCH: u16 = 500;
/// Messages acknowledged at once.
const ACKNOWLEDGED: usize = 50;
/// Delivery mode of a message that survives the broker.
pub(super) const PERSISTENT: u8 = 2;

/// The first address of several.
pub(super) fn first_node(addresses: &str) -> Result<&str, Failure> {
    let first = addresses.split([' ', ',', '\n', '\r', '\t']).find(|part| !part.is_empty());
    Ok(first.ok_or("bus.url names no broker")?)
}

/// Two connections, as the hub has.
pub(super) struct Broker {
    publishes: Connection,
    consumes: Connection,
}

impl Broker {
    /// Connects to the first node of these.
    pub(super) async fn open(addresses: &str) -> Result<Self, Failure> {
        let address = first_node(addresses)?;
        let connect = || Connection::connect(address, ConnectionProperties::default());
        // What the driver says of an address may repeat it, and with it the password.
        let refused = |_| Failure::from("the broker of bus.url does not let the benchmark in");
        Ok(Self { publishes: connect().await.map_err(refused)?, consumes: connect().await.map_err(refused)? })
    }

    /// Publishes, then consumes, then both at once.
    pub(super) async fn measure(self, messages: usize) -> Result<Queue, Failure> {
        let name: ShortString = format!("liandong-bench-raw-{}", std::process::id()).into();
        let (publisher, consumer) =
            (self.publishes.create_channel().await?, self.consumes.create_channel().await?);
        publisher.confirm_select(ConfirmSelectOptions::default()).await?;
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let mut quorum = FieldTable::default();
        quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        publisher.queue_declare(name.clone(), durable, quorum).await?;
        consumer.basic_qos(PREFETCH, BasicQosOptions::default()).await?;

        let published = publish(&publisher, &name, messages).await?;
        let consumed = consume(&consumer, &name, messages).await?;
        let begun = Instant::now();
        tokio::try_join!(publish(&publisher, &name, messages), consume(&consumer, &name, messages))?;
        let both = begun.elapsed();

        publisher.queue_delete(name, QueueDeleteOptions::default()).await?;
        self.close().await?;
        let [published, consumed, pair] = [published, consumed, both].map(|took| Rate::of(messages, took));
        Ok(Queue { published, consumed, pair })
    }

    /// Deletes what a hub declared.
    pub(super) async fn remove(
        self,
        queues: impl Iterator<Item = String>,
        exchanges: [String; 4],
    ) -> Result<(), Failure> {
        let channel = self.publishes.create_channel().await?;
        for queue in queues {
            channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
        }
        for exchange in exchanges {
            channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await?;
        }
        self.close().await
    }

    async fn close(self) -> Result<(), Failure> {
        for connection in [self.publishes, self.consumes] {
            connection.close(200, "measured".into()).await?;
        }
        Ok(())
    }
}

/// Publishes so many; how long it took until the last confirm.
async fn publish(channel: &Channel, queue: &ShortString, messages: usize) -> Result<Duration, Failure> {
    let body = Series::new(FanOut::One, 'Q').message(0).into_bytes();
    debug_assert_eq!(body.len(), MESSAGE_BYTES);
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    let mut waiting = VecDeque::with_capacity(WINDOW);
    let begun = Instant::now();
    for _ in 0..messages {
        if waiting.len() == WINDOW
            && let Some(confirm) = waiting.pop_front()
        {
            must_be_kept(confirm).await?;
        }
        let sent =
            channel.basic_publish("".into(), queue.clone(), options, &body, properties.clone()).await?;
        waiting.push_back(sent);
    }
    for confirm in waiting {
        must_be_kept(confirm).await?;
    }
    Ok(begun.elapsed())
}

/// Fails unless the broker has it.
pub(super) async fn must_be_kept(confirm: PublisherConfirm) -> Result<(), Failure> {
    match confirm.await? {
        Confirmation::Ack(None) => Ok(()),
        other => Err(format!("the broker did not keep what was published: {other:?}").into()),
    }
}

/// Consumes so many; how long it took until the last acknowledgement was sent.
async fn consume(channel: &Channel, queue: &ShortString, messages: usize) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let mut consumer = channel
        .basic_consume(queue.clone(), "bench".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await?;
    for number in 1..=messages {
        let delivery = consumer.next().await.ok_or("the broker ended the consumer")??;
        if number.is_multiple_of(ACKNOWLEDGED) || number == messages {
            delivery.acker.ack(BasicAckOptions { multiple: true }).await?;
        }
    }
    let took = begun.elapsed();
    channel.basic_cancel("bench".into(), BasicCancelOptions::default()).await?;
    Ok(took)
}
