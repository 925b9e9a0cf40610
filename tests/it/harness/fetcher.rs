//! A department's system that fetches its deliveries from a queue of the broker and answers each.

use futures::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use serde_json::Value;

use super::hub::PATIENCE;

/// A system that consumes its mailbox.
#[derive(Debug)]
pub(crate) struct Fetcher {
    channel: Channel,
    deliveries: Consumer,
    counts: Consumer,
    /// Where it hears what its answers count.
    reply: String,
    endpoint: String,
    account: String,
    connection: Connection,
}

/// A copy that it has fetched.
#[derive(Debug)]
pub(crate) struct Fetched(Delivery);

impl Fetched {
    /// The delivery, the same for every copy.
    pub(crate) fn delivery(&self) -> &str {
        self.0.properties.message_id().as_ref().unwrap().as_str()
    }

    /// What its answer brings back.
    pub(crate) fn ticket(&self) -> &str {
        self.0.properties.correlation_id().as_ref().unwrap().as_str()
    }

    /// The media type of the body.
    pub(crate) fn media(&self) -> &str {
        self.0.properties.content_type().as_ref().unwrap().as_str()
    }

    /// The body in the adapter's form.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.0.data).unwrap()
    }

    /// The bytes of the body.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0.data
    }

    /// What stands beside the body, as text.
    pub(crate) fn header(&self, name: &str) -> String {
        match &self.0.properties.headers().as_ref().unwrap().inner()[name] {
            AMQPValue::LongString(text) => text.to_string(),
            AMQPValue::LongLongInt(number) => number.to_string(),
            other => panic!("{name} is {other:?}"),
        }
    }
}

impl Fetcher {
    /// Opens the mailbox of an endpoint with an account; `reply` is a queue that the account may declare.
    pub(crate) async fn open(url: &str, account: &str, endpoint: &str, reply: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        channel.basic_qos(100, BasicQosOptions::default()).await.unwrap();
        let own = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let reply = channel.queue_declare(reply.into(), own, FieldTable::default()).await.unwrap();
        let reply = reply.name().to_string();
        let silent = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let counts = channel.basic_consume(reply.as_str().into(), "".into(), silent, FieldTable::default());
        let counts = counts.await.unwrap();
        let queue = format!("liandong.mailbox.{endpoint}");
        let deliveries = channel.basic_consume(
            queue.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let deliveries = deliveries.await.unwrap();
        let (endpoint, account) = (endpoint.to_owned(), account.to_owned());
        Self { channel, deliveries, counts, reply, endpoint, account, connection }
    }

    /// The next delivery.
    pub(crate) async fn next(&mut self) -> Fetched {
        let next = tokio::time::timeout(PATIENCE, self.deliveries.next()).await;
        Fetched(next.expect("a delivery").unwrap().unwrap())
    }

    /// Says that it has a delivery; how that counted.
    pub(crate) async fn acknowledge(&mut self, fetched: &Fetched) -> String {
        self.answer(fetched, "").await
    }

    /// Answers a delivery and is done with the copy; how that counted.
    pub(crate) async fn answer(&mut self, fetched: &Fetched, body: &str) -> String {
        let (endpoint, account) = (self.endpoint.clone(), self.account.clone());
        let said = self.say(&endpoint, &account, fetched.ticket(), body).await;
        fetched.0.acker.ack(BasicAckOptions::default()).await.unwrap();
        said["count"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    /// Publishes an answer; what it is told.
    pub(crate) async fn say(&mut self, endpoint: &str, account: &str, ticket: &str, body: &str) -> Value {
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_user_id(account.into())
            .with_correlation_id(ticket.into())
            .with_reply_to(self.reply.as_str().into());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let publish = self.channel.basic_publish(
            "liandong.answer".into(),
            endpoint.into(),
            options,
            body.as_bytes(),
            properties,
        );
        let confirm = publish.await.unwrap().await.unwrap();
        assert!(confirm.is_ack() && confirm.take_message().is_none(), "not taken by the broker");
        let told = tokio::time::timeout(PATIENCE, self.counts.next()).await;
        let told = told.expect("word of the answer").unwrap().unwrap();
        assert_eq!(told.properties.correlation_id().as_ref().unwrap().as_str(), ticket);
        serde_json::from_slice(&told.data).unwrap()
    }

    /// Leaves; what it has fetched and not answered goes back.
    pub(crate) async fn leave(self) {
        self.connection.close(200, "leaving".into()).await.unwrap();
    }
}
