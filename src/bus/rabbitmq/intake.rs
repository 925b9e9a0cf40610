//! What systems publish, as it comes from one endpoint's queue, and the answers to them.
//!
//! A letter is acknowledged when its reader is done with it, after its answer was handed to the broker or could
//! not be. Answers go to the queue the sender names, through the nameless exchange, over a connection and a
//! channel that carry nothing else: a sender whose queue answers badly harms no other.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use lapin::{
    Acker,
    message::Delivery,
    options::BasicAckOptions,
    types::{AMQPValue, FieldTable, ShortString},
};
use metrics::counter;
use uuid::Uuid;

use super::{
    publisher::{Fate, Parcel, Publisher, Routing},
    tap::Tap,
    topology::{OWN, Topology, short},
};
use crate::{
    port::inbox::{Answers, Form, Inbox, Letter, Reply, ReplyTo},
    task::metrics::{AMQP_LETTERS, AMQP_REPLIES, BUS_UNACKNOWLEDGED},
};

/// What the names of application properties with attributes begin with (CloudEvents AMQP binding, 3.1.3).
const PREFIXES: [&str; 2] = ["cloudEvents:", "cloudEvents_"];
/// Queues that belong to one connection and are none: the broker says of each message to them that no queue
/// was there, though it is handed over.
const DIRECT: &str = "amq.rabbitmq.reply-to.";

/// What was brought and is not done, in the order of the queue.
type Given = Arc<Mutex<VecDeque<Acker>>>;

/// The queue of one endpoint.
#[derive(Debug)]
pub(super) struct Letters {
    tap: Tap,
    given: Given,
    back: Back,
}

/// The way back of the answers.
#[derive(Clone, Debug)]
pub(super) struct Back {
    pub(super) replies: Publisher,
    pub(super) topology: Arc<Topology>,
    /// How long the broker may take for an acknowledgement.
    pub(super) limit: Duration,
}

#[async_trait]
impl Inbox for Letters {
    async fn next(&mut self, limit: usize) -> Vec<Letter> {
        let first = self.tap.next().await;
        let mut letters = vec![self.open(first)];
        while letters.len() < limit {
            match self.tap.at_hand() {
                Some(delivery) => letters.push(self.open(delivery)),
                None => break,
            }
        }
        letters
    }

    fn answers(&self) -> Box<dyn Answers> {
        Box::new(Done { given: Arc::clone(&self.given), back: self.back.clone() })
    }

    async fn close(&mut self) {
        lock(&self.given).clear();
        self.tap.close().await;
    }
}

/// Says what is done.
#[derive(Debug)]
struct Done {
    given: Given,
    back: Back,
}

#[async_trait]
impl Answers for Done {
    async fn done(&mut self, letters: usize, replies: Vec<Reply>) {
        self.back.answer(replies).await;
        let given: Vec<_> = {
            let mut given = lock(&self.given);
            let count = letters.min(given.len());
            given.drain(..count).collect()
        };
        let count = given.len() as u64;
        // Given in order: one word for the last that is still on a channel speaks for those before it.
        let Some(last) = given.into_iter().rev().find(|acker| !acker.poisoned()) else {
            counter!(BUS_UNACKNOWLEDGED).increment(count);
            return;
        };
        let word = last.ack(BasicAckOptions { multiple: true });
        if !matches!(tokio::time::timeout(self.back.limit, word).await, Ok(Ok(true))) {
            counter!(BUS_UNACKNOWLEDGED).increment(count);
        }
    }
}

fn lock(given: &Given) -> MutexGuard<'_, VecDeque<Acker>> {
    given.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Letters {
    pub(super) fn new(tap: Tap, back: Back) -> Self {
        Self { tap, given: Given::default(), back }
    }

    fn open(&mut self, delivery: Delivery) -> Letter {
        let Delivery { properties, data, acker, redelivered, routing_key, .. } = delivery;
        let brought = if redelivered { "again" } else { "first" };
        counter!(AMQP_LETTERS, "brought" => brought).increment(1);
        lock(&self.given).push_back(acker);
        let text = |value: &Option<ShortString>| value.as_ref().map(|text| Box::from(text.as_str()));
        Letter {
            account: text(properties.user_id()),
            key: routing_key.as_str().into(),
            correlation: text(properties.correlation_id()),
            form: if routing_key.as_str().ends_with(OWN) { Form::Own } else { Form::Events },
            media: text(properties.content_type()).unwrap_or_default(),
            attributes: properties.headers().as_ref().map(attributes).unwrap_or_default(),
            body: Bytes::from(data),
            reply_to: text(properties.reply_to())
                .map(|queue| ReplyTo { queue, correlation: text(properties.correlation_id()) }),
        }
    }
}

impl Back {
    /// Hands answers over. What could not even be sent is tried once more when the connection is there again.
    async fn answer(&mut self, replies: Vec<Reply>) {
        let (own, mut replies): (Vec<_>, Vec<_>) =
            replies.into_iter().partition(|reply| self.topology.is_own(&reply.to.queue));
        for reply in own {
            // Through us a sender would write where it may not.
            lost(&reply, "not_allowed");
        }
        for is_last in [false, true] {
            if replies.is_empty() {
                return;
            }
            let fates = self.replies.publish(replies.iter().map(parcel).collect()).await;
            let mut unsent = Vec::new();
            for (reply, fate) in replies.into_iter().zip(fates) {
                match fate {
                    Fate::Taken => counter!(AMQP_REPLIES, "result" => "taken").increment(1),
                    Fate::NotSent(_) if !is_last && !self.replies.is_closed() => unsent.push(reply),
                    fate => lost(&reply, fate.as_str()),
                }
            }
            replies = unsent;
            if !replies.is_empty() {
                // Whether it came or not, the second try says.
                drop(tokio::time::timeout(self.limit, self.replies.ready()).await);
            }
        }
    }
}

/// An answer that is not handed over; the sender asks again and gets the same.
fn lost(reply: &Reply, result: &'static str) {
    counter!(AMQP_REPLIES, "result" => result).increment(1);
    tracing::warn!(queue = &*reply.to.queue, result, "answer not handed over");
}

fn parcel(reply: &Reply) -> Parcel {
    Parcel {
        key: short(&reply.to.queue),
        id: Uuid::new_v4().to_string(),
        body: reply.body.to_vec(),
        media: reply.media.into(),
        expiration: None,
        headers: None,
        correlation: reply.to.correlation.as_deref().map(short),
        routing: if reply.to.queue.starts_with(DIRECT) { Routing::Unsaid } else { Routing::Mandatory },
    }
}

/// The attributes among the application properties, which are text.
fn attributes(headers: &FieldTable) -> Vec<(Box<str>, Box<str>)> {
    let attribute = |(name, value): (&ShortString, &AMQPValue)| {
        let name = PREFIXES.iter().find_map(|prefix| name.as_str().strip_prefix(prefix))?;
        let value = match value {
            AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok()?,
            AMQPValue::ShortString(text) => text.as_str(),
            _ => return None,
        };
        Some((name.into(), value.into()))
    };
    headers.inner().iter().filter_map(attribute).collect()
}
