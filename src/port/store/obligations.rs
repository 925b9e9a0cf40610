//! Obligations as stored.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde::Serialize;

use super::Error;
use crate::domain::{
    id::{DeliveryId, MessageId, OrganisationId},
    obligation::{Duty, ObligationState},
};

/// Obligations. They are created and met by acceptances; here they are read.
#[async_trait]
pub trait Obligations {
    /// Open ones due on `day` or before, oldest first.
    async fn overdue(&self, day: Date, limit: usize) -> Result<Vec<Obligation>, Error>;

    /// Those of one message.
    async fn of_message(&self, message: MessageId) -> Result<Vec<Obligation>, Error>;
}

/// One obligation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Obligation {
    /// Message it comes from.
    pub message: MessageId,
    /// Delivery it is about.
    pub delivery: Option<DeliveryId>,
    /// Who owes.
    pub organisation: OrganisationId,
    /// What.
    pub duty: Duty,
    /// Last day.
    pub due: Date,
    /// How it stands.
    pub state: ObligationState,
    /// When it was met or released.
    pub closed_at: Option<Timestamp>,
}
