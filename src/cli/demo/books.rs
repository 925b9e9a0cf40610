//! The hub's side of the books, fetched from its store as the day goes on.
//!
//! Messages never change, so what routing decided for each is read once; deliveries are read anew each
//! time.

use std::{collections::HashMap, sync::Arc};

use super::promises::{self, Routed};
use crate::{
    domain::{decision::Decision, id::MessageId},
    port::store::{self, DeliveryFilter, Page, Store},
};

/// Deliveries fetched at once.
const PAGE: usize = 1_000;

/// Why the books cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A decision that cannot be read.
    #[error("decision of message {message} cannot be read")]
    Decision {
        /// Whose.
        message: MessageId,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A message that is not there.
    #[error("message {0} is not in the store")]
    Missing(MessageId),
}

/// Fetches.
#[derive(Debug)]
pub struct Books {
    store: Arc<dyn Store>,
    messages: HashMap<MessageId, Routed>,
}

impl Books {
    /// Books of a hub.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, messages: HashMap::new() }
    }

    /// All that the store holds now; `accepted` names messages that may have no delivery at all.
    pub async fn fetch(&mut self, accepted: &[MessageId]) -> Result<promises::Store, Error> {
        let mut deliveries = Vec::new();
        loop {
            let offset = u64::try_from(deliveries.len()).unwrap_or(u64::MAX);
            let page = Page { offset, limit: PAGE };
            let rows = self.store.deliveries(DeliveryFilter::default(), page).await?;
            let last = rows.len() < PAGE;
            deliveries.extend(rows);
            if last {
                break;
            }
        }
        for row in &deliveries {
            self.learn(row.message).await?;
        }
        for message in accepted {
            self.learn(*message).await?;
        }
        Ok(promises::Store { deliveries, messages: self.messages.clone() })
    }

    async fn learn(&mut self, message: MessageId) -> Result<(), Error> {
        if self.messages.contains_key(&message) {
            return Ok(());
        }
        let row = self.store.message(message).await?.ok_or(Error::Missing(message))?;
        let decision: Decision =
            serde_json::from_slice(&row.decision).map_err(|source| Error::Decision { message, source })?;
        let routed = Routed {
            organisation: row.key.organisation,
            kind: row.key.kind,
            order_key: decision.order_key,
            deliveries: decision.deliveries.len(),
        };
        self.messages.insert(message, routed);
        Ok(())
    }
}
