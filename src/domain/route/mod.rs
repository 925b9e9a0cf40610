//! Routing: the one pure function that says whom a message reaches, at the right administrative level,
//! what they owe, and why (DESIGN section 6).
//!
//! Competence to send is judged at the decision date, the audience at acceptance. A delivery leaves the
//! level that decided only on a ground its rule names; whatever an audience comes to nothing for is parked
//! with a reason, never dropped. Nobody receives one message twice.

mod audience;
mod competence;
mod condition;
mod facts;
mod plan;
mod refusal;

use std::collections::HashMap;

use jiff::Timestamp;

pub use plan::FOLLOW_THE_ORIGINAL;
pub use refusal::{Cause, Refusal, Rejection};

use super::{
    calendar::Calendar,
    decision::Decision,
    id::{MessageId, OrganisationId},
    message::{ItemRef, LicenceKey, Message},
    registry::Registry,
    rule::Rules,
};
use facts::Facts;
use plan::Plan;

/// What the hub knows from earlier messages, as far as routing needs it; intake looks it up.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Who issued the licences the message names.
    pub licence_issuers: HashMap<LicenceKey, OrganisationId>,
    /// Recipients of earlier revisions of the same key, and for an event of a penalty, of the original.
    pub original_recipients: Vec<OrganisationId>,
    /// What the message answers, if it answers one.
    pub answered: Option<AnsweredMessage>,
    /// Who subscribed to the subject.
    pub subscribers: Vec<OrganisationId>,
}

/// A message that another answers.
#[derive(Clone, Debug)]
pub struct AnsweredMessage {
    /// Its id.
    pub message: MessageId,
    /// Its source organisation.
    pub source: OrganisationId,
    /// Organisations it was sent to.
    pub recipients: Vec<OrganisationId>,
    /// Its items.
    pub items: Vec<ItemRef>,
}

/// Routes one message.
///
/// # Errors
/// A [`Refusal`] with every reason, when the sender may not say this: unknown names, a power it does not
/// hold on the decision date, a cancelled or classified item, numbers that fail their check.
pub fn route(
    message: &Message,
    registry: &Registry,
    rules: &Rules,
    history: &History,
    calendar: &Calendar,
    at: Timestamp,
) -> Result<Decision, Refusal> {
    let (facts, warnings) = Facts::establish(message, registry, history, at)?;
    let mut plan = Plan::new(&facts, calendar);
    let (hops, first): (Vec<_>, Vec<_>) =
        rules.of(message.kind()).iter().partition(|rule| rule.audience.is_hop());
    for rule in first {
        plan.apply(rule);
    }
    plan.follow_the_original();
    for rule in hops {
        plan.apply(rule);
    }
    Ok(plan.decide(rules.version(), warnings))
}
