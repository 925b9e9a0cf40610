//! The bus inside one process: a bounded queue an endpoint and one for outcomes. Nothing is durable here;
//! what is lost with the process is found by its lease.

mod outside;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};

use self::outside::Returns;
use crate::{
    domain::id::EndpointId,
    port::bus::{Bus, Error, Kept, OutcomeSource, Safe, Work, WorkOutcome, WorkSource},
};

/// Outcomes that wait to be settled at most.
const OUTCOME_LIMIT: usize = 1024;

/// An outcome on its way, with whoever waits until it is settled.
type Report = (WorkOutcome, Option<oneshot::Sender<()>>);

/// Queues in memory.
#[derive(Debug)]
pub struct LocalBus {
    lanes: HashMap<EndpointId, Lane>,
    outcomes: Arc<AsyncMutex<mpsc::Receiver<Report>>>,
    /// Gone once the bus is closed; the queue ends when the last worker's copy is gone too.
    reports: Mutex<Option<mpsc::Sender<Report>>>,
    /// What workers of their own left behind.
    returns: Arc<Returns>,
}

#[derive(Debug)]
struct Lane {
    queue: Queue,
    /// Keeps outcomes open while work of this endpoint is unfinished.
    reports: Mutex<Option<mpsc::Sender<Report>>>,
}

/// Where work waits.
#[derive(Debug)]
enum Queue {
    /// For workers in this process.
    Inside {
        limit: usize,
        /// Gone once the bus is closed.
        sender: Mutex<Option<mpsc::Sender<Work>>>,
        receiver: Arc<AsyncMutex<mpsc::Receiver<Work>>>,
    },
    /// For workers of their own.
    Outside(Arc<outside::Queue>),
}

impl LocalBus {
    /// A bus with a queue of the given limit for each endpoint.
    pub fn new(endpoints: impl IntoIterator<Item = (EndpointId, usize)>) -> Self {
        Self::with_outside(endpoints, [])
    }

    /// The same, with others whose workers run apart and are connected to this process.
    pub fn with_outside(
        inside: impl IntoIterator<Item = (EndpointId, usize)>,
        outside: impl IntoIterator<Item = (EndpointId, usize)>,
    ) -> Self {
        let (reports, outcomes) = mpsc::channel(OUTCOME_LIMIT);
        let returns = Arc::default();
        let inside = inside.into_iter().map(|(endpoint, limit)| {
            let (sender, receiver) = mpsc::channel(limit.max(1));
            let (sender, receiver) = (Mutex::new(Some(sender)), Arc::new(AsyncMutex::new(receiver)));
            (endpoint, Queue::Inside { limit, sender, receiver })
        });
        let outside = outside.into_iter().map(|(endpoint, limit)| {
            let queue = outside::Queue::new(&endpoint, limit, &returns);
            (endpoint, Queue::Outside(queue))
        });
        let lanes = inside
            .chain(outside)
            .map(|(endpoint, queue)| (endpoint, Lane { queue, reports: Mutex::new(Some(reports.clone())) }));
        Self {
            lanes: lanes.collect(),
            outcomes: Arc::new(AsyncMutex::new(outcomes)),
            reports: Mutex::new(Some(reports)),
            returns,
        }
    }

    /// Queues one piece; what is not taken comes back with the reason.
    fn offer(&self, work: Work) -> Option<(Error, Work)> {
        let Some(lane) = self.lanes.get(&work.endpoint) else {
            return Some((Error::UnknownEndpoint(work.endpoint.clone()), work));
        };
        let (limit, sender) = match &lane.queue {
            Queue::Inside { limit, sender, .. } => (*limit, copy(sender)),
            Queue::Outside(queue) => return queue.offer(work),
        };
        let Some(sender) = sender else {
            return Some((Error::Closed, work));
        };
        match sender.try_send(work) {
            Ok(()) => None,
            Err(mpsc::error::TrySendError::Full(work)) => {
                Some((Error::Full { endpoint: work.endpoint.clone(), limit }, work))
            }
            Err(mpsc::error::TrySendError::Closed(work)) => Some((Error::Closed, work)),
        }
    }

