//! The bus inside one process: a bounded queue an endpoint and one for outcomes. Nothing is durable here;
//! what is lost with the process is found by its lease.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use crate::{
    domain::id::EndpointId,
    port::bus::{Bus, Error, OutcomeSource, Work, WorkOutcome, WorkSource},
};

/// Outcomes that wait to be settled at most.
const OUTCOME_LIMIT: usize = 1024;

/// Queues in memory.
#[derive(Debug)]
pub struct LocalBus {
    lanes: HashMap<EndpointId, Lane>,
    outcomes: Arc<AsyncMutex<mpsc::Receiver<WorkOutcome>>>,
    /// Gone once the bus is closed; the queue ends when the last worker's copy is gone too.
    reports: Mutex<Option<mpsc::Sender<WorkOutcome>>>,
}

#[derive(Debug)]
struct Lane {
    limit: usize,
    /// Gone once the bus is closed.
    sender: Mutex<Option<mpsc::Sender<Work>>>,
    receiver: Arc<AsyncMutex<mpsc::Receiver<Work>>>,
    /// Keeps outcomes open while work of this endpoint is unfinished.
    reports: Mutex<Option<mpsc::Sender<WorkOutcome>>>,
}

impl LocalBus {
    /// A bus with a queue of the given limit for each endpoint.
    pub fn new(endpoints: impl IntoIterator<Item = (EndpointId, usize)>) -> Self {
        let (reports, outcomes) = mpsc::channel(OUTCOME_LIMIT);
        let lanes = endpoints.into_iter().map(|(endpoint, limit)| {
            let (sender, receiver) = mpsc::channel(limit.max(1));
            let lane = Lane {
                limit,
                sender: Mutex::new(Some(sender)),
                receiver: Arc::new(AsyncMutex::new(receiver)),
                reports: Mutex::new(Some(reports.clone())),
            };
            (endpoint, lane)
        });
        Self {
            lanes: lanes.collect(),
            outcomes: Arc::new(AsyncMutex::new(outcomes)),
            reports: Mutex::new(Some(reports.clone())),
        }
    }

    /// Queues one piece; what is not taken comes back with the reason.
    fn offer(&self, work: Work) -> Option<(Error, Work)> {
        let Some(lane) = self.lanes.get(&work.endpoint) else {
            return Some((Error::UnknownEndpoint(work.endpoint.clone()), work));
        };
        let Some(sender) = copy(&lane.sender) else {
            return Some((Error::Closed, work));
        };
        match sender.try_send(work) {
            Ok(()) => None,
            Err(mpsc::error::TrySendError::Full(work)) => {
                Some((Error::Full { endpoint: work.endpoint.clone(), limit: lane.limit }, work))
            }
            Err(mpsc::error::TrySendError::Closed(work)) => Some((Error::Closed, work)),
        }
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
    fn has_workers(&self, _endpoint: &EndpointId) -> bool {
        true
    }

    async fn send_work(&self, work: Vec<Work>) -> Vec<(Error, Work)> {
        work.into_iter().filter_map(|piece| self.offer(piece)).collect()
    }

    async fn work(&self, endpoint: &EndpointId) -> Result<Box<dyn WorkSource>, Error> {
        let lane = self.lanes.get(endpoint).ok_or_else(|| Error::UnknownEndpoint(endpoint.clone()))?;
        Ok(Box::new(Source { receiver: Arc::clone(&lane.receiver) }))
    }

    async fn send_outcomes(&self, outcomes: Vec<WorkOutcome>) -> Result<(), Error> {
        for outcome in outcomes {
            let sender = self
                .lanes
                .get(&outcome.work.endpoint)
                .and_then(|lane| copy(&lane.reports))
                .or_else(|| copy(&self.reports))
                .ok_or(Error::Closed)?;
            sender.send(outcome).await.map_err(|_| Error::Closed)?;
        }
        Ok(())
    }

    async fn outcomes(&self) -> Result<Box<dyn OutcomeSource>, Error> {
        Ok(Box::new(Outcomes { receiver: Arc::clone(&self.outcomes) }))
    }

    async fn finish(&self, endpoint: &EndpointId) {
        if let Some(lane) = self.lanes.get(endpoint) {
            drop_sender(&lane.reports);
        }
    }

    async fn close(&self) {
        for lane in self.lanes.values() {
            drop_sender(&lane.sender);
        }
        drop_sender(&self.reports);
    }
}

#[derive(Debug)]
struct Source {
    receiver: Arc<AsyncMutex<mpsc::Receiver<Work>>>,
}

#[async_trait]
impl WorkSource for Source {
    async fn next(&mut self) -> Option<Work> {
        self.receiver.lock().await.recv().await
    }

    /// Nothing is kept here, so nothing comes again.
    async fn dismiss(&mut self, _work: Work) {}
}

#[derive(Debug)]
struct Outcomes {
    receiver: Arc<AsyncMutex<mpsc::Receiver<WorkOutcome>>>,
}

#[async_trait]
impl OutcomeSource for Outcomes {
    async fn next(&mut self, limit: usize) -> Vec<WorkOutcome> {
        let mut batch = Vec::new();
        self.receiver.lock().await.recv_many(&mut batch, limit).await;
        batch
    }

    /// Nothing is kept here, so nothing comes again.
    async fn settled(&mut self) {}
}
