//! Reading for people and for checks.

use async_trait::async_trait;
use tokio_postgres::{Row, types::ToSql};
use uuid::Uuid;

use super::{
    PostgresStore, error::Failure, history::Asking, runner::Job, session::Session, value::Columns as _,
};
use crate::{
    domain::{
        delivery::Transport,
        id::{DeliveryId, EndpointId, MessageId, OrganisationId},
        message::MessageKey,
    },
    port::store::{
        AttemptRow, DeliveryFilter, DeliveryRow, EntryId, Error, HistoryRequest, HistoryRow, MessageRow,
        OrganisationCount, Page, Query, Selector, Sha256Digest, StandingRow, TrailRow,
    },
    store::fault::{damaged, number},
};

#[async_trait]
impl Query for PostgresStore {
    async fn history(&self, request: HistoryRequest) -> Result<HistoryRow, Error> {
        self.runner.read(Asking(request)).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<MessageRow>, Error> {
        self.runner.read(Message(id)).await
    }

    async fn find(&self, business_key: &str, limit: usize) -> Result<Vec<MessageId>, Error> {
        self.runner.read(Find { business_key: business_key.to_owned(), limit }).await
    }

    async fn deliveries(&self, filter: DeliveryFilter, page: Page) -> Result<Vec<DeliveryRow>, Error> {
        self.runner.read(Listing { filter, page }).await
    }

    async fn attempts(&self, delivery: DeliveryId) -> Result<Vec<AttemptRow>, Error> {
        self.runner.read(Attempts(delivery)).await
    }

    async fn trail_of(&self, selector: Selector) -> Result<Vec<TrailRow>, Error> {
        self.runner.read(Entries(selector)).await
    }

    async fn counts(&self) -> Result<Vec<OrganisationCount>, Error> {
        self.runner.read(Counts).await
    }
}

struct Message(MessageId);

#[async_trait]
impl Job for Message {
    type Output = Option<MessageRow>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let row = session.row_if(include_str!("sql/message.sql"), &[&self.0.0]).await?;
        row.as_ref().map(message).transpose()
    }
}

struct Find {
    business_key: String,
    limit: usize,
}

#[async_trait]
impl Job for Find {
    type Output = Vec<MessageId>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let limit: i64 = number(self.limit)?;
        let rows = session.rows(include_str!("sql/key_find.sql"), &[&self.business_key, &limit]).await?;
        rows.iter().map(|row| row.id("id").map(MessageId)).collect()
    }
}

struct Listing {
    filter: DeliveryFilter,
    page: Page,
}

#[async_trait]
impl Job for Listing {
    type Output = Vec<DeliveryRow>;

    /// Says only the conditions asked for, so that each finds its index.
    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let filter = &self.filter;
        let endpoint = filter.endpoint.as_ref().map(EndpointId::as_str);
        let organisation = filter.organisation.as_ref().map(OrganisationId::as_str);
        let (limit, offset): (i64, i64) = (number(self.page.limit)?, number(self.page.offset)?);
        let mut conditions = vec!["true".to_owned()];
        let mut values: Vec<&(dyn ToSql + Sync)> = Vec::new();
        let mut narrow = |column: &str, value| {
            values.push(value);
            conditions.push(format!("{column} = ${}", values.len()));
        };
        if let Some(id) = &filter.id {
            narrow("d.id", &id.0);
        }
        if let Some(message) = &filter.message {
            narrow("k.id", &message.0);
        }
        if let Some(endpoint) = &endpoint {
            narrow("d.endpoint", endpoint);
        }
        if let Some(organisation) = &organisation {
            narrow("d.organisation", organisation);
        }
        conditions.extend(filter.state.map(in_state));
        values.extend([&limit as &(dyn ToSql + Sync), &offset]);
        let sql = format!(
            "{}WHERE {} ORDER BY d.number LIMIT ${} OFFSET ${}",
            include_str!("sql/delivery.sql"),
            conditions.join(" AND "),
            values.len() - 1,
            values.len()
        );
        session.rows(&sql, &values).await?.iter().map(delivery).collect()
    }
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
        Transport::Delivered => "e.final_state = 'delivered'".to_owned(),
        Transport::ServedOffline | Transport::Skipped | Transport::Superseded | Transport::Withdrawn => {
            format!(
                "e.final_state IN ('served_offline', 'skipped', 'superseded', 'withdrawn') \
                 AND e.final_state = '{state}'"
            )
        }
    }
}

struct Attempts(DeliveryId);

#[async_trait]
impl Job for Attempts {
    type Output = Vec<AttemptRow>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        session.rows(include_str!("sql/attempt.sql"), &[&self.0.0]).await?.iter().map(attempt).collect()
    }
}

struct Entries(Selector);

