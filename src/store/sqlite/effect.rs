//! What an accepted message does to what is already stored.

use std::collections::{HashMap, HashSet};

use rusqlite::params;

use super::{
    change::{Change, End},
    error::unfit,
    insert,
    standing::{Mode, Standing, message_number},
    value::{Columns as _, Time},
};
use crate::{
    domain::{
        delivery::{Acknowledgement, Transport},
        id::{DeliveryId, MessageId, OrganisationId},
        obligation::Duty,
    },
    port::store::{Acceptance, Effect, Error, NewEntry},
};

/// Whether an effect could be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// Done.
    Done,
    /// What is stored is not what routing knew; nothing of the acceptance may stay.
    Moved,
}

/// Does one effect.
pub(super) fn apply(
    change: &mut Change<'_>,
    acceptance: &Acceptance,
    effect: &Effect,
) -> Result<Applied, Error> {
    match effect {
        Effect::Acknowledge { delivery, acknowledgement } => {
            acknowledge(change, *delivery, *acknowledgement)?
        }
        Effect::ConfirmRelay { delivery } => return confirm(change, *delivery),
        Effect::Answer { message, organisation, duties } => answer(change, *message, organisation, duties)?,
        Effect::Supersede { deliveries } => return supersede(change, acceptance, deliveries),
        Effect::Licence { licence, issuer } => {
            change.connection.prepare_cached(include_str!("sql/licence_keep.sql"))?.execute(params![
                licence.kind,
                licence.number,
                issuer.as_str()
            ])?;
        }
    }
    Ok(Applied::Done)
}

fn acknowledge(change: &mut Change<'_>, id: DeliveryId, said: Acknowledgement) -> Result<(), Error> {
    let standing = Standing::of(change.connection, id)?.ok_or_else(|| unfit(format!("no delivery {id}")))?;
    change.meet(standing.number, Duty::Sign)?;
    let undoes_answer =
        said == Acknowledgement::Signed && standing.acknowledgement == Acknowledgement::Answered;
    let said = if undoes_answer { standing.acknowledgement } else { said };
    change.acknowledge(&standing, said)
}

fn confirm(change: &mut Change<'_>, id: DeliveryId) -> Result<Applied, Error> {
    let Some(standing) = Standing::of(change.connection, id)? else { return Ok(Applied::Moved) };
    match standing.hold {
        Some(hold)
            if standing.state == Transport::Held
                && hold.mode == Mode::Confirm
                && change.may_follow(&hold)? =>
        {
            change.release(&standing)?;
            Ok(Applied::Done)
        }
        _ => Ok(Applied::Moved),
    }
}

fn answer(
    change: &mut Change<'_>,
    message: MessageId,
    organisation: &OrganisationId,
    duties: &[Duty],
) -> Result<(), Error> {
    let number = message_number(change.connection, message.0)?
        .ok_or_else(|| unfit(format!("no message {message}")))?;
    let deliveries: Vec<i64> = change
        .connection
        .prepare_cached(include_str!("sql/delivery_at_organisation.sql"))?
        .query_map(params![number, organisation.as_str()], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for delivery in deliveries {
        let standing = Standing::at(change.connection, delivery)?;
        change.acknowledge(&standing, Acknowledgement::Answered)?;
    }
    let mut meet = change.connection.prepare_cached(include_str!("sql/obligation_answer.sql"))?;
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
        .connection
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
        let standing =
            Standing::of(change.connection, id)?.ok_or_else(|| unfit(format!("no delivery {id}")))?;
        let end = End {
            state: Transport::Superseded,
            handed_over_at: None,
            document: None,
            detail: standing.detail.as_deref(),
            attempts: standing.attempts,
        };
        change.end(&standing, &end)?;
        insert::entries(change.connection, entries.get(&id).copied())?;
    }
    Ok(Applied::Done)
}
