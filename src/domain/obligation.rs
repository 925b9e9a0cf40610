//! Obligations (限时办理事项): what somebody owes by a working-day deadline.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::id::{OrganisationId, RuleId};

/// What is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// 签收.
    Sign,
    /// 反馈.
    Answer,
    /// 核查 (告知承诺, 备案).
    Verify,
    /// 转报: pass on to the superior.
    Relay,
    /// 公示.
    Publish,
    /// 修订.
    Revise,
}

impl Duty {
    /// The word in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Answer => "answer",
            Self::Verify => "verify",
            Self::Relay => "relay",
            Self::Publish => "publish",
            Self::Revise => "revise",
        }
    }

    /// The word on a screen.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Sign => "签收",
            Self::Answer => "反馈",
            Self::Verify => "核查",
            Self::Relay => "转报",
            Self::Publish => "公示",
            Self::Revise => "修订",
        }
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a deadline comes from: the plan names no number of days, so each is configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// Stands in the rule's basis.
    Stated,
    /// Assumed by configuration.
    Assumed,
}

/// An obligation that routing plans; intake stores it with the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedObligation {
    /// Who owes it.
    pub organisation: OrganisationId,
    /// What.
    pub duty: Duty,
    /// Which planned delivery it is about, by its index in the decision; none when it is about the
    /// message alone.
    pub delivery: Option<usize>,
    /// Last day, in China time.
    pub due: Date,
    /// Whether the calendar of that year was published or is assumed Mon-Fri.
    pub calendar: CalendarBasis,
    /// Whether the number of days is stated or assumed.
    pub term: Term,
    /// Rule that owes it.
    pub rule: RuleId,
    /// Its basis.
    pub basis: Box<str>,
}

/// Whether the State Council's notice for the year was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalendarBasis {
    /// The year's arrangement was announced.
    Published,
    /// Mon-Fri assumed.
    Assumed,
}

/// How an obligation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObligationState {
    /// Owed.
    Open,
    /// Met by a message.
    Met,
    /// Called off with its delivery.
    Released,
}

impl ObligationState {
    /// The word on a screen.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Open => "待办",
            Self::Met => "已办",
            Self::Released => "已解除",
        }
    }
}
