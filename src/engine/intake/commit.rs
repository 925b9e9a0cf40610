//! The committer: takes what is prepared, without waiting for more; gives ids, signs one batch of
//! receipts, commits once, answers.

use std::sync::Arc;

use futures::{StreamExt as _, stream::FuturesOrdered};
use jiff::Timestamp;
use metrics::{counter, histogram};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Answer, Job, Queue, prepare::Prepared, unavailable};
use crate::{
    domain::{
        decision::{ParkReason, PlannedDelivery, Start},
        id::{DeliveryId, MessageId},
    },
    engine::{
        desk::Desk,
        trail::{self, About},
        world::Worlds,
    },
    evidence::{digest::Digest, signer::Signer, statement},
    port::{
        clock::Clock,
        intake::{Accepted, Code, ReceiptOf, Refusal},
        store::{
            self, Acceptance, Moment, NewDelivery, NewObligation, NewState, Sha256Digest, Store, Verdict,
        },
    },
    task::{
        Failure,
        metrics::{INTAKE_BATCH, PARKED},
    },
};

/// Batches on their way to the disk at once: one commits while the next is made.
const PIPELINE: usize = 2;

/// The committing task.
#[derive(Debug)]
pub struct Committer {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Signs receipts.
    pub signer: Arc<dyn Signer>,
    /// Endpoints to look at afterwards.
    pub desk: Arc<Desk>,
    /// The operative moment.
    pub worlds: Arc<Worlds>,
    /// Messages in one batch at most.
    pub batch_limit: usize,
}

impl Committer {
    /// Runs until every reception is gone and what was queued is answered.
    pub async fn run(self, queue: Queue) -> Result<(), Failure> {
        let mut queue = queue.0;
        let mut pipeline = FuturesOrdered::new();
        let mut jobs = Vec::new();
        let mut open = true;
        while open || !pipeline.is_empty() {
            tokio::select! {
                taken = queue.recv_many(&mut jobs, self.batch_limit), if open && pipeline.len() < PIPELINE => {
                    open = taken > 0;
                    if open {
                        pipeline.push_back(self.commit(std::mem::take(&mut jobs)));
                    }
                }
                Some(()) = pipeline.next() => {}
            }
        }
        Ok(())
    }

    /// Starts a batch at once and answers when it is durable.
    fn commit(&self, jobs: Vec<Job>) -> impl Future<Output = ()> + use<'_> {
        histogram!(INTAKE_BATCH).record(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
        let now = self.clock.now();
        let made = self.batch(jobs, now);
        async move {
            let (acceptances, waiting) = match made {
                Ok(made) => made,
                Err(waiting) => return refuse_all(waiting),
            };
            let said: Vec<_> = acceptances.iter().map(Said::of).collect();
            match self.store.accept(acceptances, now).await {
                Ok(verdicts) => {
                    for ((verdict, said), reply) in verdicts.into_iter().zip(said).zip(waiting) {
                        self.answer(verdict, said, reply);
                    }
                }
                Err(error) => refuse_store(&error, waiting),
            }
        }
    }

    fn answer(&self, verdict: Verdict, said: Said, reply: oneshot::Sender<Answer>) {
        let Said { id, receipt, parked } = said;
        let answer = match verdict {
            Verdict::Accepted { ready } => {
                for reason in parked {
                    counter!(PARKED, "reason" => reason.as_str()).increment(1);
                }
                self.desk.ready(&ready);
                Answer::Accepted(Accepted { message: id, receipt_of: ReceiptOf::First, receipt })
            }
            Verdict::Duplicate { message, receipt } => {
                Answer::Accepted(Accepted { message, receipt_of: ReceiptOf::Earlier, receipt })
            }
            Verdict::Conflict { message } => Answer::Refused(super::conflict(message)),
            Verdict::Stale { highest } => Answer::Refused(Refusal::new(
                Code::Stale,
                format!(
                    "revision {highest} of this key was accepted already; a correction needs a higher revision"
                ),
            )),
            Verdict::Moved => Answer::Moved,
            Verdict::Unstorable { why } => {
                tracing::error!(message = %id, %why, "message could not be stored");
                Answer::Refused(Refusal::new(
                    Code::Unstorable,
                    "the hub could not store this message, its operators are told; nothing was changed",
                ))
            }
        };
        // A sender that no longer waits asks again and gets the same receipt.
        drop(reply.send(answer));
    }

    /// Ids, receipts and rows of a batch; on a signer that fails, those who wait.
    fn batch(&self, jobs: Vec<Job>, now: Timestamp) -> Result<(Vec<Acceptance>, Waiting), Waiting> {
        let moment = self.worlds.current().moment;
        let mut made = Vec::with_capacity(jobs.len());
        let mut waiting = Vec::with_capacity(jobs.len());
        for Job { prepared, reply } in jobs {
            made.push(Made::new(prepared, moment, now));
            waiting.push(reply);
        }
        let statements: Vec<_> = made.iter().map(|made| made.statement(now)).collect();
        match statement::sign_batch(&statements, self.signer.as_ref()) {
            Ok(receipts) => {
                let pairs = made.into_iter().zip(receipts);
                Ok((pairs.map(|(made, receipt)| made.acceptance(receipt, now)).collect(), waiting))
            }
            Err(error) => {
                tracing::error!(%error, "receipts could not be signed");
                Err(waiting)
            }
        }
    }
}

/// What is still needed of an acceptance once the store has it.
struct Said {
    id: MessageId,
    receipt: bytes::Bytes,
    /// Reasons of the deliveries that are parked from the start.
    parked: Vec<ParkReason>,
}

