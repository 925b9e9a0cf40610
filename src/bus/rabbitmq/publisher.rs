//! Publishing: one task owns one channel, and nobody else publishes on it.
//!
//! Shared channels confuse their confirms, and pipelined returns are attached to the wrong one; so batches
//! go out one after the other, each piece under an id of its own, and the returned ids of a batch are
//! counted together once all of it is confirmed. An ack and no return is the only success. A batch that is
//! not confirmed in time ends the connection: nothing of it may go out later unnoticed.
//!
//! A channel that was told no is not asked for long. A RabbitMQ asks for a queue's leader when a channel first
//! publishes to it; one that is then told of a node that is gone refuses everything for that queue until the
//! node is back, though the others have a new leader and there is room.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures::{future::BoxFuture, poll};
use lapin::{
    BasicProperties, Channel, Confirmation, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{FieldTable, ShortString},
};
use metrics::{counter, histogram};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{Options, link::Link, node::Live, topology::short};
use crate::task::{
    Failure,
    metrics::{BUS_CONFIRM_DURATION, BUS_PUBLISHED},
};

/// Requests that wait for the owner at most; each has at most one batch of the caller's.
const REQUESTS: usize = 64;
/// Broker messages in one batch at most.
const BATCH: usize = 1_000;
/// Bytes of a joined message at most.
const MESSAGE_BYTES: usize = 256 * 1024;
/// Persistent.
const PERSISTENT: u8 = 2;
/// A channel on which something was refused is replaced once it is so old: where a queue is full, this bounds how
/// many channels are opened for it.
const REFUSED_LIFE: Duration = Duration::from_secs(1);

/// One broker message to be.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) key: ShortString,
    pub(super) id: String,
    pub(super) body: Vec<u8>,
    /// Media type of the body.
    pub(super) media: ShortString,
    pub(super) correlation: Option<ShortString>,
    pub(super) routing: Routing,
    /// Milliseconds after which it leaves its queue.
    pub(super) expiration: Option<ShortString>,
    pub(super) headers: Option<FieldTable>,
}

/// Whether a parcel that no queue gets comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Routing {
    /// It does.
    Mandatory,
    /// The broker would say so of every parcel that goes this way.
    Unsaid,
}

impl Parcel {
    /// JSON that must reach a queue.
    pub(super) fn json(key: ShortString, id: String, body: Vec<u8>) -> Self {
        Self {
            key,
            id,
            body,
            media: "application/json".into(),
            correlation: None,
            routing: Routing::Mandatory,
            expiration: None,
            headers: None,
        }
    }
}

/// What became of a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Queued, for sure.
    Taken,
    /// Nothing was sent.
    NotSent(Box<str>),
    /// The queue refused it.
    Nacked,
    /// No queue was there for it.
    Returned,
    /// Sent; what became of it is not known.
    Unknown(Box<str>),
}

impl Fate {
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::NotSent(_) => "not_sent",
            Self::Nacked => "nacked",
            Self::Returned => "returned",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// Parcels, and who waits to hear of them.
#[derive(Debug)]
struct Request {
    parcels: Vec<Parcel>,
    answer: oneshot::Sender<Vec<Fate>>,
}

/// What hands parcels to the owner of a channel.
#[derive(Clone, Debug)]
pub(super) struct Publisher {
    requests: mpsc::Sender<Request>,
    ready: watch::Receiver<bool>,
}

impl Publisher {
    /// Publishes; fates are in the order of the parcels. At once, unless the owner has too much to do.
    pub(super) async fn publish(&self, parcels: Vec<Parcel>) -> Vec<Fate> {
        let count = parcels.len();
        let (answer, fates) = oneshot::channel();
        match self.requests.try_send(Request { parcels, answer }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                return not_sent(count, "too much waits to be published");
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return not_sent(count, "the bus is stopping"),
        }
        fates.await.unwrap_or_else(|_| vec![Fate::Unknown("the bus stopped meanwhile".into()); count])
    }

