//! Work as it comes down the stream, and outcomes as they go up.

use serde::{Deserialize, de::value::Error as Unknown, de::value::StrDeserializer};

use crate::{
    domain::delivery::Outcome,
    port::bus::{Brought, CopyKey, LeaseToken, Work, WorkOutcome},
    proto::v1::{AttemptMade, AttemptOutcome, OutcomeClass, PieceOfWork},
};

/// Work whose every field this worker knows how to read; the name of the first that it does not otherwise.
pub(super) fn work(piece: &PieceOfWork) -> Result<Work, &'static str> {
    fn read<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, &'static str> {
        text.parse().map_err(|_| field)
    }
    fn word<'a, T: Deserialize<'a>>(field: &'static str, text: &'a str) -> Result<T, &'static str> {
        T::deserialize(StrDeserializer::<Unknown>::new(text)).map_err(|_| field)
    }
    fn said(text: &str) -> Option<&str> {
        Some(text).filter(|text| !text.is_empty())
    }

    let relays: Result<_, _> = piece.relays.iter().map(|id| read("relays", id)).collect();
    let first = said(&piece.first_attempt_at).map(|at| read("first_attempt_at", at)).transpose()?;
    Ok(Work {
        delivery: read("delivery", &piece.delivery)?,
        message: read("message", &piece.message)?,
        kind: read("kind", &piece.kind)?,
        endpoint: piece.endpoint.as_str().into(),
        organisation: piece.organisation.as_str().into(),
        on_behalf_of: said(&piece.on_behalf_of).map(Into::into),
        part: word("part", &piece.part)?,
        share: piece.share.as_deref().map(Into::into),
        redaction: word("redaction", &piece.redaction)?,
        lane_sequence: piece.lane_sequence,
        attempt: piece.attempt,
        lease: LeaseToken(piece.lease),
        not_after: read("not_after", &piece.not_after)?,
        accepted_at: read("accepted_at", &piece.accepted_at)?,
        first_attempt_at: first,
        relays: relays?,
        body: piece.body.clone(),
        brought: if piece.comes_again { Brought::Again } else { Brought::First },
    })
}

/// An outcome with the slip that came with its work.
pub(super) fn outcome(told: &WorkOutcome, slip: bytes::Bytes) -> AttemptOutcome {
    let made = &told.attempt;
    let digest = |digest: Option<[u8; 32]>| digest.map(|bytes| bytes.to_vec().into()).unwrap_or_default();
    let (class, wait_ms) = match told.outcome {
        Outcome::Delivered => (OutcomeClass::Delivered, None),
        Outcome::Permanent => (OutcomeClass::Permanent, None),
        Outcome::Transient => (OutcomeClass::Transient, None),
        Outcome::Unknown => (OutcomeClass::Unknown, None),
        Outcome::Throttled { wait_ms } => (OutcomeClass::Throttled, wait_ms),
        Outcome::Ours => (OutcomeClass::Ours, None),
    };
    AttemptOutcome {
        delivery: told.work.delivery.to_string(),
        lease: told.work.lease.0,
        slip,
        outcome: class.into(),
        wait_ms,
        attempt: Some(AttemptMade {
            started_at: made.started_at.to_string(),
            ended_at: made.ended_at.to_string(),
            peer: made.peer.to_string(),
            sent_digest: digest(made.sent_digest),
            answer_digest: digest(made.answer_digest),
            status: made.status.map(u32::from),
            detail: made.detail.to_string(),
            adapter_version: made.adapter_version.to_string(),
            sent_sm3: digest(made.sent_sm3),
            answer_sm3: digest(made.answer_sm3),
        }),
    }
}

/// What an outcome that is settled is known by.
pub(super) fn key(delivery: &str, lease: u64) -> Option<CopyKey> {
    Some((delivery.parse().ok()?, LeaseToken(lease)))
}
