//! Work and outcomes in the form of the schema, with the slips that bind one to the other.

use std::array::TryFromSliceError;

use bytes::{BufMut as _, Bytes, BytesMut};
use jiff::Timestamp;

use super::Own;
use crate::{
    domain::delivery::Outcome,
    evidence::slip::SlipKey,
    port::bus::{AttemptRecord, Brought, Work, WorkOutcome},
    proto::v1::{AttemptMade, AttemptOutcome, OutcomeClass, PieceOfWork},
};

/// Length of a seal; the record follows it.
const SEAL_BYTES: usize = 32;

/// Why an outcome is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Because {
    /// The slip is not one that a hub on this store wrote for this worker, or is another delivery's.
    Forged,
    /// The worker may not work for the endpoint any more.
    NotTheirs,
    /// What it says of the attempt cannot be read.
    Malformed,
}

impl Because {
    /// In a metric.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::NotTheirs => "not_theirs",
            Self::Malformed => "malformed",
        }
    }

    /// In a sentence.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Forged => "the hub did not give this work under this lease to this worker",
            Self::NotTheirs => "the worker may not report for this endpoint",
            Self::Malformed => "what is said of the attempt cannot be read",
        }
    }
}

/// An outcome that does not count.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) delivery: String,
    pub(super) lease: u64,
    pub(super) because: Because,
}

/// A piece on its way out to a worker; none where it cannot be written.
pub(super) fn piece(work: &Work, slips: &SlipKey, worker: &str) -> Result<PieceOfWork, serde_json::Error> {
    let Work { delivery, message, kind, endpoint, organisation, on_behalf_of, .. } = work;
    let text = |it: &dyn std::fmt::Display| it.to_string();
    let slip = slip(work, slips, worker)?;
    Ok(PieceOfWork {
        delivery: text(delivery),
        message: text(message),
        kind: text(kind),
        endpoint: text(endpoint),
        organisation: text(organisation),
        on_behalf_of: on_behalf_of.as_ref().map(|it| text(it)).unwrap_or_default(),
        part: work.part.as_str().to_owned(),
        share: work.share.as_deref().map(str::to_owned),
        redaction: word(&work.redaction)?,
        lane_sequence: work.lane_sequence,
        attempt: work.attempt,
        lease: work.lease.0,
        not_after: text(&work.not_after),
        accepted_at: text(&work.accepted_at),
        first_attempt_at: work.first_attempt_at.map(|at| text(&at)).unwrap_or_default(),
        relays: work.relays.iter().map(|it| text(it)).collect(),
        body: work.body.clone(),
        comes_again: work.brought == Brought::Again,
        slip,
    })
}

/// The word of a value that has one.
fn word<T: serde::Serialize>(value: &T) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_value(value)?.as_str().unwrap_or_default().to_owned())
}

/// The hub's own record of the work, without its body, sealed for a worker.
fn slip(work: &Work, slips: &SlipKey, worker: &str) -> Result<Bytes, serde_json::Error> {
    let record = serde_json::to_vec(&Work { body: Bytes::new(), ..work.clone() })?;
    let mut slip = BytesMut::with_capacity(SEAL_BYTES + record.len());
    slip.put_slice(&slips.seal(worker, &record));
    slip.put_slice(&record);
    Ok(slip.freeze())
}

/// What an outcome says, about the work that its slip names.
pub(super) fn outcome(told: &AttemptOutcome, own: &Own) -> Result<WorkOutcome, Refused> {
    let refused = |because| Refused { delivery: told.delivery.clone(), lease: told.lease, because };
    let work = opened(&told.slip, own).ok_or_else(|| refused(Because::Forged))?;
    if work.delivery.to_string() != told.delivery || work.lease.0 != told.lease {
        return Err(refused(Because::Forged));
    }
    if !own.may_work(&work.endpoint) {
        return Err(refused(Because::NotTheirs));
    }
    let class = class(told);
    let attempt = told.attempt.as_ref().and_then(record);
    let (Some(outcome), Some(attempt)) = (class, attempt) else { return Err(refused(Because::Malformed)) };
    Ok(WorkOutcome { work, outcome, attempt })
}

fn opened(slip: &[u8], own: &Own) -> Option<Work> {
    let (seal, record) = slip.split_at_checked(SEAL_BYTES)?;
    let is_ours = own.attachments.slips.knows(&own.worker, record, seal);
    is_ours.then(|| serde_json::from_slice(record).ok()).flatten()
}

fn class(told: &AttemptOutcome) -> Option<Outcome> {
    Some(match told.outcome() {
        OutcomeClass::Unspecified => return None,
        OutcomeClass::Delivered => Outcome::Delivered,
        OutcomeClass::Permanent => Outcome::Permanent,
        OutcomeClass::Transient => Outcome::Transient,
        OutcomeClass::Unknown => Outcome::Unknown,
        OutcomeClass::Throttled => Outcome::Throttled { wait_ms: told.wait_ms },
        OutcomeClass::Ours => Outcome::Ours,
    })
}

fn record(made: &AttemptMade) -> Option<AttemptRecord> {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let status = match made.status {
        Some(status) => Some(u16::try_from(status).ok()?),
        None => None,
    };
    let record = AttemptRecord {
        started_at: time(&made.started_at)?,
        ended_at: time(&made.ended_at)?,
        peer: made.peer.as_str().into(),
        sent_digest: digest(&made.sent_digest).ok()?,
        answer_digest: digest(&made.answer_digest).ok()?,
        sent_sm3: digest(&made.sent_sm3).ok()?,
        answer_sm3: digest(&made.answer_sm3).ok()?,
        status,
        detail: made.detail.as_str().into(),
        adapter_version: made.adapter_version.as_str().into(),
    };
    Some(record.as_told())
}

/// Nothing, or all of it.
fn digest(bytes: &[u8]) -> Result<Option<[u8; 32]>, TryFromSliceError> {
    if bytes.is_empty() { Ok(None) } else { bytes.try_into().map(Some) }
}
