//! Obligations as stored.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde::Serialize;

use super::Error;
use crate::domain::{
    id::{DeliveryId, MessageId, OrganisationId, RuleId},
    obligation::{CalendarBasis, Duty, ObligationState, Term},
};

/// Obligations. They are created and met by acceptances; here they are read.
#[async_trait]
pub trait Obligations {
    /// Open ones due on `day` or before, oldest first, from after a place on.
    async fn overdue(&self, day: Date, after: Place, limit: usize) -> Result<Vec<Overdue>, Error>;

    /// Those of one message.
    async fn of_message(&self, message: MessageId) -> Result<Vec<Obligation>, Error>;
}

/// A place in the order of [`Obligations::overdue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Last day.
    pub due: Date,
    /// Number, among those of the day.
    pub number: i64,
}

impl Place {
    /// Before all.
    pub const START: Self = Self { due: Date::constant(1, 1, 1), number: 0 };

    /// After all that were due on a day.
    pub fn end_of(due: Date) -> Self {
        Self { due, number: i64::MAX }
    }
}

/// An obligation whose last day has come, with where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// Its place.
    pub place: Place,
    /// What is owed.
    pub obligation: Obligation,
    /// Calendar the day was counted with.
    pub calendar: CalendarBasis,
    /// Stated or assumed.
    pub term: Term,
    /// Rule.
    pub rule: RuleId,
    /// Basis.
    pub basis: Box<str>,
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
