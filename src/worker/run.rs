//! The worker loop of one endpoint: takes work, makes attempts, reports outcomes. Bounded by the
//! endpoint's window; ends after what was queued when the bus closes.

use std::{mem, sync::Arc};

use async_trait::async_trait;
use futures::{StreamExt as _, stream::FuturesUnordered};
use jiff::SignedDuration;

use crate::{
    domain::{delivery::Outcome, id::EndpointId},
    port::{
        bus::{AttemptRecord, Brought, Bus, Work, WorkOutcome},
        clock::Clock,
    },
    task::Failure,
};

/// Makes one attempt at a target.
#[async_trait]
pub trait Target: std::fmt::Debug + Send + Sync {
    /// Attempts the delivery; returns inside the time-out. None when the target has it to answer later: its outcome
    /// comes by itself, under the lease.
    async fn attempt(&self, work: &Work) -> Option<(Outcome, AttemptRecord)>;

    /// Longest attempt, milliseconds.
    fn timeout_ms(&self) -> u64;

    /// Attempts at once.
    fn window(&self) -> usize;

    /// Whether an attempt that somebody may have begun already may be made again.
    fn may_repeat(&self) -> bool;
}

/// Runs one endpoint's work.
#[derive(Debug)]
pub struct Runner {
    /// Whose work.
    pub endpoint: EndpointId,
    /// Where from and where to.
    pub bus: Arc<dyn Bus>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The target system.
    pub target: Arc<dyn Target>,
}

impl Runner {
    /// Runs until the bus is closed and the last attempt is reported.
    pub async fn run(self) -> Result<(), Failure> {
        let result = self.serve().await;
        self.bus.finish(&self.endpoint).await;
        result
    }

    /// Attempts go on while outcomes are reported; those that end meanwhile are reported together.
    async fn serve(&self) -> Result<(), Failure> {
        let window = self.target.window();
        let mut source = self.bus.work(&self.endpoint).await?;
        let mut attempts = FuturesUnordered::new();
        let mut ended = Vec::new();
        let mut reporting = FuturesUnordered::new();
        let mut open = true;
        while open || !attempts.is_empty() || !reporting.is_empty() || !ended.is_empty() {
            if reporting.is_empty() && !ended.is_empty() {
                reporting.push(self.bus.send_outcomes(mem::take(&mut ended)));
            }
            let has_room = attempts.len() < window && ended.len() < window;
            tokio::select! {
                work = source.next(), if open && has_room => match work {
                    Some(work) => match self.objection(&work) {
                        None => attempts.push(self.attempt(work)),
                        Some(why) => {
                            tracing::warn!(delivery = %work.delivery, why, "copy dropped, its lease ends as unknown");
                            source.dismiss(work).await;
                        }
                    },
                    None => open = false,
                },
                Some(attempted) = attempts.next() => match attempted {
                    Ok(outcome) => ended.push(outcome),
                    Err(handed_out) => source.dismiss(handed_out).await,
                },
                Some(reported) = reporting.next() => reported?,
            }
        }
        Ok(())
    }

    /// Why no attempt is made at a copy.
    fn objection(&self, work: &Work) -> Option<&'static str> {
        if !self.has_time(work) {
            Some("too late to start")
        } else if work.brought == Brought::Again && !self.target.may_repeat() {
            Some("a worker that is gone may have begun it, and the adapter does not allow a repeat")
        } else {
            None
        }
    }

    /// Whether a whole attempt fits in before the lease is given to another.
    fn has_time(&self, work: &Work) -> bool {
        let timeout = SignedDuration::from_millis(self.target.timeout_ms().cast_signed());
        self.clock.now().checked_add(timeout).is_ok_and(|end| end <= work.not_after)
    }

    /// The end of an attempt; the work again when that comes by itself.
    async fn attempt(&self, work: Work) -> Result<WorkOutcome, Work> {
        match self.target.attempt(&work).await {
            Some((outcome, attempt)) => Ok(WorkOutcome { work, outcome, attempt }),
            None => Err(work),
        }
    }
}
