//! Rows written straight to SQLite: the same rows that a hub wrote, read from its database and written
//! again into a fresh one, by nothing but prepared statements in transactions of 500 messages.
//!
//! This is the limit that the hub is measured against, so nothing is looked up, checked or converted on the
//! way: no uniqueness but that of the indexes, no foreign keys, no verdicts. Durability is the same.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags, params_from_iter, types::Value};

use super::figures::Rate;

/// Messages, or deliveries, in one transaction.
pub(super) const BATCH: usize = 500;

/// Rows that acceptance writes: the table, and a query whose first column is the message's number.
const ACCEPTED: [(&str, &str); 10] = [
    ("message_key", "SELECT number, * FROM message_key"),
    ("message", "SELECT number, * FROM message"),
    ("licence", "SELECT k.number, l.* FROM licence l JOIN message_key k ON k.business_key = l.number"),
    ("order_key", "SELECT d.message, o.* FROM order_key o JOIN delivery d ON d.order_key = o.number GROUP BY o.number"),
    (
        "delivery",
        "SELECT message, number, id, message, organisation, endpoint, part, share, on_behalf_of, redaction, rule,
                order_key, lane_sequence, created_at, first_hop, moment, relay, authorisation, 'none', NULL, NULL,
                NULL, NULL, NULL, NULL, NULL, NULL FROM delivery",
    ),
    (
        "open_delivery",
        "SELECT message, number, endpoint, order_key, lane_sequence, 'ready', 1, created_at, created_at, 0, NULL, 0,
                NULL, NULL, NULL, NULL, 0 FROM delivery",
    ),
    ("obligation", "SELECT message, * FROM obligation"),
    (
        "trail",
        "SELECT k.number, t.* FROM trail t JOIN message_key k ON k.id = t.message WHERE t.event = 'message.accepted'",
    ),
    (
        "trail_unsealed",
        "SELECT k.number, t.number FROM trail t JOIN message_key k ON k.id = t.message
         WHERE t.event = 'message.accepted'",
    ),
    (
        "delivery_count",
        "SELECT max(message), coalesce(organisation, ''), 'ready', 'none', 0, count(*) FROM delivery
         GROUP BY message / 500, organisation",
    ),
];

/// Deliveries as their claims and settlements need them.
const SETTLED: &str = "
SELECT d.number, d.final_state, d.ended_at, d.attempts, d.lease, d.detail, d.handed_over_at,
       a.lease, a.outcome, a.recorded_at, a.attempt, a.started_at, a.ended_at, a.peer, a.sent_digest, a.answer_digest,
       a.status, a.detail, a.adapter_version, a.sent_sm3, a.answer_sm3, a.salt, t.number, t.id, t.at, t.event, t.message, t.delivery, t.body
FROM delivery d
JOIN attempt a ON a.delivery = d.number
JOIN trail t ON t.delivery = d.id AND t.event = 'delivery.attempted'
WHERE d.final_state = 'delivered'
ORDER BY d.number";

const CLAIM: &str = "UPDATE open_delivery SET state = 'leased', claim_at = NULL, lease = 1, lease_until = ?2, not_after = ?2 WHERE number = ?1";
const ATTEMPT: &str = "INSERT INTO attempt VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
const ENTRY: &str = "INSERT INTO trail VALUES (?,?,?,?,?,?,?)";
const UNSEALED: &str = "INSERT INTO trail_unsealed VALUES (?)";
const REMOVE: &str = "DELETE FROM open_delivery WHERE number = ?";
const END: &str =
    "UPDATE delivery SET final_state = ?2, ended_at = ?3, attempts = ?4, lease = ?5, detail = ?6,
                   handed_over_at = ?7 WHERE number = ?1";

/// What was written, and how long each part took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) messages: usize,
    pub(super) accepting: Duration,
    pub(super) deliveries: usize,
    pub(super) claiming: Duration,
    pub(super) settling: Duration,
}

impl Written {
    /// Messages whose rows the database takes alone.
    pub(super) fn rows(&self) -> Rate {
        Rate::of(self.messages, self.accepting)
    }

    /// Deliveries whose rows of claiming and of settling it takes alone.
    pub(super) fn settlements(&self) -> [Rate; 2] {
        [Rate::of(self.deliveries, self.claiming), Rate::of(self.deliveries, self.settling)]
    }
}

