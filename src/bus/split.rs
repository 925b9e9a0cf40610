//! Two buses as one: work of some endpoints stays in this process, that of the others goes over a broker.
//!
//! What a system that connects to this hub is to fetch must not come to a hub to which it is not connected, so it
//! never leaves the process. The rest is promised by whichever bus carries it.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;

use crate::{
    domain::id::EndpointId,
    port::bus::{Bus, Error, Kept, OutcomeSource, Safe, Work, WorkOutcome, WorkSource},
};

/// Two buses.
#[derive(Debug)]
pub struct SplitBus {
    here: Arc<dyn Bus>,
    apart: Arc<dyn Bus>,
    stays: BTreeSet<EndpointId>,
}

impl SplitBus {
    /// The bus `here` for the endpoints that stay, `apart` for all others.
    pub fn new(here: Arc<dyn Bus>, apart: Arc<dyn Bus>, stays: BTreeSet<EndpointId>) -> Self {
        Self { here, apart, stays }
    }

    fn of(&self, endpoint: &EndpointId) -> &dyn Bus {
        if self.stays.contains(endpoint) { self.here.as_ref() } else { self.apart.as_ref() }
    }
}

#[async_trait]
impl Bus for SplitBus {
    async fn ready(&self) {
        self.here.ready().await;
        self.apart.ready().await;
    }

    /// Of what stays here, the other bus may know that nobody fetches it there.
    fn has_workers(&self, endpoint: &EndpointId) -> bool {
        let is_apart = self.apart.has_workers(endpoint);
        is_apart && (!self.stays.contains(endpoint) || self.here.has_workers(endpoint))
    }

    async fn send_work(&self, work: Vec<Work>) -> Vec<(Error, Work)> {
        let (here, apart): (Vec<_>, Vec<_>) =
            work.into_iter().partition(|piece| self.stays.contains(&piece.endpoint));
        let mut back = self.here.send_work(here).await;
        back.extend(self.apart.send_work(apart).await);
        back
    }

    async fn handed_back(&self) -> Vec<Work> {
        tokio::select! {
            work = self.here.handed_back() => work,
            work = self.apart.handed_back() => work,
        }
    }

    async fn work(&self, endpoint: &EndpointId) -> Result<Box<dyn WorkSource>, Error> {
        self.of(endpoint).work(endpoint).await
    }

    async fn send_outcomes(&self, outcomes: Vec<WorkOutcome>) -> Result<(), Error> {
        let (here, apart): (Vec<_>, Vec<_>) =
            outcomes.into_iter().partition(|outcome| self.stays.contains(&outcome.work.endpoint));
        for (bus, outcomes) in [(&self.here, here), (&self.apart, apart)] {
            if !outcomes.is_empty() {
                bus.send_outcomes(outcomes).await?;
            }
        }
        Ok(())
    }

    async fn hand_in(&self, outcomes: Vec<WorkOutcome>) -> Result<Kept, Error> {
        let (here, apart): (Vec<_>, Vec<_>) =
            outcomes.into_iter().partition(|outcome| self.stays.contains(&outcome.work.endpoint));
        let mut kept = Vec::new();
        for (bus, outcomes) in [(&self.here, here), (&self.apart, apart)] {
            if !outcomes.is_empty() {
                kept.push(bus.hand_in(outcomes).await?);
            }
        }
        Ok(Box::pin(async move {
            for kept in kept {
                if kept.await == Safe::No {
                    return Safe::No;
                }
            }
            Safe::Yes
        }))
    }

    async fn outcomes(&self) -> Result<Box<dyn OutcomeSource>, Error> {
        let sources = [self.here.outcomes().await?, self.apart.outcomes().await?];
        Ok(Box::new(Outcomes { sources: sources.map(Some), gave: 0 }))
    }

    async fn finish(&self, endpoint: &EndpointId) {
        self.of(endpoint).finish(endpoint).await;
    }

    async fn close(&self) {
        self.here.close().await;
        self.apart.close().await;
    }
}

/// Outcomes of both; a source that has ended is none.
#[derive(Debug)]
struct Outcomes {
    sources: [Option<Box<dyn OutcomeSource>>; 2],
    /// Whose the last ones were.
    gave: usize,
}

#[async_trait]
impl OutcomeSource for Outcomes {
    async fn next(&mut self, limit: usize) -> Vec<WorkOutcome> {
        loop {
            let [one, other] = &mut self.sources;
            let (gave, outcomes) = tokio::select! {
                outcomes = next(one, limit), if one.is_some() => (0, outcomes),
                outcomes = next(other, limit), if other.is_some() => (1, outcomes),
                else => return Vec::new(),
            };
            if !outcomes.is_empty() {
                self.gave = gave;
                return outcomes;
            }
            self.sources[gave] = None;
        }
    }

    async fn settled(&mut self) {
        if let Some(source) = &mut self.sources[self.gave] {
            source.settled().await;
        }
    }
}

async fn next(source: &mut Option<Box<dyn OutcomeSource>>, limit: usize) -> Vec<WorkOutcome> {
    match source {
        Some(source) => source.next(limit).await,
        None => Vec::new(),
    }
}
