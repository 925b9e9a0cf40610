//! Partitions by month, made ahead of time. Rows of a month that has none go into the default partition, so
//! that nothing is ever refused for want of one; a default partition with such rows is told, since retention
//! cannot drop them by the month.

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date, tz::Offset};

use super::{error::Failure, runner::Job, session::Session, value::Columns as _};
use crate::store::fault::damaged;

/// The tables that are partitioned, each with the column that decides.
const TABLES: [&str; 3] = ["message", "attempt", "trail"];
/// Months made ahead of the present one.
const AHEAD: i32 = 2;

/// Makes the partitions of the months around `now`, where they are missing.
pub(super) struct Ahead {
    /// The database's time.
    pub(super) now: Timestamp,
}

/// The first day of the month that is `ahead` of that of `now`, in UTC.
pub(super) fn month(now: Timestamp, ahead: i32) -> Result<Date, Failure> {
    let first = Offset::UTC.to_datetime(now).date().first_of_month();
    let span = jiff::Span::new().try_months(ahead);
    let month = span.and_then(|span| first.checked_add(span));
    Ok(month.map_err(|error| damaged(format_args!("no month {ahead} from {now}: {error}")))?)
}

#[async_trait]
impl Job for Ahead {
    type Output = ();

    async fn run(&self, session: &Session<'_>) -> Result<(), Failure> {
        // Two hubs at once would make the same; one is enough.
        let alone = session.row("SELECT pg_try_advisory_xact_lock(19524, 5) AS alone", &[]).await?;
        if !alone.value("alone")? {
            return Ok(());
        }
        for ahead in -1..=AHEAD {
            let (from, until) = (month(self.now, ahead)?, month(self.now, ahead + 1)?);
            for table in TABLES {
                make(session, table, from, until).await?;
            }
        }
        Ok(())
    }
}

async fn make(session: &Session<'_>, table: &str, from: Date, until: Date) -> Result<(), Failure> {
    let name = format!("{table}_{:04}_{:02}", from.year(), from.month());
    let there = session.row("SELECT to_regclass($1) IS NOT NULL AS there", &[&name]).await?;
    if there.value("there")? {
        return Ok(());
    }
    // Attached, not created in place: writers of the table itself go on meanwhile.
    session.run("SAVEPOINT month").await?;
    let made = session
        .run(&format!(
            "CREATE TABLE {name} (LIKE {table} INCLUDING ALL);
             ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{from} 00:00:00+00') TO ('{until} 00:00:00+00');"
        ))
        .await;
    match made {
        Ok(()) => {}
        Err(failure) if is_taken(&failure) => {
            session.back_to("month").await?;
            tracing::warn!(table, month = %from, "rows of this month are in the default partition; no partition is made for it");
        }
        Err(failure) => return Err(failure),
    }
    session.run("RELEASE month").await
}

/// The default partition has rows of the month.
fn is_taken(failure: &Failure) -> bool {
    let Failure::Server(error) = failure else { return false };
    error.code() == Some(&tokio_postgres::error::SqlState::CHECK_VIOLATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_counted_over_the_end_of_the_year() {
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let months: Vec<String> = (-1..=2).map(|ahead| month(now, ahead).unwrap().to_string()).collect();
        assert_eq!(months, ["2026-10-01", "2026-11-01", "2026-12-01", "2027-01-01"]);
    }
}
