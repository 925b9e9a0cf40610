//! Time stamps of checkpoints.

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, Row, params};

use super::{
    SqliteStore,
    error::number,
    value::{Columns as _, Time},
};
use crate::port::store::{Error, StampRow, Stamps};

#[async_trait]
impl Stamps for SqliteStore {
    async fn add_stamp(&self, stamp: StampRow) -> Result<bool, Error> {
        self.writer
            .write(1, move |connection, _| {
                let StampRow { size, note, at, token } = &stamp;
                let size: i64 = number(*size)?;
                let sql = "INSERT INTO stamp (size, note, at, token) VALUES (?1, ?2, ?3, ?4)
                           ON CONFLICT (size) DO NOTHING";
                let added = connection.prepare_cached(sql)?.execute(params![
                    size,
                    note,
                    Time(*at),
                    token.as_ref()
                ])?;
                Ok(added > 0)
            })
            .await
    }

    async fn stamps(&self, after: u64, limit: usize) -> Result<Vec<StampRow>, Error> {
        self.readers
            .read(move |connection| {
                let (after, limit): (i64, i64) = (number(after)?, number(limit)?);
                let sql = "SELECT size, note, at, token FROM stamp WHERE size > ?1 ORDER BY size LIMIT ?2";
                let mut statement = connection.prepare_cached(sql)?;
                let rows = statement.query_map([after, limit], stamp)?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
    }

    async fn last_stamp(&self) -> Result<Option<StampRow>, Error> {
        self.readers
            .read(|connection| {
                let sql = "SELECT size, note, at, token FROM stamp ORDER BY size DESC LIMIT 1";
                Ok(connection.prepare_cached(sql)?.query_row([], stamp).optional()?)
            })
            .await
    }
}

fn stamp(row: &Row<'_>) -> rusqlite::Result<StampRow> {
    Ok(StampRow {
        size: row.get::<_, i64>("size")?.unsigned_abs(),
        note: row.get("note")?,
        at: row.time("at")?,
        token: row.get::<_, Vec<u8>>("token")?.into(),
    })
}
