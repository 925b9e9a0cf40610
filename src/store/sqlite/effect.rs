//! What an accepted message does to what is already stored.

use std::collections::{HashMap, HashSet};

use rusqlite::params;

use super::{
    change::Change,
    error::unfit,
    insert,
    standing::message_number,
    value::{Columns as _, Time},
};
use crate::{
    domain::{
        delivery::Acknowledgement,
        id::{DeliveryId, MessageId, OrganisationId},
        obligation::Duty,
    },
    port::store::{Acceptance, Effect, Error, NewEntry},
    store::change::{
        Standing,
        effect::{self, Applied},
    },
};

/// Does one effect.
pub(super) fn apply(
    change: &mut Change<'_>,
    acceptance: &Acceptance,
    effect: &Effect,
) -> Result<Applied, Error> {
    match effect {
        Effect::Acknowledge { delivery, acknowledgement } => {
            let standing = standing_of(change, *delivery)?;
            effect::acknowledge(change, &standing, *acknowledgement)?;
        }
        Effect::ConfirmRelay { delivery } => {
            return match Standing::of(change.rows.0, *delivery)? {
                Some(standing) => effect::confirm(change, &standing),
                None => Ok(Applied::Moved),
            };
        }
        Effect::Answer { message, organisation, duties } => answer(change, *message, organisation, duties)?,
        Effect::Supersede { deliveries } => return supersede(change, acceptance, deliveries),
        Effect::Licence { licence, issuer } => {
            change.rows.0.prepare_cached(include_str!("sql/licence_keep.sql"))?.execute(params![
                licence.kind,
                licence.number,
                issuer.as_str()
            ])?;
        }
    }
    Ok(Applied::Done)
}

fn standing_of(change: &Change<'_>, id: DeliveryId) -> Result<Standing, Error> {
    Standing::of(change.rows.0, id)?.ok_or_else(|| unfit(format!("no delivery {id}")))
}

fn answer(
    change: &mut Change<'_>,
    message: MessageId,
    organisation: &OrganisationId,
    duties: &[Duty],
) -> Result<(), Error> {
    let number =
        message_number(change.rows.0, message.0)?.ok_or_else(|| unfit(format!("no message {message}")))?;
    let deliveries: Vec<i64> = change
        .rows
        .0
        .prepare_cached(include_str!("sql/delivery_at_organisation.sql"))?
        .query_map(params![number, organisation.as_str()], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for delivery in deliveries {
        let standing = Standing::at(change.rows.0, delivery)?;
        change.acknowledge(&standing, Acknowledgement::Answered)?;
    }
    let mut meet = change.rows.0.prepare_cached(include_str!("sql/obligation_answer.sql"))?;
    for duty in duties {
        meet.execute(params![number, organisation.as_str(), duty.as_str(), Time(change.now)])?;
    }
    Ok(())
}

fn supersede(
    change: &mut Change<'_>,
    acceptance: &Acceptance,
    deliveries: &[(DeliveryId, NewEntry)],
) -> Result<Applied, Error> {
    let key = &acceptance.key;
    let stale: Vec<DeliveryId> = change
        .rows
        .0
        .prepare_cached(include_str!("sql/delivery_superseded.sql"))?
        .query_map(
            params![key.business_key, key.kind.as_str(), key.organisation.as_str(), acceptance.revision],
            |row| row.id("id").map(DeliveryId),
        )?
        .collect::<Result<_, _>>()?;
    let entries: HashMap<DeliveryId, &NewEntry> = deliveries.iter().map(|(id, entry)| (*id, entry)).collect();
    if !stale.iter().copied().collect::<HashSet<_>>().is_subset(&entries.keys().copied().collect()) {
        return Ok(Applied::Moved);
    }
    for id in stale {
        let standing = standing_of(change, id)?;
        effect::supersede(change, &standing)?;
        insert::entries(change.rows.0, entries.get(&id).copied())?;
    }
    Ok(Applied::Done)
}