    async fn report(&self, outcome: WorkOutcome, settled: Option<oneshot::Sender<()>>) -> Result<(), Error> {
        let lane = self.lanes.get(&outcome.work.endpoint);
        let sender =
            lane.and_then(|lane| copy(&lane.reports)).or_else(|| copy(&self.reports)).ok_or(Error::Closed)?;
        let place = sender.reserve().await.map_err(|_| Error::Closed)?;
        if let Some(Queue::Outside(queue)) = lane.map(|lane| &lane.queue) {
            queue.reported(&outcome.work);
        }
        place.send((outcome, settled));
        Ok(())
    }
}

fn copy<T>(sender: &Mutex<Option<mpsc::Sender<T>>>) -> Option<mpsc::Sender<T>> {
    sender.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn drop_sender<T>(sender: &Mutex<Option<mpsc::Sender<T>>>) {
    sender.lock().unwrap_or_else(PoisonError::into_inner).take();
}

#[async_trait]
impl Bus for LocalBus {
    async fn ready(&self) {}

    /// Workers run in this process, or there are none and the work is handed back.
    fn has_workers(&self, endpoint: &EndpointId) -> bool {
        match self.lanes.get(endpoint).map(|lane| &lane.queue) {
            Some(Queue::Outside(queue)) => queue.is_taken(),
            _ => true,
        }
    }

    async fn send_work(&self, work: Vec<Work>) -> Vec<(Error, Work)> {
        work.into_iter().filter_map(|piece| self.offer(piece)).collect()
    }

    async fn handed_back(&self) -> Vec<Work> {
        self.returns.take().await
    }

    async fn work(&self, endpoint: &EndpointId) -> Result<Box<dyn WorkSource>, Error> {
        let lane = self.lanes.get(endpoint).ok_or_else(|| Error::UnknownEndpoint(endpoint.clone()))?;
        Ok(match &lane.queue {
            Queue::Inside { receiver, .. } => Box::new(Source { receiver: Some(Arc::clone(receiver)) }),
            Queue::Outside(queue) => Box::new(queue.source()),
        })
    }

    async fn send_outcomes(&self, outcomes: Vec<WorkOutcome>) -> Result<(), Error> {
        for outcome in outcomes {
            self.report(outcome, None).await?;
        }
        Ok(())
    }

    async fn hand_in(&self, outcomes: Vec<WorkOutcome>) -> Result<Kept, Error> {
        let mut waiting = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            let (settled, wait) = oneshot::channel();
            self.report(outcome, Some(settled)).await?;
            waiting.push(wait);
        }
        Ok(Box::pin(async move {
            for wait in waiting {
                if wait.await.is_err() {
                    return Safe::No;
                }
            }
            Safe::Yes
        }))
    }

    async fn outcomes(&self) -> Result<Box<dyn OutcomeSource>, Error> {
        Ok(Box::new(Outcomes { receiver: Arc::clone(&self.outcomes), given: Vec::new() }))
    }

    async fn finish(&self, endpoint: &EndpointId) {
        if let Some(lane) = self.lanes.get(endpoint) {
            drop_sender(&lane.reports);
        }
    }

    async fn close(&self) {
        for lane in self.lanes.values() {
            match &lane.queue {
                Queue::Inside { sender, .. } => drop_sender(sender),
                Queue::Outside(queue) => queue.close(),
            }
        }
        drop_sender(&self.reports);
    }
}

#[derive(Debug)]
struct Source {
    /// None once it takes no more.
    receiver: Option<Arc<AsyncMutex<mpsc::Receiver<Work>>>>,
}

#[async_trait]
impl WorkSource for Source {
    async fn next(&mut self) -> Option<Work> {
        self.receiver.as_ref()?.lock().await.recv().await
    }

    /// Nothing is kept here, so nothing comes again.
    async fn dismiss(&mut self, _work: Work) {}

    async fn leave(&mut self) {
        self.receiver = None;
    }
}

#[derive(Debug)]
struct Outcomes {
    receiver: Arc<AsyncMutex<mpsc::Receiver<Report>>>,
    /// Who waits until what was given is settled.
    given: Vec<oneshot::Sender<()>>,
}

#[async_trait]
impl OutcomeSource for Outcomes {
    async fn next(&mut self, limit: usize) -> Vec<WorkOutcome> {
        let mut batch = Vec::new();
        self.receiver.lock().await.recv_many(&mut batch, limit).await;
        let (outcomes, waiting): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        self.given.extend(waiting.into_iter().flatten());
        outcomes
    }

    async fn settled(&mut self) {
        for waiting in self.given.drain(..) {
            // Who no longer waits keeps it, and reports it again.
            waiting.send(()).ok();
        }
    }
}
