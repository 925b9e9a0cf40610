//! CloudEvents 1.0 in structured, binary and batch mode, into submissions. What carries them says where their
//! attributes stand.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    domain::{fault::Fault, id::EndpointId, kind::Kind, personal::shown},
    mapping::codec::json,
    port::intake::{Code, Refusal, Submission},
};

/// What a CloudEvents `type` begins with.
const TYPE_PREFIX: &str = "liandong.";

const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

/// Bounds of what is read (promise 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest body of one message.
    pub body_bytes: usize,
    /// Largest body of a batch.
    pub batch_bytes: usize,
    /// Most events in a batch.
    pub batch_events: usize,
}

/// What carries events: a request, or a message of a broker.
pub(super) trait Envelope {
    /// What the name of an event's attribute begins with here; for people.
    const PREFIX: &'static str;
    /// What such a thing is called, in words for several.
    const PLACES: &'static str;

    /// Media type of the body.
    fn media(&self) -> &str;

    /// An attribute in binary mode, by its name in CloudEvents.
    fn attribute(&self, name: &str) -> Option<&str>;
}

/// Events of one request.
#[derive(Debug)]
pub(super) enum Events {
    /// One event; its answer is the response.
    One(Box<Submission>),
    /// A batch; each has its own answer.
    Batch(Vec<Result<Submission, Unreadable>>),
}

/// An event of a batch that is refused before anybody reads the message in it.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// Its own bytes.
    pub(super) received: Bytes,
    /// Why.
    pub(super) refusal: Refusal,
}

#[derive(Deserialize)]
struct Event<'a> {
    specversion: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
    source: &'a str,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Reads the events of a request.
pub(super) fn read<E: Envelope>(
    envelope: &E,
    body: &Bytes,
    endpoint: &EndpointId,
    limits: &Limits,
) -> Result<Events, Refusal> {
    let media = envelope.media().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        BATCH => batch(body, endpoint, limits).map(Events::Batch),
        STRUCTURED => {
            within(body.len(), limits.body_bytes)?;
            structured(&parse(body)?, endpoint).map(Box::new).map(Events::One)
        }
        "application/json" => {
            within(body.len(), limits.body_bytes)?;
            binary(envelope, body, endpoint).map(Box::new).map(Events::One)
        }
        other => Err(Refusal::new(
            Code::Malformed,
            format!(
                "content type '{}' is not taken; send {STRUCTURED}, {BATCH}, or application/json with {} {}",
                shown(other),
                E::PREFIX,
                E::PLACES,
            ),
        )),
    }
}

fn within(found: usize, limit: usize) -> Result<(), Refusal> {
    if found <= limit {
        return Ok(());
    }
    Err(Refusal::new(Code::TooLarge, format!("the message has {found} bytes, the limit is {limit}")))
}

fn batch(
    body: &[u8],
    endpoint: &EndpointId,
    limits: &Limits,
) -> Result<Vec<Result<Submission, Unreadable>>, Refusal> {
    within(body.len(), limits.batch_bytes)?;
    let events: Vec<&RawValue> = parse(body)?;
    if events.len() > limits.batch_events {
        let detail = format!("the batch has {} events, the limit is {}", events.len(), limits.batch_events);
        return Err(Refusal::new(Code::TooLarge, detail));
    }
    let one = |event: &RawValue| {
        within(event.get().len(), limits.body_bytes)?;
        structured(&parse(event.get().as_bytes())?, endpoint)
    };
    let read = |event: &RawValue| {
        let received = || Bytes::copy_from_slice(event.get().as_bytes());
        one(event).map_err(|refusal| Unreadable { received: received(), refusal })
    };
    Ok(events.into_iter().map(read).collect())
}

fn structured(event: &Event<'_>, endpoint: &EndpointId) -> Result<Submission, Refusal> {
    let data = event.data.ok_or_else(|| attribute("data", "is required and holds the message"))?;
    submission(event.specversion, event.kind, [event.id, event.source], data.get().as_bytes(), endpoint)
}

fn binary<E: Envelope>(envelope: &E, body: &Bytes, endpoint: &EndpointId) -> Result<Submission, Refusal> {
    let required = |name: &str| {
        let missing =
            || attribute(&format!("{}{name}", E::PREFIX), &format!("is one of the required {}", E::PLACES));
        envelope.attribute(name).ok_or_else(missing)
    };
    let identity = [required("id")?, required("source")?];
    submission(required("specversion")?, required("type")?, identity, body, endpoint)
}

fn submission(
    version: &str,
    kind: &str,
    identity: [&str; 2],
    data: &[u8],
    endpoint: &EndpointId,
) -> Result<Submission, Refusal> {
    if version != "1.0" {
        return Err(attribute("specversion", &format!("is '{}', this hub takes 1.0", shown(version))));
    }
    if identity.iter().any(|text| text.is_empty()) {
        return Err(attribute("id", "and source are required and not empty"));
    }
    let kind: Kind = kind
        .strip_prefix(TYPE_PREFIX)
        .ok_or_else(|| attribute("type", &format!("is '{}', it begins with '{TYPE_PREFIX}'", shown(kind))))?
        .parse()
        .map_err(|error: crate::domain::kind::UnknownKind| attribute("type", &error.to_string()))?;
    let message = message(data)?;
    Ok(Submission {
        endpoint: endpoint.clone(),
        kind: Some(kind),
        received: Bytes::copy_from_slice(data),
        message,
    })
}

/// The message, in which no name may stand twice: readers differ in which one counts.
fn message(data: &[u8]) -> Result<Value, Refusal> {
    let text = std::str::from_utf8(data).map_err(|error| {
        let place = format!("byte {}", error.valid_up_to());
        malformed(place, "is not UTF-8 here")
    })?;
    json::parse(text).map_err(|error| Refusal {
        faults: vec![Fault::new("data", error.to_string())],
        ..Refusal::new(Code::Malformed, "the message cannot be read")
    })
}

fn attribute(name: &str, text: &str) -> Refusal {
    Refusal {
        code: Code::Invalid,
        detail: "the event's attributes are wrong".into(),
        faults: vec![Fault::new(name, text)],
    }
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        let kind = match error.classify() {
            serde_json::error::Category::Eof => "ends too early",
            serde_json::error::Category::Syntax => "is not JSON here",
            serde_json::error::Category::Data => "lacks an attribute or has one of the wrong type",
            serde_json::error::Category::Io => "cannot be read",
        };
        malformed(place, kind)
    })
}

fn malformed(place: String, what: &str) -> Refusal {
    Refusal {
        code: Code::Malformed,
        detail: format!("the body {what} at {place}"),
        faults: vec![Fault::new(place, what)],
    }
}
