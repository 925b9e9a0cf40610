//! The port of deliveries at work.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    PostgresStore,
    claim::{Claiming, Expired, Looking, Wanted},
    operate::Operating,
    replay::Replaying,
    settle::Settling,
};
use crate::{
    domain::id::{DeliveryId, EndpointId},
    port::{
        bus::Work,
        store::{
            Claim, Deliveries, Error, ExpiredLease, NewEntry, NotPossible, Operated, Operation, Settled,
            Settlement, Step, Waiting, Way,
        },
    },
};

#[async_trait]
impl Deliveries for PostgresStore {
    async fn claim(&self, claim: Claim, now: Timestamp) -> Result<Vec<Work>, Error> {
        let begun = std::time::Instant::now();
        let mut wants: Vec<Wanted> = Vec::with_capacity(claim.wants.len());
        for want in &claim.wants {
            match wants.iter_mut().find(|wanted| wanted.endpoint == want.endpoint) {
                Some(wanted) => wanted.limit += want.limit,
                None => wants.push(Wanted {
                    endpoint: want.endpoint.clone(),
                    limit: want.limit,
                    window: want.window,
                    from: self.floors.of(&want.endpoint, begun),
                }),
            }
        }
        let claimed = self.runner.write(Claiming { wants, claim, now }).await?;
        let took = claimed.begun.elapsed();
        for (endpoint, from, seen) in &claimed.seen {
            self.floors.read(endpoint, *from, *seen, claimed.begun, took);
        }
        Ok(claimed.work)
    }

    async fn settle(&self, settlements: Vec<Settlement>, now: Timestamp) -> Result<Vec<Settled>, Error> {
        if settlements.is_empty() {
            return Ok(Vec::new());
        }
        let done = self.runner.write(Settling { settlements: settlements.into(), now }).await?;
        self.lower(&done.claimable);
        Ok(done.told)
    }

    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<ExpiredLease>, Error> {
        self.runner.read(Expired { now, limit }).await
    }

    async fn waiting(&self, now: Timestamp) -> Result<Waiting, Error> {
        self.runner.read(Looking { now }).await
    }

    async fn operate(
        &self,
        delivery: DeliveryId,
        operation: Operation,
        entry: NewEntry,
        now: Timestamp,
    ) -> Result<Result<Operated, NotPossible>, Error> {
        let done = self.runner.write(Operating { delivery, operation, entry, now }).await?;
        self.lower(&done.claimable);
        Ok(done.told)
    }

    async fn replay(
        &self,
        steps: Vec<Step>,
        way: Way,
        now: Timestamp,
    ) -> Result<Result<Vec<EndpointId>, Vec<NotPossible>>, Error> {
        let done = self.runner.write(Replaying { steps: steps.into(), way, now }).await?;
        self.lower(&done.claimable);
        Ok(done.told)
    }
}
