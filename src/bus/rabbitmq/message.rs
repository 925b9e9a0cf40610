//! What travels: work with its body, and outcomes, several in one broker message. Both JSON; unknown fields
//! are passed over, so that versions N and N+1 understand each other.

use bytes::Bytes;
use uuid::Uuid;

use super::{publisher::Parcel, topology::short};
use crate::domain::id::DeliveryId;
use crate::port::bus::{LeaseToken, Work, WorkOutcome};

/// Outcomes in one parcel at most.
const OUTCOMES: usize = 200;

/// What tells one lease of one delivery from every other.
pub(super) type Key = (DeliveryId, LeaseToken);

/// The key of work.
pub(super) fn key(work: &Work) -> Key {
    (work.delivery, work.lease)
}

/// Work on its way out.
pub(super) fn work(work: &Work) -> Result<Parcel, serde_json::Error> {
    let id = format!("{}.{}", work.delivery, work.lease.0);
    Ok(Parcel::json(short(work.endpoint.as_str()), id, serde_json::to_vec(work)?))
}

/// Work as it came.
pub(super) fn read_work(body: &[u8]) -> Result<Work, serde_json::Error> {
    serde_json::from_slice(body)
}

/// Outcomes on their way back, without the messages' bodies.
pub(super) fn outcomes(outcomes: &[WorkOutcome], queue: &str) -> Result<Vec<Parcel>, serde_json::Error> {
    let parcel = |outcomes: &[WorkOutcome]| {
        let bare: Vec<_> = outcomes.iter().map(without_body).collect();
        Ok(Parcel::json(short(queue), Uuid::new_v4().to_string(), serde_json::to_vec(&bare)?))
    };
    outcomes.chunks(OUTCOMES).map(parcel).collect()
}

/// Outcomes as they came.
pub(super) fn read_outcomes(body: &[u8]) -> Result<Vec<WorkOutcome>, serde_json::Error> {
    serde_json::from_slice(body)
}

fn without_body(outcome: &WorkOutcome) -> WorkOutcome {
    let mut bare = outcome.clone();
    bare.work.body = Bytes::new();
    bare
}
