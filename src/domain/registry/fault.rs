//! What can be wrong with a registry.

use std::fmt;

/// The tables of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Divisions.
    Divisions,
    /// What zones govern.
    Governs,
    /// Organisations.
    Organisations,
    /// Approval items.
    ApprovalItems,
    /// Supervision items.
    SupervisionItems,
    /// Cross-walk.
    CrossWalk,
    /// Endpoints.
    Endpoints,
    /// Contacts.
    Contacts,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Divisions => "division",
            Self::Governs => "governed division",
            Self::Organisations => "organisation",
            Self::ApprovalItems => "approval item",
            Self::SupervisionItems => "supervision item",
            Self::CrossWalk => "cross-walk",
            Self::Endpoints => "endpoint",
            Self::Contacts => "contact",
        })
    }
}

/// One fault: which row of which table, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{table} '{row}': {problem}")]
pub struct Fault {
    /// Table.
    pub table: Table,
    /// Id or code of the row.
    pub row: Box<str>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The id or code stands twice.
    #[error("'{0}' stands more than once; give each its own")]
    Duplicate(Box<str>),
    /// A key refers to something that does not exist.
    #[error("{key} refers to {target} '{id}', which is not in the registry")]
    Dangling {
        /// Key that refers.
        key: &'static str,
        /// Table it refers to.
        target: Table,
        /// What it names.
        id: Box<str>,
    },
    /// Following a key comes back to the row.
    #[error("following {key} comes back to it: {path}")]
    Cycle {
        /// Key.
        key: &'static str,
        /// The ids passed, joined.
        path: Box<str>,
    },
    /// A last day before the first.
    #[error("{key} ends before it begins")]
    ReversedDates {
        /// Key of the period.
        key: &'static str,
    },
    /// A division does not lie below its parent.
    #[error("its level {level} does not lie below the level {parent} of what it lies in")]
    LevelNotBelow {
        /// Its level.
        level: &'static str,
        /// Level of its parent.
        parent: &'static str,
    },
    /// What governs is not a zone.
    #[error("'{0}' governs it but is not a zone")]
    NotAZone(Box<str>),
    /// Two zones govern one division at a time.
    #[error("'{0}' and '{1}' govern it on the same day")]
    GovernedTwice(Box<str>, Box<str>),
    /// A list that must name something is empty.
    #[error("{0} is empty; name at least one")]
    Empty(&'static str),
    /// It serves on a line it does not work on.
    #[error("it serves on line '{0}' but does not work on it; add it to lines")]
    ServesForeignLine(Box<str>),
    /// The item is 下放 but not downwards.
    #[error("the power is devolved from {from} to {to}, which does not lie below")]
    NotDownwards {
        /// Level before.
        from: &'static str,
        /// Level since.
        to: &'static str,
    },
    /// Cancelled without a day.
    #[error("a cancelled item keeps its nature and says cancelled_on")]
    CancelledWithoutDay,
    /// A supervisor entry that only informs.
    #[error("a supervisor either leads or assists; use a rule to inform others")]
    SupervisorOnlyInformed,
    /// Two endpoints receive for one organisation.
    #[error("'{other}' already receives for '{organisation}'")]
    ReceivesTwice {
        /// The other endpoint.
        other: Box<str>,
        /// The organisation.
        organisation: Box<str>,
    },
}
