//! What is established about a message before any rule is read: who decided, at which level, on what
//! items, and where.

use jiff::{Timestamp, civil::Date};

use super::{History, Refusal, competence::Competence};
use crate::domain::{
    calendar::china_date,
    decision::Warning,
    division::{Division, Level},
    id::{DivisionCode, ItemCode},
    item::{ApprovalItem, Place, SupervisionItem},
    message::{AddressRole, ItemFamily, ItemRef, Message, Payload, PublicityLevel},
    organisation::Organisation,
    registry::Registry,
};

/// A message with all it refers to looked up.
pub(super) struct Facts<'a> {
    pub(super) message: &'a Message,
    pub(super) registry: &'a Registry,
    pub(super) history: &'a History,
    /// The day the power to decide is judged at.
    pub(super) decided_on: Date,
    /// The day the audience is judged at.
    pub(super) today: Date,
    /// Who sends.
    pub(super) source: &'a Organisation,
    /// Who decided, as named.
    pub(super) decider: &'a Organisation,
    /// In whose name it was decided: the decider, or whom it acts for.
    pub(super) principal: &'a Organisation,
    /// Level that decided.
    pub(super) level: Level,
    pub(super) approvals: Vec<&'a ApprovalItem>,
    pub(super) supervisions: Vec<&'a SupervisionItem>,
}

impl<'a> Facts<'a> {
    /// Looks everything up and judges the sender's competence.
    pub(super) fn establish(
        message: &'a Message,
        registry: &'a Registry,
        history: &'a History,
        at: Timestamp,
    ) -> Result<(Self, Vec<Warning>), Refusal> {
        let mut competence = Competence::new(message, registry, history);
        let parties = competence.parties();
        let (approvals, supervisions) = competence.items();
        let Some((source, decider)) = parties else { return Err(competence.refusal()) };
        let principal = registry.principal(in_whose_name(message, source, decider));
        let facts = Self {
            message,
            registry,
            history,
            decided_on: china_date(message.decided_at),
            today: china_date(at),
            source,
            decider,
            principal,
            level: registry.level_of(principal),
            approvals,
            supervisions,
        };
        let warnings = competence.judge(&facts)?;
        Ok((facts, warnings))
    }

    /// Seat of who decided.
    pub(super) fn seat(&self) -> &'a DivisionCode {
        &self.principal.division
    }

    /// Whether `organisation` is who sends or who decided. A branch and its bureau are two desks: each learns
    /// what the other decided.
    pub(super) fn is_the_sender(&self, organisation: &Organisation) -> bool {
        organisation.id == self.source.id || organisation.id == self.decider.id
    }

    /// Whether public audiences may have it on this day (公开, within 公示截止期).
    pub(super) fn is_public(&self) -> bool {
        let publicity = &self.message.publicity;
        publicity.level == PublicityLevel::Public && publicity.until.is_none_or(|until| self.today <= until)
    }

    /// The division a message gives for a place, as deep as it says.
    pub(super) fn place(&self, place: Place) -> Option<&'a DivisionCode> {
        match place {
            Place::Sender => Some(self.seat()),
            Place::Registered => self.message.division(AddressRole::Registered),
            Place::Operating => self.message.division(AddressRole::Operating),
            Place::Project => self.message.division(AddressRole::Project),
            Place::Violation => match &self.message.payload {
                Payload::PenaltyDecision(penalty) => penalty.violation_division.as_ref(),
                _ => None,
            }
            .or_else(|| self.message.division(AddressRole::Violation)),
            Place::Region => match &self.message.payload {
                Payload::RiskWarning(warning) => warning.region.as_ref(),
                _ => None,
            },
        }
    }

    /// The first of `places` that lies in a division of `level`, and that division.
    pub(super) fn division_at(&self, places: &[Place], level: Level) -> Option<(Place, &'a Division)> {
        places.iter().find_map(|&place| {
            let division = self.registry.divisions().at_level(self.place(place)?, level, self.today)?;
            Some((place, division))
        })
    }

    /// Where the matter lies on the ground, as deep as known.
    pub(super) fn ground(&self) -> Option<&'a DivisionCode> {
        const PLACES: [Place; 5] =
            [Place::Region, Place::Violation, Place::Project, Place::Operating, Place::Registered];
        PLACES
            .into_iter()
            .filter_map(|place| self.place(place))
            .find(|code| self.registry.divisions().get(code).is_some())
    }

    /// Approval items of what is answered, for an answer that names none of its own.
    pub(super) fn answered_items(&self, family: ItemFamily) -> impl Iterator<Item = &'a ItemCode> {
        let items = self.history.answered.as_ref().map_or(&[][..], |answered| &answered.items);
        items.iter().filter(move |item: &&ItemRef| item.family == family).map(|item| &item.code)
    }
}

/// Who carries the power: an entrusted approver that decides in the entrusting body's name is still itself.
fn in_whose_name<'a>(
    message: &Message,
    source: &'a Organisation,
    decider: &'a Organisation,
) -> &'a Organisation {
    if message.entrusted_body.as_ref() == Some(&decider.id) { source } else { decider }
}
