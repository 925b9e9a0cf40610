//! Intake over AMQP: CloudEvents and own bodies that systems publish to a broker, one queue an endpoint (DESIGN
//! section 10).
//!
//! A letter is acknowledged when its message is accepted or refused for good, never before the commit. What
//! the hub cannot take now stays where it is, unacknowledged, and is handed in again after a pause: nothing is
//! given back to the queue, and nothing overtakes it. The answer is the one of HTTP: the receipt as it is
//! stored, or problem details.

pub mod mailbox;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use metrics::counter;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    answer,
    events::{self, Envelope, Events, Limits},
    http::Problem,
};
use crate::{
    domain::{id::EndpointId, personal::shown},
    port::{
        inbox::{Form, Inbox, Letter, Reply},
        intake::{Accepted, Code, Intake, Refusal, Submission, Translate},
    },
    task::{
        Failure,
        metrics::{AMQP_PAUSES, AMQP_REPLIES, MESSAGES_REFUSED},
        retry::Policy,
    },
};

/// Between tries to hand in what the hub could not take.
const AGAIN: Policy = Policy { first: Duration::from_millis(100), max: Duration::from_secs(5) };

/// Media type of a receipt, and of the answer to several messages.
const JSON: &str = "application/json";
/// Media type of a refusal.
const PROBLEM: &str = "application/problem+json";

/// Which accounts of the broker speak for each endpoint.
pub type Accounts = BTreeMap<EndpointId, BTreeSet<Box<str>>>;

/// Reads and hands in what is published for one endpoint.
#[derive(Debug)]
pub struct Desk {
    /// For whom.
    pub endpoint: EndpointId,
    /// Takes messages in.
    pub intake: Arc<dyn Intake>,
    /// Reads departments' own bodies.
    pub translate: Arc<dyn Translate>,
    /// Who may send, for every endpoint.
    pub senders: Arc<Accounts>,
    /// Bounds of one letter.
    pub limits: Limits,
}

/// Takes in what comes to `inbox`, at most `batch` letters together, until told to end; what is under way then is
/// finished first. While the answers to some go out, the next are taken in.
pub async fn run(
    desk: Desk,
    mut inbox: Box<dyn Inbox>,
    batch: usize,
    token: CancellationToken,
) -> Result<(), Failure> {
    let mut answers = inbox.answers();
    let (settled, mut to_answer) = mpsc::channel(1);
    let taking = async {
        loop {
            let letters = tokio::select! {
                () = token.cancelled() => break,
                letters = inbox.next(batch) => letters,
            };
            let count = letters.len();
            let Some(replies) = desk.take(letters, &token).await else { break };
            if settled.send((count, replies)).await.is_err() {
                break;
            }
        }
        drop(settled);
    };
    let answering = async {
        while let Some((count, replies)) = to_answer.recv().await {
            answers.done(count, replies).await;
        }
    };
    tokio::join!(taking, answering);
    inbox.close().await;
    Ok(())
}

impl Envelope for Letter {
    const PREFIX: &'static str = "cloudEvents:";
    const PLACES: &'static str = "application properties";

    fn media(&self) -> &str {
        &self.media
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| **own == *name).map(|(_, value)| &**value)
    }
}

/// The answers to one letter that are still to come, or are there.
#[derive(Debug)]
enum Opened {
    /// One event.
    One(Option<Refusal>),
    /// Several.
    Batch(Vec<Option<Refusal>>),
}

impl Desk {
    /// Has letters accepted or refused for good; none when told to end before that.
    async fn take(&self, letters: Vec<Letter>, token: &CancellationToken) -> Option<Vec<Reply>> {
        let (mut submissions, mut opened) = (Vec::new(), Vec::with_capacity(letters.len()));
        for letter in &letters {
            let (mut readable, one) = self.open(letter).await;
            submissions.append(&mut readable);
            opened.push(one);
        }
        let mut results = self.settle(submissions, token).await?.into_iter();
        let mut replies = Vec::with_capacity(letters.len());
        for (letter, opened) in letters.into_iter().zip(opened) {
            let (media, body) = opened.answer(&mut results);
            match letter.reply_to {
                Some(to) => replies.push(Reply { to, media, body }),
                None => self.unasked(media),
            }
        }
        Some(replies)
    }

    /// Nobody waits for the answer: a refusal is then in the trail and here alone.
    fn unasked(&self, media: &'static str) {
        counter!(AMQP_REPLIES, "result" => "not_asked").increment(1);
        if media == PROBLEM {
            tracing::warn!(endpoint = %self.endpoint, "message refused whose sender asks for no answer");
        }
    }