    /// Waits until what is published goes out; for ever when the owner has ended. Cancel-safe.
    pub(super) async fn ready(&mut self) {
        if self.ready.wait_for(|is_ready| *is_ready).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the owner has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }
}

fn not_sent(count: usize, why: &str) -> Vec<Fate> {
    vec![Fate::NotSent(why.into()); count]
}

/// Owns a publishing channel.
#[derive(Debug)]
pub(super) struct Owner {
    link: Link,
    exchange: ShortString,
    /// The account, which the broker checks.
    user: ShortString,
    timeout: Duration,
    packing: Packing,
    care: Care,
    requests: mpsc::Receiver<Request>,
    ready: watch::Sender<bool>,
    open: Option<Open>,
}

/// A channel in use.
#[derive(Debug)]
struct Open {
    channel: Channel,
    /// The connection it is on.
    live: Arc<Live>,
    since: Instant,
}

/// How parcels become broker messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Each by itself.
    Single,
    /// JSON arrays with one routing key, joined into longer ones.
    Joined,
}

/// What it means that a parcel is not surely taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// It must not go out later unnoticed, and a queue that is gone must be declared again: the connection ends.
    Strict,
    /// It may go out later, and its queue is not ours: the channel ends.
    Lenient,
}

/// A publish under way.
enum Sending<'a> {
    Going(BoxFuture<'a, lapin::Result<PublisherConfirm>>),
    Gone(lapin::Result<PublisherConfirm>),
}

impl Owner {
    pub(super) fn new(
        link: Link,
        exchange: ShortString,
        packing: Packing,
        care: Care,
        options: &Options,
    ) -> (Self, Publisher) {
        let (sender, requests) = mpsc::channel(REQUESTS);
        let (ready, seen) = watch::channel(false);
        let user = short(options.nodes.user());
        let timeout = options.publish_timeout;
        let owner = Self { link, exchange, user, timeout, packing, care, requests, ready, open: None };
        (owner, Publisher { requests: sender, ready: seen })
    }

    /// Runs until told to end and everything handed over before is answered.
    pub(super) async fn run(mut self, token: CancellationToken) -> Result<(), Failure> {
        self.prepare().await;
        let mut requests = Vec::new();
        loop {
            tokio::select! {
                () = token.cancelled(), if !self.requests.is_closed() => self.requests.close(),
                count = self.requests.recv_many(&mut requests, REQUESTS) => {
                    if count == 0 {
                        // Nobody is left who could ask for anything.
                        token.cancelled().await;
                        return Ok(());
                    }
                    self.serve(std::mem::take(&mut requests)).await;
                }
                () = self.link.changed() => self.prepare().await,
            }
        }
    }

    /// Publishes what was asked for, as one batch or more, and answers.
    async fn serve(&mut self, requests: Vec<Request>) {
        let mut waiting = Vec::new();
        let mut parcels = Vec::new();
        for request in requests {
            waiting.push((request.parcels.len(), request.answer));
            parcels.extend(request.parcels);
        }
        let (parcels, packed) = self.pack(parcels);
        let mut fates = Vec::new();
        for (batch, packed) in parcels.chunks(BATCH).zip(packed.chunks(BATCH)) {
            for (fate, count) in self.batch(batch).await.into_iter().zip(packed) {
                let to = self.to();
                counter!(BUS_PUBLISHED, "to" => to, "result" => fate.as_str()).increment(1);
                fates.extend(std::iter::repeat_n(fate, *count));
            }
        }
        let mut fates = fates.into_iter();
        for (count, answer) in waiting {
            // Who asked may have been cut off meanwhile.
            drop(answer.send(fates.by_ref().take(count).collect()));
        }
    }

    /// Broker messages, and how many parcels are in each.
    fn pack(&self, parcels: Vec<Parcel>) -> (Vec<Parcel>, Vec<usize>) {
        let mut messages: Vec<Parcel> = Vec::with_capacity(parcels.len());
        let mut counts: Vec<usize> = Vec::with_capacity(parcels.len());
        for parcel in parcels {
            match (messages.last_mut(), counts.last_mut()) {
                (Some(last), Some(count)) if self.packing == Packing::Joined && joins(last, &parcel) => {
                    last.body.pop();
                    last.body.push(b',');
                    last.body.extend_from_slice(&parcel.body[1..]);
                    *count += 1;
                }
                _ => {
                    messages.push(parcel);
                    counts.push(1);
                }
            }
        }
        (messages, counts)
    }

