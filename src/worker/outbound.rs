//! The way out: a delivery becomes a parcel in the target's form, and the target can be asked for it.
//!
//! Expressions see `record` (the message in canonical JSON, without what this recipient must not see), `kind`, and
//! `delivery` with `id`, `message`, `attempt`, `organisation`, `on_behalf_of`, `part`, `share`, `lane_sequence`,
//! `accepted_at` and `relays`.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Adapter,
    adapter::Compiler,
    judge::{Judge, VARIABLES},
    program::Program,
};
use crate::{
    config::adapter::{self as config, DeliveryIdAt},
    domain::{
        decision::Redaction,
        delivery::{OnUnknown, Outcome},
        fault,
        kind::Kind,
    },
    mapping::{
        codec::{Codec, Encoding, Format},
        condition::{Condition, Holds},
    },
    port::{
        bus::{Brought, LeaseToken, Work},
        connector::{Answer, Envelope, Parcel},
    },
    proto::redact,
};

/// The compiled way out.
#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) codec: Codec,
    kinds: BTreeMap<Kind, Arc<dyn Program>>,
    other: Option<Arc<dyn Program>>,
    judge: Judge,
    delivery_id: DeliveryIdAt,
    on_unknown: OnUnknown,
    ask: Option<Ask>,
}

#[derive(Debug)]
struct Ask {
    query: Vec<(String, Condition)>,
    delivered: Condition,
    absent: Option<Condition>,
}

/// What the target says about a delivery it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It has it.
    Delivered,
    /// It has it not.
    Absent,
    /// It does not say.
    CannotTell,
}

/// Why a delivery cannot be put into the target's form: ours to correct. Texts hold no values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Fault(pub(super) String);

impl Outbound {
    pub(super) fn compile(config: &config::Outbound, compiler: &mut Compiler<'_>) -> Option<Self> {
        let codec = compiler.codec("outbound.codec", &config.codec);
        let answer_codec = compiler.codec("outbound.answer_codec", &config.answer_codec);
        let kinds = compiler.mappings(&config.mappings.kinds);
        let other = config.mappings.other.as_ref().and_then(|file| compiler.mapping(file));
        let judge = Judge::compile(&config.conditions, answer_codec?, compiler);
        let ask = config.ask.as_ref().map(|ask| Ask::compile(ask, compiler));
        Some(Self {
            codec: codec?,
            kinds,
            other,
            judge,
            delivery_id: config.delivery_id.clone(),
            on_unknown: config.on_unknown,
            ask: ask.flatten(),
        })
    }

    fn mapping(&self, kind: Kind) -> Result<&dyn Program, Fault> {
        let mapping = self.kinds.get(&kind).or(self.other.as_ref());
        mapping
            .map(|mapping| &**mapping)
            .ok_or_else(|| Fault(format!("the adapter has no mapping for {kind}")))
    }

    /// The adapter declared where the target receives the delivery id; that it does is checked each time,
    /// since `resend` rests on it.
    fn check_delivery_id(&self, mapped: &Value, context: &Map<String, Value>) -> Result<(), fault::Fault> {
        let DeliveryIdAt::Field(pointer) = &self.delivery_id else { return Ok(()) };
        let id = context.get("delivery").and_then(|delivery| delivery.get("id"));
        if id.is_some() && mapped.pointer(pointer) == id {
            return Ok(());
        }
        let text =
            format!("delivery_id is declared at {pointer}, but the mapping does not put delivery.id there");
        Err(fault::Fault::new("", text))
    }
}

impl Ask {
    fn compile(config: &config::Ask, compiler: &mut Compiler<'_>) -> Option<Self> {
        let variables = ["record", "delivery", "kind"];
        let mut query = Vec::new();
        for (name, source) in &config.query {
            let question = compiler.condition(&format!("outbound.ask.query.{name}"), source, &variables)?;
            query.push((name.clone(), question));
        }
        let absent = config
            .absent
            .as_ref()
            .map(|source| compiler.condition("outbound.ask.absent", source, &VARIABLES));
        Some(Self {
            query,
            delivered: compiler.condition("outbound.ask.delivered", &config.delivered, &VARIABLES)?,
            absent: absent.flatten(),
        })
    }
}

impl Adapter {
    /// The parcel of one attempt; an error is [`Outcome::Ours`].
    pub(super) fn outbound(
        &self,
        work: &Work,
        message: &Value,
        not_after: Timestamp,
    ) -> Result<Parcel, Fault> {
        let outbound = self.way_out()?;
        let record = record(message, work.redaction)?;
        let body = self.rendered(work.kind, &record, &context(work)).map_err(|faults| unmapped(&faults))?;
        Ok(Parcel {
            delivery: work.delivery,
            body: body.into(),
            content_type: outbound.codec.media_type().to_owned(),
            name: format!("{}_{}", work.kind, work.delivery),
            not_after,
            envelope: Some(Box::new(envelope(work))),
        })
    }

    /// The body of a message in the target's form.
    pub(super) fn rendered(
        &self,
        kind: Kind,
        record: &Value,
        context: &Map<String, Value>,
    ) -> Result<Vec<u8>, Vec<fault::Fault>> {
        let ours = |text: String| vec![fault::Fault::new("", text)];
        let outbound = self.way_out().map_err(|fault| ours(fault.0))?;
        let mapping = outbound.mapping(kind).map_err(|fault| ours(fault.0))?;
        let mapped = mapping.apply(record, context)?;
        outbound.check_delivery_id(&mapped, context).map_err(|fault| vec![fault])?;
        let body = outbound.codec.encode(&mapped).map_err(|error| ours(error.to_string()))?;
        let limit = self.config.limits.max_body_bytes;
        if body.len() > limit {
            return Err(ours(format!("the body has {} bytes, max_body_bytes is {limit}", body.len())));
        }
        Ok(body)
    }

