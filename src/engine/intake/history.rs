//! History: what routing must know of the past, asked of the store only when the message needs it.

use crate::{
    domain::{
        fault::Fault,
        id::DeliveryId,
        kind::Kind,
        message::{Message, MessageKey, Payload},
        route::{self, AnsweredMessage, Cause, History},
    },
    port::{
        intake::{Code, Refusal},
        store::{AnsweredRow, DeliveryRow, HistoryRequest, StandingRow, Store},
    },
    proto::Wire,
};

/// The past of one message.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// What routing reads.
    pub(super) facts: History,
    /// Highest revision of the key.
    pub(super) known_revision: Option<u32>,
    /// Parked deliveries that a higher revision takes the place of.
    pub(super) superseded: Vec<DeliveryId>,
    /// The delivery a receipt is about.
    pub(super) delivery: Option<DeliveryRow>,
}

/// Asks the store for the past of `message`.
pub(super) async fn find(store: &dyn Store, message: &Message) -> Result<Past, Refusal> {
    let request = request(message);
    if is_empty(&request) {
        return Ok(Past::default());
    }
    let mut row = store.history(request).await.map_err(|error| super::unavailable(&error))?;
    if let Some(delivery) = &row.delivery {
        let request = HistoryRequest { answers: Some(delivery.message), ..HistoryRequest::default() };
        row.answered = store.history(request).await.map_err(|error| super::unavailable(&error))?.answered;
    }
    Ok(Past {
        facts: History {
            licence_issuers: row.issuers.into_iter().collect(),
            original_recipients: row.recipients,
            answered: row.answered.map(answered).transpose()?,
            subscribers: Vec::new(),
        },
        superseded: row.superseded,
        known_revision: row.known_revision,
        delivery: row.delivery,
    })
}

/// What stands under a key and revision.
pub(super) async fn standing(
    store: &dyn Store,
    key: MessageKey,
    revision: u32,
) -> Result<Option<StandingRow>, Refusal> {
    let request = HistoryRequest { standing: Some((key, revision)), ..HistoryRequest::default() };
    let row = store.history(request).await.map_err(|error| super::unavailable(&error))?;
    Ok(row.standing)
}

fn request(message: &Message) -> HistoryRequest {
    let mut request = HistoryRequest::default();
    if message.revision > 1 {
        request.key = Some(message.key.clone());
    }
    if message.kind() != Kind::ApprovalResult {
        let unsaid = message.licences.iter().filter(|licence| licence.decided_by.is_none());
        request.licences = unsaid.map(crate::domain::message::LicenceRef::key).collect();
    }
    match &message.payload {
        Payload::SupervisionFeedback(feedback) => request.answers = feedback.answers,
        Payload::RiskDisposal(disposal) => {
            request.answers = disposal.answers;
            if disposal.answers.is_none() {
                request.answers_key = Some((Kind::RiskWarning, disposal.warning_no.clone()));
            }
        }
        Payload::Receipt(receipt) => request.delivery = Some(receipt.delivery),
        Payload::ApprovalProgress
        | Payload::ApprovalResult(_)
        | Payload::PenaltyDecision(_)
        | Payload::RiskWarning(_) => {}
    }
    request
}

fn is_empty(request: &HistoryRequest) -> bool {
    request.key.is_none()
        && request.licences.is_empty()
        && request.answers.is_none()
        && request.answers_key.is_none()
        && request.delivery.is_none()
}

fn answered(row: AnsweredRow) -> Result<AnsweredMessage, Refusal> {
    let items = Wire::items(&row.canonical).map_err(|error| {
        tracing::error!(message = %row.message, %error, "stored message cannot be read");
        Refusal::new(Code::Unavailable, "the hub cannot read the message answered, its operators are told")
    })?;
    Ok(AnsweredMessage {
        message: row.message,
        source: row.key.organisation,
        items,
        recipients: row.recipients,
    })
}

/// Routing's reasons as the sender sees them.
pub(super) fn refusal(refusal: &route::Refusal) -> Refusal {
    let code = refusal.reasons.iter().map(|reason| code(&reason.cause)).max_by_key(|code| weight(*code));
    let faults =
        refusal.reasons.iter().map(|reason| Fault::new(&*reason.field, reason.cause.to_string())).collect();
    Refusal {
        code: code.unwrap_or(Code::Invalid),
        detail: "the message cannot be routed as it is".into(),
        faults,
    }
}

fn code(cause: &Cause) -> Code {
    match cause {
        Cause::Classified(_) => Code::Classified,
        Cause::MayNotSend { .. }
        | Cause::MayNotState { .. }
        | Cause::FilingsOnly(_)
        | Cause::NotARecipient(_) => Code::Forbidden,
        _ => Code::Invalid,
    }
}

/// Classified is said before all else, then what is forbidden.
fn weight(code: Code) -> u8 {
    match code {
        Code::Classified => 2,
        Code::Forbidden => 1,
        _ => 0,
    }
}
