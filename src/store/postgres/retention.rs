//! Retention: months that are archived go by dropping their partitions; what lies in a default partition goes row by
//! row. A partition is dropped only in a transaction of its own, so that hubs wait for one at a time.

use std::collections::HashSet;

use async_trait::async_trait;
use jiff::{Timestamp, tz::Offset};
use uuid::Uuid;

use super::{
    PostgresStore,
    error::Failure,
    insert,
    runner::Job,
    session::Session,
    value::{Columns as _, Time},
};
use crate::{
    domain::id::MessageId,
    port::store::{Archived, Error, NewEntry, Retention, Sha256Digest, Stock},
    store::fault::number,
};

/// Where rows without a partition of a month are, and which of them are archived.
const DEFAULTS: [(&str, &str); 4] = [
    ("attempt_default", "delivery_created_at < $1"),
    ("message_default", "accepted_at < $1"),
    ("refusal", "at < $1"),
    ("trail_default", "at < $1 AND EXISTS (SELECT FROM trail_sealed s WHERE s.id = trail_default.id)"),
];

/// Erases what opens the entries about messages, their receipts, and the words of those whom they went to.
const OPENINGS: [&str; 3] = [
    include_str!("sql/attempt_erase.sql"),
    include_str!("sql/delivery_erase.sql"),
    include_str!("sql/key_erase.sql"),
];

#[async_trait]
impl Retention for PostgresStore {
    async fn archived(&self) -> Result<Option<Archived>, Error> {
        self.runner.read(Latest).await
    }

    async fn begins(&self) -> Result<Option<Timestamp>, Error> {
        self.runner.read(Begins).await
    }

    async fn stock(&self, from: Timestamp, until: Timestamp) -> Result<Stock, Error> {
        self.runner.read(Counting { from, until }).await
    }

    async fn accepted_in(
        &self,
        from: Timestamp,
        until: Timestamp,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, MessageId)>, Error> {
        self.runner.read(AcceptedIn { from, until, after, limit }).await
    }

    async fn retire(&self, archived: Archived, entry: NewEntry) -> Result<bool, Error> {
        self.runner.write(Retire { archived, entry }).await
    }

    async fn erase(&self, messages: Vec<(MessageId, NewEntry)>) -> Result<u64, Error> {
        self.runner.write(Erase { messages }).await
    }

    async fn erase_rest(&self, messages: Vec<MessageId>) -> Result<(), Error> {
        self.runner.write(EraseRest { messages: messages.into_iter().map(|id| id.0).collect() }).await
    }

    async fn sweep(&self, limit: usize) -> Result<u64, Error> {
        self.runner.write(Sweep { limit }).await
    }
}

struct Latest;

#[async_trait]
impl Job for Latest {
    type Output = Option<Archived>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let sql =
            "SELECT until, size, frontier, checkpoint, manifest FROM archive ORDER BY until DESC LIMIT 1";
        let Some(row) = session.row_if(sql, &[]).await? else { return Ok(None) };
        Ok(Some(Archived {
            until: row.time("until")?,
            size: row.number("size")?,
            frontier: row.bytes("frontier")?,
            checkpoint: row.value("checkpoint")?,
            manifest: Sha256Digest(row.digest("manifest")?),
        }))
    }
}

struct Begins;

#[async_trait]
impl Job for Begins {
    type Output = Option<Timestamp>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let sql = "SELECT least((SELECT accepted_at FROM message_key ORDER BY number LIMIT 1),
                                (SELECT at FROM trail_sealed ORDER BY position LIMIT 1),
                                (SELECT min(at) FROM trail_unsealed)) AS begins";
        session.row(sql, &[]).await?.time_if("begins")
    }
}

struct Counting {
    from: Timestamp,
    until: Timestamp,
}

#[async_trait]
impl Job for Counting {
    type Output = Stock;

    async fn run(&self, session: &Session<'_>) -> Result<Stock, Failure> {
        stock(session, self.from, self.until).await
    }
}

async fn stock(session: &Session<'_>, from: Timestamp, until: Timestamp) -> Result<Stock, Failure> {
    let row = session.row(include_str!("sql/stock.sql"), &[&Time(from), &Time(until)]).await?;
    Ok(Stock {
        messages: row.number("messages")?,
        entries: row.number("entries")?,
        trail_end: row.number("trail_end")?,
        open_deliveries: row.number("open_deliveries")?,
        open_obligations: row.number("open_obligations")?,
        unsealed: row.number("unsealed")?,
    })
}

