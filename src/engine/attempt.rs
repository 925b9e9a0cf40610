//! Attempts as the trail commits to them: what is sealed of a record, and what opens it in a stored row.

use serde_json::Value;

use crate::{
    evidence::{
        attempt::Exchanged,
        digest::{Commitment, Digest, Salt, Sm3Commitment, Sm3Digest},
    },
    port::{bus::AttemptRecord, store::AttemptRow},
};

/// Where an entry has the commitment by SHA-256.
pub(super) const EXCHANGED: &str = "exchanged";
/// Where it has that by SM3.
pub(super) const EXCHANGED_SM3: &str = "exchanged_sm3";

/// What was exchanged, as a worker reports it.
pub(super) fn reported(record: &AttemptRecord) -> Exchanged {
    Exchanged {
        answer: record.answer_digest.map(Digest::from_bytes),
        answer_sm3: record.answer_sm3.map(Sm3Digest::from_bytes),
        said: Digest::of(record.detail.as_bytes()),
        sent: record.sent_digest.map(Digest::from_bytes),
        sent_sm3: record.sent_sm3.map(Sm3Digest::from_bytes),
    }
}

/// What a row opens, with the salt: none where it was erased, and for attempts whose entry commits to nothing.
pub(super) fn opening(row: &AttemptRow) -> Option<(Salt, Exchanged)> {
    let exchanged = Exchanged {
        answer: row.answer_digest.as_deref().and_then(|hex| hex.parse().ok()),
        answer_sm3: row.answer_sm3.as_deref().and_then(|hex| hex.parse().ok()),
        said: Digest::of(row.detail.as_bytes()),
        sent: row.sent_digest.as_deref().and_then(|hex| hex.parse().ok()),
        sent_sm3: row.sent_sm3.as_deref().and_then(|hex| hex.parse().ok()),
    };
    Some((Salt::from_bytes(row.salt?), exchanged))
}

/// The commitments of an entry; none in entries of before, which hold the digests themselves.
pub(super) fn commitments(data: &Value) -> Option<(Commitment, Sm3Commitment)> {
    let one = serde_json::from_value(data.get(EXCHANGED)?.clone()).ok()?;
    let by_sm3 = serde_json::from_value(data.get(EXCHANGED_SM3)?.clone()).ok()?;
    Some((one, by_sm3))
}
