//! Consuming from one queue: a channel of its own, opened again when it ends for whatever reason.

use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};

use super::link::Link;
use crate::task::retry::{Delays, Policy};

/// A consumer that lasts.
pub(super) struct Tap {
    link: Link,
    queue: ShortString,
    /// Deliveries that are brought before any is acknowledged.
    prefetch: u16,
    limit: Duration,
    /// Kept between calls, so that a call given up loses nothing.
    opening: Option<BoxFuture<'static, Result<Flow, Box<str>>>>,
    flow: Option<Flow>,
    delays: Delays,
}

/// A channel with its consumer.
///
/// The channel ends first. The broker gives back what is under way to a cancelled consumer at once, and what the
/// consumer has in hand only with its channel: behind it, out of order.
struct Flow {
    channel: Channel,
    consumer: Consumer,
}

impl Flow {
    fn close(&self) -> impl Future<Output = lapin::Result<()>> {
        self.channel.close(200, "done".into())
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        // Said without waiting for the answer. One that has ended needs no end.
        drop(self.close().now_or_never());
    }
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tap")
            .field("queue", &self.queue)
            .field("open", &self.flow.is_some())
            .finish_non_exhaustive()
    }
}

impl Tap {
    pub(super) fn new(link: Link, queue: ShortString, prefetch: u16, limit: Duration) -> Self {
        let delays = Policy::CONNECTION.delays();
        Self { link, queue, prefetch: prefetch.max(1), limit, opening: None, flow: None, delays }
    }

    /// The next delivery, however long that takes and whatever breaks meanwhile. Cancel-safe.
    pub(super) async fn next(&mut self) -> Delivery {
        loop {
            let Some(flow) = &mut self.flow else {
                self.open().await;
                continue;
            };
            match flow.consumer.next().await {
                Some(Ok(delivery)) => return delivery,
                Some(Err(error)) => {
                    tracing::warn!(queue = %self.queue, %error, "consumer ended, consuming again");
                }
                None => {
                    tracing::warn!(queue = %self.queue, "consumer was ended by the broker, consuming again");
                }
            }
            self.flow = None;
        }
    }

    /// A delivery that is here already.
    pub(super) fn at_hand(&mut self) -> Option<Delivery> {
        self.flow.as_mut()?.consumer.next().now_or_never()??.ok()
    }

    /// Whether messages wait in the queue that nobody but this process takes, which has so many consumers of it.
    /// One that was never opened is opened for it. No when the broker cannot be asked. Cancel-safe.
    pub(super) async fn left_to_us(&mut self, own: usize, limit: Duration) -> bool {
        if self.flow.is_none() && tokio::time::timeout(limit, self.opened()).await.is_err() {
            return false;
        }
        let Some(flow) = &self.flow else { return false };
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let asked = flow.channel.queue_declare(self.queue.clone(), options, FieldTable::default());
        match tokio::time::timeout(self.limit, asked).await {
            Ok(Ok(queue)) => {
                let has_others = queue.consumer_count() as usize > own;
                queue.message_count() > 0 && !has_others
            }
            _ => false,
        }
    }

    async fn opened(&mut self) {
        while self.flow.is_none() {
            self.open().await;
        }
    }

    /// Takes no more from the queue; what is at hand stays so. Cancel-safe.
    pub(super) async fn cancel(&mut self) {
        let Some(flow) = &self.flow else { return };
        let cancelled = flow.channel.basic_cancel(flow.consumer.tag(), BasicCancelOptions::default());
        if !matches!(tokio::time::timeout(self.limit, cancelled).await, Ok(Ok(()))) {
            // Nothing comes over a broken channel either.
            self.flow = None;
        }
    }

    /// Gives its channel up: what was brought and is not acknowledged goes back to where it stood in the queue.
    pub(super) async fn close(&mut self) {
        self.opening = None;
        let Some(flow) = self.flow.take() else { return };
        if !matches!(tokio::time::timeout(self.limit, flow.close()).await, Ok(Ok(()))) {
            tracing::debug!(queue = %self.queue, "channel was not closed in time, it ends with its connection");
        }
    }

    async fn open(&mut self) {
        let opening = self.opening.get_or_insert_with(|| {
            let (link, queue) = (self.link.clone(), self.queue.clone());
            Box::pin(open(link, queue, self.prefetch, self.limit))
        });
        let opened = opening.await;
        self.opening = None;
        match opened {
            Ok(flow) => {
                self.flow = Some(flow);
                self.delays.reset();
            }
            Err(why) => {
                tracing::warn!(queue = %self.queue, why, "cannot consume, trying again");
                let delay = self.delays.draw();
                let (link, queue) = (self.link.clone(), self.queue.clone());
                let (prefetch, limit) = (self.prefetch, self.limit);
                self.opening = Some(Box::pin(async move {
                    tokio::time::sleep(delay).await;
                    open(link, queue, prefetch, limit).await
                }));
            }
        }
    }
}

async fn open(mut link: Link, queue: ShortString, prefetch: u16, limit: Duration) -> Result<Flow, Box<str>> {
    let live = link.up().await;
    let opening = async {
        let channel = live.connection.create_channel().await?;
        consume(channel, queue, prefetch).await
    };
    match tokio::time::timeout(limit, opening).await {
        Ok(Ok(flow)) => Ok(flow),
        // A queue that is gone is declared with a new connection.
        Ok(Err(error)) => {
            if is_missing(&error) {
                live.cut();
            }
            Err(error.to_string().into())
        }
        Err(_) => {
            live.cut();
            Err("the broker did not answer in time".into())
        }
    }
}

async fn consume(channel: Channel, queue: ShortString, prefetch: u16) -> lapin::Result<Flow> {
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let consumer = channel
        .basic_consume(queue, "".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await?;
    Ok(Flow { channel, consumer })
}

fn is_missing(error: &lapin::Error) -> bool {
    const NOT_FOUND: u16 = 404;
    matches!(error.kind(), lapin::ErrorKind::ProtocolError(said) if said.get_id() == NOT_FOUND)
}