    /// What an answer to a parcel means.
    pub fn judge(&self, answer: &Answer) -> Outcome {
        match (&answer.verdict, &self.outbound) {
            (Some(verdict), _) => verdict.clone(),
            (None, Some(outbound)) => outbound.judge.outcome(answer),
            (None, None) => Outcome::Ours,
        }
    }

    /// Whether the target is asked before this attempt: under an earlier lease it may have been reached,
    /// though a person has let the attempts be counted anew since, or by a worker that is gone.
    pub(super) fn asks_first(&self, work: &Work) -> bool {
        let asks = self.outbound.as_ref().is_some_and(|outbound| outbound.on_unknown == OnUnknown::Ask);
        asks && (work.lease > LeaseToken::FIRST || work.brought == Brought::Again)
    }

    /// Whether what may have reached the target may be sent to it again, or asked for there.
    pub(super) fn may_repeat(&self) -> bool {
        self.outbound.as_ref().is_some_and(|outbound| outbound.on_unknown != OnUnknown::Park)
    }

    /// The question whether the target has a delivery: its body is the query.
    pub(super) fn question(
        &self,
        work: &Work,
        message: &Value,
        not_after: Timestamp,
    ) -> Result<Parcel, Fault> {
        let ask =
            self.way_out()?.ask.as_ref().ok_or_else(|| Fault("the adapter has no [outbound.ask]".into()))?;
        let mut names = context(work);
        names.insert("record".to_owned(), record(message, work.redaction)?.into_owned());
        let mut query = Map::new();
        for (name, question) in &ask.query {
            let value =
                question.value(&names).map_err(|cause| Fault(format!("ask.query.{name}: {cause}")))?;
            query.insert(name.clone(), value);
        }
        let form = Codec::new(Format::Form, Encoding::Utf8);
        let body =
            form.encode(&Value::Object(query)).map_err(|error| Fault(format!("ask.query: {error}")))?;
        Ok(Parcel {
            delivery: work.delivery,
            body: body.into(),
            content_type: form.media_type().to_owned(),
            name: work.delivery.to_string(),
            not_after,
            envelope: None,
        })
    }

    /// What the answer to the question means.
    pub fn asked(&self, answer: &Answer) -> Asked {
        let Some((outbound, ask)) = self.outbound.as_ref().and_then(|out| Some((out, out.ask.as_ref()?)))
        else {
            return Asked::CannotTell;
        };
        let names = outbound.judge.names(answer);
        let delivered = ask.delivered.holds(&names);
        let absent = ask.absent.as_ref().map(|absent| absent.holds(&names));
        match (delivered, absent, answer.status) {
            (Holds::Yes, ..) => Asked::Delivered,
            (_, Some(Holds::Yes), _) | (Holds::No, None, Some(200..300)) | (_, None, Some(404)) => {
                Asked::Absent
            }
            _ => Asked::CannotTell,
        }
    }

    fn way_out(&self) -> Result<&Outbound, Fault> {
        self.outbound.as_ref().ok_or_else(|| Fault("this adapter has no [outbound]".to_owned()))
    }

    /// Extension of the files that its codec writes.
    pub fn extension(&self) -> &'static str {
        self.outbound.as_ref().map_or("dat", |outbound| outbound.codec.format.extension())
    }
}

fn unmapped(faults: &[fault::Fault]) -> Fault {
    let said = |fault: &fault::Fault| match fault.path.as_str() {
        "" => fault.text.clone(),
        path => format!("{path}: {}", fault.text),
    };
    let texts: Vec<_> = faults.iter().map(said).collect();
    Fault(format!("cannot be put into the target's form: {}", texts.join("; ")))
}

/// The message as this recipient may see it: the one door through which mappings and questions read it.
fn record(message: &Value, redaction: Redaction) -> Result<Cow<'_, Value>, Fault> {
    match redaction {
        Redaction::None => Ok(Cow::Borrowed(message)),
        Redaction::PersonalNumbers => redact::for_public(message).map(Cow::Owned).map_err(|fault| {
            Fault(format!("the message cannot be redacted: {}: {}", fault.path, fault.text))
        }),
    }
}

fn envelope(work: &Work) -> Envelope {
    Envelope {
        message: work.message,
        kind: work.kind,
        organisation: work.organisation.clone(),
        on_behalf_of: work.on_behalf_of.clone(),
        lane_sequence: work.lane_sequence,
        attempt: work.attempt,
        lease: work.lease,
        accepted_at: work.accepted_at,
        first_attempt_at: work.first_attempt_at,
    }
}

fn context(work: &Work) -> Map<String, Value> {
    let delivery = json!({
        "id": work.delivery,
        "message": work.message,
        "attempt": work.attempt,
        "organisation": work.organisation,
        "on_behalf_of": work.on_behalf_of,
        "part": work.part,
        "share": work.share,
        "lane_sequence": work.lane_sequence,
        "accepted_at": work.accepted_at,
        "relays": work.relays,
    });
    Map::from_iter([("kind".to_owned(), json!(work.kind)), ("delivery".to_owned(), delivery)])
}