    /// What can be submitted of a letter; what cannot is noted.
    async fn open(&self, letter: &Letter) -> (Vec<Submission>, Opened) {
        if let Err(refusal) = self.admit(letter).await {
            return (Vec::new(), Opened::One(Some(refusal)));
        }
        let read = match letter.form {
            Form::Events => events::read(letter, &letter.body, &self.endpoint, &self.limits),
            Form::Own => self
                .translate
                .translate(&self.endpoint, &letter.body)
                .map(|records| Events::Batch(records.into_iter().map(Ok).collect())),
        };
        match read {
            Ok(Events::One(submission)) => (vec![*submission], Opened::One(None)),
            Ok(Events::Batch(events)) => {
                for bad in events.iter().filter_map(|event| event.as_ref().err()) {
                    self.intake.note_unreadable(&self.endpoint, &bad.received, &bad.refusal).await;
                }
                let events = events.into_iter().map(|event| event.map_err(|bad| bad.refusal));
                let (readable, places) = answer::apart(events.collect());
                (readable, Opened::Batch(places))
            }
            Err(refusal) => {
                self.intake.note_unreadable(&self.endpoint, &letter.body, &refusal).await;
                (Vec::new(), Opened::One(Some(refusal)))
            }
        }
    }

    /// Whether the account may publish for this endpoint. Who may not is named in the trail as the endpoint it
    /// is, as far as it is one; its body is not read.
    async fn admit(&self, letter: &Letter) -> Result<(), Refusal> {
        let endpoint = &self.endpoint;
        let Some(account) = letter.account.as_deref() else {
            let detail = "user_id is required, with the account that publishes";
            let refusal = Refusal::new(Code::Unauthenticated, detail);
            counter!(MESSAGES_REFUSED, "code" => refusal.code.as_str()).increment(1);
            tracing::warn!(%endpoint, "message without user_id refused");
            return Err(refusal);
        };
        if self.senders.get(endpoint).is_some_and(|accounts| accounts.contains(account)) {
            return Ok(());
        }
        let detail = format!("account '{}' does not send for endpoint {endpoint}", shown(account));
        let refusal = Refusal::new(Code::Forbidden, detail);
        let known = self.senders.iter().find(|(_, accounts)| accounts.contains(account));
        match known {
            Some((sender, _)) => self.intake.note_unreadable(sender, &[], &refusal).await,
            None => counter!(MESSAGES_REFUSED, "code" => refusal.code.as_str()).increment(1),
        }
        tracing::warn!(%endpoint, account, "message of an account that does not send for this endpoint refused");
        Err(refusal)
    }

    /// Submits until each is accepted or refused for good, in their order; none when told to end before that.
    async fn settle(
        &self,
        submissions: Vec<Submission>,
        token: &CancellationToken,
    ) -> Option<Vec<Result<Accepted, Refusal>>> {
        let mut results: Vec<Option<Result<Accepted, Refusal>>> = vec![None; submissions.len()];
        let mut open: Vec<_> = submissions.into_iter().enumerate().collect();
        let mut delays = AGAIN.delays();
        while !open.is_empty() {
            let tried: Vec<_> = open.iter().map(|(_, submission)| submission.clone()).collect();
            let answers = self.intake.submit(tried).await;
            let before = open.len();
            let mut left = Vec::new();
            for ((index, submission), answer) in open.into_iter().zip(answers) {
                match answer {
                    Err(refusal) if refusal.code.retryable() => left.push((index, submission)),
                    answer => results[index] = Some(answer),
                }
            }
            open = left;
            if open.is_empty() {
                break;
            }
            if open.len() < before {
                delays.reset();
            }
            counter!(AMQP_PAUSES, "endpoint" => self.endpoint.to_string()).increment(1);
            tokio::select! {
                () = token.cancelled() => return None,
                () = tokio::time::sleep(delays.draw()) => {}
            }
        }
        results.into_iter().collect()
    }
}

impl Opened {
    /// Media type and body of the answer, from the results of what was submitted of this letter.
    fn answer(self, results: &mut impl Iterator<Item = Result<Accepted, Refusal>>) -> (&'static str, Bytes) {
        match self {
            Self::One(Some(refusal)) => refused(refusal),
            Self::One(None) => match answer::together(vec![None], results.take(1).collect()).pop() {
                Some(Ok(accepted)) => (JSON, accepted.receipt),
                Some(Err(refusal)) => refused(refusal),
                None => (JSON, Bytes::new()),
            },
            Self::Batch(places) => {
                let count = places.iter().filter(|place| place.is_none()).count();
                let own = results.take(count).collect();
                (JSON, answer::batch(answer::together(places, own)).into())
            }
        }
    }
}

/// The body of a refusal as over HTTP.
fn refused(refusal: Refusal) -> (&'static str, Bytes) {
    (PROBLEM, Problem::from(refusal).body().to_string().into())
}

#[cfg(test)]
mod tests;
