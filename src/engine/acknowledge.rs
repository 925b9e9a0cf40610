//! Answers of recipients that nobody here waits for: they came late, or to another hub than the one that handed the
//! delivery out. They are settled as any end of an attempt: under the lease they name, and a late success too
//! (promise 6). What is not the recipient's is told so by the store.

use async_trait::async_trait;
use bytes::Bytes;
use metrics::counter;

use super::{
    dispatch::insist,
    settle::{PAUSE, Settle, Teller},
};
use crate::{
    domain::{decision::Redaction, delivery::Transport, id::DeliveryId},
    evidence::digest::{Digest, Sm3Digest},
    port::{
        bus::{AttemptRecord, Brought, Work, WorkOutcome},
        mailbox::{Acknowledgement, Acknowledgements, Counted},
        store::{DeliveryFilter, DeliveryRow, Page, Settled},
    },
    proto::detail,
    task::{
        Failure,
        metrics::{MAILBOX_ANSWERS, OUTCOMES_REFUSED},
    },
};

/// Settles answers.
#[derive(Clone, Debug)]
pub struct Acknowledge {
    /// How any end of an attempt is settled.
    pub settle: Settle,
}

#[async_trait]
impl Acknowledgements for Acknowledge {
    async fn settle(&self, answers: Vec<Acknowledgement>) -> Result<Vec<Counted>, Failure> {
        let mut counted = vec![Counted::Stale; answers.len()];
        let (mut places, mut outcomes) = (Vec::new(), Vec::new());
        for (place, answer) in answers.into_iter().enumerate() {
            if let Some(outcome) = self.outcome(answer).await? {
                places.push(place);
                outcomes.push(outcome);
            }
        }
        if !outcomes.is_empty() {
            for (place, settled) in
                places.into_iter().zip(self.settle.settle(outcomes, Teller::Worker).await?)
            {
                if matches!(
                    settled,
                    Settled::Applied { .. } | Settled::LateSuccess { .. } | Settled::Again { .. }
                ) {
                    counted[place] = Counted::Yes;
                }
            }
        }
        for one in &counted {
            let word = if *one == Counted::Yes { "counted" } else { "stale" };
            counter!(MAILBOX_ANSWERS, "count" => word).increment(1);
        }
        Ok(counted)
    }
}

impl Acknowledge {
    /// The answer as the end of an attempt; none when the delivery is not the recipient's.
    async fn outcome(&self, answer: Acknowledgement) -> Result<Option<WorkOutcome>, Failure> {
        let row = self.row(answer.delivery).await?;
        let theirs = |row: &DeliveryRow| row.endpoint.as_ref() == Some(&answer.endpoint);
        let Some((row, organisation)) = row.filter(theirs).and_then(|row| {
            let organisation = row.organisation.clone()?;
            Some((row, organisation))
        }) else {
            counter!(OUTCOMES_REFUSED, "reason" => "foreign").increment(1);
            tracing::error!(
                delivery = %answer.delivery, endpoint = %answer.endpoint,
                "answer to a delivery that is not this endpoint's, dropped"
            );
            return Ok(None);
        };
        let now = self.settle.clock.now();
        let detail = self.detail(&row, &answer.said).await?;
        let handed = answer.handed;
        let attempt = AttemptRecord {
            started_at: handed.as_ref().map_or(now, |handed| handed.at),
            ended_at: now,
            peer: answer.peer,
            sent_digest: handed.as_ref().map(|handed| handed.sent_digest),
            answer_digest: Some(*Digest::of(&answer.said).as_bytes()),
            sent_sm3: handed.as_ref().and_then(|handed| handed.sent_sm3),
            answer_sm3: Some(*Sm3Digest::of(&answer.said).as_bytes()),
            status: None,
            detail,
            adapter_version: handed
                .as_ref()
                .map_or_else(Box::default, |handed| handed.adapter_version.clone()),
        };
        let work = Work {
            delivery: answer.delivery,
            message: row.message,
            kind: row.key.kind,
            endpoint: answer.endpoint,
            organisation,
            on_behalf_of: row.on_behalf_of.clone(),
            part: row.part,
            share: None,
            redaction: Redaction::None,
            lane_sequence: row.lane_sequence,
            attempt: handed.as_ref().map_or_else(|| last_attempt(&row), |handed| handed.attempt),
            lease: answer.lease,
            not_after: now,
            accepted_at: row.created_at,
            first_attempt_at: handed.and_then(|handed| handed.first_attempt_at),
            relays: Vec::new(),
            body: Bytes::new(),
            brought: Brought::First,
        };
        Ok(Some(WorkOutcome { work, outcome: answer.outcome, attempt }))
    }

    async fn row(&self, delivery: DeliveryId) -> Result<Option<DeliveryRow>, Failure> {
        let filter = DeliveryFilter { id: Some(delivery), ..DeliveryFilter::default() };
        let one = Page { offset: 0, limit: 1 };
        let rows = insist(PAUSE, || self.settle.store.deliveries(filter.clone(), one)).await?;
        Ok(rows.into_iter().next())
    }

    /// What was said, without the persons whom the message names.
    async fn detail(&self, row: &DeliveryRow, said: &[u8]) -> Result<Box<str>, Failure> {
        if said.is_empty() {
            return Ok(Box::default());
        }
        let message = insist(PAUSE, || self.settle.store.message(row.message)).await?;
        let message = message.and_then(|message| serde_json::from_slice(&message.canonical).ok());
        Ok(detail::of(&String::from_utf8_lossy(said), &[], &message.unwrap_or_default()))
    }
}

/// The attempt that is under way, or else the last that was made.
fn last_attempt(row: &DeliveryRow) -> u32 {
    match row.state {
        Transport::Leased => row.attempts.saturating_add(1),
        _ => row.attempts.max(1),
    }
}