struct AcceptedIn {
    from: Timestamp,
    until: Timestamp,
    after: u64,
    limit: usize,
}

#[async_trait]
impl Job for AcceptedIn {
    type Output = Vec<(u64, MessageId)>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let (after, limit): (i64, i64) = (number(self.after)?, number(self.limit)?);
        let sql = "SELECT k.number, k.id FROM message m JOIN message_key k ON k.number = m.number
                   WHERE m.accepted_at >= $1 AND m.accepted_at < $2 AND m.number > $3 ORDER BY m.number LIMIT $4";
        let rows = session.rows(sql, &[&Time(self.from), &Time(self.until), &after, &limit]).await?;
        rows.iter().map(|row| Ok((row.number("number")?, MessageId(row.value::<Uuid>("id")?)))).collect()
    }
}

struct Retire {
    archived: Archived,
    entry: NewEntry,
}

#[async_trait]
impl Job for Retire {
    type Output = bool;

    async fn run(&self, session: &Session<'_>) -> Result<bool, Failure> {
        let Archived { until, size, frontier, checkpoint, manifest } = &self.archived;
        session.rows("SELECT pg_advisory_xact_lock(19524, 7)::text", &[]).await?;
        if stock(session, *until, *until).await?.is_held() {
            return Ok(false);
        }
        let size: i64 = number(*size)?;
        let sql = "INSERT INTO archive (until, size, frontier, checkpoint, manifest)
                   SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT FROM archive WHERE until >= $1)";
        let parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)] =
            &[&Time(*until), &size, &frontier.as_ref(), checkpoint, &manifest.0.as_slice()];
        if session.execute(sql, parameters).await? == 0 {
            return Ok(false);
        }
        insert::entries(session, &[&self.entry]).await?;
        Ok(true)
    }
}

struct Erase {
    messages: Vec<(MessageId, NewEntry)>,
}

#[async_trait]
impl Job for Erase {
    type Output = u64;

    async fn run(&self, session: &Session<'_>) -> Result<u64, Failure> {
        let ids: Vec<Uuid> = self.messages.iter().map(|(id, _)| id.0).collect();
        let rows = session.rows(include_str!("sql/message_erase.sql"), &[&ids]).await?;
        let erased = rows.iter().map(|row| row.value::<Uuid>("id")).collect::<Result<HashSet<_>, _>>()?;
        EraseRest { messages: erased.iter().copied().collect() }.run(session).await?;
        let entries = self.messages.iter().filter(|(id, _)| erased.contains(&id.0));
        insert::entries(session, &entries.map(|(_, entry)| entry).collect::<Vec<_>>()).await?;
        Ok(erased.len() as u64)
    }
}

struct EraseRest {
    messages: Vec<Uuid>,
}

#[async_trait]
impl Job for EraseRest {
    type Output = ();

    async fn run(&self, session: &Session<'_>) -> Result<(), Failure> {
        for sql in OPENINGS {
            session.execute(sql, &[&self.messages]).await?;
        }
        Ok(())
    }
}

struct Sweep {
    limit: usize,
}

#[async_trait]
impl Job for Sweep {
    type Output = u64;

    async fn run(&self, session: &Session<'_>) -> Result<u64, Failure> {
        let Some(archived) = Latest.run(session).await? else { return Ok(0) };
        let first_kept = Offset::UTC.to_datetime(archived.until).date();
        let first_kept = format!("{:04}_{:02}", first_kept.year(), first_kept.month());
        let sql = "SELECT c.relname::text AS name FROM pg_inherits i
                   JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
                   WHERE p.oid IN ('attempt'::regclass, 'message'::regclass, 'trail'::regclass)
                     AND c.relname ~ '_[0-9]{4}_[0-9]{2}$' AND right(c.relname, 7) < $1
                   ORDER BY right(c.relname, 7), 1 LIMIT 1";
        if let Some(row) = session.row_if(sql, &[&first_kept]).await? {
            let name: String = row.value("name")?;
            session.run(&format!("DROP TABLE \"{name}\"")).await?;
            tracing::info!(partition = name, "dropped a month that is archived");
            return Ok(1);
        }
        let limit: i64 = number(self.limit)?;
        let mut removed = 0;
        for (table, archived_ones) in DEFAULTS {
            let sql = format!(
                "DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM {table} WHERE {archived_ones} LIMIT $2)"
            );
            removed += session.execute(&sql, &[&Time(archived.until), &limit]).await?;
        }
        Ok(removed)
    }
}
