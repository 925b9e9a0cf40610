//! Intake: from a submission to a durable acceptance and its receipt (promises 1 to 3).
//!
//! Parsing, history and routing run in the caller's task, so that senders share the cores; one committer
//! collects what is prepared, without waiting for more, signs once and commits once.

mod clerk;
mod commit;
mod effects;
mod forms;
mod history;
mod prepare;

use std::{fmt, sync::Arc, time::Instant};

use async_trait::async_trait;
use clerk::Clerk;
pub use commit::Committer;
use metrics::{counter, histogram};
use prepare::{Prepared, Preparer, Stop};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::{
    desk::Desk,
    keys::Keyring,
    trail::{self, About},
    world::Worlds,
};
use crate::{
    domain::{
        id::{EndpointId, MessageId, OrderKey},
        message::MessageKey,
    },
    evidence::digest::{ContentKey, Salt},
    port::{
        clock::Clock,
        intake::{Accepted, Code, Intake, ReceiptOf, Refusal, Submission},
        store::{self, NewEntry, Store},
    },
    task::metrics::{INTAKE_DURATION, MESSAGES_ACCEPTED, MESSAGES_REFUSED, MESSAGES_REPEATED},
};

/// How often a message is routed again because its history changed meanwhile.
const REROUTES: usize = 5;

/// What the committer answers.
#[derive(Debug)]
enum Answer {
    Accepted(Accepted),
    /// The history used for routing has changed.
    Moved,
    Refused(Refusal),
}

/// One prepared message on its way to the committer.
struct Job {
    prepared: Prepared,
    reply: oneshot::Sender<Answer>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("key", &self.prepared.message.key).finish_non_exhaustive()
    }
}

/// The reception: takes submissions in.
#[derive(Debug)]
pub struct Reception {
    preparer: Preparer,
    clerk: Arc<Clerk>,
    jobs: mpsc::Sender<Job>,
    queue_limit: usize,
}

/// What the reception and its committer are built from.
#[derive(Debug)]
pub struct Parts {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Registry, rules, calendar.
    pub worlds: Arc<Worlds>,
    /// Sign receipts.
    pub keys: Arc<Keyring>,
    /// Told of the systems that have something to receive.
    pub desk: Arc<Desk>,
    /// Keys the digests that tell the same from another content.
    pub content_key: ContentKey,
    /// Prepared messages waiting for the committer at most.
    pub queue_limit: usize,
    /// Messages in one batch at most.
    pub batch_limit: usize,
}

/// Makes a reception and its committer.
pub fn open(parts: Parts) -> (Reception, Committer) {
    let Parts { store, clock, worlds, keys, desk, content_key, queue_limit, batch_limit } = parts;
    let (jobs, queue) = mpsc::channel(queue_limit);
    let preparer = Preparer::new(Arc::clone(&store), Arc::clone(&worlds), content_key);
    let clerk = Arc::new(Clerk { store, clock, keys, desk, worlds });
    let reception = Reception { preparer, clerk: Arc::clone(&clerk), jobs, queue_limit };
    (reception, Committer { clerk, queue, batch_limit })
}

#[async_trait]
impl Intake for Reception {
    async fn submit(&self, submissions: Vec<Submission>) -> Vec<Result<Accepted, Refusal>> {
        let begun = Instant::now();
        let mut results = Vec::with_capacity(submissions.len());
        for _ in &submissions {
            results.push(None);
        }
        let mut line = Line::default();
        for (index, submission) in submissions.into_iter().enumerate() {
            match self.enqueue(&submission, &mut line, &mut results).await {
                Ok(Queued { key, order_key, receiver }) => {
                    line.waiting.push(Waiting { index, submission, key, order_key, receiver });
                }
                Err((order_key, stop)) => {
                    let result = self.stopped(&submission, stop).await;
                    line.note(order_key, &result);
                    results[index] = Some(result);
                }
            }
        }
        self.finish(&mut line, &mut results).await;
        histogram!(INTAKE_DURATION).record(begun.elapsed().as_secs_f64());
        let lost = || Err(Refusal::new(Code::Unavailable, "intake is closing; send it again"));
        results.into_iter().map(|result| result.unwrap_or_else(lost)).collect()
    }

