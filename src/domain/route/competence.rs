//! Whether the sender may say this: names that exist, a power held on the decision date, items that may be
//! decided, numbers that pass their check. Collects every reason instead of stopping at the first.

use jiff::civil::Date;

use super::{Cause, History, Refusal, Rejection, facts::Facts};
use crate::domain::{
    calendar::china_date,
    decision::Warning,
    division::Level,
    id::{DivisionCode, OrganisationId},
    identifier,
    item::{ApprovalItem, Approvers, Commitment, Exercise, Nature, Secrecy, SupervisionItem},
    kind::Kind,
    message::{AddressRole, IdentifierScheme, ItemFamily, Message, Payload, Procedure},
    organisation::{Form, Organisation, Role},
    registry::Registry,
};

/// The judgement while it is made.
pub(super) struct Competence<'a> {
    message: &'a Message,
    registry: &'a Registry,
    history: &'a History,
    day: Date,
    reasons: Vec<Rejection>,
    warnings: Vec<Warning>,
}

/// What kept a name from being an error, when it comes from above.
enum Weight {
    Refuses,
    Warns,
}

impl<'a> Competence<'a> {
    pub(super) fn new(message: &'a Message, registry: &'a Registry, history: &'a History) -> Self {
        let day = china_date(message.decided_at);
        Self { message, registry, history, day, reasons: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn refusal(self) -> Refusal {
        Refusal { reasons: self.reasons }
    }

    fn refuse(&mut self, field: impl Into<Box<str>>, cause: Cause) {
        self.reasons.push(Rejection { field: field.into(), cause });
    }

    fn weigh(&mut self, weight: &Weight, field: String, cause: Cause) {
        match weight {
            Weight::Refuses => self.refuse(field, cause),
            Weight::Warns => {
                self.warnings.push(Warning { field: field.into(), detail: cause.to_string().into() });
            }
        }
    }

    /// Source and decider, when both are known.
    pub(super) fn parties(&mut self) -> Option<(&'a Organisation, &'a Organisation)> {
        let source = self.party("organisation", &self.message.key.organisation);
        if self.message.decided_by == self.message.key.organisation {
            return source.zip(source);
        }
        source.zip(self.party("decidedBy", &self.message.decided_by))
    }

    fn party(&mut self, field: &str, id: &'a OrganisationId) -> Option<&'a Organisation> {
        let Some(organisation) = self.registry.organisation(id) else {
            self.refuse(field, Cause::UnknownOrganisation(id.clone()));
            return None;
        };
        if !organisation.exists_on(self.day) {
            self.refuse(field, Cause::NotInExistence { organisation: id.clone(), day: self.day });
        }
        Some(organisation)
    }

    /// Items of both families. An item that a risk warning names and nobody knows is a matter for 分办.
    pub(super) fn items(&mut self) -> (Vec<&'a ApprovalItem>, Vec<&'a SupervisionItem>) {
        let weight = match self.message.kind() {
            Kind::RiskWarning => Weight::Warns,
            _ => Weight::Refuses,
        };
        let (mut approvals, mut supervisions) = (Vec::new(), Vec::new());
        for (at, item) in self.message.items.iter().enumerate() {
            let known = match item.family {
                ItemFamily::Approval => {
                    self.registry.approval_item(&item.code).map(|found| approvals.push(found)).is_some()
                }
                ItemFamily::Supervision => {
                    self.registry.supervision_item(&item.code).map(|found| supervisions.push(found)).is_some()
                }
            };
            if !known {
                self.weigh(&weight, format!("items[{at}].code"), Cause::UnknownItem(item.code.clone()));
            }
        }
        (approvals, supervisions)
    }

    /// Everything that needs the parties and items.
    pub(super) fn judge(mut self, facts: &Facts<'a>) -> Result<Vec<Warning>, Refusal> {
        self.roles(facts);
        self.statement(facts);
        self.approval_items(facts);
        self.entrusted_body(facts);
        self.divisions();
        self.licences(facts);
        self.identifiers(facts);
        self.recipient(facts);
        if self.reasons.is_empty() { Ok(self.warnings) } else { Err(self.refusal()) }
    }

    fn roles(&mut self, facts: &Facts<'a>) {
        let kind = self.message.kind();
        let senders = kind.row().senders;
        if senders.is_empty() {
            return;
        }
        let may = |organisation: &Organisation| {
            let principal = self.registry.principal(organisation);
            senders.iter().any(|&role| organisation.has(role) || principal.has(role))
        };
        let parties = [("organisation", facts.source), ("decidedBy", facts.principal)];
        let barred: Vec<_> = parties.into_iter().filter(|(_, party)| !may(party)).collect();
        for (field, party) in barred {
            if field == "organisation" || party.id != facts.source.id {
                self.refuse(field, Cause::MayNotSend { organisation: party.id.clone(), kind });
            }
        }
    }

    /// The source states its own decision, one of whom it acts for or who acts for it, of what it came from,
    /// of the body that entrusted it, or of one its own system speaks for too.
    fn statement(&mut self, facts: &Facts<'a>) {
        let (source, decider) = (facts.source, facts.decider);
        let registry = self.registry;
        let related = source.id == decider.id
            || registry.principal(source).id == registry.principal(decider).id
            || self.message.entrusted_body.as_ref() == Some(&decider.id)
            || registry.are_of_one_succession(source, decider)
            || registry.share_a_sender(&source.id, &decider.id);
        if !related {
            let (source_organisation, decided_by) = (source.id.clone(), decider.id.clone());
            self.refuse("decidedBy", Cause::MayNotState { source_organisation, decided_by });
        }
    }

    fn approval_items(&mut self, facts: &Facts<'a>) {
        let decides = matches!(self.message.kind(), Kind::ApprovalResult | Kind::ApprovalProgress);
        let of_approvals =
            self.message.items.iter().enumerate().filter(|(_, item)| item.family == ItemFamily::Approval);
        for (at, item) in of_approvals {
            let Some(item) = self.registry.approval_item(&item.code) else { continue };
            let field = format!("items[{at}].code");
            if item.secrecy == Secrecy::Classified {
                self.refuse(field, Cause::Classified(item.code.clone()));
            } else if decides && let Some(cause) = not_decidable(facts, item) {
                self.refuse(field, cause);
            }
        }
        if decides && self.message.items_of(ItemFamily::Approval).next().is_none() {
            self.refuse("items", Cause::NoItem);
        }
        self.commitment(facts);
    }

    fn commitment(&mut self, facts: &Facts<'a>) {
        let Payload::ApprovalResult(result) = &self.message.payload else { return };
        let barred = facts.approvals.iter().find(|item| item.commitment == Commitment::NotAllowed);
        if let (Procedure::Commitment, Some(item)) = (result.procedure, barred) {
            let detail = format!("item '{}' does not provide for 告知承诺", item.code).into();
            self.warnings.push(Warning { field: "approvalResult.procedure".into(), detail });
        }
    }

    fn entrusted_body(&mut self, facts: &Facts<'a>) {
        let Some(body) = &self.message.entrusted_body else { return };
        if self.registry.organisation(body).is_none() {
            self.refuse("entrustedBody", Cause::UnknownOrganisation(body.clone()));
        }
        let entrusted = |item: &&ApprovalItem| matches!(item.exercise, Exercise::Entrusted { .. });
        let decides = matches!(self.message.kind(), Kind::ApprovalResult | Kind::ApprovalProgress);
        if decides && !facts.approvals.is_empty() && !facts.approvals.iter().any(entrusted) {
            self.refuse("entrustedBody", Cause::NothingEntrusted(body.clone()));
        }
    }

    /// A registered address may lie anywhere in the country; where something is done must be ours.
    fn divisions(&mut self) {
        let addresses = self.message.subject.iter().flat_map(|subject| &subject.addresses).enumerate();
        for (at, address) in addresses {
            let anywhere =
                address.role == AddressRole::Registered || self.message.kind() == Kind::RiskWarning;
            let weight = if anywhere { Weight::Warns } else { Weight::Refuses };
            self.division(&weight, format!("subject.addresses[{at}].division"), &address.division);
        }
        match &self.message.payload {
            Payload::PenaltyDecision(penalty) => {
                if let Some(code) = &penalty.violation_division {
                    self.division(&Weight::Refuses, "penaltyDecision.violationDivision".to_owned(), code);
                }
            }
            Payload::RiskWarning(warning) => {
                if let Some(code) = &warning.region {
                    self.division(&Weight::Warns, "riskWarning.region".to_owned(), code);
                }
            }
            _ => {}
        }
    }

    fn division(&mut self, weight: &Weight, field: String, code: &DivisionCode) {
        if self.registry.divisions().get(code).is_none() {
            self.weigh(weight, field, Cause::UnknownDivision(code.clone()));
        }
    }

    fn licences(&mut self, facts: &Facts<'a>) {
        let weight = weight_of(facts);
        for (at, licence) in self.message.licences.iter().enumerate() {
            if let Some(issuer) = &licence.decided_by
                && self.registry.organisation(issuer).is_none()
            {
                let cause = Cause::UnknownOrganisation(issuer.clone());
                self.weigh(&weight, format!("licences[{at}].decidedBy"), cause);
            }
        }
    }

    fn identifiers(&mut self, facts: &Facts<'a>) {
        let weight = weight_of(facts);
        let identifiers = self.message.subject.iter().flat_map(|subject| &subject.identifiers);
        for (at, identifier) in identifiers.enumerate() {
            let fault =
                scheme(identifier.scheme).and_then(|kind| identifier::check(kind, &identifier.number));
            if let Some(fault) = fault {
                let field = format!("subject.identifiers[{at}].number");
                self.weigh(&weight, field, Cause::Identifier(fault));
            }
        }
    }

    /// Only who received a message signs or returns it; a branch and its bureau are one.
    fn recipient(&mut self, facts: &Facts<'a>) {
        if self.message.kind() != Kind::Receipt {
            return;
        }
        let principal =
            |id: &OrganisationId| self.registry.organisation(id).map(|one| &self.registry.principal(one).id);
        let source = Some(&self.registry.principal(facts.source).id);
        let recipients = self.history.answered.iter().flat_map(|answered| &answered.recipients);
        if !recipients.into_iter().any(|recipient| principal(recipient) == source) {
            self.refuse("organisation", Cause::NotARecipient(facts.source.id.clone()));
        }
    }
}

/// Data from above the city and from platforms is known to carry faults that its sender cannot mend.
fn weight_of(facts: &Facts<'_>) -> Weight {
    let from_above = facts.level == Level::Province || facts.source.form == Form::Platform;
    if from_above { Weight::Warns } else { Weight::Refuses }
}

fn scheme(scheme: IdentifierScheme) -> Option<identifier::Kind> {
    match scheme {
        IdentifierScheme::Uscc => Some(identifier::Kind::Uscc),
        IdentifierScheme::OrganisationCode => Some(identifier::Kind::OrganisationCode),
        IdentifierScheme::ResidentId => Some(identifier::Kind::ResidentId),
        IdentifierScheme::RegistrationNumber | IdentifierScheme::Other => None,
    }
}

/// Why an item may not be decided by this decider on the decision date, if it may not.
fn not_decidable(facts: &Facts<'_>, item: &ApprovalItem) -> Option<Cause> {
    let day = facts.decided_on;
    let code = || item.code.clone();
    if let Some(on) = item.cancelled_on.filter(|&on| on <= day) {
        return Some(Cause::Cancelled { item: code(), on });
    }
    if !item.period.covers(day) {
        return Some(Cause::NotInEffect { item: code(), day });
    }
    wrong_level(facts, item).or_else(|| not_competent(facts, item)).or_else(|| wrongly_entrusted(facts, item))
}

fn wrong_level(facts: &Facts<'_>, item: &ApprovalItem) -> Option<Cause> {
    let (level, day) = (facts.level, facts.decided_on);
    if item.exercise.levels_on(day).contains(&level) {
        return None;
    }
    let item_code = item.code.clone();
    Some(match item.exercise {
        Exercise::Devolved { from, to, effective } if level == from && effective <= day => {
            Cause::Devolved { item: item_code, level, to, effective }
        }
        _ => Cause::WrongLevel { item: item_code, level },
    })
}

fn not_competent(facts: &Facts<'_>, item: &ApprovalItem) -> Option<Cause> {
    let deciders = [facts.principal, facts.decider];
    let holds = |role| deciders.iter().any(|decider| decider.has(role));
    let filing = item.nature_on(facts.decided_on) == Nature::Filing;
    let receives_filings = holds(Role::Supervisor) && facts.principal.works_on(&item.line);
    if filing && receives_filings {
        return None;
    }
    if !holds(Role::Approver) {
        return Some(if filing {
            Cause::NotCompetent { organisation: facts.decider.id.clone(), item: item.code.clone() }
        } else {
            Cause::FilingsOnly(facts.decider.id.clone())
        });
    }
    let competent = match &item.approvers {
        Approvers::Named(named) => deciders.iter().any(|decider| named.contains(&decider.id)),
        Approvers::Line(line) => facts.principal.works_on(line),
    };
    let (organisation, item) = (facts.decider.id.clone(), item.code.clone());
    (!competent).then_some(Cause::NotCompetent { organisation, item })
}

fn wrongly_entrusted(facts: &Facts<'_>, item: &ApprovalItem) -> Option<Cause> {
    let Exercise::Entrusted { by, term, .. } = &item.exercise else { return None };
    if !term.covers(facts.decided_on) {
        return Some(Cause::OutsideTerm { item: item.code.clone(), day: facts.decided_on });
    }
    let named = facts.message.entrusted_body.as_ref() == Some(by);
    (!named).then(|| Cause::EntrustedBody { item: item.code.clone(), by: by.clone() })
}
