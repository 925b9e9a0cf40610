//! Effects: what a message does to what is already stored, beside being delivered.

use jiff::Timestamp;
use serde_json::json;

use super::history::Past;
use crate::{
    domain::{
        delivery::{Acknowledgement, Transport},
        fault::Fault,
        id::DeliveryId,
        message::{ApprovalOutcome, Feedback, Message, Payload, ReceiptAction},
        obligation::Duty,
        registry::Registry,
    },
    engine::trail::{self, About},
    port::{
        intake::{Code, Refusal},
        store::{DeliveryRow, Effect, NewEntry},
    },
};

/// The effects of `message`, or why it cannot have them.
pub(super) fn of(
    message: &Message,
    past: &Past,
    registry: &Registry,
    now: Timestamp,
) -> Result<Vec<Effect>, Refusal> {
    let mut effects = Vec::new();
    if message.revision > 1 {
        effects.push(Effect::Supersede { deliveries: superseded(message, past, now) });
    }
    match &message.payload {
        Payload::ApprovalResult(result) if result.outcome == ApprovalOutcome::Granted => {
            effects.extend(message.licences.iter().map(|licence| Effect::Licence {
                licence: licence.key(),
                issuer: licence.decided_by.clone().unwrap_or_else(|| message.decided_by.clone()),
            }));
        }
        Payload::SupervisionFeedback(feedback) => {
            let mut duties = vec![Duty::Sign, Duty::Answer];
            if feedback.feedback != Feedback::Routine {
                duties.push(Duty::Verify);
            }
            effects.extend(answer(message, past, duties));
        }
        Payload::RiskDisposal(_) => effects.extend(answer(message, past, vec![Duty::Sign, Duty::Answer])),
        Payload::Receipt(receipt) => {
            let delivery = past.delivery.as_ref().ok_or_else(unknown_delivery)?;
            effects.push(acknowledge(message, receipt.action, delivery, registry)?);
        }
        _ => {}
    }
    Ok(effects)
}

fn superseded(message: &Message, past: &Past, now: Timestamp) -> Vec<(DeliveryId, NewEntry)> {
    let entry = |delivery: DeliveryId| {
        let about = About { message: None, delivery: Some(delivery) };
        trail::entry(trail::SUPERSEDED, about, &json!({ "by_revision": message.revision }), now)
    };
    past.superseded.iter().map(|delivery| (*delivery, entry(*delivery))).collect()
}

fn answer(message: &Message, past: &Past, duties: Vec<Duty>) -> Option<Effect> {
    let answered = past.facts.answered.as_ref()?;
    Some(Effect::Answer { message: answered.message, organisation: message.key.organisation.clone(), duties })
}

fn acknowledge(
    message: &Message,
    action: ReceiptAction,
    delivery: &DeliveryRow,
    registry: &Registry,
) -> Result<Effect, Refusal> {
    let source = &message.key.organisation;
    let party = match action {
        ReceiptAction::RelayConfirmed => delivery.on_behalf_of.as_ref(),
        ReceiptAction::Signed | ReceiptAction::Returned => delivery.organisation.as_ref(),
    };
    let is_party = party.is_some_and(|party| party == source || registry.share_a_sender(party, source));
    if !is_party {
        return Err(Refusal {
            code: Code::Forbidden,
            detail: format!(
                "organisation {source} is not the one that may say this about delivery {}",
                delivery.id
            ),
            faults: vec![Fault::new("receipt.delivery", "is a delivery of another organisation")],
        });
    }
    match action {
        ReceiptAction::RelayConfirmed if delivery.state == Transport::Held => {
            Ok(Effect::ConfirmRelay { delivery: delivery.id })
        }
        ReceiptAction::RelayConfirmed => Err(super::prepare::invalid(
            "there is no relay to confirm",
            vec![Fault::new("receipt.delivery", format!("is {}, not held", delivery.state))],
        )),
        ReceiptAction::Signed => Ok(said(delivery, Acknowledgement::Signed)),
        ReceiptAction::Returned => Ok(said(delivery, Acknowledgement::Returned)),
    }
}

fn said(delivery: &DeliveryRow, acknowledgement: Acknowledgement) -> Effect {
    Effect::Acknowledge { delivery: delivery.id, acknowledgement }
}

fn unknown_delivery() -> Refusal {
    super::prepare::invalid(
        "the receipt names no delivery of this hub",
        vec![Fault::new("receipt.delivery", "is not known here")],
    )
}
