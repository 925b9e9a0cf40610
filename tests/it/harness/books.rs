//! What a hub's store holds, read beside it: counts that a refused message must not change, and the lock
//! that stalls its writer.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, types::ValueRef};
use serde_json::Value;
use uuid::Uuid;

use super::hub::Hub;

/// The store of a hub, opened beside it.
#[derive(Debug)]
pub(crate) struct Books(Connection);

/// What a refused message changes nothing of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) messages: u64,
    pub(crate) deliveries: u64,
    pub(crate) obligations: u64,
}

impl Books {
    /// To look into, and to write where a test tampers.
    pub(crate) fn of(hub: &Hub) -> Self {
        Self::at(&hub.data())
    }

    /// Those of a data directory.
    pub(crate) fn at(data: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self(Connection::open_with_flags(data.join("liandong.db"), flags).unwrap())
    }

    /// How much is stored.
    pub(crate) fn counts(&self) -> Counts {
        let count = |table: &str| self.number(&format!("SELECT count(*) FROM {table}"));
        Counts {
            messages: count("message_key"),
            deliveries: count("delivery"),
            obligations: count("obligation"),
        }
    }

    /// A number that a query gives.
    pub(crate) fn number(&self, sql: &str) -> u64 {
        let number: i64 = self.0.query_row(sql, [], |row| row.get(0)).unwrap();
        number.try_into().unwrap()
    }

    /// Ids of the deliveries to an organisation that are in a state.
    pub(crate) fn deliveries_to(&self, organisation: &str, state: &str) -> Vec<String> {
        let sql = "SELECT delivery.id FROM delivery LEFT JOIN open_delivery USING (number) \
                   WHERE organisation = ?1 AND coalesce(open_delivery.state, final_state) = ?2";
        let mut statement = self.0.prepare(sql).unwrap();
        let rows = statement.query_map([organisation, state], |row| row.get::<_, [u8; 16]>(0)).unwrap();
        rows.map(|id| Uuid::from_bytes(id.unwrap()).to_string()).collect()
    }

    /// What the trail says of refusals, oldest first.
    pub(crate) fn refusals(&self) -> Vec<Value> {
        let sql = "SELECT body FROM trail WHERE event = 'message.refused' ORDER BY number";
        self.bodies(sql).iter().map(|entry| entry["data"].clone()).collect()
    }

    /// Bodies of trail entries.
    pub(crate) fn bodies(&self, sql: &str) -> Vec<Value> {
        let mut statement = self.0.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        rows.map(|body| serde_json::from_slice(&body.unwrap()).unwrap()).collect()
    }

    /// Every table, with the bytes of all its values.
    pub(crate) fn tables(&self) -> Vec<(String, Vec<u8>)> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table'";
        let mut statement = self.0.prepare(sql).unwrap();
        let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let table = |name: rusqlite::Result<String>| {
            let name = name.unwrap();
            let mut statement = self.0.prepare(&format!("SELECT * FROM \"{name}\"")).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            let mut bytes = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                for column in 0..columns {
                    match row.get_ref(column).unwrap() {
                        ValueRef::Text(value) | ValueRef::Blob(value) => bytes.extend_from_slice(value),
                        _ => {}
                    }
                    bytes.push(b'\n');
                }
            }
            (name, bytes)
        };
        names.map(table).collect()
    }

    /// A text that a query gives.
    pub(crate) fn text(&self, sql: &str) -> String {
        self.0.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Changes what is stored, by one or several statements.
    pub(crate) fn tamper(&self, sql: &str) {
        let before = self.0.total_changes();
        self.0.execute_batch(sql).unwrap();
        assert!(self.0.total_changes() > before, "changed nothing: {sql}");
    }

    /// Holds the lock that the hub's writer needs, until released.
    pub(crate) fn stall(&self) {
        self.0.execute_batch("BEGIN IMMEDIATE").unwrap();
    }

    /// Lets the writer go on.
    pub(crate) fn release(&self) {
        self.0.execute_batch("ROLLBACK").unwrap();
    }
}
