//! Many rows at once, for whoever holds the whole store against its trail.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{AttemptRow, DeliveryRow, Error, MessageRow, Sha256Digest};
use crate::domain::{
    delivery::Transport,
    id::{DeliveryId, EndpointId, MessageId, OrganisationId},
    kind::Kind,
};

/// The rows that sealed entries speak of. Apart from [`super::Query`], since it is asked a page of entries at a time:
/// a check that asked for each row on its own would spend its time on the way to the store and back.
#[async_trait]
pub trait Audit {
    /// The rows of these messages and deliveries, read in this order: messages, deliveries, attempts, entries; so that
    /// what a running hub writes meanwhile is never missed by what is read later.
    async fn rows_of(&self, asked: Asked) -> Result<Rows, Error>;

    /// Deliveries from a number on, in order of acceptance.
    async fn exchanged(&self, from: u64, limit: usize) -> Result<Vec<Exchanged>, Error>;
}

/// A delivery as two organisations reconcile it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanged {
    /// Its place in the order of acceptance.
    pub number: u64,
    /// Its id.
    pub delivery: DeliveryId,
    /// When its message was accepted.
    pub created_at: Timestamp,
    /// From whom.
    pub sender: OrganisationId,
    /// To whom; none for audiences that came to nothing.
    pub recipient: Option<OrganisationId>,
    /// Kind of the message.
    pub kind: Kind,
    /// Business key of the message.
    pub business_key: Box<str>,
    /// Its revision.
    pub revision: u32,
    /// The endpoint that sent it; none once it is archived.
    pub sent_by: Option<EndpointId>,
    /// The endpoint it goes to.
    pub endpoint: Option<EndpointId>,
    /// Where it stands.
    pub state: Transport,
    /// When the target confirmed it.
    pub handed_over_at: Option<Timestamp>,
    /// SHA-256 of the bytes received from the sender; none once they are erased.
    pub received_digest: Option<Sha256Digest>,
    /// SHA-256 of the bytes that the target confirmed; none before, and once it is archived.
    pub sent_digest: Option<Sha256Digest>,
}

/// Whose rows.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Messages, with their deliveries.
    pub messages: Vec<MessageId>,
    /// Deliveries by themselves.
    pub deliveries: Vec<DeliveryId>,
    /// Entries with these words are counted for each delivery.
    pub told: Vec<&'static str>,
    /// Entries with this word, about a message, say that it was erased.
    pub erased: Option<&'static str>,
    /// Messages are read until their contents come to this many bytes, the first in any case.
    pub limit_bytes: usize,
}

/// What is stored.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The messages asked for, in that order, as far as the limit let; none where there is no row.
    pub messages: Vec<Option<MessageRow>>,
    /// Their deliveries, in order of acceptance, and those asked for by themselves.
    pub deliveries: Vec<DeliveryRow>,
    /// Attempts of all these, oldest first.
    pub attempts: HashMap<DeliveryId, Vec<AttemptRow>>,
    /// Of the messages, and of those whose attempts are emptied, the ones of which an entry says that they were erased.
    pub erased: HashSet<MessageId>,
    /// How many entries with the words asked for each of these has.
    pub told: HashMap<DeliveryId, usize>,
}