/// Writes the rows of the hub's database `from` again into the new file `to`.
pub(super) fn write_again(from: &Path, to: &Path) -> rusqlite::Result<Written> {
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let target = fresh(&source, to)?;
    let (messages, accepting) = accept(&source, &target)?;
    let settled = all(&source, SETTLED)?;
    let claiming = claim(&target, &settled)?;
    let settling = settle(&target, &settled)?;
    Ok(Written { messages, accepting, deliveries: settled.len(), claiming, settling })
}

/// One-row commits, one by one.
#[derive(Debug)]
pub(super) struct OneRow {
    connection: Connection,
    body: Vec<u8>,
}

impl OneRow {
    /// A table of one column in the new file `path`.
    pub(super) fn open(path: &Path, bytes: usize) -> rusqlite::Result<Self> {
        let connection = durable(path)?;
        connection
            .execute_batch("CREATE TABLE one (number INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")?;
        Ok(Self { connection, body: vec![b'.'; bytes] })
    }

    /// Commits one row; how long it took.
    pub(super) fn commit(&self) -> rusqlite::Result<Duration> {
        let begun = Instant::now();
        self.connection.prepare_cached("INSERT INTO one (body) VALUES (?1)")?.execute([&self.body])?;
        Ok(begun.elapsed())
    }
}

type Row = Vec<Value>;

fn accept(source: &Connection, target: &Connection) -> rusqlite::Result<(usize, Duration)> {
    let mut tables = Vec::new();
    let mut messages = 0;
    for (table, query) in ACCEPTED {
        let mut rows = all(source, &format!("{query} ORDER BY 1"))?;
        messages = if table == "message_key" { rows.len() } else { messages };
        // From the end, so that the next rows are taken off without moving the others.
        rows.reverse();
        let Some(columns) = rows.first().map(|row| row.len() - 1) else { continue };
        let marks = vec!["?"; columns].join(",");
        let more = if table == "delivery_count" {
            " ON CONFLICT DO UPDATE SET deliveries = deliveries + excluded.deliveries"
        } else {
            ""
        };
        tables.push((target.prepare(&format!("INSERT INTO {table} VALUES ({marks}){more}"))?, rows));
    }
    let numbers: Vec<Value> = tables
        .first()
        .map_or(Vec::new(), |(_, rows)| rows.iter().rev().filter_map(|row| row.first().cloned()).collect());
    let begun = Instant::now();
    for batch in numbers.chunks(BATCH) {
        transaction(target, || {
            for number in batch {
                for (insert, rows) in &mut tables {
                    while let Some(row) = rows.pop_if(|row| row.first() == Some(number)) {
                        insert.execute(params_from_iter(&row[1..]))?;
                    }
                }
            }
            Ok(())
        })?;
    }
    Ok((messages, begun.elapsed()))
}

fn claim(target: &Connection, settled: &[Row]) -> rusqlite::Result<Duration> {
    let mut claim = target.prepare(CLAIM)?;
    let begun = Instant::now();
    for batch in settled.chunks(BATCH) {
        transaction(target, || batch.iter().try_for_each(|row| claim.execute([&row[0], &row[2]]).map(drop)))?;
    }
    Ok(begun.elapsed())
}

fn settle(target: &Connection, settled: &[Row]) -> rusqlite::Result<Duration> {
    let mut attempt = target.prepare(ATTEMPT)?;
    let mut entry = target.prepare(ENTRY)?;
    let mut unsealed = target.prepare(UNSEALED)?;
    let mut remove = target.prepare(REMOVE)?;
    let mut end = target.prepare(END)?;
    let begun = Instant::now();
    for batch in settled.chunks(BATCH) {
        transaction(target, || {
            for row in batch {
                attempt.execute(params_from_iter(row[..1].iter().chain(&row[7..22])))?;
                entry.execute(params_from_iter(&row[22..]))?;
                unsealed.execute([&row[22]])?;
                remove.execute([&row[0]])?;
                end.execute(params_from_iter(&row[..7]))?;
            }
            Ok(())
        })?;
    }
    Ok(begun.elapsed())
}

fn transaction(connection: &Connection, work: impl FnOnce() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    work()?;
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

fn all(connection: &Connection, query: &str) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare(query)?;
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect())?;
    rows.collect()
}

/// A new database with the tables of another.
fn fresh(source: &Connection, path: &Path) -> rusqlite::Result<Connection> {
    let target = durable(path)?;
    let statements = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'";
    for row in all(source, statements)? {
        if let Some(Value::Text(sql)) = row.first() {
            target.execute_batch(sql)?;
        }
    }
    Ok(target)
}

/// As durable as the hub's own writer, with the same log and cache.
fn durable(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 4_096)?;
    connection.pragma_update(None, "cache_size", -64 * 1024)?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}