#[async_trait]
impl Job for Entries {
    type Output = Vec<TrailRow>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let (sql, id) = match self.0 {
            Selector::Message(id) => (include_str!("sql/trail_of_message.sql"), id.0),
            Selector::Delivery(id) => (include_str!("sql/trail_of_delivery.sql"), id.0),
        };
        session.rows(sql, &[&id]).await?.iter().map(entry).collect()
    }
}

struct Counts;

#[async_trait]
impl Job for Counts {
    type Output = Vec<OrganisationCount>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        session.rows(include_str!("sql/counts.sql"), &[]).await?.iter().map(count).collect()
    }
}

/// A delivery from the columns of `sql/delivery.sql`.
pub(super) fn delivery(row: &Row) -> Result<DeliveryRow, Failure> {
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
        lane_sequence: row.number("lane_sequence")?,
        attempts: row.number("attempts")?,
        created_at: row.time("created_at")?,
        next_attempt_at: row.time_if("next_attempt_at")?.filter(|_| state == Transport::Scheduled),
        park_reason: row.word_if("park_reason")?,
        detail: row.text_if::<String>("detail")?.map(Into::into),
        handed_over_at: row.time_if("handed_over_at")?,
        acknowledged_at: row.time_if("acknowledged_at")?,
        document: row.text_if::<String>("document")?.map(Into::into),
        after: row.value::<Option<Uuid>>("after")?.map(DeliveryId),
        sent_again: row.word_if("sent_again")?,
    })
}

/// A message's key from its columns.
pub(super) fn key(row: &Row) -> Result<MessageKey, Failure> {
    Ok(MessageKey {
        organisation: row.text("organisation")?,
        kind: row.word("kind")?,
        business_key: row.text("business_key")?,
    })
}

/// What stands under a key, from its columns.
pub(super) fn standing(row: &Row, message: MessageId) -> Result<StandingRow, Failure> {
    Ok(StandingRow {
        message,
        received_digest: Sha256Digest(row.digest("received_digest")?),
        content_digest: Sha256Digest(row.digest("content_digest")?),
        receipt: row.bytes("receipt")?,
    })
}

pub(super) fn message(row: &Row) -> Result<MessageRow, Failure> {
    let salt = row.value::<&[u8]>("salt")?;
    Ok(MessageRow {
        id: MessageId(row.id("id")?),
        key: key(row)?,
        revision: row.number("revision")?,
        matter: row.text("matter")?,
        endpoint: row.text("endpoint")?,
        accepted_at: row.time("accepted_at")?,
        received: row.bytes("received")?,
        salt: salt.try_into().map_err(|_| damaged(format_args!("a salt has {} bytes", salt.len())))?,
        canonical: row.bytes("canonical")?,
        decision: row.bytes("decision")?,
        receipt: row.bytes("receipt")?,
    })
}

pub(super) fn attempt(row: &Row) -> Result<AttemptRow, Failure> {
    let status: Option<i32> = row.value("status")?;
    let salt = row.salt_if("salt")?;
    Ok(AttemptRow {
        salt: salt.filter(|salt| *salt != AttemptRow::ERASED),
        erased: salt == Some(AttemptRow::ERASED),
        attempt: row.number("attempt")?,
        outcome: row.value("outcome")?,
        started_at: row.time("started_at")?,
        ended_at: row.time("ended_at")?,
        recorded_at: row.time("recorded_at")?,
        peer: row.value("peer")?,
        status: status.map(number).transpose()?,
        detail: row.value("detail")?,
        sent_digest: row.digest_if("sent_digest")?.map(hex::encode),
        answer_digest: row.digest_if("answer_digest")?.map(hex::encode),
        sent_sm3: row.digest_if("sent_sm3")?.map(hex::encode),
        answer_sm3: row.digest_if("answer_sm3")?.map(hex::encode),
        adapter_version: row.value("adapter_version")?,
    })
}

fn entry(row: &Row) -> Result<TrailRow, Failure> {
    Ok(TrailRow {
        id: EntryId(row.id("id")?),
        at: row.time("at")?,
        event: row.value("event")?,
        delivery: row.value::<Option<Uuid>>("delivery")?.map(DeliveryId),
        position: row.value::<Option<i64>>("position")?.map(number).transpose()?,
        body: row.bytes("body")?,
    })
}

fn count(row: &Row) -> Result<OrganisationCount, Failure> {
    let organisation: String = row.value("organisation")?;
    Ok(OrganisationCount {
        organisation: (!organisation.is_empty()).then(|| organisation.into()),
        state: row.word("state")?,
        acknowledgement: row.word("acknowledgement")?,
        deliveries: row.number("deliveries")?,
        retried: row.number("retried")?,
    })
}
