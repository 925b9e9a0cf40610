//! Who is answered, who took part, who subscribed: audiences that the store's history names.

use super::{Candidate, Expansion};
use crate::domain::{decision::ParkReason, id::OrganisationId, route::facts::Facts, rule::Crossing};

/// Source of what is answered.
pub(super) fn originator<'a>(facts: &Facts<'a>) -> Expansion<'a> {
    let source = facts.history.answered.as_ref().map(|answered| &answered.source);
    let mut expansion = named(source, Crossing::Answers, "所答复消息的来源机构", facts);
    if source.is_none() {
        let detail = "未找到所答复的消息，请人工确定来源机构".to_owned();
        expansion.miss(ParkReason::EmptyAudience, detail);
    }
    expansion
}

/// Recipients of what is answered.
pub(super) fn participants<'a>(facts: &Facts<'a>) -> Expansion<'a> {
    let answered = facts.history.answered.as_ref();
    let recipients = answered.into_iter().flat_map(|answered| &answered.recipients);
    let mut expansion = named(recipients, Crossing::Answers, "所答复消息的接收机构", facts);
    if expansion.found.is_empty() && expansion.missing.is_empty() {
        expansion.miss(ParkReason::EmptyAudience, "所答复的消息没有接收机构".to_owned());
    }
    expansion
}

/// Who subscribed to the subject; it may be nobody.
pub(super) fn subscribers<'a>(facts: &Facts<'a>) -> Expansion<'a> {
    if facts.history.subscribers.is_empty() {
        return Expansion::nobody("无机构订阅该行政相对人");
    }
    named(&facts.history.subscribers, Crossing::Subscription, "订阅该行政相对人", facts)
}

fn named<'a, 'h>(
    ids: impl IntoIterator<Item = &'h OrganisationId>,
    ground: Crossing,
    by: &str,
    facts: &Facts<'a>,
) -> Expansion<'a> {
    let mut expansion = Expansion::default();
    for id in ids {
        let organisation = facts.registry.organisation(id);
        match organisation.and_then(|organisation| facts.registry.heir(organisation, facts.today)) {
            Some(heir) => expansion.found.push(Candidate::informed(heir, ground, by.to_owned())),
            None => {
                expansion.miss(ParkReason::EmptyAudience, format!("{by}{id}已不存在，请人工确定承接机构"))
            }
        }
    }
    expansion
}
