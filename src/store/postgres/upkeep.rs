//! What must be done now and then: counts folded, months made ahead, the clock read. It rides on sealing, which
//! happens on every hub as long as anything does; a hub that finds another at it leaves it alone.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::civil::Date;

use super::{
    clock::{DatabaseClock, Look},
    error::Failure,
    partition::{self, Ahead},
    runner::{Job, Runner},
    session::Session,
    value::Columns as _,
};
use crate::port::{clock::Clock, store::Error};

/// What this hub knows of it.
#[derive(Debug)]
pub(super) struct Upkeep {
    clock: DatabaseClock,
    /// The last month for which partitions were made ahead.
    month: Mutex<Option<Date>>,
}

impl Upkeep {
    /// Reads the clock and makes the first partitions.
    pub(super) async fn start(runner: &Runner, clock: DatabaseClock) -> Result<Self, Error> {
        let upkeep = Self::look(runner, clock).await?;
        upkeep.clock.judge();
        upkeep.months(runner).await?;
        Ok(upkeep)
    }

    /// Reads the clock alone.
    pub(super) async fn look(runner: &Runner, clock: DatabaseClock) -> Result<Self, Error> {
        let upkeep = Self { clock, month: Mutex::default() };
        runner.read(Look(upkeep.clock.clone())).await?;
        Ok(upkeep)
    }

    /// The database's clock.
    pub(super) fn clock(&self) -> DatabaseClock {
        self.clock.clone()
    }

    /// Does what is due. Nothing of it is worth failing for: it is done the next time.
    pub(super) async fn run(&self, runner: &Runner) {
        let looked = runner.read(Look(self.clock.clone())).await;
        let made = self.months(runner).await;
        let folded = runner.write(Fold).await;
        for outcome in [looked, made, folded] {
            if let Err(error) = outcome {
                tracing::warn!(%error, "upkeep of the database failed, it is tried again");
            }
        }
    }

    async fn months(&self, runner: &Runner) -> Result<(), Error> {
        let now = self.clock.now();
        let month = partition::month(now, 0)?;
        if *self.month.lock().unwrap_or_else(PoisonError::into_inner) == Some(month) {
            return Ok(());
        }
        runner.write(Ahead { now }).await?;
        *self.month.lock().unwrap_or_else(PoisonError::into_inner) = Some(month);
        Ok(())
    }
}

/// Folds the changes of counts into the totals.
struct Fold;

#[async_trait]
impl Job for Fold {
    type Output = ();

    async fn run(&self, session: &Session<'_>) -> Result<(), Failure> {
        let alone = session.row("SELECT pg_try_advisory_xact_lock(19524, 4) AS alone", &[]).await?;
        if alone.value("alone")? {
            session.execute(include_str!("sql/count_fold.sql"), &[]).await?;
        }
        Ok(())
    }
}
