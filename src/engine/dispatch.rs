//! Dispatch: claims due lane heads for endpoints with room and puts them on the bus.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use jiff::{SignedDuration, Timestamp};
use metrics::counter;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    desk::Desk,
    settle::{Settle, Teller},
    trail::{self, About},
};
use crate::{
    domain::delivery::{Next, Outcome},
    port::{
        bus::{self, AttemptRecord, Bus, Work, WorkOutcome},
        clock::Clock,
        store::{self, Claim, Counts, Settlement, Store, Want},
    },
    task::{Failure, metrics::STORE_ERRORS},
};

/// Claims on their way to the bus at once: the next is made while those before are confirmed.
const PIPELINE: usize = 4;

/// What was claimed and is on its way to the bus.
type Sends<'a> = FuturesUnordered<BoxFuture<'a, Result<(), Failure>>>;

/// Numbers of dispatch.
#[derive(Clone, Copy, Debug)]
pub struct DispatchLimits {
    /// Deliveries claimed in one call for one endpoint.
    pub claim_limit: usize,
    /// Between the end of the slowest attempt and the end of the lease, milliseconds.
    pub lease_margin_ms: u64,
    /// How often the store is asked though nothing rang, milliseconds.
    pub idle_scan_ms: u64,
}

/// The dispatching task.
#[derive(Debug)]
pub struct Dispatch {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// The transport.
    pub bus: Arc<dyn Bus>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is with workers.
    pub desk: Arc<Desk>,
    /// Settles what nobody can send.
    pub settle: Settle,
    /// Limits.
    pub limits: DispatchLimits,
    /// Longest time-out of any endpoint, milliseconds.
    pub timeout_ms: u64,
}

impl Dispatch {
    /// Runs until told to end; then closes the bus, so that workers end after what was claimed.
    pub async fn run(self, token: CancellationToken) -> Result<(), Failure> {
        let mut sends = Sends::new();
        self.look().await?;
        while !token.is_cancelled() {
            if let Some(left) = self.bus.handed_back().now_or_never() {
                beside(&mut sends, self.take_back(left)).await??;
            }
            let now = self.clock.now();
            if self.desk.take_due(now) {
                beside(&mut sends, self.look()).await??;
            }
            if sends.len() == PIPELINE {
                sends.next().await.transpose()?;
                continue;
            }
            let wants = self.wants(now);
            if wants.is_empty() {
                beside(&mut sends, self.rest(&token, now)).await??;
                continue;
            }
            let ready = async {
                tokio::select! {
                    () = token.cancelled() => false,
                    () = self.bus.ready() => true,
                }
            };
            if beside(&mut sends, ready).await? {
                let work = beside(&mut sends, self.claim(&wants, self.clock.now())).await??;
                sends.push(Box::pin(self.send(work)));
            } else {
                self.desk.unclaimed(&wants);
            }
        }
        while let Some(sent) = sends.next().await {
            sent?;
        }
        if let Some(left) = self.bus.handed_back().now_or_never() {
            self.take_back(left).await?;
        }
        self.bus.close().await;
        Ok(())
    }

    /// Room at endpoints whose work somebody takes. The others are looked at again at the next scan.
    fn wants(&self, now: Timestamp) -> Vec<Want> {
        let wants = self.desk.wants(self.limits.claim_limit, now);
        let (served, unserved): (Vec<_>, Vec<_>) =
            wants.into_iter().partition(|want| self.bus.has_workers(&want.endpoint));
        self.desk.unclaimed(&unserved);
        served
    }

    /// Waits for the bell, the next due time or the idle scan, whichever is first.
    async fn rest(&self, token: &CancellationToken, now: Timestamp) -> Result<(), Failure> {
        let idle = SignedDuration::from_millis(self.limits.idle_scan_ms.cast_signed());
        let scan_at = now.checked_add(idle).unwrap_or(Timestamp::MAX);
        let wake_at = self.desk.next_look(now).map_or(scan_at, |at| at.min(scan_at));
        let wait = now.duration_until(wake_at).unsigned_abs();
        tokio::select! {
            () = token.cancelled() => Ok(()),
            () = self.desk.rung() => Ok(()),
            left = self.bus.handed_back() => self.take_back(left).await,
            () = tokio::time::sleep(wait) => if wake_at == scan_at { self.look().await } else { Ok(()) },
        }
    }

    /// Asks the store what waits. A store that cannot answer now is asked again at the next scan.
    async fn look(&self) -> Result<(), Failure> {
        match self.store.waiting(self.clock.now()).await {
            Ok(waiting) => {
                self.desk.ready(&waiting.ready);
                if let Some(due) = waiting.next_due {
                    self.desk.due(due);
                }
                Ok(())
            }
            Err(error) => tolerate(error),
        }
    }

