//! Prepare: reads a submission, finds its history, routes it. Changes nothing.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::{effects, history};
use crate::{
    domain::{
        decision::Decision,
        fault::Fault,
        id::{EndpointId, ItemCode, OrganisationId},
        item::Secrecy,
        message::Message,
        personal::shown,
        registry::Registry,
        route::route,
    },
    engine::world::{World, Worlds},
    evidence::{
        canonical,
        digest::{ContentKey, Digest, Salt},
    },
    port::{
        intake::{Accepted, Code, ReceiptOf, Refusal, Submission},
        store::{Effect, Sha256Digest, StandingRow, Store},
    },
    proto::Wire,
};

/// A message that may be accepted.
pub(super) struct Prepared {
    pub(super) message: Message,
    pub(super) endpoint: EndpointId,
    pub(super) received: Bytes,
    pub(super) canonical: Bytes,
    pub(super) content_digest: Sha256Digest,
    pub(super) salt: Salt,
    /// Of the receipt.
    pub(super) nonce: Salt,
    pub(super) decision: Decision,
    pub(super) decision_json: Bytes,
    pub(super) known_revision: Option<u32>,
    pub(super) effects: Vec<Effect>,
}

/// Why nothing is to be committed.
pub(super) enum Stop {
    /// It may not be accepted.
    Refused(Refusal),
    /// It was accepted before, though by now it would be refused.
    Stands(Accepted),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Prepares submissions.
#[derive(Debug)]
pub(super) struct Preparer {
    store: Arc<dyn Store>,
    worlds: Arc<Worlds>,
    content_key: ContentKey,
}

impl Preparer {
    pub(super) fn new(store: Arc<dyn Store>, worlds: Arc<Worlds>, content_key: ContentKey) -> Self {
        Self { store, worlds, content_key }
    }

    /// Everything that can be said before the commit. What is refused is first looked for among what was
    /// accepted, since an acceptance is not judged again (promise 2).
    pub(super) async fn prepare(&self, submission: &Submission, now: Timestamp) -> Result<Prepared, Stop> {
        let world = self.worlds.current();
        let (wire, message) = read(submission, &world.registry)?;
        let (key, revision) = (message.key.clone(), message.revision);
        let content = canonical_form(&wire)?;
        match self.route(submission, message, content.clone(), &world, now).await {
            Err(refusal) if !refusal.code.retryable() => {
                let standing = history::standing(self.store.as_ref(), key, revision).await?;
                Err(standing.map_or(Stop::Refused(refusal), |standing| {
                    self.compare(standing, &submission.received, &content)
                }))
            }
            routed => Ok(routed?),
        }
    }

    fn compare(&self, standing: StandingRow, received: &[u8], canonical: &[u8]) -> Stop {
        let same = standing.received_digest.0 == *Digest::of(received).as_bytes()
            || standing.content_digest == self.content_digest(canonical);
        if !same {
            return Stop::Refused(super::conflict(standing.message));
        }
        if standing.receipt.is_empty() {
            return Stop::Refused(super::erased(standing.message));
        }
        Stop::Stands(Accepted {
            message: standing.message,
            receipt_of: ReceiptOf::Earlier,
            receipt: standing.receipt,
        })
    }

    fn content_digest(&self, canonical: &[u8]) -> Sha256Digest {
        Sha256Digest(*self.content_key.digest(canonical).as_bytes())
    }

