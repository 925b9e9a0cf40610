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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Work as the first version wrote it.
    fn work_of_old() -> Value {
        json!({
            "delivery": "01956000-0000-7000-8000-000000000001",
            "message": "01956000-0000-7000-8000-000000000002",
            "kind": "approval.result", "endpoint": "hanbin-scjg", "organisation": "610902-scjgj",
            "on_behalf_of": "610900-scjgj", "part": "assist", "share": "事中事后监管",
            "redaction": "personal_numbers", "lane_sequence": 7, "attempt": 2, "lease": 3,
            "not_after": "2026-03-05T01:31:00Z", "accepted_at": "2026-03-05T01:30:00Z",
            "first_attempt_at": "2026-03-05T01:30:01Z", "relays": ["01956000-0000-7000-8000-000000000003"],
            "body": r#"{"businessKey":"件-1"}"#,
        })
    }

    /// Outcomes as the first version wrote them.
    fn outcomes_of_old() -> Value {
        let attempt = json!({
            "started_at": "2026-03-05T01:30:01Z", "ended_at": "2026-03-05T01:30:02Z", "peer": "127.0.0.1:80",
            "sent_digest": null, "answer_digest": null, "status": 429, "detail": "busy", "adapter_version": "1",
        });
        let outcome = json!({ "class": "throttled", "wait_ms": 500 });
        json!([{ "work": work_of_old(), "outcome": outcome, "attempt": attempt }])
    }

    /// Adds a field to every object, as a later version may.
    fn of_later(mut value: Value) -> Value {
        match &mut value {
            Value::Object(fields) => {
                for field in fields.values_mut() {
                    *field = of_later(field.take());
                }
                fields.insert("later".to_owned(), json!({ "more": 1 }));
            }
            Value::Array(values) => values.iter_mut().for_each(|value| *value = of_later(value.take())),
            _ => {}
        }
        value
    }

    // Hubs and workers of one version and the next share a broker during an upgrade: each must read what the other
    // writes. So what is added must be something that both can do without, and nothing is taken out.
    #[test]
    fn work_of_an_earlier_version_and_of_a_later_one_is_read() {
        let old = work_of_old();
        let read = read_work(old.to_string().as_bytes()).unwrap();
        let written: Value = serde_json::from_slice(&work(&read).unwrap().body).unwrap();
        assert_eq!(written, old, "an earlier version needs every field");
        let of_later = read_work(of_later(old).to_string().as_bytes()).unwrap();
        assert_eq!(Work { body: read.body.clone(), ..of_later }, read);
    }

    #[test]
    fn outcomes_of_an_earlier_version_and_of_a_later_one_are_read() {
        let old = outcomes_of_old();
        let read = read_outcomes(old.to_string().as_bytes()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), old, "an earlier version needs every field");
        let bare: Vec<_> = read.iter().map(without_body).collect();
        let later = read_outcomes(of_later(old).to_string().as_bytes()).unwrap();
        assert_eq!(later.iter().map(without_body).collect::<Vec<_>>(), bare);
    }
}
