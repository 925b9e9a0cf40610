//! A trail entry as it is read: what, when, about which message or delivery.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    domain::id::{DeliveryId, MessageId, OrganisationId},
    engine::trail::{ACCEPTED, ANSWERED, PAYLOAD_ERASED},
};

/// An entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Position in the log, from 0.
    pub position: u64,
    /// When.
    pub at: Timestamp,
    /// What: a word of [`crate::engine::trail`].
    pub event: String,
    /// Message it belongs to.
    pub message: Option<MessageId>,
    /// Delivery it belongs to.
    pub delivery: Option<DeliveryId>,
    /// Particulars.
    pub data: Value,
}

#[derive(Deserialize)]
struct Body {
    at: Timestamp,
    data: Value,
    #[serde(default)]
    delivery: Option<DeliveryId>,
    event: String,
    #[serde(default)]
    message: Option<MessageId>,
}

/// What an accepted message says of another one.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Effect {
    #[serde(default)]
    pub(super) answers: Option<MessageId>,
    #[serde(default)]
    pub(super) delivery: Option<DeliveryId>,
    pub(super) says: String,
}

impl Line {
    /// Reads the bytes of an entry.
    pub fn read(position: u64, body: &[u8]) -> Result<Self, serde_json::Error> {
        let Body { at, data, delivery, event, message } = serde_json::from_slice(body)?;
        Ok(Self { position, at, event, message, delivery, data })
    }

    /// The message that this entry accepts.
    pub fn accepts(&self) -> Option<MessageId> {
        self.message.filter(|_| self.event == ACCEPTED)
    }

    /// The message of which this entry erases what it said.
    pub fn erases(&self) -> Option<MessageId> {
        self.message.filter(|_| self.event == PAYLOAD_ERASED)
    }

    /// A text among its particulars.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.data[name].as_str()
    }

    /// The message of which this entry speaks beside its own: the one that answers.
    pub fn names(&self) -> Option<MessageId> {
        self.text("by").filter(|_| self.event == ANSWERED)?.parse().ok()
    }

    /// The delivery and the message that the accepted message speaks of.
    pub fn speaks_of(&self) -> (Vec<DeliveryId>, Vec<MessageId>) {
        let effects = self.effects();
        let deliveries = effects.iter().filter_map(|effect| effect.delivery).collect();
        (deliveries, effects.iter().filter_map(|effect| effect.answers).collect())
    }

    /// The organisation that an entry is about: who sent, answered, owes.
    pub(super) fn sender(&self) -> Option<OrganisationId> {
        self.text("organisation").map(OrganisationId::from)
    }

    /// What the message says of others.
    pub(super) fn effects(&self) -> Vec<Effect> {
        let effects = self.data["effects"].as_array().into_iter().flatten();
        effects.filter_map(|effect| serde_json::from_value(effect.clone()).ok()).collect()
    }
}