    async fn note_unreadable(&self, endpoint: &EndpointId, received: &[u8], refusal: &Refusal) {
        counter!(MESSAGES_REFUSED, "code" => refusal.code.as_str()).increment(1);
        self.note(endpoint, Some(received).filter(|bytes| !bytes.is_empty()), refusal).await;
    }
}

/// A submission whose answer is awaited.
struct Waiting {
    index: usize,
    submission: Submission,
    key: MessageKey,
    order_key: OrderKey,
    receiver: oneshot::Receiver<Answer>,
}

/// The submissions of one call, of which none overtakes another with its order key: not even when that one is
/// refused for now, or routed again.
#[derive(Default)]
struct Line {
    waiting: Vec<Waiting>,
    /// Order keys of which one is to be sent again, and why; none where it could be any.
    held: Vec<(Option<OrderKey>, Code)>,
}

impl Line {
    /// Whether one with this order key, or with any, must wait until one before it is sent again.
    fn check(&self, order_key: Option<&OrderKey>) -> Result<(), Refusal> {
        let holds = |held: &Option<OrderKey>| held.is_none() || held.as_ref() == order_key;
        match self.held.iter().find(|(held, _)| holds(held)) {
            None => Ok(()),
            Some((_, code)) => {
                let detail = "one before it in the same batch was not taken now; send both again";
                Err(Refusal::new(*code, detail))
            }
        }
    }

    /// Takes note of a result: what is to be sent again holds up what follows.
    fn note(&mut self, order_key: Option<OrderKey>, result: &Result<Accepted, Refusal>) {
        match result {
            Err(refusal) if refusal.code.retryable() => self.held.push((order_key, refusal.code)),
            _ => {}
        }
    }
}

/// A submission that was handed to the committer.
struct Queued {
    key: MessageKey,
    order_key: OrderKey,
    receiver: oneshot::Receiver<Answer>,
}

type Results = [Option<Result<Accepted, Refusal>>];

impl Reception {
    /// Prepares and queues one. A message whose key or order key is already on its way in this call waits for
    /// that one, so that it is routed with the history it belongs to and follows it. What stops it is told with
    /// its order key, where that is known.
    async fn enqueue(
        &self,
        submission: &Submission,
        line: &mut Line,
        results: &mut Results,
    ) -> Result<Queued, (Option<OrderKey>, Stop)> {
        let early = |stop| (None, stop);
        line.check(None).map_err(|refusal| early(refusal.into()))?;
        let now = self.clerk.clock.now();
        let mut prepared = self.preparer.prepare(submission, now).await.map_err(early)?;
        let follows = |other: &Waiting| {
            other.key == prepared.message.key || other.order_key == prepared.decision.order_key
        };
        if line.waiting.iter().any(follows) {
            self.finish(line, results).await;
            let now = self.clerk.clock.now();
            prepared = self.preparer.prepare(submission, now).await.map_err(early)?;
        }
        let (key, order_key) = (prepared.message.key.clone(), prepared.decision.order_key.clone());
        let queued = line.check(Some(&order_key)).and_then(|()| self.queue(prepared));
        match queued {
            Ok(receiver) => Ok(Queued { key, order_key, receiver }),
            Err(refusal) => Err((Some(order_key), refusal.into())),
        }
    }

    fn queue(&self, prepared: Prepared) -> Result<oneshot::Receiver<Answer>, Refusal> {
        let (reply, receiver) = oneshot::channel();
        self.jobs.try_send(Job { prepared, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refusal::new(
                Code::Overloaded,
                format!("{} messages wait for the disk already; send it again in a moment", self.queue_limit),
            ),
            mpsc::error::TrySendError::Closed(_) => closing(),
        })?;
        Ok(receiver)
    }

    /// Awaits every answer.
    async fn finish(&self, line: &mut Line, results: &mut Results) {
        for Waiting { index, submission, order_key, receiver, .. } in std::mem::take(&mut line.waiting) {
            let result = match self.answer(&submission, receiver).await {
                Ok(accepted) => Ok(counted(&submission, accepted)),
                Err(stop) => self.stopped(&submission, stop).await,
            };
            line.note(Some(order_key), &result);
            results[index] = Some(result);
        }
    }

