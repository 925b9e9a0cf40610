//! What travels: work with its body, and outcomes, several in one broker message. Both JSON; unknown fields
//! are passed over, so that versions N and N+1 understand each other.
//!
//! Work goes out as a slip that the hub sealed, beside its body; an outcome brings that slip back as it was. So
//! whoever reports adds how the attempt went and nothing else, and only who was brought the work can report it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{publisher::Parcel, topology::short};
use crate::{
    domain::delivery::Outcome,
    evidence::slip::SlipKey,
    port::bus::{AttemptRecord, Work, WorkOutcome},
};

/// Outcomes in one parcel at most.
const OUTCOMES: usize = 200;

/// Bytes of a slip with what stands around it, at most.
const SLIP_BYTES: usize = 64 * 1024;

/// Whose slips they are: the broker decides which worker of an endpoint is brought which, and vouches for its account.
const ANYBODY: &str = "";

/// What the hub wrote of a piece of work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Slip {
    /// The work without its body, in the hub's own bytes.
    record: Box<RawValue>,
    /// In hex.
    seal: Box<str>,
}

impl Slip {
    /// Writes and seals one.
    pub(super) fn write(work: &Work, key: &SlipKey) -> Result<Self, serde_json::Error> {
        let bare = Work { body: Bytes::new(), ..work.clone() };
        let record = RawValue::from_string(serde_json::to_string(&bare)?)?;
        let seal = hex::encode(key.seal(ANYBODY, record.get().as_bytes())).into();
        Ok(Self { record, seal })
    }

    /// The work that a sealed one is about, without its body.
    fn open(&self, key: &SlipKey) -> Result<Work, Unfit> {
        let seal = hex::decode(&*self.seal).map_err(|_| Unfit::Forged)?;
        if !key.knows(ANYBODY, self.record.get().as_bytes(), &seal) {
            return Err(Unfit::Forged);
        }
        Ok(self.read()?)
    }

    fn read(&self) -> Result<Work, serde_json::Error> {
        serde_json::from_str(self.record.get())
    }
}

/// Work in a broker message.
#[derive(Serialize)]
struct Sent<'w> {
    slip: Slip,
    body: &'w str,
}

#[derive(Deserialize)]
struct Brought {
    slip: Slip,
    body: String,
}

/// An outcome in a broker message.
#[derive(Serialize, Deserialize)]
struct Told {
    slip: Slip,
    outcome: Outcome,
    attempt: AttemptRecord,
}

/// Why outcomes are not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    /// They cannot be read.
    #[error("outcomes cannot be read")]
    Unreadable(#[from] serde_json::Error),
    /// The hub did not write a slip among them.
    #[error("an outcome of work that no hub on this store gave away")]
    Forged,
}

/// Bytes that a message of so many may take up on its way out: it travels as text within text, in which each
/// quotation mark is two characters.
pub(super) fn largest(message_bytes: usize) -> usize {
    message_bytes.saturating_mul(2).saturating_add(SLIP_BYTES)
}

/// Work on its way out.
pub(super) fn work(work: &Work, key: &SlipKey) -> Result<Parcel, serde_json::Error> {
    let id = format!("{}.{}", work.delivery, work.lease.0);
    let body = std::str::from_utf8(&work.body).map_err(serde::ser::Error::custom)?;
    let body = serde_json::to_vec(&Sent { slip: Slip::write(work, key)?, body })?;
    Ok(Parcel::json(short(work.endpoint.as_str()), id, body))
}

/// Work as it came, with its slip.
pub(super) fn read_work(body: &[u8]) -> Result<(Work, Slip), serde_json::Error> {
    let Brought { slip, body } = serde_json::from_slice(body)?;
    let work = Work { body: body.into(), ..slip.read()? };
    Ok((work, slip))
}

/// Outcomes on their way back, each with the slip of its work.
pub(super) fn outcomes<'o>(
    outcomes: impl IntoIterator<Item = (&'o WorkOutcome, Slip)>,
    queue: &str,
) -> Result<Vec<Parcel>, serde_json::Error> {
    let tell = |(told, slip): (&WorkOutcome, Slip)| Told {
        slip,
        outcome: told.outcome.clone(),
        attempt: told.attempt.clone(),
    };
    let told: Vec<_> = outcomes.into_iter().map(tell).collect();
    let parcel =
        |told: &[Told]| Ok(Parcel::json(short(queue), Uuid::new_v4().to_string(), serde_json::to_vec(told)?));
    told.chunks(OUTCOMES).map(parcel).collect()
}

