//! Payloads: one function a kind.

use super::{Faults, in_order, optional};
use crate::{
    domain::{
        id::MessageId,
        kind::Kind,
        message::{
            ApprovalOutcome, ApprovalResult, Feedback, Handling, Payload, PenaltyDecision, PenaltyEvent,
            Procedure, Receipt, ReceiptAction, RiskDisposal, RiskWarning, SupervisionFeedback,
        },
        personal::shown,
    },
    proto::v1::{self, message::Payload as Wire},
};

pub(super) fn payload(faults: &mut Faults, wire: Option<&Wire>) -> Option<(Kind, Payload)> {
    match wire {
        None => {
            let known = Kind::all().map(|kind| kind.row().payload_field).collect::<Vec<_>>().join(", ");
            faults.add("payload", format!("is required: one of {known}"));
            None
        }
        Some(Wire::ApprovalProgress(wire)) => progress(faults, wire).map(|it| (Kind::ApprovalProgress, it)),
        Some(Wire::ApprovalResult(wire)) => result(faults, wire).map(|it| (Kind::ApprovalResult, it)),
        Some(Wire::SupervisionFeedback(wire)) => {
            feedback(faults, wire).map(|it| (Kind::SupervisionFeedback, it))
        }
        Some(Wire::PenaltyDecision(wire)) => penalty(faults, wire).map(|it| (Kind::PenaltyDecision, it)),
        Some(Wire::RiskWarning(wire)) => Some((Kind::RiskWarning, warning(faults, wire))),
        Some(Wire::RiskDisposal(wire)) => Some((Kind::RiskDisposal, disposal(faults, wire))),
        Some(Wire::Receipt(wire)) => receipt(faults, wire).map(|it| (Kind::Receipt, it)),
    }
}

fn progress(faults: &mut Faults, wire: &v1::ApprovalProgress) -> Option<Payload> {
    faults.required("approvalProgress.caseNo", &wire.case_no);
    faults.required("approvalProgress.stage", &wire.stage);
    if !wire.started_at.is_empty() {
        faults.timestamp("approvalProgress.startedAt", &wire.started_at)?;
    }
    Some(Payload::ApprovalProgress)
}

fn result(faults: &mut Faults, wire: &v1::ApprovalResult) -> Option<Payload> {
    const VALID_TO: &str = "approvalResult.validTo";
    faults.required("approvalResult.caseNo", &wire.case_no);
    let from = faults.date("approvalResult.validFrom", &wire.valid_from);
    let to = faults.date(VALID_TO, &wire.valid_to);
    in_order(faults, VALID_TO, from, to);
    if wire.long_term && to.is_some() {
        faults.add(VALID_TO, "must be absent when longTerm (长期) is set");
    }
    let procedure = match wire.procedure() {
        v1::Procedure::Unspecified => None,
        v1::Procedure::Ordinary => Some(Procedure::Ordinary),
        v1::Procedure::Commitment => Some(Procedure::Commitment),
    };
    if procedure == Some(Procedure::Commitment) {
        faults.required("approvalResult.promise", &wire.promise);
    }
    let outcome = match wire.outcome() {
        v1::Outcome::Unspecified => None,
        v1::Outcome::Granted => Some(ApprovalOutcome::Granted),
        v1::Outcome::Refused => Some(ApprovalOutcome::Refused),
    };
    let handling = faults.unspecified("approvalResult.handling", handling(wire.handling()));
    let outcome = faults.unspecified("approvalResult.outcome", outcome);
    let procedure = faults.unspecified("approvalResult.procedure", procedure);
    let verify_by = faults.date("approvalResult.verifyBy", &wire.verify_by);
    Some(Payload::ApprovalResult(ApprovalResult {
        handling: handling?,
        outcome: outcome?,
        procedure: procedure?,
        verify_by,
    }))
}

fn handling(wire: v1::HandlingType) -> Option<Handling> {
    match wire {
        v1::HandlingType::Unspecified => None,
        v1::HandlingType::New => Some(Handling::New),
        v1::HandlingType::Change => Some(Handling::Change),
        v1::HandlingType::Renewal => Some(Handling::Renewal),
        v1::HandlingType::Replacement => Some(Handling::Replacement),
        v1::HandlingType::Annulment => Some(Handling::Annulment),
        v1::HandlingType::LawfulRevocation => Some(Handling::LawfulRevocation),
        v1::HandlingType::Deregistration => Some(Handling::Deregistration),
        v1::HandlingType::Filing => Some(Handling::Filing),
    }
}

