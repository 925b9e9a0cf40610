//! What routing needs to know of the past.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    query,
    standing::message_number,
    value::{Columns as _, Id},
};
use crate::{
    domain::{
        id::{DeliveryId, MatterId, MessageId, OrganisationId},
        kind::Kind,
        message::{LicenceKey, MessageKey},
    },
    port::store::{AnsweredRow, Error, HistoryRequest, HistoryRow, Sha256Digest, StandingRow},
};

/// Answers each part of the request.
pub(super) fn history(connection: &Connection, request: &HistoryRequest) -> Result<HistoryRow, Error> {
    let mut history = HistoryRow::default();
    if let Some(key) = &request.key {
        history.known_revision = highest(connection, key)?;
        if history.known_revision.is_some() {
            history.recipients = recipients_of_key(connection, key)?;
            history.superseded = superseded(connection, key)?;
        }
    }
    for licence in &request.licences {
        if let Some(issuer) = issuer(connection, licence)? {
            history.issuers.push((licence.clone(), issuer));
        }
    }
    let answered = match (request.answers, &request.answers_key) {
        (Some(id), _) => message_number(connection, id.0)?,
        (None, Some((kind, business_key))) => newest(connection, *kind, business_key)?,
        (None, None) => None,
    };
    history.answered = answered.map(|number| row_answered(connection, number)).transpose()?.flatten();
    history.delivery = match request.delivery {
        Some(id) => connection
            .prepare_cached(concat!(include_str!("sql/delivery.sql"), "WHERE d.id = ?1"))?
            .query_row([Id(id.0)], query::delivery)
            .optional()?,
        None => None,
    };
    if let Some((key, revision)) = &request.standing {
        history.standing = standing(connection, key, *revision)?;
    }
    Ok(history)
}

/// What stands under a key and revision.
pub(super) fn standing(
    connection: &Connection,
    key: &MessageKey,
    revision: u32,
) -> Result<Option<StandingRow>, Error> {
    let standing = connection
        .prepare_cached(include_str!("sql/key_standing.sql"))?
        .query_row(params![key.business_key, key.kind.as_str(), key.organisation.as_str(), revision], |row| {
            Ok(StandingRow {
                message: MessageId(row.id("id")?),
                received_digest: Sha256Digest(row.get("received_digest")?),
                content_digest: Sha256Digest(row.get("content_digest")?),
                receipt: row.get::<_, Vec<u8>>("receipt")?.into(),
            })
        })
        .optional()?;
    Ok(standing)
}

fn highest(connection: &Connection, key: &MessageKey) -> Result<Option<u32>, Error> {
    Ok(connection
        .prepare_cached(include_str!("sql/key_highest.sql"))?
        .query_row(params![key.business_key, key.kind.as_str(), key.organisation.as_str()], |row| {
            row.get(0)
        })?)
}

fn recipients_of_key(connection: &Connection, key: &MessageKey) -> Result<Vec<OrganisationId>, Error> {
    let mut statement = connection.prepare_cached(include_str!("sql/history_recipients.sql"))?;
    let rows = statement
        .query_map(params![key.business_key, key.kind.as_str(), key.organisation.as_str()], |row| {
            row.text("organisation")
        })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn superseded(connection: &Connection, key: &MessageKey) -> Result<Vec<DeliveryId>, Error> {
    let mut statement = connection.prepare_cached(include_str!("sql/delivery_superseded.sql"))?;
    let rows = statement.query_map(
        params![key.business_key, key.kind.as_str(), key.organisation.as_str(), i64::MAX],
        |row| row.id("id").map(DeliveryId),
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn issuer(connection: &Connection, licence: &LicenceKey) -> Result<Option<OrganisationId>, Error> {
    Ok(connection
        .prepare_cached("SELECT issuer FROM licence WHERE kind = ?1 AND number = ?2")?
        .query_row(params![licence.kind, licence.number], |row| row.text("issuer"))
        .optional()?)
}

/// The one accepted last, whatever organisation sent it.
fn newest(connection: &Connection, kind: Kind, business_key: &str) -> Result<Option<i64>, Error> {
    Ok(connection
        .prepare_cached("SELECT max(number) FROM message_key WHERE business_key = ?1 AND kind = ?2")?
        .query_row(params![business_key, kind.as_str()], |row| row.get(0))?)
}

fn row_answered(connection: &Connection, number: i64) -> Result<Option<AnsweredRow>, Error> {
    let found = connection
        .prepare_cached(include_str!("sql/history_answered.sql"))?
        .query_row([number], |row| {
            Ok(AnsweredRow {
                message: MessageId(row.id("id")?),
                key: query::key(row)?,
                matter: row.text::<MatterId>("matter")?,
                recipients: Vec::new(),
                canonical: row.get::<_, Vec<u8>>("canonical")?.into(),
            })
        })
        .optional()?;
    let Some(mut answered) = found else { return Ok(None) };
    let mut statement = connection.prepare_cached(include_str!("sql/history_recipients_of.sql"))?;
    let rows = statement.query_map([number], |row| row.text("organisation"))?;
    answered.recipients = rows.collect::<Result<_, _>>()?;
    Ok(Some(answered))
}
