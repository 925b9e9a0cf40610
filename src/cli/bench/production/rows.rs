//! Rows written straight to PostgreSQL: the same rows that a hub wrote, copied out of its tables and copied again
//! into fresh ones with the same indexes, 500 messages or deliveries a transaction, on several connections.
//!
//! This is the limit that the hub is measured against, so nothing is looked up, checked or converted on the way, no
//! lane is locked and no statement is bound. Durability is the server's, and the same.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{SinkExt as _, TryStreamExt as _, future::try_join_all};
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::bench::rows::Written,
    task::{Failure, Supervisor},
};

/// Connections that write at once: one alone waits for the disk most of the time.
const SESSIONS: usize = 4;
/// How long a connection may take to close.
const GRACE: Duration = Duration::from_secs(5);

/// Numbers messages and deliveries by batches of 500.
const BATCHES: &str = "
WITH m AS (SELECT number, id, business_key, (row_number() OVER (ORDER BY number) - 1) / 500 AS batch FROM message_key),
     d AS (SELECT number, id, (row_number() OVER (ORDER BY number) - 1) / 500 AS batch FROM delivery)
";

/// Rows that acceptance writes: the table, and a query whose first column is the batch.
const ACCEPTED: [(&str, &str); 10] = [
    ("message_key", "SELECT m.batch, t.* FROM message_key t JOIN m USING (number)"),
    ("message", "SELECT m.batch, t.* FROM message t JOIN m USING (number)"),
    ("order_key", "SELECT min(m.batch), t.* FROM order_key t JOIN delivery d ON d.order_key = t.number JOIN m ON m.number = d.message GROUP BY t.number"),
    ("delivery", "SELECT m.batch, t.* FROM delivery t JOIN m ON m.number = t.message"),
    (
        "open_delivery",
        "SELECT m.batch, t.number, t.endpoint, t.order_key, t.lane_sequence, 'ready', true, t.created_at, t.created_at, 0,
                NULL, 0, NULL, NULL, NULL, NULL, false FROM delivery t JOIN m ON m.number = t.message",
    ),
    ("obligation", "SELECT m.batch, t.* FROM obligation t JOIN m ON m.number = t.message"),
    ("licence", "SELECT m.batch, t.* FROM licence t JOIN m ON m.business_key = t.number"),
    ("trail", "SELECT m.batch, t.* FROM trail t JOIN m ON m.id = t.message WHERE t.event = 'message.accepted'"),
    (
        "trail_unsealed",
        "SELECT m.batch, t.id, t.at FROM trail t JOIN m ON m.id = t.message WHERE t.event = 'message.accepted'",
    ),
    (
        "delivery_count_change",
        "SELECT m.batch, coalesce(t.organisation, ''), 'ready', 'none', false, count(*) FROM delivery t
         JOIN m ON m.number = t.message GROUP BY 1, 2",
    ),
];

/// Rows that settling writes, the same way.
const SETTLED: [(&str, &str); 5] = [
    ("attempt", "SELECT d.batch, t.* FROM attempt t JOIN d ON d.number = t.delivery"),
    (
        "trail",
        "SELECT d.batch, t.* FROM trail t JOIN d ON d.id = t.delivery WHERE t.event = 'delivery.attempted'",
    ),
    (
        "trail_unsealed",
        "SELECT d.batch, t.id, t.at FROM trail t JOIN d ON d.id = t.delivery WHERE t.event = 'delivery.attempted'",
    ),
    ("delivery_end", "SELECT d.batch, t.* FROM delivery_end t JOIN d USING (number)"),
    (
        "delivery_count_change",
        "SELECT d.batch, coalesce(t.organisation, ''), 'delivered', 'none', false, count(*) FROM delivery t
         JOIN d USING (number) GROUP BY 1, 2",
    ),
];

const NUMBERS: &str = "SELECT d.batch, d.number FROM d";
const CLAIM: &str = "UPDATE raw.open_delivery SET state = 'leased', claim_at = NULL, lease = 1, lease_until = next_attempt_at,
                            not_after = next_attempt_at WHERE number = ANY ($1)";
const REMOVE: &str = "DELETE FROM raw.open_delivery WHERE number = ANY ($1)";

/// One connection with the task that keeps it.
pub(super) struct Session {
    pub(super) client: Client,
    tasks: Supervisor,
}

impl Session {
    /// Connects without TLS: what is measured is on this machine, or on its way to it.
    pub(super) async fn open(url: &str) -> Result<Self, Failure> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        let mut tasks = Supervisor::new(CancellationToken::new());
        let told = tasks.token().clone();
        tasks.spawn("benchmark's own connection", async move {
            tokio::select! {
                ended = connection => Ok(ended?),
                () = told.cancelled() => Ok(()),
            }
        });
        Ok(Self { client, tasks })
    }

    /// Closes it.
    pub(super) async fn close(self) -> Result<(), Failure> {
        Ok(self.tasks.drain(GRACE).await?)
    }
}

