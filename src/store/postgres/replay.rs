//! Replay plans: what else is in the lanes is looked for before anything is locked; the plan itself is one transaction.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    book::{Book, Seeds},
    error::Failure,
    insert,
    runner::Job,
    session::Session,
    settle::ready,
    value::Columns as _,
    write::{self, Claimable, Done},
};
use crate::{
    domain::id::EndpointId,
    port::store::{NotPossible, Step, Way},
    store::{
        change::{
            Change,
            replay::{self, Content, Facts, Known, LATER_LIMIT},
        },
        fault::number,
    },
};

/// Does all steps with their entries, or none.
pub(super) struct Replaying {
    /// What is to be done.
    pub(super) steps: Arc<[Step]>,
    /// Or only to be tried out.
    pub(super) way: Way,
    /// The call's time.
    pub(super) now: Timestamp,
}

#[async_trait]
impl Job for Replaying {
    type Output = Done<Result<Vec<EndpointId>, Vec<NotPossible>>>;

    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure> {
        let ids: Vec<Uuid> = self.steps.iter().map(|step| step.delivery.0).collect();
        let later = later(session, &ids).await?;
        let seeds = Seeds { ids: ids.clone(), numbers: later.numbers(), ..Seeds::default() };
        let book = Book::open(session, &seeds).await?;
        // Each statement sees what was committed before it: under the locks nothing goes on.
        let facts = beside(session, &ids).await?.with_later_of(&later);
        let rows: Vec<Option<i64>> = self.steps.iter().map(|step| book.number_of(step.delivery)).collect();
        let mut change = Change::new(book, self.now);
        if let Err(refused) = replay::replay(&mut change, &self.steps, &rows, &facts, self.way)? {
            return Ok(Done { told: Err(refused), claimable: Claimable::new() });
        }
        if self.way == Way::Rehearsed {
            return Ok(Done { told: Ok(Vec::new()), claimable: Claimable::new() });
        }
        let entries: Vec<_> = self.steps.iter().map(|step| &step.entry).collect();
        insert::entries(session, &entries).await?;
        let promoted = write::book(session, &change.rows, self.now).await?;
        write::counts(session, std::mem::take(&mut change.tally)).await?;
        let ready = ready(change.rows.touched(), &promoted, self.now);
        Ok(Done { told: Ok(ready), claimable: write::claimable(&promoted).collect() })
    }
}

/// What is known of the order keys of these deliveries, with what other messages brought to them.
async fn later(session: &Session<'_>, ids: &[Uuid]) -> Result<Facts, Failure> {
    let mut facts = beside(session, ids).await?;
    if let Some((from, keys)) = facts.gaps() {
        let limit: i64 = number(LATER_LIMIT)?;
        for row in session.rows(include_str!("sql/replay_later.sql"), &[&from, &limit, &keys]).await? {
            facts.later(known(&row)?);
        }
    }
    Ok(facts)
}

async fn beside(session: &Session<'_>, ids: &[Uuid]) -> Result<Facts, Failure> {
    let mut facts = Facts::default();
    for row in session.rows(include_str!("sql/replay_beside.sql"), &[&ids]).await? {
        let content = if row.value("is_there")? { Content::There } else { Content::Gone };
        facts.beside(known(&row)?, row.number("last_sequence")?, content);
    }
    Ok(facts)
}

fn known(row: &Row) -> Result<Known, Failure> {
    Ok(Known {
        number: row.value("number")?,
        order_key: row.value("order_key")?,
        endpoint: row.text_if("endpoint")?,
        sequence: row.number("lane_sequence")?,
    })
}
