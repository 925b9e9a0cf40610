//! The way in over a broker: messages that systems publish, and the answers to them.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

/// What one endpoint's systems published, in the order of its queue.
///
/// - *Durability*: a letter is brought again until [`Answers::done`] was said of it; so it may be brought twice.
/// - *Order*: letters are brought in the order of the queue, to one inbox at a time, whichever process has it.
/// - *Bounds*: no more is fetched ahead than the queue's prefetch; who asks for no more is brought no more.
/// - *Cancel-safety*: a dropped [`Inbox::next`] loses nothing.
#[async_trait]
pub trait Inbox: fmt::Debug + Send {
    /// Waits for a letter; that one, and at most `limit` together of those that are here already.
    async fn next(&mut self, limit: usize) -> Vec<Letter>;

    /// The way back of its answers, which go out while more is brought. One serves all of an inbox.
    fn answers(&self) -> Box<dyn Answers>;

    /// Takes no more. What was brought and is not done is brought to another, or again after the next start.
    async fn close(&mut self);
}

/// The way back of the answers to letters of one inbox.
#[async_trait]
pub trait Answers: fmt::Debug + Send {
    /// The first `letters` of those that were brought and are not done are accepted or refused for good: their
    /// answers go out, and they do not come again. An answer that cannot be handed over is counted and said in
    /// the log; nobody waits for it.
    async fn done(&mut self, letters: usize, replies: Vec<Reply>);
}

/// A message as it was published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letter {
    /// The account that published it, which the broker vouches for; none when the sender did not say it.
    pub account: Option<Box<str>>,
    /// Routing key that it was published with.
    pub key: Box<str>,
    /// What the sender tells its answers apart by, or what it answers.
    pub correlation: Option<Box<str>>,
    /// How it is to be read.
    pub form: Form,
    /// Media type of the body; empty when it is not said.
    pub media: Box<str>,
    /// Attributes of the event, by their names in CloudEvents.
    pub attributes: Vec<(Box<str>, Box<str>)>,
    /// The body, byte for byte.
    pub body: Bytes,
    /// Where the answer goes; none when nobody waits for one.
    pub reply_to: Option<ReplyTo>,
}

/// How a letter is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// As events (CloudEvents).
    #[default]
    Events,
    /// As the system's own body, by its adapter.
    Own,
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
