//! What is written of an acceptance: to the sender in the receipt, and to the trail. Members stand in the order
//! of canonical JSON already, so that nothing has to be put in order.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::{
        decision::{ParkReason, Part, Warning},
        delivery::{Acknowledgement, Moment},
        id::{DeliveryId, EndpointId, MessageId, OrganisationId, RuleId},
        kind::Kind,
    },
    evidence::digest::{Commitment, Digest, Salt, Sm3Commitment, Sm3Digest},
    port::store::{Effect, NewDelivery, NewState},
};

/// What the receipt says.
#[derive(Serialize)]
pub(super) struct Statement<'a> {
    pub(super) business_key: &'a str,
    pub(super) deliveries: Vec<Promised<'a>>,
    pub(super) id: MessageId,
    pub(super) issued_at: Timestamp,
    pub(super) kind: Kind,
    /// Random, so that the digest of the receipt, and hashes made from it, confirm no guess of what was received.
    pub(super) nonce: &'a Salt,
    pub(super) organisation: &'a OrganisationId,
    pub(super) received: Digest,
    pub(super) received_sm3: Sm3Digest,
    pub(super) registry_version: u64,
    pub(super) revision: u32,
    pub(super) rules_version: u64,
    pub(super) r#type: &'static str,
    pub(super) warnings: &'a [Warning],
}

/// A delivery in the receipt.
#[derive(Serialize)]
pub(super) struct Promised<'a> {
    id: DeliveryId,
    organisation: Option<&'a OrganisationId>,
    part: Part,
    state: State,
}

/// How a delivery starts, in a word.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ready,
    HeldAfter(DeliveryId),
    Parked(ParkReason),
}

/// What the trail keeps.
#[derive(Serialize)]
pub(super) struct Entry<'a> {
    pub(super) commitment: Commitment,
    pub(super) commitment_sm3: Sm3Commitment,
    pub(super) content: Commitment,
    pub(super) decided_by: &'a OrganisationId,
    pub(super) decision: Commitment,
    pub(super) deliveries: Vec<Routed<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) effects: Vec<Said>,
    pub(super) endpoint: &'a EndpointId,
    pub(super) kind: Kind,
    pub(super) moment: Moment,
    pub(super) organisation: &'a OrganisationId,
    pub(super) receipt: Digest,
    pub(super) registry: u64,
    pub(super) revision: u32,
    pub(super) rules: u64,
}

/// What a message says of another one, so that the trail alone shows who signed, returned or answered what.
#[derive(Serialize)]
pub(super) struct Said {
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<DeliveryId>,
    says: &'static str,
}

/// A delivery in the trail.
#[derive(Serialize)]
pub(super) struct Routed<'a> {
    endpoint: Option<&'a EndpointId>,
    id: DeliveryId,
    on_behalf_of: Option<&'a OrganisationId>,
    organisation: Option<&'a OrganisationId>,
    part: Part,
    rule: &'a RuleId,
    state: State,
}

impl Said {
    /// What an effect says of a delivery or a message; none for what it does beside.
    pub(super) fn of(effect: &Effect) -> Option<Self> {
        let of = |delivery: DeliveryId, says| Self { answers: None, delivery: Some(delivery), says };
        match effect {
            Effect::Acknowledge { delivery, acknowledgement } => {
                Some(of(*delivery, acknowledgement.as_str()))
            }
            Effect::ConfirmRelay { delivery } => Some(of(*delivery, "relay_confirmed")),
            Effect::Answer { message, .. } => {
                let says = Acknowledgement::Answered.as_str();
                Some(Self { answers: Some(*message), delivery: None, says })
            }
            Effect::Supersede { .. } | Effect::Licence { .. } => None,
        }
    }

    /// The message that it answers.
    pub(super) fn answers(&self) -> Option<MessageId> {
        self.answers
    }

    /// The delivery it is about.
    pub(super) fn delivery(&self) -> Option<DeliveryId> {
        self.delivery
    }
}

impl<'a> Promised<'a> {
    pub(super) fn of(delivery: &'a NewDelivery) -> Self {
        Self {
            id: delivery.id,
            organisation: delivery.organisation.as_ref(),
            part: delivery.part,
            state: State::of(delivery),
        }
    }
}

impl<'a> Routed<'a> {
    pub(super) fn of(delivery: &'a NewDelivery) -> Self {
        Self {
            endpoint: delivery.endpoint.as_ref(),
            id: delivery.id,
            on_behalf_of: delivery.on_behalf_of.as_ref(),
            organisation: delivery.organisation.as_ref(),
            part: delivery.part,
            rule: &delivery.rule,
            state: State::of(delivery),
        }
    }
}

impl State {
    fn of(delivery: &NewDelivery) -> Self {
        match &delivery.start {
            NewState::Ready => Self::Ready,
            NewState::Held { after, .. } => Self::HeldAfter(*after),
            NewState::Parked { reason, .. } => Self::Parked(*reason),
        }
    }
}
