//! The clerk: gives what is prepared its ids, receipts and rows, and says to senders what the store said.

use std::sync::Arc;

use jiff::Timestamp;
use metrics::counter;
use serde_json::json;

use super::{
    Answer,
    forms::{Entry, Promised, Routed, Said as Effected, Statement},
    prepare::Prepared,
};
use crate::{
    domain::{
        decision::{ParkReason, PlannedDelivery, Start},
        id::{DeliveryId, MessageId},
    },
    engine::{
        desk::Desk,
        keys::Keyring,
        trail::{self, About},
        world::Worlds,
    },
    evidence::{
        digest::{Digest, Sm3Digest},
        statement,
    },
    port::{
        clock::Clock,
        intake::{Accepted, Code, ReceiptOf, Refusal},
        store::{Acceptance, Moment, NewDelivery, NewObligation, NewState, Sha256Digest, Store, Verdict},
    },
    task::metrics::PARKED,
};

/// Makes acceptances and answers.
#[derive(Debug)]
pub(super) struct Clerk {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keys: Arc<Keyring>,
    pub(super) desk: Arc<Desk>,
    pub(super) worlds: Arc<Worlds>,
}

impl Clerk {
    /// Ids, receipts signed as one batch, and rows.
    pub(super) fn draw_up(
        &self,
        prepared: Vec<Prepared>,
        now: Timestamp,
    ) -> Result<Vec<Acceptance>, Refusal> {
        let moment = self.worlds.current().moment;
        let made: Vec<_> = prepared.into_iter().map(|prepared| Made::new(prepared, moment, now)).collect();
        let statements: Vec<_> = made.iter().map(|made| made.statement(now)).collect();
        let signer = self.keys.at(now).map_err(|error| unsigned(&error))?;
        let receipts =
            statement::sign_batch(&statements, signer.as_ref()).map_err(|error| unsigned(&error))?;
        let accepted = |(made, receipt): (Made, Vec<u8>)| made.acceptance(receipt, moment, now);
        Ok(made.into_iter().zip(receipts).map(accepted).collect())
    }

    /// What a sender hears; systems with something to receive are told as well.
    pub(super) fn answer(&self, verdict: Verdict, said: Said) -> Answer {
        let Said { id, receipt, parked } = said;
        match verdict {
            Verdict::Accepted { ready } => {
                for reason in parked {
                    counter!(PARKED, "reason" => reason.as_str()).increment(1);
                }
                self.desk.ready(&ready);
                Answer::Accepted(Accepted { message: id, receipt_of: ReceiptOf::First, receipt })
            }
            Verdict::Duplicate { message, receipt } if receipt.is_empty() => {
                Answer::Refused(super::erased(message))
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
        }
    }
}

fn unsigned(error: &dyn std::error::Error) -> Refusal {
    let cause = error.source().map(ToString::to_string);
    tracing::error!(%error, cause, "receipts could not be signed");
    Refusal::new(
        Code::Unavailable,
        "the hub cannot sign receipts now; nothing was changed, send it again later",
    )
}

/// What is still needed of an acceptance once the store has it.
pub(super) struct Said {
    id: MessageId,
    receipt: bytes::Bytes,
    /// Reasons of the deliveries that are parked from the start.
    parked: Vec<ParkReason>,
}

impl Said {
    pub(super) fn of(acceptance: &Acceptance) -> Self {
        let parked = acceptance.deliveries.iter().filter_map(|delivery| match delivery.start {
            NewState::Parked { reason, .. } => Some(reason),
            NewState::Ready | NewState::Held { .. } => None,
        });
        Self { id: acceptance.id, receipt: acceptance.receipt.clone(), parked: parked.collect() }
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
    fn statement(&self, now: Timestamp) -> Statement<'_> {
        let Prepared { message, decision, .. } = &self.prepared;
        Statement {
            business_key: &message.key.business_key,
            deliveries: self.deliveries.iter().map(Promised::of).collect(),
            id: self.id,
            issued_at: now,
            kind: message.key.kind,
            nonce: &self.prepared.nonce,
            organisation: &message.key.organisation,
            received: Digest::of(&self.prepared.received),
            received_sm3: Sm3Digest::of(&self.prepared.received),
            registry_version: decision.registry_version,
            revision: message.revision,
            rules_version: decision.rules_version,
            r#type: "accepted",
            warnings: &decision.warnings,
        }
    }

    fn acceptance(self, receipt: Vec<u8>, moment: Moment, now: Timestamp) -> Acceptance {
        let Self { id, prepared, deliveries } = self;
        let received_digest = Digest::of(&prepared.received);
        let effects: Vec<_> = prepared.effects.iter().filter_map(Effected::of).collect();
        let about = About { delivery: effects.iter().find_map(Effected::delivery), ..About::message(id) };
        let data = Entry {
            commitment: prepared.salt.commit(&prepared.received),
            commitment_sm3: prepared.salt.commit_by_sm3(&prepared.received),
            content: prepared.salt.commit(&prepared.canonical),
            decided_by: &prepared.message.decided_by,
            decision: prepared.salt.commit(&prepared.decision_json),
            deliveries: deliveries.iter().map(Routed::of).collect(),
            effects,
            endpoint: &prepared.endpoint,
            kind: prepared.message.key.kind,
            moment,
            organisation: &prepared.message.key.organisation,
            receipt: Digest::of(&receipt),
            registry: prepared.decision.registry_version,
            revision: prepared.message.revision,
            rules: prepared.decision.rules_version,
        };
        let answer = |answered| {
            let data = json!({ "by": id, "organisation": data.organisation, "kind": data.kind });
            trail::entry(trail::ANSWERED, About::message(answered), &data, now)
        };
        let answers = data.effects.iter().filter_map(Effected::answers).map(answer);
        let mut entries = vec![trail::entry(trail::ACCEPTED, about, &data, now)];
        entries.extend(answers);
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
            entries,
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