/// Outcomes as they came, of work that the hub knows for its own.
pub(super) fn read_outcomes(body: &[u8], key: &SlipKey) -> Result<Vec<WorkOutcome>, Unfit> {
    let told: Vec<Told> = serde_json::from_slice(body)?;
    let read = |Told { slip, outcome, attempt }| {
        Ok(WorkOutcome { work: slip.open(key)?, outcome, attempt: attempt.as_told() })
    };
    told.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::{digest::ContentKey, slip::Purpose};

    const BODY: &str = r#"{"businessKey":"件-1"}"#;

    /// A record of work as the first version writes it.
    fn record() -> Value {
        json!({
            "delivery": "01956000-0000-7000-8000-000000000001",
            "message": "01956000-0000-7000-8000-000000000002",
            "kind": "approval.result", "endpoint": "hanbin-scjg", "organisation": "610902-scjgj",
            "on_behalf_of": "610900-scjgj", "part": "assist", "share": "事中事后监管",
            "redaction": "personal_numbers", "lane_sequence": 7, "attempt": 2, "lease": 3,
            "not_after": "2026-03-05T01:31:00Z", "accepted_at": "2026-03-05T01:30:00Z",
            "first_attempt_at": "2026-03-05T01:30:01Z", "relays": ["01956000-0000-7000-8000-000000000003"],
            "body": "",
        })
    }

    fn slip_key() -> SlipKey {
        SlipKey::of(&ContentKey::new(&[7; 32]).unwrap(), Purpose::Work)
    }

    /// A message with work, of a record that a hub of some version wrote and sealed.
    fn sent(record: &Value) -> Value {
        let seal = hex::encode(slip_key().seal(ANYBODY, record.to_string().as_bytes()));
        json!({ "slip": { "record": record, "seal": seal }, "body": BODY })
    }

    fn told(slip: &Value) -> Value {
        let attempt = json!({
            "started_at": "2026-03-05T01:30:01Z", "ended_at": "2026-03-05T01:30:02Z", "peer": "127.0.0.1:80",
            "sent_digest": null, "answer_digest": null, "status": 429, "detail": "busy", "adapter_version": "1",
        });
        json!([{ "slip": slip, "outcome": { "class": "throttled", "wait_ms": 500 }, "attempt": attempt }])
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
        let (read, _) = read_work(sent(&record()).to_string().as_bytes()).unwrap();
        assert_eq!((read.lane_sequence, &*read.body), (7, BODY.as_bytes()));
        let written: Value = serde_json::from_slice(&work(&read, &slip_key()).unwrap().body).unwrap();
        assert_eq!(written, sent(&record()), "an earlier version needs every field");
        let later = of_later(sent(&of_later(record())));
        assert_eq!(read_work(later.to_string().as_bytes()).unwrap().0, read);
    }

    #[test]
    fn outcomes_come_back_with_slips_of_any_version_as_they_were() {
        let later = of_later(record());
        for record in [record(), later] {
            let (came, slip) = read_work(sent(&record).to_string().as_bytes()).unwrap();
            let back = told(&serde_json::to_value(&slip).unwrap());
            let read = read_outcomes(back.to_string().as_bytes(), &slip_key()).unwrap();
            assert_eq!(read[0].work, Work { body: Bytes::new(), ..came });
            let parcels = outcomes([(&read[0], slip)], "q").unwrap();
            let written: Value = serde_json::from_slice(&parcels[0].body).unwrap();
            assert_eq!(written, back, "every byte of the slip that the seal is over");
        }
    }

    #[test]
    fn what_a_worker_tells_is_bounded_and_names_nobody() {
        let slip = sent(&record())["slip"].clone();
        let mut back = told(&slip);
        back[0]["attempt"]["detail"] = json!(format!("61090219900307001X {}", "长".repeat(2_000)));
        back[0]["attempt"]["peer"] = json!("p".repeat(2_000));
        let attempt = &read_outcomes(back.to_string().as_bytes(), &slip_key()).unwrap()[0].attempt;
        assert!(attempt.detail.starts_with("******************"), "{}", attempt.detail);
        assert_eq!((attempt.detail.chars().count(), attempt.peer.len()), (512, 512));
    }

    #[test]
    fn a_slip_that_is_not_ours_is_not_read() {
        let ours = sent(&record())["slip"].clone();
        let mut other_lease = ours.clone();
        other_lease["record"]["lease"] = json!(4);
        let mut other_seal = ours.clone();
        other_seal["seal"] = json!("no hex");
        for slip in [other_lease, other_seal] {
            let read = read_outcomes(told(&slip).to_string().as_bytes(), &slip_key());
            assert!(matches!(read, Err(Unfit::Forged)), "{slip}");
        }
        let strangers = SlipKey::of(&ContentKey::new(&[8; 32]).unwrap(), Purpose::Work);
        let read = read_outcomes(told(&ours).to_string().as_bytes(), &strangers);
        assert!(matches!(read, Err(Unfit::Forged)));
        assert!(matches!(read_outcomes(b"[{}]", &strangers), Err(Unfit::Unreadable(_))));
    }
}