    async fn route(
        &self,
        submission: &Submission,
        message: Message,
        canonical: Bytes,
        world: &World,
        now: Timestamp,
    ) -> Result<Prepared, Refusal> {
        let history = history::find(self.store.as_ref(), &message).await?;
        let effects = effects::of(&message, &history, &world.registry, now)?;
        let decision = decide(&message, world, &history.facts, now)?;
        let (salt, nonce) = (salt()?, salt()?);
        Ok(Prepared {
            content_digest: self.content_digest(&canonical),
            decision_json: to_json(&decision)?,
            endpoint: submission.endpoint.clone(),
            received: submission.received.clone(),
            known_revision: history.known_revision,
            message,
            canonical,
            salt,
            nonce,
            decision,
            effects,
        })
    }
}

/// Parses the wire form, names the organisation, converts.
pub(super) fn read(submission: &Submission, registry: &Registry) -> Result<(Wire, Message), Refusal> {
    if let Some(place) = classified(&submission.message, registry) {
        let fault = Fault::new(place, "is classified (涉密)");
        let detail = "涉密 content must not enter the hub; nothing was kept, serve it on paper".to_owned();
        return Err(Refusal { code: Code::Classified, detail, faults: vec![fault] });
    }
    let mut wire = Wire::parse(&submission.message)
        .map_err(|fault| invalid("the message is not in the canonical form", vec![fault]))?;
    let organisations = registry.speaks_for(&submission.endpoint);
    if let [only] = organisations {
        wire.imply(only);
    }
    let message =
        wire.message().map_err(|faults| invalid("the message has fields that are wrong", faults))?;
    may_speak(&message.key.organisation, organisations, submission)?;
    if submission.kind.is_some_and(|kind| kind != message.kind()) {
        let text = format!("is {}, but the envelope says otherwise", message.kind());
        return Err(invalid("envelope and payload disagree", vec![Fault::new("payload", text)]));
    }
    Ok((wire, message))
}

/// Where a message says that it is 涉密, or names an item that is. Asked of its raw form, before anything else
/// can be wrong with it, so that of such content no other refusal keeps a trace.
fn classified(message: &Value, registry: &Registry) -> Option<String> {
    if message.get("classified") == Some(&Value::Bool(true)) {
        return Some("classified".to_owned());
    }
    let items = message.get("items").and_then(Value::as_array)?;
    let place = items.iter().position(|item| {
        let code = item.get("code").and_then(Value::as_str).map(ItemCode::from);
        let item = code.and_then(|code| registry.approval_item(&code));
        item.is_some_and(|item| item.secrecy == Secrecy::Classified)
    })?;
    Some(format!("items[{place}].code"))
}

fn may_speak(
    organisation: &OrganisationId,
    organisations: &[OrganisationId],
    submission: &Submission,
) -> Result<(), Refusal> {
    if organisations.contains(organisation) {
        return Ok(());
    }
    let named = shown(organisation.as_str());
    let detail = format!("endpoint {} may not speak for organisation {named}", submission.endpoint);
    Err(Refusal {
        code: Code::Forbidden,
        faults: vec![Fault::new("organisation", "is not among those the credential speaks for")],
        detail,
    })
}

fn salt() -> Result<Salt, Refusal> {
    Salt::generate().map_err(|error| {
        tracing::error!(%error, "no randomness for a salt");
        Refusal::new(Code::Unavailable, "the hub cannot take messages now; nothing was changed")
    })
}

fn decide(
    message: &Message,
    world: &World,
    facts: &crate::domain::route::History,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    route(message, &world.registry, &world.rules, facts, &world.calendar, now)
        .map_err(|refusal| history::refusal(&refusal))
}

/// RFC 8785 form of the message, so that the same facts in another spelling are the same message.
fn canonical_form(wire: &Wire) -> Result<Bytes, Refusal> {
    canonical::to_bytes(wire).map(Bytes::from).map_err(|error| unwritable(&error))
}

fn to_json(decision: &Decision) -> Result<Bytes, Refusal> {
    serde_json::to_vec(decision).map(Bytes::from).map_err(|error| unwritable(&error))
}

fn unwritable(error: &dyn std::error::Error) -> Refusal {
    Refusal::new(Code::Invalid, format!("the message has no canonical form: {error}"))
}

pub(super) fn invalid(detail: &str, faults: Vec<Fault>) -> Refusal {
    Refusal { code: Code::Invalid, detail: detail.to_owned(), faults }
}
