//! The stamper: has an authority stamp the latest checkpoint, now and then (RFC 3161).
//!
//! One stamp covers all checkpoints before it, since the log only grows. Promises that nothing else waits for it: an
//! authority that is away costs stamps and no message, and is alarmed about once the grace is over. Leaves sealing to
//! the sealer, and the check of stamps to [`crate::evidence::timestamp`].

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use metrics::gauge;
use tokio_util::sync::CancellationToken;

use super::dispatch::tolerate;
use crate::{
    evidence::{
        checkpoint::{SignedCheckpoint, TIME},
        timestamp::{Authorities, Question, Stamp, verify},
    },
    port::{
        authority::TimeAuthority,
        clock::Clock,
        store::{self, StampRow, Store},
    },
    task::{
        Failure,
        metrics::{STAMP_LAG, STAMP_OVERDUE},
    },
};

/// Stamps read at once.
const PAGE: usize = 100;

/// The stamping task.
#[derive(Debug)]
pub struct Stamper {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Is asked.
    pub authority: Arc<dyn TimeAuthority>,
    /// Whose stamps count.
    pub authorities: Authorities,
    /// Rhythm.
    pub every: Duration,
    /// How long a checkpoint may wait for a stamp.
    pub grace: Duration,
}

impl Stamper {
    /// Runs until told to end.
    pub async fn run(self, token: CancellationToken) -> Result<(), Failure> {
        let mut overdue = Overdue::No;
        loop {
            if let Err(error) = self.step().await {
                tracing::warn!(%error, "the latest checkpoint was not stamped, trying again");
            }
            match self.measure().await {
                Ok(now) => overdue = overdue.told(now),
                Err(error) => tolerate(error)?,
            }
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }

    /// One stamp, where a checkpoint is new.
    async fn step(&self) -> Result<(), Failure> {
        let state = self.store.sealer_state().await?;
        let last = self.store.last_stamp().await?.map_or(0, |last| last.size);
        let Some(note) = state.checkpoint.filter(|_| state.size > last) else { return Ok(()) };
        let question = Question::about(note.as_bytes())?;
        let answer = self.authority.ask(question.to_bytes()?).await?;
        let Stamp { time, token } = question.answered(&answer, &self.authorities)?;
        // Another hub may have had it stamped meanwhile; one stamp is enough.
        self.store.add_stamp(StampRow { size: state.size, note, at: time, token: token.into() }).await?;
        Ok(())
    }

    /// How long the oldest checkpoint without a stamp has waited.
    async fn measure(&self) -> Result<Overdue, store::Error> {
        let last = self.store.last_stamp().await?.map_or(0, |last| last.size);
        let oldest = self.store.checkpoints(last, 1).await?.into_iter().next();
        let since = oldest.and_then(|(_, note)| {
            let signed = SignedCheckpoint::parse(&note).ok()?;
            signed.checkpoint().extension(TIME)?.parse::<Timestamp>().ok()
        });
        let lag = since.map_or(0.0, |since| since.duration_until(self.clock.now()).as_secs_f64());
        let overdue = if lag > self.grace.as_secs_f64() { Overdue::Yes } else { Overdue::No };
        gauge!(STAMP_LAG).set(lag);
        gauge!(STAMP_OVERDUE).set(if overdue == Overdue::Yes { 1.0 } else { 0.0 });
        Ok(overdue)
    }
}

/// Whether a checkpoint has waited longer than the grace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overdue {
    No,
    Yes,
}

impl Overdue {
    /// Says a change, once.
    fn told(self, now: Self) -> Self {
        match (self, now) {
            (Self::No, Self::Yes) => {
                tracing::error!("no authority has stamped the checkpoints for longer than the grace");
            }
            (Self::Yes, Self::No) => tracing::info!("the checkpoints are stamped again"),
            _ => {}
        }
        now
    }
}

/// Checks every stamp of a store: how many there are, or the first that does not hold, with its size.
pub async fn check(
    store: &dyn Store,
    authorities: &Authorities,
) -> Result<Result<u64, String>, store::Error> {
    let (mut after, mut count) = (0, 0);
    loop {
        let stamps = store.stamps(after, PAGE).await?;
        if stamps.is_empty() {
            return Ok(Ok(count));
        }
        for StampRow { size, note, at, token } in stamps {
            let held = verify(&token, note.as_bytes(), authorities);
            let is_as_kept = held.as_ref().is_ok_and(|stamp| stamp.time == at);
            let checkpoints = store.checkpoints(size.saturating_sub(1), PAGE).await?;
            let is_there = checkpoints.iter().any(|(its, kept)| (*its, kept) == (size, &note));
            if let Err(error) = held {
                return Ok(Err(format!("the time stamp of size {size} does not hold: {error}")));
            }
            if !is_as_kept || !is_there {
                return Ok(Err(format!("the time stamp of size {size} is of another time or checkpoint")));
            }
            (after, count) = (size, count + 1);
        }
    }
}
