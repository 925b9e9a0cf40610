//! Why a message is refused to its sender's face: every reason, with the path of its field.

use std::fmt;

use jiff::civil::Date;

use crate::domain::{
    division::Level,
    id::{DivisionCode, ItemCode, OrganisationId},
    identifier,
    kind::Kind,
    personal::shown,
};

/// All reasons for which a message is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// At least one.
    pub reasons: Vec<Rejection>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused: ")?;
        for (at, reason) in self.reasons.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{reason}")?;
        }
        Ok(())
    }
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {cause}")]
pub struct Rejection {
    /// Path of the field in canonical JSON.
    pub field: Box<str>,
    /// What is wrong with it.
    pub cause: Cause,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// No such organisation.
    #[error("organisation '{}' is not in the registry", shown(.0.as_str()))]
    UnknownOrganisation(OrganisationId),
    /// It did not exist on the decision date.
    #[error("organisation '{organisation}' does not exist on {day}, the decision date")]
    NotInExistence {
        /// The organisation.
        organisation: OrganisationId,
        /// Decision date.
        day: Date,
    },
    /// Its roles do not allow the kind.
    #[error("organisation '{organisation}' may not send {kind}: none of its roles allows it")]
    MayNotSend {
        /// The organisation.
        organisation: OrganisationId,
        /// The kind.
        kind: Kind,
    },
    /// A supervisor decides filings only.
    #[error("organisation '{0}' is a supervisor only: it may send the result of a filing, not of a licence")]
    FilingsOnly(OrganisationId),
    /// The source states what an unrelated body decided.
    #[error(
        "organisation '{source_organisation}' may not state what '{decided_by}' decided: neither acts for the other"
    )]
    MayNotState {
        /// Source.
        source_organisation: OrganisationId,
        /// Who decided.
        decided_by: OrganisationId,
    },
    /// A result or progress names no item.
    #[error("names no approval item; name at least one")]
    NoItem,
    /// No such item.
    #[error("item '{}' is not in the registry", shown(.0.as_str()))]
    UnknownItem(ItemCode),
    /// 涉密: its content never enters the hub.
    #[error("item '{0}' is classified and never enters the hub; serve it on paper")]
    Classified(ItemCode),
    /// Cancelled before the decision.
    #[error("item '{item}' is cancelled since {on}; nothing is decided under it any more")]
    Cancelled {
        /// The item.
        item: ItemCode,
        /// Since when.
        on: Date,
    },
    /// Decided before its first or after its last day.
    #[error("item '{item}' is not in effect on {day}, the decision date")]
    NotInEffect {
        /// The item.
        item: ItemCode,
        /// Decision date.
        day: Date,
    },
    /// 下放: the old level decided after the effective date.
    #[error("item '{item}' is devolved to {to} level since {effective}; {level} level decides it no more")]
    Devolved {
        /// The item.
        item: ItemCode,
        /// Level that decided.
        level: Level,
        /// Level since.
        to: Level,
        /// Since when.
        effective: Date,
    },
    /// Another level exercises the item.
    #[error("item '{item}' is not exercised at {level} level")]
    WrongLevel {
        /// The item.
        item: ItemCode,
        /// Level that decided.
        level: Level,
    },
    /// Not an approver of the item.
    #[error("organisation '{organisation}' is not an approver of item '{item}'")]
    NotCompetent {
        /// Who decided.
        organisation: OrganisationId,
        /// The item.
        item: ItemCode,
    },
    /// 委托: the entrusting body is missing or another.
    #[error("item '{item}' is entrusted by '{by}'; name it as the entrusting body")]
    EntrustedBody {
        /// The item.
        item: ItemCode,
        /// Who entrusted it.
        by: OrganisationId,
    },
    /// 委托: decided outside the term.
    #[error("item '{item}' is not entrusted on {day}, the decision date")]
    OutsideTerm {
        /// The item.
        item: ItemCode,
        /// Decision date.
        day: Date,
    },
    /// An entrusting body is named where nothing is entrusted.
    #[error("names '{}' as entrusting body but none of its items is entrusted", shown(.0.as_str()))]
    NothingEntrusted(OrganisationId),
    /// No such division.
    #[error("division '{}' is not in the registry", shown(.0.as_str()))]
    UnknownDivision(DivisionCode),
    /// A number fails its check.
    #[error("{0}")]
    Identifier(identifier::Fault),
    /// Who signs or returns did not receive it.
    #[error("organisation '{0}' did not receive what it signs or returns")]
    NotARecipient(OrganisationId),
}

impl Cause {
    /// The word in data and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownOrganisation(_) => "unknown_organisation",
            Self::NotInExistence { .. } => "not_in_existence",
            Self::MayNotSend { .. } => "may_not_send",
            Self::FilingsOnly(_) => "filings_only",
            Self::MayNotState { .. } => "may_not_state",
            Self::NoItem => "no_item",
            Self::UnknownItem(_) => "unknown_item",
            Self::Classified(_) => "classified",
            Self::Cancelled { .. } => "cancelled",
            Self::NotInEffect { .. } => "not_in_effect",
            Self::Devolved { .. } => "devolved",
            Self::WrongLevel { .. } => "wrong_level",
            Self::NotCompetent { .. } => "not_competent",
            Self::EntrustedBody { .. } => "entrusted_body",
            Self::OutsideTerm { .. } => "outside_term",
            Self::NothingEntrusted(_) => "nothing_entrusted",
            Self::UnknownDivision(_) => "unknown_division",
            Self::Identifier(_) => "identifier",
            Self::NotARecipient(_) => "not_a_recipient",
        }
    }
}
