//! Reconcile: leases that ended unsettled have an unknown outcome, and that is said (promise 7).

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use metrics::counter;
use tokio_util::sync::CancellationToken;

use super::{
    dispatch::tolerate,
    settle::{Settle, Teller},
};
use crate::{
    domain::delivery::Outcome,
    port::{
        bus::{AttemptRecord, WorkOutcome},
        clock::Clock,
        store::{ExpiredLease, Store},
    },
    task::{Failure, metrics::LEASES_EXPIRED},
};

/// Leases looked at in one go.
const BATCH: usize = 500;

/// The reconciling task.
#[derive(Debug)]
pub struct Reconcile {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Settles what it finds.
    pub settle: Settle,
    /// How often it looks.
    pub every: Duration,
}

impl Reconcile {
    /// Runs until told to end.
    pub async fn run(self, token: CancellationToken) -> Result<(), Failure> {
        loop {
            self.sweep().await?;
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }

    /// Settles every lease that has ended.
    pub async fn sweep(&self) -> Result<(), Failure> {
        loop {
            let now = self.clock.now();
            let expired = match self.store.expired(now, BATCH).await {
                Ok(expired) => expired,
                Err(error) => return tolerate(error),
            };
            let count = expired.len();
            if count == 0 {
                return Ok(());
            }
            counter!(LEASES_EXPIRED).increment(count as u64);
            tracing::warn!(count, "leases ended without an outcome");
            let outcomes = expired.into_iter().map(|lease| outcome(lease, now)).collect();
            self.settle.settle(outcomes, Teller::Hub).await?;
        }
    }
}

fn outcome(lease: ExpiredLease, now: Timestamp) -> WorkOutcome {
    let attempt = AttemptRecord {
        started_at: now,
        ended_at: now,
        peer: "".into(),
        sent_digest: None,
        answer_digest: None,
        sent_sm3: None,
        answer_sm3: None,
        status: None,
        detail: "the lease ended without an outcome: the worker or the hub stopped meanwhile".into(),
        adapter_version: "".into(),
    };
    WorkOutcome { work: lease.work, outcome: Outcome::Unknown, attempt }
}