fn feedback(faults: &mut Faults, wire: &v1::SupervisionFeedback) -> Option<Payload> {
    let feedback = match wire.r#type() {
        v1::FeedbackType::Unspecified => None,
        v1::FeedbackType::Routine => Some(Feedback::Routine),
        v1::FeedbackType::CommitmentVerification => Some(Feedback::CommitmentVerification),
        v1::FeedbackType::FilingVerification => Some(Feedback::FilingVerification),
    };
    if wire.result() == v1::FeedbackResult::Unspecified {
        faults.add("supervisionFeedback.result", "is required: 符合, 基本符合 or 不符合");
    }
    faults.date("supervisionFeedback.checkedOn", &wire.checked_on);
    let answers = message_id(faults, "supervisionFeedback.answersMessage", &wire.answers_message);
    let feedback = faults.unspecified("supervisionFeedback.type", feedback)?;
    Some(Payload::SupervisionFeedback(SupervisionFeedback { answers, feedback }))
}

fn message_id(faults: &mut Faults, path: &str, text: &str) -> Option<MessageId> {
    if text.is_empty() {
        return None;
    }
    text.parse()
        .map_err(|_| faults.add(path, format!("'{}' is not a message id of the hub", shown(text))))
        .ok()
}

fn penalty(faults: &mut Faults, wire: &v1::PenaltyDecision) -> Option<Payload> {
    faults.required("penaltyDecision.documentNo", &wire.document_no);
    faults.required("penaltyDecision.violationType", &wire.violation_type);
    faults.required("penaltyDecision.facts", &wire.facts);
    faults.required("penaltyDecision.legalBasis", &wire.legal_basis);
    amount(faults, "penaltyDecision.fineYuan", &wire.fine_yuan);
    amount(faults, "penaltyDecision.confiscatedYuan", &wire.confiscated_yuan);
    faults.date("penaltyDecision.validTo", &wire.valid_to);
    let event = match wire.event() {
        v1::PenaltyEvent::Unspecified => None,
        v1::PenaltyEvent::Decided => Some(PenaltyEvent::Decided),
        v1::PenaltyEvent::Changed => Some(PenaltyEvent::Changed),
        v1::PenaltyEvent::Annulled => Some(PenaltyEvent::Annulled),
        v1::PenaltyEvent::Contested => Some(PenaltyEvent::Contested),
        v1::PenaltyEvent::Executed => Some(PenaltyEvent::Executed),
        v1::PenaltyEvent::CreditRepaired => Some(PenaltyEvent::CreditRepaired),
    };
    let event = faults.unspecified("penaltyDecision.event", event)?;
    Some(Payload::PenaltyDecision(PenaltyDecision {
        event,
        violation_division: optional(&wire.violation_division),
    }))
}

pub(super) fn amount(faults: &mut Faults, path: &str, text: &str) {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_decimal = digits(whole) && digits(fraction);
    if !(text.is_empty() || is_decimal) {
        faults
            .add(path, format!("'{}' is not an amount in yuan, write decimal digits: 2000.00", shown(text)));
    }
}

fn warning(faults: &mut Faults, wire: &v1::RiskWarning) -> Payload {
    faults.required("riskWarning.warningNo", &wire.warning_no);
    faults.required("riskWarning.title", &wire.title);
    Payload::RiskWarning(RiskWarning { region: optional(&wire.region) })
}

fn disposal(faults: &mut Faults, wire: &v1::RiskDisposal) -> Payload {
    const FEEDBACK_AT: &str = "riskDisposal.feedbackAt";
    faults.required("riskDisposal.warningNo", &wire.warning_no);
    faults.required("riskDisposal.result", &wire.result);
    let time = |faults: &mut Faults, path, text: &str| {
        if text.is_empty() { None } else { faults.timestamp(path, text) }
    };
    let claimed = time(faults, "riskDisposal.claimedAt", &wire.claimed_at);
    let answered = time(faults, FEEDBACK_AT, &wire.feedback_at);
    if let (Some(claimed), Some(answered)) = (claimed, answered)
        && answered < claimed
    {
        faults.add(FEEDBACK_AT, "is before claimedAt");
    }
    let answers = message_id(faults, "riskDisposal.answersMessage", &wire.answers_message);
    Payload::RiskDisposal(RiskDisposal { warning_no: wire.warning_no.as_str().into(), answers })
}

fn receipt(faults: &mut Faults, wire: &v1::Receipt) -> Option<Payload> {
    let action = match wire.action() {
        v1::ReceiptAction::Unspecified => None,
        v1::ReceiptAction::Signed => Some(ReceiptAction::Signed),
        v1::ReceiptAction::Returned => Some(ReceiptAction::Returned),
        v1::ReceiptAction::RelayConfirmed => Some(ReceiptAction::RelayConfirmed),
    };
    if action == Some(ReceiptAction::Returned) {
        faults.required("receipt.reason", &wire.reason);
    }
    let delivery = wire
        .delivery
        .parse()
        .map_err(|_| {
            let text = shown(&wire.delivery);
            faults.add("receipt.delivery", format!("'{text}' is not a delivery id of the hub"));
        })
        .ok();
    let action = faults.unspecified("receipt.action", action);
    Some(Payload::Receipt(Receipt { delivery: delivery?, action: action? }))
}
