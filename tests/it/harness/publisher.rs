//! A department's system that publishes to the hub's intake, as any AMQP 0-9-1 client would, and reads answers.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer,
    options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use serde_json::Value;

use super::{
    broker::Broker,
    hub::PATIENCE,
    sender::{Answer, event},
};

/// The queue that belongs to one connection and is none.
pub(crate) const DIRECT: &str = "amq.rabbitmq.reply-to";

/// A system with a connection and a queue for its answers.
#[derive(Debug)]
pub(crate) struct Publisher {
    channel: Channel,
    answers: Consumer,
    /// Where its answers go.
    pub(crate) queue: String,
    account: String,
    #[expect(dead_code, reason = "keeps the channel open")]
    connection: Connection,
}

impl Publisher {
    /// A system with the account of the tests.
    pub(crate) async fn at(broker: &Broker) -> Self {
        Self::with(broker.url(), "guest", "").await
    }

    /// One that reads its answers from the queue of its connection.
    pub(crate) async fn direct(broker: &Broker) -> Self {
        Self::with(broker.url(), "guest", DIRECT).await
    }

    /// One with an account, and a queue of this name for its answers; a name of the broker's choice when empty.
    pub(crate) async fn with(url: &str, account: &str, queue: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let queue = if queue == DIRECT {
            queue.to_owned()
        } else {
            let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
            let declared = channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
            declared.name().to_string()
        };
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let answers = channel
            .basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default())
            .await
            .unwrap();
        Self { channel, answers, queue, account: account.to_owned(), connection }
    }

    /// The properties of a message in structured mode, with its number as correlation.
    pub(crate) fn properties(&self, number: usize) -> BasicProperties {
        BasicProperties::default()
            .with_content_type("application/cloudevents+json".into())
            .with_delivery_mode(2)
            .with_user_id(self.account.as_str().into())
            .with_reply_to(self.queue.as_str().into())
            .with_correlation_id(number.to_string().into())
    }

    /// Publishes a message for an endpoint, which the broker must take.
    pub(crate) async fn publish(&self, endpoint: &str, message: &Value, number: usize) {
        let body = event(message).to_string();
        self.publish_as(endpoint, body.as_bytes(), self.properties(number)).await;
    }

    /// Publishes bytes with these properties, which the broker must take.
    pub(crate) async fn publish_as(&self, endpoint: &str, body: &[u8], properties: BasicProperties) {
        let confirm = self.try_publish(endpoint, body, properties).await.unwrap();
        assert!(confirm.is_ack() && confirm.take_message().is_none(), "not taken by the broker");
    }

    /// The same where the broker may refuse.
    pub(crate) async fn try_publish(
        &self,
        endpoint: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> lapin::Result<Confirmation> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let exchange: ShortString = "liandong.intake".into();
        let publish = self.channel.basic_publish(exchange, endpoint.into(), options, body, properties);
        publish.await?.await
    }

    /// Takes from a queue, where the broker may refuse.
    pub(crate) async fn try_consume(&self, queue: &str) -> lapin::Result<Consumer> {
        let options = BasicConsumeOptions::default();
        self.channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await
    }

    /// The next answer: the number of its message, its media type, and it.
    pub(crate) async fn answer(&mut self) -> (usize, String, Answer) {
        let next = tokio::time::timeout(PATIENCE, self.answers.next()).await;
        let delivery = next.expect("an answer").unwrap().unwrap();
        let properties = &delivery.properties;
        let number = properties.correlation_id().as_ref().unwrap().as_str().parse().unwrap();
        let media = properties.content_type().as_ref().unwrap().to_string();
        let json: Value = serde_json::from_slice(&delivery.data).unwrap();
        let status = json["status"].as_u64().map_or(0, |status| u16::try_from(status).unwrap());
        (number, media, Answer { status, body: delivery.data })
    }

    /// Answers until there is one to each of so many messages; all answers to one message must be the same.
    pub(crate) async fn answers(&mut self, count: usize) -> BTreeMap<usize, Answer> {
        let mut all = BTreeMap::new();
        while all.len() < count {
            let (number, _, answer) = self.answer().await;
            let before = all.insert(number, answer.clone());
            assert!(before.is_none_or(|before| before == answer), "another answer to {number}");
        }
        all
    }
}

/// The attributes of an event in application properties, under this prefix.
pub(crate) fn attributes(prefix: &str, kind: &str) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in [("specversion", "1.0"), ("id", "1"), ("source", "test"), ("type", kind)] {
        table.insert(format!("{prefix}{name}").into(), AMQPValue::LongString(value.into()));
    }
    table
}