    /// The exchange as metrics name it.
    fn to(&self) -> String {
        if self.exchange.as_str().is_empty() { "replies".to_owned() } else { self.exchange.to_string() }
    }

    async fn batch(&mut self, parcels: &[Parcel]) -> Vec<Fate> {
        if let Err(why) = self.stand().await {
            return not_sent(parcels.len(), &why);
        }
        let Some(open) = self.open.take() else {
            return not_sent(parcels.len(), "no channel");
        };
        let began = Instant::now();
        let fates = self.send_all(&open.channel, parcels, began + self.timeout).await;
        histogram!(BUS_CONFIRM_DURATION, "to" => self.to()).record(began.elapsed());
        let is_settled = |fate: &Fate| matches!(fate, Fate::Taken | Fate::Nacked | Fate::Returned);
        let is_gone = self.care == Care::Strict && fates.contains(&Fate::Returned);
        let is_refused = fates.contains(&Fate::Nacked) && open.since.elapsed() >= REFUSED_LIFE;
        if fates.iter().all(is_settled) && !is_gone {
            if is_refused {
                self.close(open).await;
            } else {
                self.open = Some(open);
            }
        } else if self.care == Care::Lenient {
            self.close(open).await;
        } else {
            // What is unknown must not go out later; and where a queue is gone, a new connection declares it.
            self.ready.send_replace(false);
            open.live.cut();
        }
        fates
    }

    /// Closes a channel; the next batch opens another. One that the broker has closed already needs no more.
    async fn close(&self, open: Open) {
        let closing = open.channel.close(200, "given up".into());
        if tokio::time::timeout(self.timeout, closing).await.is_err() {
            open.live.cut();
        }
    }

    /// Sends all of it in order, then waits for all confirms.
    async fn send_all(&self, channel: &Channel, parcels: &[Parcel], end: Instant) -> Vec<Fate> {
        let mut sending = Vec::with_capacity(parcels.len());
        for parcel in parcels {
            // Polled once here, so that tags are given in this order and by this task.
            let mut publish = self.publish(channel, parcel);
            sending.push(match poll!(&mut publish) {
                std::task::Poll::Ready(sent) => Sending::Gone(sent),
                std::task::Poll::Pending => Sending::Going(publish),
            });
        }
        let mut fates = Vec::with_capacity(parcels.len());
        let mut returned = HashSet::new();
        for sending in sending {
            let settled = tokio::time::timeout_at(end, settle(sending, &mut returned)).await;
            let late = || Fate::Unknown(format!("no confirm in {} ms", self.timeout.as_millis()).into());
            fates.push(settled.unwrap_or_else(|_| late()));
        }
        for (fate, parcel) in fates.iter_mut().zip(parcels) {
            if returned.contains(parcel.id.as_str()) {
                *fate = Fate::Returned;
            }
        }
        fates
    }

