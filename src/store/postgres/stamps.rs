//! Time stamps of checkpoints.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::{
    PostgresStore,
    error::Failure,
    runner::Job,
    session::Session,
    value::{Columns as _, Time},
};
use crate::{
    port::store::{Error, StampRow, Stamps},
    store::fault::number,
};

#[async_trait]
impl Stamps for PostgresStore {
    async fn add_stamp(&self, stamp: StampRow) -> Result<bool, Error> {
        self.runner.write(Add(stamp)).await
    }

    async fn stamps(&self, after: u64, limit: usize) -> Result<Vec<StampRow>, Error> {
        self.runner.read(After(after, limit)).await
    }

    async fn last_stamp(&self) -> Result<Option<StampRow>, Error> {
        self.runner.read(Last).await
    }
}

struct Add(StampRow);

#[async_trait]
impl Job for Add {
    type Output = bool;

    async fn run(&self, session: &Session<'_>) -> Result<bool, Failure> {
        let StampRow { size, note, at, token } = &self.0;
        let size: i64 = number(*size)?;
        let sql =
            "INSERT INTO stamp (size, note, at, token) VALUES ($1, $2, $3, $4) ON CONFLICT (size) DO NOTHING";
        Ok(session.execute(sql, &[&size, note, &Time(*at), &token.as_ref()]).await? > 0)
    }
}

struct After(u64, usize);

#[async_trait]
impl Job for After {
    type Output = Vec<StampRow>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let (after, limit): (i64, i64) = (number(self.0)?, number(self.1)?);
        let sql = "SELECT size, note, at, token FROM stamp WHERE size > $1 ORDER BY size LIMIT $2";
        session.rows(sql, &[&after, &limit]).await?.iter().map(stamp).collect()
    }
}

struct Last;

#[async_trait]
impl Job for Last {
    type Output = Option<StampRow>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let sql = "SELECT size, note, at, token FROM stamp ORDER BY size DESC LIMIT 1";
        session.row_if(sql, &[]).await?.as_ref().map(stamp).transpose()
    }
}

fn stamp(row: &Row) -> Result<StampRow, Failure> {
    Ok(StampRow {
        size: row.number("size")?,
        note: row.value("note")?,
        at: row.time("at")?,
        token: row.bytes("token")?,
    })
}
