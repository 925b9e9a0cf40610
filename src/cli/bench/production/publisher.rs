//! A sender over AMQP, as a department's system is: publishes events with confirms in a window, and reads a receipt
//! for each.

use std::collections::VecDeque;

use futures::{StreamExt as _, TryStreamExt as _};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer, PublisherConfirm,
    options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};
use tokio::sync::{Mutex, Semaphore};

use super::broker::{PERSISTENT, WINDOW, first_node, must_be_kept};
use crate::{
    cli::bench::{loader::due, message::Series},
    task::Failure,
};

/// Messages without a receipt at most: fewer than the hub's queue takes.
const UNANSWERED: usize = 20_000;
/// Media type of an event.
const EVENT: &str = "application/cloudevents+json";
/// Media type of a receipt; that of a refusal is another.
const RECEIPT: &str = "application/json";

/// A sender of one endpoint.
pub(super) struct Publisher {
    channel: Channel,
    answers: Mutex<Consumer>,
    exchange: ShortString,
    endpoint: ShortString,
    properties: BasicProperties,
    connection: Connection,
}

impl Publisher {
    /// Connects, with a queue for its answers. Queues and exchanges of the hub begin with `prefix`.
    pub(super) async fn open(
        addresses: &str,
        account: &str,
        prefix: &str,
        endpoint: &str,
    ) -> Result<Self, Failure> {
        let address = first_node(addresses)?;
        // What the driver says of an address may repeat it, and with it the password.
        let refused = |_| Failure::from("the broker of bus.url does not let the benchmark's sender in");
        let connection =
            Connection::connect(address, ConnectionProperties::default()).await.map_err(refused)?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let own =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("".into(), own, FieldTable::default()).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let answers =
            channel.basic_consume(queue.name().clone(), "".into(), options, FieldTable::default()).await?;
        let properties = BasicProperties::default()
            .with_content_type(EVENT.into())
            .with_delivery_mode(PERSISTENT)
            .with_user_id(account.into())
            .with_reply_to(queue.name().clone());
        Ok(Self {
            channel,
            answers: Mutex::new(answers),
            exchange: format!("{prefix}.intake").into(),
            endpoint: endpoint.into(),
            properties,
            connection,
        })
    }

    /// Hands in messages `0..count` of a series as fast as confirms come; until the last receipt is there.
    pub(super) async fn send(&self, series: Series, count: usize) -> Result<(), Failure> {
        let room = Semaphore::new(UNANSWERED);
        let publishing = async {
            let mut waiting = VecDeque::with_capacity(WINDOW);
            for number in 0..count {
                room.acquire().await?.forget();
                if waiting.len() == WINDOW
                    && let Some(confirm) = waiting.pop_front()
                {
                    must_be_kept(confirm).await?;
                }
                waiting.push_back(self.publish(series, number).await?);
            }
            for confirm in waiting {
                must_be_kept(confirm).await?;
            }
            Ok(())
        };
        tokio::try_join!(publishing, self.receipts(count, &room)).map(drop)
    }

    /// Hands in messages `0..count`, each when its time has come, however slow the hub is.
    pub(super) async fn send_at_rate(
        &self,
        series: Series,
        count: usize,
        per_second: u32,
    ) -> Result<(), Failure> {
        let room = Semaphore::new(0);
        let published = due(count, per_second).then(|number| self.publish(series, number));
        let confirmed = published.map_ok(must_be_kept).try_buffer_unordered(WINDOW);
        let publishing = confirmed.try_for_each(|()| async { Ok(()) });
        tokio::try_join!(publishing, self.receipts(count, &room)).map(drop)
    }

    /// Ends the connection.
    pub(super) async fn close(self) -> Result<(), Failure> {
        Ok(self.connection.close(200, "measured".into()).await?)
    }

    async fn publish(&self, series: Series, number: usize) -> Result<PublisherConfirm, Failure> {
        let body = series.event(number);
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, key) = (self.exchange.clone(), self.endpoint.clone());
        let sent =
            self.channel.basic_publish(exchange, key, options, body.as_bytes(), self.properties.clone());
        Ok(sent.await?)
    }

    /// Reads so many answers, each of which must be a receipt.
    async fn receipts(&self, count: usize, room: &Semaphore) -> Result<(), Failure> {
        let mut answers = self.answers.lock().await;
        for _ in 0..count {
            let answer = answers.next().await.ok_or("the broker ended the consumer of answers")??;
            let media = answer.properties.content_type();
            if media.as_ref().is_none_or(|media| media.as_str() != RECEIPT) {
                let said: String = String::from_utf8_lossy(&answer.data).chars().take(400).collect();
                return Err(format!("the hub did not accept what was published: {said}").into());
            }
            room.add_permits(1);
        }
        Ok(())
    }
}
