//! Replay plans in the store: what is done about deliveries that a counterpart does not have.

use serde::{Deserialize, Serialize};

use super::NewEntry;
use crate::domain::{delivery::Transport, id::DeliveryId};

/// One delivery of a plan.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which.
    pub delivery: DeliveryId,
    /// How it stood when the plan was made.
    pub from: Transport,
    /// What is to be done.
    pub redo: Redo,
    /// Who and why.
    pub entry: NewEntry,
}

/// What can be done about a delivery that did not arrive, or is said not to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redo {
    /// Try again now: from parked or scheduled, as [`super::Operation::Retry`].
    Retry,
    /// Send again what was delivered, under its id. It stays delivered, with its operative moment and its end; it takes its
    /// old place in its lane until it is confirmed, or given up by the endpoint's policy.
    Resend,
}

impl Redo {
    /// The word in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Resend => "resend",
        }
    }
}

/// Whether a plan is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What would be refused is told; nothing changes.
    Rehearsed,
    /// It is.
    Done,
}
