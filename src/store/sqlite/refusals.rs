//! Salts of refusals.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::params;

use super::{
    SqliteStore,
    error::number,
    insert,
    value::{Columns as _, Id, Time},
};
use crate::port::store::{EntryId, Error, NewEntry, Refusals, Refused};

#[async_trait]
impl Refusals for SqliteStore {
    async fn refusals(&self, after: Option<EntryId>, limit: usize) -> Result<Vec<Refused>, Error> {
        self.readers
            .read(move |connection| {
                let sql =
                    "SELECT r.entry, r.salt, t.body, s.position FROM refusal r JOIN trail t ON t.id = r.entry
                           LEFT JOIN trail_sealed s ON s.entry = t.number
                           WHERE ?1 IS NULL OR r.entry > ?1 ORDER BY r.entry LIMIT ?2";
                let mut statement = connection.prepare_cached(sql)?;
                let parameters = params![after.map(|id| Id(id.0)), number::<_, i64>(limit)?];
                let rows = statement.query_map(parameters, |row| {
                    Ok(Refused {
                        id: EntryId(row.id("entry")?),
                        position: row.get::<_, Option<i64>>("position")?.map(i64::unsigned_abs),
                        body: row.get::<_, Vec<u8>>("body")?.into(),
                        salt: row.get("salt")?,
                    })
                })?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn erase_refusals(&self, before: Timestamp, entry: Option<NewEntry>) -> Result<u64, Error> {
        let Some(entry) = entry else {
            return self
                .readers
                .read(move |connection| {
                    let sql = "SELECT count(*) AS found FROM refusal WHERE at < ?1";
                    let found = |row: &rusqlite::Row<'_>| row.get::<_, i64>("found").map(i64::unsigned_abs);
                    Ok(connection.prepare_cached(sql)?.query_row([Time(before)], found)?)
                })
                .await;
        };
        self.writer
            .write(1, move |connection, _| {
                // What was in the pages is overwritten, not only given up.
                connection.pragma_update(None, "secure_delete", true)?;
                let erased = connection
                    .prepare_cached("DELETE FROM refusal WHERE at < ?1")?
                    .execute([Time(before)])?;
                if erased > 0 {
                    insert::entries(connection, [&entry])?;
                }
                number(erased)
            })
            .await
    }
}