    async fn claim(&self, wants: &[Want], now: Timestamp) -> Result<Vec<Work>, Failure> {
        let timeout = SignedDuration::from_millis(self.timeout_ms.cast_signed());
        let margin = SignedDuration::from_millis(self.limits.lease_margin_ms.cast_signed());
        let not_after = now.checked_add(timeout)?.checked_add(margin)?;
        let claim = Claim { wants: wants.to_vec(), not_after, lease_until: not_after.checked_add(margin)? };
        match self.store.claim(claim, now).await {
            Ok(work) => {
                self.desk.claimed(wants, &work);
                Ok(work)
            }
            Err(error) => {
                self.desk.unclaimed(wants);
                tokio::time::sleep(Duration::from_millis(self.limits.idle_scan_ms)).await;
                tolerate(error).map(|()| Vec::new())
            }
        }
    }

    /// Work of an endpoint without workers, or that no bus carries, is parked at once, and what else surely reached no worker is given
    /// back, to be tried after a pause. What was sent without a confirm keeps its lease; the reconciler says
    /// that its outcome is unknown when that ends.
    async fn send(&self, work: Vec<Work>) -> Result<(), Failure> {
        let (mut unserved, mut back) = (Vec::new(), Vec::new());
        for (error, work) in self.bus.send_work(work).await {
            tracing::warn!(delivery = %work.delivery, endpoint = %work.endpoint, %error, "bus did not take work");
            let hopeless = match &error {
                bus::Error::UnknownEndpoint(endpoint) => {
                    Some(format!("endpoint {endpoint} has no adapter that sends here; nothing was sent"))
                }
                bus::Error::TooLarge { .. } => Some(format!("{error}; nothing was sent")),
                _ => None,
            };
            if let Some(said) = hopeless {
                let attempt = untried(said, self.clock.now());
                unserved.push(WorkOutcome { work, outcome: Outcome::Ours, attempt });
            } else if error.nothing_sent() {
                back.push((error, work));
            }
        }
        if !unserved.is_empty() {
            self.settle.settle(unserved, Teller::Hub).await?;
        }
        if back.is_empty() { Ok(()) } else { self.give_back(back).await }
    }

    /// What lay with workers that have left, and was not given to any of them.
    async fn take_back(&self, left: Vec<Work>) -> Result<(), Failure> {
        let gone =
            |work| (bus::Error::Unavailable("its worker left before it was given the work".into()), work);
        self.give_back(left.into_iter().map(gone).collect()).await
    }

    async fn give_back(&self, back: Vec<(bus::Error, Work)>) -> Result<(), Failure> {
        let now = self.clock.now();
        let pause = Duration::from_millis(self.limits.idle_scan_ms);
        let again = now.checked_add(pause)?;
        let settlements: Vec<_> =
            back.iter().map(|(error, work)| given_back(work, error, now, again)).collect();
        insist(pause, || self.store.settle(settlements.clone(), now)).await?;
        for (_, work) in back {
            self.desk.returned(&work);
        }
        self.desk.due(again);
        Ok(())
    }
}

/// Waits for something, and lets what was claimed go out meanwhile.
async fn beside<T>(sends: &mut Sends<'_>, what: impl Future<Output = T>) -> Result<T, Failure> {
    let mut what = pin!(what);
    loop {
        tokio::select! {
            done = &mut what => return Ok(done),
            Some(sent) = sends.next() => sent?,
        }
    }
}

/// The settlement of work that no worker saw: it burns no attempt.
fn given_back(work: &Work, error: &bus::Error, now: Timestamp, again: Timestamp) -> Settlement {
    let detail = format!("handed to no worker: {error}");
    let next = Next::Scheduled { at: again };
    let data = json!({
        "endpoint": work.endpoint, "attempt": work.attempt, "lease": work.lease, "because": detail, "next": next,
    });
    Settlement {
        delivery: work.delivery,
        message: work.message,
        endpoint: work.endpoint.clone(),
        lease: work.lease,
        attempt: work.attempt,
        outcome: Outcome::Transient,
        record: untried(detail, now),
        salt: None,
        next,
        counts: Counts::Nothing,
        entry: trail::entry(trail::HANDED_BACK, About::delivery(work.message, work.delivery), &data, now),
    }
}

/// The record of an attempt that was not made.
fn untried(said: String, now: Timestamp) -> AttemptRecord {
    AttemptRecord {
        started_at: now,
        ended_at: now,
        peer: "".into(),
        sent_digest: None,
        answer_digest: None,
        sent_sm3: None,
        answer_sm3: None,
        status: None,
        detail: said.into(),
        adapter_version: "".into(),
    }
}

/// Asks the store until it answers, with a pause after each error that may pass.
pub(super) async fn insist<T, A>(pause: Duration, mut ask: impl FnMut() -> A) -> Result<T, Failure>
where
    A: Future<Output = Result<T, store::Error>>,
{
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => tolerate(error)?,
        }
        tokio::time::sleep(pause).await;
    }
}

/// A retryable store error is logged and waited out; any other ends the hub, since a person is needed.
pub(super) fn tolerate(error: store::Error) -> Result<(), Failure> {
    if !error.retryable() {
        return Err(error.into());
    }
    counter!(STORE_ERRORS, "kind" => "retryable").increment(1);
    tracing::warn!(%error, "store is not available, trying again");
    Ok(())
}
