//! The way in over a broker: messages that systems publish, and the answers to them.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

/// What one endpoint's systems published, in the order of its queue.
///
/// - *Durability*: a letter is brought again until [`Inbox::done`] was said of it; so it may be brought twice.
/// - *Order*: letters are brought in the order of the queue, to one inbox at a time, whichever process has it.
/// - *Bounds*: no more is fetched ahead than the queue's prefetch; who asks for no more is brought no more.
/// - *Cancel-safety*: a dropped [`Inbox::next`] loses nothing.
#[async_trait]
pub trait Inbox: fmt::Debug + Send {
    /// Waits for a letter; that one, and at most `limit` together of those that are here already.
    async fn next(&mut self, limit: usize) -> Vec<Letter>;

    /// Everything brought so far is accepted or refused for good: these answers go out, and it does not come
    /// again. An answer that cannot be handed over is counted and said in the log; nobody waits for it.
    async fn done(&mut self, replies: Vec<Reply>);

    /// Takes no more. What was brought and is not done is brought to another, or again after the next start.
    async fn close(&mut self);
}

/// A message as it was published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letter {
    /// The account that published it, which the broker vouches for; none when the sender did not say it.
    pub account: Option<Box<str>>,
    /// Media type of the body; empty when it is not said.
    pub media: Box<str>,
    /// Attributes of the event, by their names in CloudEvents.
    pub attributes: Vec<(Box<str>, Box<str>)>,
    /// The body, byte for byte.
    pub body: Bytes,
    /// Where the answer goes; none when nobody waits for one.
    pub reply_to: Option<ReplyTo>,
}

/// Where an answer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    /// Queue of the sender.
    pub queue: Box<str>,
    /// What the sender tells its answers apart by.
    pub correlation: Option<Box<str>>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Where it goes.
    pub to: ReplyTo,
    /// Media type of the body.
    pub media: &'static str,
    /// The body, byte for byte.
    pub body: Bytes,
}
