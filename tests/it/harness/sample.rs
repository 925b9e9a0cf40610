//! Samples of what is stored. Ids are unique in the process; nothing in them is a real person's.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp, civil::Date};
use liandong::{
    domain::{
        decision::{ParkReason, Part, Redaction, Relay},
        id::{DeliveryId, EndpointId, MessageId, OrganisationId},
        kind::Kind,
        message::MessageKey,
        obligation::{CalendarBasis, Duty, Term},
    },
    port::store::{
        Acceptance, Effect, EntryId, Moment, NewDelivery, NewEntry, NewObligation, NewState, Sha256Digest,
    },
};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// So many seconds into the sample morning.
pub(crate) fn at(second: i64) -> Timestamp {
    let morning: Timestamp = "2026-03-05T01:30:00Z".parse().unwrap();
    morning + SignedDuration::from_secs(second)
}

/// A day of the sample month.
pub(crate) fn day(day: i8) -> Date {
    Date::constant(2026, 3, day)
}

/// An id nobody else has, rising.
pub(crate) fn id() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u128((0x0195_6000_0000_7000_8000 << 48) + u128::from(NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// SHA-256 of a text.
pub(crate) fn digest(text: &str) -> Sha256Digest {
    Sha256Digest(Sha256::digest(text).into())
}

/// The organisation behind an endpoint in the samples.
pub(crate) fn organisation_at(endpoint: &str) -> OrganisationId {
    OrganisationId::new(format!("org-{endpoint}"))
}

/// A trail entry about nothing in particular.
pub(crate) fn entry(event: &'static str) -> NewEntry {
    let id = EntryId(id());
    let body = Bytes::from(format!(r#"{{"event":"{event}","id":"{}"}}"#, id.0));
    NewEntry { id, at: at(0), event, message: None, delivery: None, body, salt: None }
}

/// A trail entry about one delivery.
pub(crate) fn entry_of(event: &'static str, delivery: DeliveryId) -> NewEntry {
    NewEntry { delivery: Some(delivery), ..entry(event) }
}

/// A message on its way to being accepted.
#[derive(Clone, Debug)]
pub(crate) struct Draft(pub(crate) Acceptance);

impl Draft {
    /// An approval result of `bureau` under a business key, alone in its order key.
    pub(crate) fn new(business_key: &str) -> Self {
        let key = MessageKey {
            organisation: OrganisationId::from("bureau"),
            kind: Kind::ApprovalResult,
            business_key: business_key.into(),
        };
        let id = MessageId(id());
        let text = format!("{business_key} as first sent");
        Self(Acceptance {
            id,
            key,
            revision: 1,
            known_revision: None,
            matter: format!("matter-{business_key}").into(),
            endpoint: EndpointId::from("bureau-system"),
            received: Bytes::from(text.clone()),
            salt: [7; 16],
            received_digest: digest(&text),
            content_digest: digest(&format!("canonical {text}")),
            canonical: Bytes::from(format!(r#"{{"businessKey":"{business_key}"}}"#)),
            decision: Bytes::from_static(b"{}"),
            order_key: format!("order-{business_key}").into(),
            deliveries: Vec::new(),
            obligations: Vec::new(),
            effects: Vec::new(),
            receipt: Bytes::from(format!("receipt of {}", id.0)),
            entries: vec![NewEntry { message: Some(id), ..entry("message.accepted") }],
        })
    }

    /// Of another kind.
    pub(crate) fn kind(mut self, kind: Kind) -> Self {
        self.0.key.kind = kind;
        self
    }

    /// A later revision, routed with the one before known.
    pub(crate) fn revision(mut self, revision: u32) -> Self {
        self.0.revision = revision;
        self.0.known_revision = revision.checked_sub(1).filter(|before| *before > 0);
        self.content(&format!("revision {revision}"))
    }

    /// With other content, and so other bytes.
    pub(crate) fn content(mut self, text: &str) -> Self {
        self.0.received = Bytes::from(text.to_owned());
        self.0.received_digest = digest(text);
        self.0.content_digest = digest(&format!("canonical {text}"));
        self
    }

    /// About another business entity.
    pub(crate) fn order(mut self, order_key: &str) -> Self {
        self.0.order_key = order_key.into();
        self
    }

    /// Also to an endpoint, ready.
    pub(crate) fn to(self, endpoint: &str) -> Self {
        self.starting(Some(endpoint), NewState::Ready)
    }

    /// Also to an endpoint, parked from the start.
    pub(crate) fn parked_at(self, endpoint: &str) -> Self {
        let start = NewState::Parked { reason: ParkReason::Distribution, detail: "待分办".into() };
        self.starting(Some(endpoint), start)
    }

    /// Also to an audience that came to nothing.
    pub(crate) fn unreached(self) -> Self {
        let start = NewState::Parked { reason: ParkReason::NoSupervisor, detail: "no supervisor".into() };
        self.starting(None, start)
    }

    /// Also a second hop to an endpoint, after the delivery made before it.
    pub(crate) fn then(self, endpoint: &str, moment: Moment, relay: Relay) -> Self {
        let after = self.0.deliveries.last().expect("a first hop").id;
        self.starting(Some(endpoint), NewState::Held { after, moment, relay })
    }

    /// Also to an endpoint, starting in a given way.
    pub(crate) fn starting(mut self, endpoint: Option<&str>, start: NewState) -> Self {
        self.0.deliveries.push(NewDelivery {
            redaction: Redaction::None,
            id: DeliveryId(id()),
            organisation: endpoint.map(organisation_at),
            endpoint: endpoint.map(EndpointId::from),
            part: Part::Lead,
            share: Some("事中事后监管".into()),
            on_behalf_of: None,
            rule: "approval-result".into(),
            start,
        });
        self
    }

    /// Owes a duty about its delivery of that index.
    pub(crate) fn owing(mut self, duty: Duty, delivery: usize, due: Date) -> Self {
        let about = &self.0.deliveries[delivery];
        self.0.obligations.push(NewObligation {
            organisation: about.organisation.clone().expect("somebody owes it"),
            duty,
            delivery: Some(about.id),
            due,
            calendar: CalendarBasis::Published,
            term: Term::Assumed,
            rule: "approval-result".into(),
            basis: "任务13".into(),
        });
        self
    }

    /// With an effect on what is stored.
    pub(crate) fn effect(mut self, effect: Effect) -> Self {
        self.0.effects.push(effect);
        self
    }

    /// Id of the message.
    pub(crate) fn id(&self) -> MessageId {
        self.0.id
    }

    /// Id of its delivery of that index.
    pub(crate) fn delivery(&self, index: usize) -> DeliveryId {
        self.0.deliveries[index].id
    }

    /// The same message handed in again, under a new id of the hub.
    pub(crate) fn again(&self) -> Self {
        let mut copy = self.clone();
        copy.0.id = MessageId(id());
        copy.0.receipt = Bytes::from_static(b"another receipt");
        for delivery in &mut copy.0.deliveries {
            delivery.id = DeliveryId(id());
        }
        copy.0.entries = vec![entry("message.accepted")];
        copy
    }
}