/// Lines of one table's rows, as `COPY` writes and reads them.
type Lines = (&'static str, Bytes);
/// What one transaction writes.
type Batch = (Vec<i64>, Vec<Lines>);

/// Writes the rows of the hub's database again.
pub(super) async fn write_again(url: &str) -> Result<Written, Failure> {
    let first = Session::open(url).await?;
    let accepted = batches(&first.client, &ACCEPTED).await?;
    let settled = batches(&first.client, &SETTLED).await?;
    let tables = ACCEPTED.iter().chain(&SETTLED).map(|(table, _)| *table);
    let tables: std::collections::BTreeSet<_> = tables.collect();
    first.client.batch_execute("DROP SCHEMA IF EXISTS raw CASCADE; CREATE SCHEMA raw").await?;
    for table in tables {
        let sql = format!("CREATE TABLE raw.{table} (LIKE public.{table} INCLUDING ALL)");
        first.client.batch_execute(&sql).await?;
    }
    first.client.batch_execute("CHECKPOINT").await?;
    let counted = first
        .client
        .query_one("SELECT (SELECT count(*) FROM message_key), (SELECT count(*) FROM delivery_end)", &[]);
    let row = counted.await?;
    let (messages, deliveries) =
        (usize::try_from(row.get::<_, i64>(0))?, usize::try_from(row.get::<_, i64>(1))?);
    let mut sessions = vec![first];
    while sessions.len() < SESSIONS {
        sessions.push(Session::open(url).await?);
    }
    let accepting = timed(&sessions, &accepted, async |client, (_, lines)| copy(client, lines).await).await?;
    let claiming = timed(&sessions, &settled, async |client, (numbers, _)| {
        Ok(client.execute(CLAIM, &[numbers]).await.map(drop)?)
    });
    let claiming = claiming.await?;
    let settling = timed(&sessions, &settled, async |client, (numbers, lines)| {
        client.batch_execute("BEGIN").await?;
        client.execute(REMOVE, &[numbers]).await?;
        lay(client, lines).await?;
        Ok(client.batch_execute("COMMIT").await?)
    });
    let settling = settling.await?;
    for session in sessions {
        session.close().await?;
    }
    Ok(Written { messages, accepting, deliveries, claiming, settling })
}

/// Has every batch written by one of the sessions; how long all of it took.
async fn timed(
    sessions: &[Session],
    batches: &[Batch],
    write: impl AsyncFn(&Client, &Batch) -> Result<(), Failure>,
) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let (write, all) = (&write, sessions.len());
    try_join_all(sessions.iter().enumerate().map(|(number, session)| async move {
        for batch in batches.iter().skip(number).step_by(all) {
            write(&session.client, batch).await?;
        }
        Ok::<_, Failure>(())
    }))
    .await?;
    Ok(begun.elapsed())
}

async fn copy(client: &Client, lines: &[Lines]) -> Result<(), Failure> {
    client.batch_execute("BEGIN").await?;
    lay(client, lines).await?;
    Ok(client.batch_execute("COMMIT").await?)
}

async fn lay(client: &Client, lines: &[Lines]) -> Result<(), Failure> {
    for (table, text) in lines {
        let sink = client.copy_in(&format!("COPY raw.{table} FROM STDIN")).await?;
        let mut sink = std::pin::pin!(sink);
        sink.send(text.clone()).await?;
        sink.finish().await?;
    }
    Ok(())
}

/// Copies rows out, a list a batch, with the numbers of its deliveries.
async fn batches(client: &Client, tables: &[(&'static str, &'static str)]) -> Result<Vec<Batch>, Failure> {
    let mut batches: BTreeMap<usize, Batch> = BTreeMap::new();
    for (batch, lines) in read(client, NUMBERS).await? {
        let text = String::from_utf8(lines)?;
        let numbers: Result<Vec<i64>, _> = text.lines().map(str::parse).collect();
        batches.entry(batch).or_default().0 = numbers?;
    }
    for (table, query) in tables {
        for (batch, lines) in read(client, query).await? {
            batches.entry(batch).or_default().1.push((*table, lines.into()));
        }
    }
    Ok(batches.into_values().collect())
}

/// Rows in the text of `COPY`, by the batch that stands first.
async fn read(client: &Client, query: &str) -> Result<BTreeMap<usize, Vec<u8>>, Failure> {
    let copied = client.copy_out(&format!("COPY ({BATCHES} {query}) TO STDOUT")).await?;
    let mut copied = std::pin::pin!(copied);
    let mut found: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    // The server sends one row at a time.
    while let Some(row) = copied.try_next().await? {
        let tab = row.iter().position(|byte| *byte == b'\t').ok_or("a row without its batch")?;
        let batch = std::str::from_utf8(&row[..tab])?.parse()?;
        found.entry(batch).or_default().extend_from_slice(&row[tab + 1..]);
    }
    Ok(found)
}
