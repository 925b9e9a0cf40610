//! What accepted messages do to what is already stored.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    book::Book,
    error::Failure,
    insert,
    session::Session,
    value::{Columns as _, Time, column},
};
use crate::{
    domain::{
        delivery::Acknowledgement,
        id::{DeliveryId, MessageId, OrganisationId},
        obligation::Duty,
    },
    port::store::{Acceptance, Effect, NewEntry},
    store::{
        change::{
            Change, Rows as _,
            effect::{self, Applied},
        },
        fault::unfit,
    },
};

/// The messages answered, by row, with their deliveries at the one that answers.
#[derive(Debug, Default)]
pub(super) struct Answers(HashMap<(MessageId, OrganisationId), (i64, Vec<i64>)>);

impl Answers {
    /// Rows of the deliveries answered.
    pub(super) fn deliveries(&self) -> Vec<i64> {
        self.0.values().flat_map(|(_, deliveries)| deliveries).copied().collect()
    }
}

/// What is written beside deliveries.
#[derive(Debug, Default)]
pub(super) struct Aside<'a> {
    answered: Vec<(i64, &'a str, Duty)>,
    licences: BTreeMap<(&'a str, &'a str), &'a str>,
    entries: Vec<&'a NewEntry>,
}

/// Deliveries that effects name.
pub(super) fn named(accepted: &[&Acceptance]) -> Vec<Uuid> {
    let mut ids = Vec::new();
    for effect in accepted.iter().flat_map(|acceptance| &acceptance.effects) {
        match effect {
            Effect::Acknowledge { delivery, .. } | Effect::ConfirmRelay { delivery } => ids.push(delivery.0),
            Effect::Supersede { deliveries } => ids.extend(deliveries.iter().map(|(id, _)| id.0)),
            Effect::Answer { .. } | Effect::Licence { .. } => {}
        }
    }
    ids
}

/// Looks up what is answered.
pub(super) async fn answers(session: &Session<'_>, accepted: &[&Acceptance]) -> Result<Answers, Failure> {
    let asked: Vec<(MessageId, &OrganisationId)> = accepted
        .iter()
        .flat_map(|acceptance| &acceptance.effects)
        .filter_map(|effect| match effect {
            Effect::Answer { message, organisation, .. } => Some((*message, organisation)),
            _ => None,
        })
        .collect();
    let mut answers = Answers::default();
    if asked.is_empty() {
        return Ok(answers);
    }
    let messages = column(&asked, |(message, _)| message.0);
    let organisations = column(&asked, |(_, organisation)| organisation.as_str());
    for row in session.rows(include_str!("sql/answered.sql"), &[&messages, &organisations]).await? {
        let key = (MessageId(row.id("message")?), row.text("organisation")?);
        let entry = answers.0.entry(key).or_insert((row.value("number")?, Vec::new()));
        entry.1.extend(row.value::<Option<i64>>("delivery")?.filter(|number| !entry.1.contains(number)));
    }
    Ok(answers)
}

/// Does the effects of one acceptance, in turn.
pub(super) async fn apply<'a>(
    session: &Session<'_>,
    change: &mut Change<Book>,
    aside: &mut Aside<'a>,
    acceptance: &'a Acceptance,
    answers: &Answers,
) -> Result<Applied, Failure> {
    for effect in &acceptance.effects {
        let applied = match effect {
            Effect::Acknowledge { delivery, acknowledgement } => {
                let standing = change.rows.of(*delivery)?;
                effect::acknowledge(change, &standing, *acknowledgement)?;
                Applied::Done
            }
            Effect::ConfirmRelay { delivery } => match change.rows.number_of(*delivery) {
                Some(number) => {
                    let standing = change.rows.standing(number)?;
                    effect::confirm(change, &standing)?
                }
                None => Applied::Moved,
            },
            Effect::Answer { message, organisation, duties } => {
                answer(change, aside, answers, (*message, organisation, duties))?;
                Applied::Done
            }
            Effect::Supersede { deliveries } => {
                supersede(session, change, aside, acceptance, deliveries).await?
            }
            Effect::Licence { licence, issuer } => {
                aside.licences.insert((&licence.kind, &licence.number), issuer.as_str());
                Applied::Done
            }
        };
        if applied == Applied::Moved {
            return Ok(Applied::Moved);
        }
    }
    Ok(Applied::Done)
}

fn answer<'a>(
    change: &mut Change<Book>,
    aside: &mut Aside<'a>,
    answers: &Answers,
    (message, organisation, duties): (MessageId, &'a OrganisationId, &[Duty]),
) -> Result<(), Failure> {
    let found = answers.0.get(&(message, organisation.clone()));
    let (number, deliveries) = found.ok_or_else(|| unfit(format!("no message {message}")))?;
    for delivery in deliveries {
        let standing = change.rows.standing(*delivery)?;
        change.acknowledge(&standing, Acknowledgement::Answered)?;
    }
    aside.answered.extend(duties.iter().map(|duty| (*number, organisation.as_str(), *duty)));
    Ok(())
}

async fn supersede<'a>(
    session: &Session<'_>,
    change: &mut Change<Book>,
    aside: &mut Aside<'a>,
    acceptance: &Acceptance,
    deliveries: &'a [(DeliveryId, NewEntry)],
) -> Result<Applied, Failure> {
    let key = &acceptance.key;
    let rows = session
        .rows(
            include_str!("sql/delivery_superseded.sql"),
            &[
                &&*key.business_key,
                &key.kind.as_str(),
                &key.organisation.as_str(),
                &i64::from(acceptance.revision),
            ],
        )
        .await?;
    let stale: Vec<DeliveryId> =
        rows.iter().map(|row| row.id("id").map(DeliveryId)).collect::<Result<_, _>>()?;
    let entries: HashMap<DeliveryId, &NewEntry> = deliveries.iter().map(|(id, entry)| (*id, entry)).collect();
    if !stale.iter().copied().collect::<HashSet<_>>().is_subset(&entries.keys().copied().collect()) {
        return Ok(Applied::Moved);
    }
    for id in stale {
        let standing = change.rows.of(id)?;
        effect::supersede(change, &standing)?;
        aside.entries.extend(entries.get(&id).copied());
    }
    Ok(Applied::Done)
}

impl Aside<'_> {
    /// Writes it.
    pub(super) async fn write(&self, session: &Session<'_>, now: Timestamp) -> Result<(), Failure> {
        if !self.answered.is_empty() {
            session
                .execute(
                    include_str!("sql/obligation_answer.sql"),
                    &[
                        &column(&self.answered, |(message, ..)| *message),
                        &column(&self.answered, |(_, organisation, _)| *organisation),
                        &column(&self.answered, |(.., duty)| duty.as_str()),
                        &Time(now),
                    ],
                )
                .await?;
        }
        if !self.licences.is_empty() {
            let licences: Vec<_> = self.licences.iter().collect();
            session
                .execute(
                    include_str!("sql/licence_keep.sql"),
                    &[
                        &column(&licences, |((kind, _), _)| *kind),
                        &column(&licences, |((_, number), _)| *number),
                        &column(&licences, |(_, issuer)| **issuer),
                    ],
                )
                .await?;
        }
        insert::entries(session, &self.entries).await
    }
}