    fn publish<'a>(
        &self,
        channel: &'a Channel,
        parcel: &'a Parcel,
    ) -> BoxFuture<'a, lapin::Result<PublisherConfirm>> {
        let properties = BasicProperties::default()
            .with_content_type(parcel.media.clone())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(short(&parcel.id))
            .with_user_id(self.user.clone());
        let properties = match &parcel.correlation {
            Some(correlation) => properties.with_correlation_id(correlation.clone()),
            None => properties,
        };
        let properties = match &parcel.expiration {
            Some(expiration) => properties.with_expiration(expiration.clone()),
            None => properties,
        };
        let properties = match &parcel.headers {
            Some(headers) => properties.with_headers(headers.clone()),
            None => properties,
        };
        let mandatory = parcel.routing == Routing::Mandatory;
        let options = BasicPublishOptions { mandatory, ..BasicPublishOptions::default() };
        let exchange = self.exchange.clone();
        Box::pin(channel.basic_publish(exchange, parcel.key.clone(), options, &parcel.body, properties))
    }

    /// Makes ready as soon as the connection is there, so that who waits for it need not try.
    async fn prepare(&mut self) {
        let stands = self.stand().await;
        self.ready.send_if_modified(|is_ready| std::mem::replace(is_ready, stands.is_ok()) != stands.is_ok());
        if let Err(why) = stands {
            tracing::debug!(exchange = %self.exchange, %why, "cannot publish now");
        }
    }

    /// A channel in order on the connection of now, or why there is none.
    async fn stand(&mut self) -> Result<(), Box<str>> {
        let Some(live) = self.link.now() else {
            self.open = None;
            return Err("the broker is not connected".into());
        };
        if let Some(reason) = self.link.blocked() {
            return Err(format!("the broker blocks publishing: {reason}").into());
        }
        let is_good = |open: &Open| Arc::ptr_eq(&open.live, &live) && open.channel.status().connected();
        if self.open.as_ref().is_some_and(is_good) {
            return Ok(());
        }
        self.open = None;
        let mut link = self.link.clone();
        let opening = async {
            tokio::select! {
                opened = tokio::time::timeout(self.timeout, self.channel(&live)) => Some(opened),
                () = blocked(&mut link) => None,
            }
        };
        match opening.await {
            Some(Ok(Ok(channel))) => {
                self.open = Some(Open { channel, live, since: Instant::now() });
                self.ready.send_replace(true);
                Ok(())
            }
            Some(Ok(Err(error))) => {
                live.cut();
                Err(error.to_string().into())
            }
            Some(Err(_)) => {
                live.cut();
                Err("the broker does not confirm".into())
            }
            None => Err("the broker blocks publishing".into()),
        }
    }

    /// A channel with confirms, over which one message went that no queue gets.
    async fn channel(&self, live: &Live) -> lapin::Result<Channel> {
        let channel = live.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default().with_user_id(self.user.clone());
        let probe = channel.basic_publish(self.exchange.clone(), ".probe".into(), options, &[], properties);
        match probe.await?.await? {
            Confirmation::Ack(_) => Ok(channel),
            Confirmation::Nack(_) | Confirmation::NotRequested => {
                Err(std::io::Error::other("the broker did not confirm a probe").into())
            }
        }
    }
}

/// Whether two JSON arrays, neither empty, go into one message.
fn joins(one: &Parcel, other: &Parcel) -> bool {
    one.key == other.key && one.body.len() + other.body.len() <= MESSAGE_BYTES
}

/// Waits until the broker blocks publishing.
async fn blocked(link: &mut Link) {
    while link.blocked().is_none() {
        link.changed().await;
    }
}

async fn settle(sending: Sending<'_>, returned: &mut HashSet<String>) -> Fate {
    let sent = match sending {
        Sending::Going(publish) => publish.await,
        Sending::Gone(sent) => sent,
    };
    let confirm = match sent {
        Ok(confirm) => confirm,
        Err(error) if matches!(error.kind(), lapin::ErrorKind::InvalidChannelState(..)) => {
            return Fate::NotSent(error.to_string().into());
        }
        Err(error) => return Fate::Unknown(error.to_string().into()),
    };
    match confirm.await {
        Ok(Confirmation::Ack(message)) => {
            returned.extend(message.and_then(|message| id_of(&message.delivery)));
            Fate::Taken
        }
        Ok(Confirmation::Nack(message)) => {
            returned.extend(message.and_then(|message| id_of(&message.delivery)));
            Fate::Nacked
        }
        Ok(Confirmation::NotRequested) => Fate::Unknown("the channel gives no confirms".into()),
        Err(error) => Fate::Unknown(error.to_string().into()),
    }
}

fn id_of(delivery: &lapin::message::Delivery) -> Option<String> {
    delivery.properties.message_id().as_ref().map(ToString::to_string)
}
