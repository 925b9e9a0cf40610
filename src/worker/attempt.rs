//! One attempt at a target: ask where the adapter says so, map, send, judge, and record all of it.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Adapter, Asked, run::Target};
use crate::{
    config::secret::Secret,
    domain::delivery::Outcome,
    evidence::digest::{Digest, Sm3Digest},
    port::{
        bus::{AttemptRecord, Work},
        clock::Clock,
        connector::{self, Answer, Connector},
    },
    proto::detail,
};

/// A target reached through an adapter.
#[derive(Debug)]
pub struct AdapterTarget {
    /// Translates and judges.
    pub adapter: Arc<Adapter>,
    /// Carries parcels.
    pub connector: Arc<dyn Connector>,
    /// Asks the target whether it has a delivery.
    pub ask: Option<Arc<dyn Connector>>,
    /// Attempts at once.
    pub window: usize,
    /// What must not stand in a record.
    pub secrets: Vec<Secret>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The end of one attempt.
struct Ended {
    outcome: Outcome,
    peer: String,
    sent: Option<Digests>,
    answer: Option<Answer>,
    said: String,
}

#[async_trait]
impl Target for AdapterTarget {
    async fn attempt(&self, work: &Work) -> Option<(Outcome, AttemptRecord)> {
        let started_at = self.clock.now();
        let timeout = SignedDuration::from_millis(self.timeout_ms().cast_signed());
        let not_after = started_at.checked_add(timeout).unwrap_or(Timestamp::MAX).min(work.not_after);
        let message = serde_json::from_slice(&work.body);
        let ended = if let Ok(message) = &message {
            match self.ask(work, message, not_after).await {
                Ok(()) => self.send(work, message, not_after).await?,
                Err(ended) => ended,
            }
        } else {
            let why = "the message is not json".to_owned();
            Ended::unanswered(Outcome::Ours, self.connector.peer(), why)
        };
        let answered = ended.answer.as_ref().map(|answer| Digests::of(&answer.body));
        let record = AttemptRecord {
            started_at,
            ended_at: self.clock.now(),
            peer: ended.peer.into(),
            sent_digest: ended.sent.map(|sent| sent.sha256),
            answer_digest: answered.map(|answered| answered.sha256),
            sent_sm3: ended.sent.map(|sent| sent.sm3),
            answer_sm3: answered.map(|answered| answered.sm3),
            status: ended.answer.as_ref().and_then(|answer| answer.status),
            detail: detail::of(&ended.said, &self.secrets, &message.unwrap_or_default()),
            adapter_version: self.adapter.version().into(),
        };
        Some((ended.outcome, record))
    }

    fn timeout_ms(&self) -> u64 {
        self.adapter.limits().timeout_ms
    }

    fn window(&self) -> usize {
        self.window
    }

    fn may_repeat(&self) -> bool {
        self.adapter.may_repeat()
    }
}

impl AdapterTarget {
    /// The end of the attempt; none when that comes by itself.
    async fn send(&self, work: &Work, message: &Value, not_after: Timestamp) -> Option<Ended> {
        let peer = self.connector.peer();
        let parcel = match self.adapter.outbound(work, message, not_after) {
            Ok(parcel) => parcel,
            Err(fault) => return Some(Ended::unanswered(Outcome::Ours, peer, fault.0)),
        };
        let sent = Some(Digests::of(&parcel.body));
        Some(match self.connector.send(parcel).await {
            Ok(answer) => {
                let said = String::from_utf8_lossy(&answer.body).into_owned();
                Ended { outcome: self.adapter.judge(&answer), peer, sent, answer: Some(answer), said }
            }
            Err(connector::Error::NotSent(why)) => Ended::unanswered(Outcome::Transient, peer, why),
            Err(connector::Error::Unknown(why)) => {
                Ended { sent, ..Ended::unanswered(Outcome::Unknown, peer, why) }
            }
            Err(connector::Error::Later) => return None,
        })
    }

    /// Asks whether an earlier attempt arrived. `Ok`: there was none, or it surely did not; send.
    async fn ask(&self, work: &Work, message: &Value, not_after: Timestamp) -> Result<(), Ended> {
        if !self.adapter.asks_first(work) {
            return Ok(());
        }
        let Some(ask) = &self.ask else {
            let why = "the target is to be asked, but no connector asks it".to_owned();
            return Err(Ended::unanswered(Outcome::Ours, self.connector.peer(), why));
        };
        let peer = ask.peer();
        let question = match self.adapter.question(work, message, not_after) {
            Ok(question) => question,
            Err(fault) => return Err(Ended::unanswered(Outcome::Ours, peer, fault.0)),
        };
        let answer = match ask.send(question).await {
            Ok(answer) => answer,
            // A question harms nobody; whether the delivery arrived is as unknown as before.
            Err(error) => return Err(Ended::unanswered(Outcome::Unknown, peer, format!("asked: {error}"))),
        };
        let outcome = match self.adapter.asked(&answer) {
            Asked::Absent => return Ok(()),
            Asked::Delivered => Outcome::Delivered,
            Asked::CannotTell => Outcome::Unknown,
        };
        let said = format!("asked: {}", String::from_utf8_lossy(&answer.body));
        Err(Ended { outcome, peer, sent: None, answer: Some(answer), said })
    }
}

impl Ended {
    fn unanswered(outcome: Outcome, peer: String, said: String) -> Self {
        Self { outcome, peer, sent: None, answer: None, said }
    }
}

/// Of the same bytes.
#[derive(Clone, Copy)]
struct Digests {
    sha256: [u8; 32],
    sm3: [u8; 32],
}

impl Digests {
    fn of(bytes: &[u8]) -> Self {
        Self { sha256: *Digest::of(bytes).as_bytes(), sm3: *Sm3Digest::of(bytes).as_bytes() }
    }
}
