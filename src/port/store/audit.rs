//! Many rows at once, for whoever holds the whole store against its trail.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{AttemptRow, DeliveryRow, Error, MessageRow};
use crate::domain::id::{DeliveryId, MessageId};

/// The rows that sealed entries speak of. Apart from [`super::Query`], since it is asked a page of entries at a time:
/// a check that asked for each row on its own would spend its time on the way to the store and back.
#[async_trait]
pub trait Audit {
    /// The rows of these messages and deliveries, read in this order: messages, deliveries, attempts, entries; so that
    /// what a running hub writes meanwhile is never missed by what is read later.
    async fn rows_of(&self, asked: Asked) -> Result<Rows, Error>;
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
    /// How many entries with the words asked for each of these has.
    pub told: HashMap<DeliveryId, usize>,
}
