//! Reading for people and for checks.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};

use super::{
    SqliteStore,
    error::number,
    history,
    value::{Columns as _, Id},
};
use crate::{
    domain::{
        delivery::Transport,
        id::{DeliveryId, EndpointId, MessageId, OrganisationId},
        message::MessageKey,
    },
    port::store::{
        AttemptRow, DeliveryFilter, DeliveryRow, EntryId, Error, HistoryRequest, HistoryRow, MessageRow,
        OrganisationCount, Page, Query, Selector, TrailRow,
    },
};

#[async_trait]
impl Query for SqliteStore {
    async fn history(&self, request: HistoryRequest) -> Result<HistoryRow, Error> {
        self.readers.read(move |connection| history::history(connection, &request)).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<MessageRow>, Error> {
        self.readers
            .read(move |connection| {
                Ok(connection
                    .prepare_cached(include_str!("sql/message.sql"))?
                    .query_row([Id(id.0)], message)
                    .optional()?)
            })
            .await
    }

    async fn find(&self, business_key: &str, limit: usize) -> Result<Vec<MessageId>, Error> {
        let business_key = business_key.to_owned();
        self.readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(include_str!("sql/key_find.sql"))?;
                let rows = statement
                    .query_map(params![business_key, number::<_, i64>(limit)?], |row| row.id("id"))?;
                Ok(rows.map(|id| id.map(MessageId)).collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn deliveries(&self, filter: DeliveryFilter, page: Page) -> Result<Vec<DeliveryRow>, Error> {
        self.readers.read(move |connection| deliveries(connection, &filter, page)).await
    }

    async fn attempts(&self, id: DeliveryId) -> Result<Vec<AttemptRow>, Error> {
        self.readers
            .read(move |connection| {
                let mut statement = connection.prepare_cached(include_str!("sql/attempt.sql"))?;
                let rows = statement.query_map([Id(id.0)], attempt)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn trail_of(&self, selector: Selector) -> Result<Vec<TrailRow>, Error> {
        self.readers
            .read(move |connection| {
                let (sql, id) = match selector {
                    Selector::Message(id) => (include_str!("sql/trail_of_message.sql"), id.0),
                    Selector::Delivery(id) => (include_str!("sql/trail_of_delivery.sql"), id.0),
                };
                let mut statement = connection.prepare_cached(sql)?;
                let rows = statement.query_map([Id(id)], trail)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn counts(&self) -> Result<Vec<OrganisationCount>, Error> {
        self.readers
            .read(|connection| {
                let mut statement = connection.prepare_cached(include_str!("sql/counts.sql"))?;
                let rows = statement.query_map([], count)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }
}

/// Builds the listing for the filters given, so that each finds its index.
fn deliveries(
    connection: &Connection,
    filter: &DeliveryFilter,
    page: Page,
) -> Result<Vec<DeliveryRow>, Error> {
    let id = filter.id.map(|id| Id(id.0));
    let message = filter.message.map(|id| Id(id.0));
    let endpoint = filter.endpoint.as_ref().map(EndpointId::as_str);
    let organisation = filter.organisation.as_ref().map(OrganisationId::as_str);
    let mut conditions = vec!["true".to_owned()];
    let mut values: Vec<&dyn ToSql> = Vec::new();
    let mut narrow = |column: &str, value| {
        values.push(value);
        conditions.push(format!("{column} = ?{}", values.len()));
    };
    if let Some(id) = &id {
        narrow("d.id", id);
    }
    if let Some(message) = &message {
        narrow("k.id", message);
    }
    if let Some(endpoint) = &endpoint {
        narrow("d.endpoint", endpoint);
    }
    if let Some(organisation) = &organisation {
        narrow("d.organisation", organisation);
    }
    conditions.extend(filter.state.map(in_state));
    let (limit, offset): (i64, i64) = (number(page.limit)?, number(page.offset)?);
    values.extend([&limit as &dyn ToSql, &offset]);
    let sql = format!(
        "{}WHERE {} ORDER BY d.number LIMIT ?{} OFFSET ?{}",
        include_str!("sql/delivery.sql"),
        conditions.join(" AND "),
        values.len() - 1,
        values.len()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(values.as_slice(), delivery)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Said with literal words, so that the partial indexes of rare states are found.
fn in_state(state: Transport) -> String {
    match state {
        Transport::Held | Transport::Parked => {
            format!("o.state IN ('held', 'parked') AND o.state = '{state}'")
        }
        Transport::Ready | Transport::Leased | Transport::Scheduled => {
            format!("o.state = '{state}' AND NOT o.again")
        }
        Transport::Delivered => "d.final_state = 'delivered'".to_owned(),
        Transport::ServedOffline | Transport::Skipped | Transport::Superseded | Transport::Withdrawn => {
            format!("d.final_state <> 'delivered' AND d.final_state = '{state}'")
        }
    }
}

/// A delivery from the columns of `sql/delivery.sql`.
pub(super) fn delivery(row: &Row<'_>) -> rusqlite::Result<DeliveryRow> {
    let state = row.word("state")?;
    Ok(DeliveryRow {
        id: DeliveryId(row.id("id")?),
        message: MessageId(row.id("message")?),
        key: key(row)?,
        organisation: row.text_if("recipient")?,
        endpoint: row.text_if("endpoint")?,
        part: row.word("part")?,
        on_behalf_of: row.text_if("on_behalf_of")?,
        rule: row.text("rule")?,
        state,
        acknowledgement: row.word("acknowledgement")?,
        lane_sequence: row.get::<_, i64>("lane_sequence")?.unsigned_abs(),
        attempts: row.get("attempts")?,
        created_at: row.time("created_at")?,
        next_attempt_at: row.time_if("next_attempt_at")?.filter(|_| state == Transport::Scheduled),
        park_reason: row.word_if("park_reason")?,
        detail: row.text_if("detail")?,
        handed_over_at: row.time_if("handed_over_at")?,
        acknowledged_at: row.time_if("acknowledged_at")?,
        document: row.text_if("document")?,
        after: row.get::<_, Option<Id>>("after")?.map(|id| DeliveryId(id.0)),
        sent_again: row.word_if("sent_again")?,
    })
}

/// A message's key from its columns.
pub(super) fn key(row: &Row<'_>) -> rusqlite::Result<MessageKey> {
    Ok(MessageKey {
        organisation: row.text("organisation")?,
        kind: row.word("kind")?,
        business_key: row.text("business_key")?,
    })
}

pub(super) fn message(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    let bytes = |column| row.get::<_, Vec<u8>>(column).map(bytes::Bytes::from);
    Ok(MessageRow {
        id: MessageId(row.id("id")?),
        key: key(row)?,
        revision: row.get("revision")?,
        matter: row.text("matter")?,
        endpoint: row.text("endpoint")?,
        accepted_at: row.time("accepted_at")?,
        received: bytes("received")?,
        salt: row.get("salt")?,
        canonical: bytes("canonical")?,
        decision: bytes("decision")?,
        receipt: bytes("receipt")?,
    })
}

pub(super) fn attempt(row: &Row<'_>) -> rusqlite::Result<AttemptRow> {
    let salt = row.get::<_, Option<[u8; 16]>>("salt")?;
    Ok(AttemptRow {
        salt: salt.filter(|salt| *salt != AttemptRow::ERASED),
        erased: salt == Some(AttemptRow::ERASED),
        attempt: row.get("attempt")?,
        outcome: row.get("outcome")?,
        started_at: row.time("started_at")?,
        ended_at: row.time("ended_at")?,
        recorded_at: row.time("recorded_at")?,
        peer: row.get("peer")?,
        status: row.get("status")?,
        detail: row.get("detail")?,
        sent_digest: row.get::<_, Option<[u8; 32]>>("sent_digest")?.map(hex::encode),
        answer_digest: row.get::<_, Option<[u8; 32]>>("answer_digest")?.map(hex::encode),
        sent_sm3: row.get::<_, Option<[u8; 32]>>("sent_sm3")?.map(hex::encode),
        answer_sm3: row.get::<_, Option<[u8; 32]>>("answer_sm3")?.map(hex::encode),
        adapter_version: row.get("adapter_version")?,
    })
}

fn trail(row: &Row<'_>) -> rusqlite::Result<TrailRow> {
    Ok(TrailRow {
        id: EntryId(row.id("id")?),
        at: row.time("at")?,
        event: row.get("event")?,
        delivery: row.get::<_, Option<Id>>("delivery")?.map(|id| DeliveryId(id.0)),
        position: row.get::<_, Option<i64>>("position")?.map(i64::unsigned_abs),
        body: row.get::<_, Vec<u8>>("body")?.into(),
    })
}

fn count(row: &Row<'_>) -> rusqlite::Result<OrganisationCount> {
    let organisation: String = row.get("organisation")?;
    Ok(OrganisationCount {
        organisation: (!organisation.is_empty()).then(|| organisation.into()),
        state: row.word("state")?,
        acknowledgement: row.word("acknowledgement")?,
        deliveries: row.get::<_, i64>("deliveries")?.unsigned_abs(),
        retried: row.get::<_, i64>("retried")?.unsigned_abs(),
    })
}