impl Said {
    fn of(acceptance: &Acceptance) -> Self {
        let parked = acceptance.deliveries.iter().filter_map(|delivery| match delivery.start {
            NewState::Parked { reason, .. } => Some(reason),
            NewState::Ready | NewState::Held { .. } => None,
        });
        Self { id: acceptance.id, receipt: acceptance.receipt.clone(), parked: parked.collect() }
    }
}

type Waiting = Vec<oneshot::Sender<Answer>>;

fn refuse_all(waiting: Waiting) {
    for reply in waiting {
        let refusal =
            Refusal::new(Code::Unavailable, "the hub cannot sign receipts now; nothing was changed");
        drop(reply.send(Answer::Refused(refusal)));
    }
}

fn refuse_store(error: &store::Error, waiting: Waiting) {
    let refusal = unavailable(error);
    for reply in waiting {
        drop(reply.send(Answer::Refused(refusal.clone())));
    }
}

/// A prepared message with its ids.
struct Made {
    id: MessageId,
    prepared: Prepared,
    deliveries: Vec<NewDelivery>,
}

impl Made {
    fn new(prepared: Prepared, moment: Moment, now: Timestamp) -> Self {
        let planned = &prepared.decision.deliveries;
        let ids: Vec<_> = planned.iter().map(|_| DeliveryId(trail::new_id(now))).collect();
        let deliveries = planned.iter().zip(&ids).map(|(it, id)| delivery(*id, it, &ids, moment)).collect();
        Self { id: MessageId(trail::new_id(now)), prepared, deliveries }
    }

    /// What the receipt says to the sender.
    fn statement(&self, now: Timestamp) -> Value {
        let Prepared { message, decision, .. } = &self.prepared;
        let deliveries: Vec<_> = self.deliveries.iter().map(said).collect();
        json!({
            "type": "accepted", "id": self.id, "issued_at": now,
            "organisation": message.key.organisation, "kind": message.key.kind,
            "business_key": message.key.business_key, "revision": message.revision,
            "received": Digest::of(&self.prepared.received), "registry_version": decision.registry_version,
            "rules_version": decision.rules_version, "deliveries": deliveries, "warnings": decision.warnings,
        })
    }

    fn acceptance(self, receipt: Vec<u8>, now: Timestamp) -> Acceptance {
        let Self { id, prepared, deliveries } = self;
        let received_digest = Digest::of(&prepared.received);
        let data = json!({
            "organisation": prepared.message.key.organisation, "kind": prepared.message.key.kind,
            "revision": prepared.message.revision, "endpoint": prepared.endpoint,
            "decided_by": prepared.message.decided_by, "commitment": prepared.salt.commit(&prepared.received),
            "content": prepared.salt.commit(&prepared.canonical),
            "decision": prepared.salt.commit(&prepared.decision_json),
            "registry": prepared.decision.registry_version, "rules": prepared.decision.rules_version,
            "receipt": Digest::of(&receipt), "deliveries": deliveries.iter().map(routed).collect::<Vec<_>>(),
        });
        let obligations = prepared.decision.obligations.iter().map(|it| NewObligation {
            organisation: it.organisation.clone(),
            duty: it.duty,
            delivery: it.delivery.and_then(|index| deliveries.get(index)).map(|delivery| delivery.id),
            due: it.due,
            calendar: it.calendar,
            term: it.term,
            rule: it.rule.clone(),
            basis: it.basis.clone(),
        });
        Acceptance {
            id,
            obligations: obligations.collect(),
            key: prepared.message.key,
            revision: prepared.message.revision,
            known_revision: prepared.known_revision,
            matter: prepared.message.matter,
            endpoint: prepared.endpoint,
            received_digest: Sha256Digest(*received_digest.as_bytes()),
            received: prepared.received,
            salt: *prepared.salt.as_bytes(),
            content_digest: prepared.content_digest,
            canonical: prepared.canonical,
            decision: prepared.decision_json,
            order_key: prepared.decision.order_key,
            effects: prepared.effects,
            receipt: receipt.into(),
            entries: vec![trail::entry(trail::ACCEPTED, About::message(id), data, now)],
            deliveries,
        }
    }
}

fn delivery(id: DeliveryId, planned: &PlannedDelivery, ids: &[DeliveryId], moment: Moment) -> NewDelivery {
    let start = match &planned.start {
        Start::Now => NewState::Ready,
        Start::Held { after, relay } => match ids.get(*after) {
            Some(after) => NewState::Held { after: *after, moment, relay: relay.clone() },
            None => NewState::Parked {
                reason: ParkReason::Ours,
                detail: format!("the rule {} holds it after a delivery that does not exist", planned.rule)
                    .into(),
            },
        },
        Start::Parked { reason, detail } => NewState::Parked { reason: *reason, detail: detail.clone() },
    };
    NewDelivery {
        id,
        organisation: planned.organisation.clone(),
        endpoint: planned.endpoint.clone(),
        part: planned.part,
        share: planned.share.clone(),
        redaction: planned.redaction,
        on_behalf_of: planned.on_behalf_of.clone(),
        rule: planned.rule.clone(),
        start,
    }
}

/// A delivery as the sender's receipt says it.
fn said(delivery: &NewDelivery) -> Value {
    json!({ "id": delivery.id, "organisation": delivery.organisation, "part": delivery.part, "state": state(delivery) })
}

/// A delivery as the trail says it.
fn routed(delivery: &NewDelivery) -> Value {
    let mut value = said(delivery);
    value["endpoint"] = json!(delivery.endpoint);
    value["rule"] = json!(delivery.rule);
    value["on_behalf_of"] = json!(delivery.on_behalf_of);
    value
}

fn state(delivery: &NewDelivery) -> Value {
    match &delivery.start {
        NewState::Ready => json!("ready"),
        NewState::Held { after, .. } => json!({ "held_after": after }),
        NewState::Parked { reason, .. } => json!({ "parked": reason }),
    }
}