    /// Awaits one answer, routing again while the history moves.
    async fn answer(
        &self,
        submission: &Submission,
        mut receiver: oneshot::Receiver<Answer>,
    ) -> Result<Accepted, Stop> {
        for _ in 0..REROUTES {
            match receiver.await.map_err(|_| closing())? {
                Answer::Accepted(accepted) => return Ok(accepted),
                Answer::Refused(refusal) => return Err(refusal.into()),
                Answer::Moved => {
                    receiver =
                        self.queue(self.preparer.prepare(submission, self.clerk.clock.now()).await?)?;
                }
            }
        }
        let text = "other revisions of this message keep arriving; send it again";
        Err(Refusal::new(Code::Unavailable, text).into())
    }

    async fn stopped(&self, submission: &Submission, stop: Stop) -> Result<Accepted, Refusal> {
        match stop {
            Stop::Stands(accepted) => Ok(counted(submission, accepted)),
            Stop::Refused(refusal) => self.refused(submission, refusal).await,
        }
    }

    async fn refused(&self, submission: &Submission, refusal: Refusal) -> Result<Accepted, Refusal> {
        counter!(MESSAGES_REFUSED, "code" => refusal.code.as_str()).increment(1);
        if !refusal.code.retryable() {
            self.note(&submission.endpoint, Some(&submission.received), &refusal).await;
        }
        Err(refusal)
    }

    /// A refusal of a known sender is in the trail, with commitments to the bytes refused, whose salt lies apart; of 涉密
    /// content not even these.
    async fn note(&self, endpoint: &EndpointId, received: Option<&[u8]>, refusal: &Refusal) {
        let now = self.clerk.clock.now();
        let received = received.filter(|_| refusal.code != Code::Classified);
        let salt = received.and_then(|_| {
            Salt::generate()
                .inspect_err(|error| tracing::error!(%error, "a refusal is written without commitment"))
                .ok()
        });
        let commitments = salt.as_ref().zip(received);
        let commitments = commitments.map(|(salt, bytes)| (salt.commit(bytes), salt.commit_by_sm3(bytes)));
        let (commitment, by_sm3) = commitments.unzip();
        let paths: Vec<_> = refusal.faults.iter().map(|fault| &fault.path).collect();
        let data = json!({
            "endpoint": endpoint, "code": refusal.code, "faults": paths, "commitment": commitment,
            "commitment_sm3": by_sm3,
        });
        let entry = trail::entry(trail::REFUSED, About::default(), &data, now);
        let entry = NewEntry { salt: salt.map(|salt| *salt.as_bytes()), ..entry };
        if let Err(error) = self.clerk.store.append(vec![entry]).await {
            tracing::error!(%error, %endpoint, code = %refusal.code, "refusal could not be written to the trail");
        }
    }
}

fn counted(submission: &Submission, accepted: Accepted) -> Accepted {
    match accepted.receipt_of {
        ReceiptOf::First => {
            let kind = submission.kind.map_or("unsaid", |kind| kind.as_str());
            counter!(MESSAGES_ACCEPTED, "kind" => kind).increment(1);
        }
        ReceiptOf::Earlier => counter!(MESSAGES_REPEATED).increment(1),
    }
    accepted
}

fn closing() -> Refusal {
    Refusal::new(Code::Unavailable, "the hub is stopping; send it again when it is back")
}

fn conflict(message: MessageId) -> Refusal {
    let detail = format!(
        "other content was accepted under this key and revision as message {message}; send a correction with the next revision"
    );
    Refusal::new(Code::Conflict, detail)
}

/// The same came before, and is erased by now with its receipt.
fn erased(message: MessageId) -> Refusal {
    let detail = format!(
        "this was accepted before as message {message}; what it said and its receipt were erased after their term, so there is no receipt to give again"
    );
    Refusal::new(Code::Erased, detail)
}

/// What a store error means to a sender.
fn unavailable(error: &store::Error) -> Refusal {
    tracing::warn!(%error, "store could not accept");
    Refusal::new(
        Code::Unavailable,
        "the hub cannot store messages now; nothing was changed, send it again later",
    )
}
