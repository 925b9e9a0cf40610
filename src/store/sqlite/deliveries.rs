//! The port of deliveries at work, on the writer and the readers.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{SqliteStore, claim, operate, replay, settle};
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
impl Deliveries for SqliteStore {
    async fn claim(&self, claim: Claim, now: Timestamp) -> Result<Vec<Work>, Error> {
        let rows = claim.wants.iter().map(|want| want.limit).sum();
        self.writer.write(rows, move |connection, _| claim::claim(connection, &claim, now)).await
    }

    async fn settle(&self, settlements: Vec<Settlement>, now: Timestamp) -> Result<Vec<Settled>, Error> {
        let rows = settlements.len();
        self.writer.write(rows, move |connection, _| settle::settle(connection, &settlements, now)).await
    }

    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<ExpiredLease>, Error> {
        self.readers.read(move |connection| claim::expired(connection, now, limit)).await
    }

    async fn waiting(&self, now: Timestamp) -> Result<Waiting, Error> {
        self.readers.read(move |connection| claim::waiting(connection, now)).await
    }

    async fn operate(
        &self,
        delivery: DeliveryId,
        operation: Operation,
        entry: NewEntry,
        now: Timestamp,
    ) -> Result<Result<Operated, NotPossible>, Error> {
        self.writer
            .write(1, move |connection, _| operate::operate(connection, delivery, &operation, &entry, now))
            .await
    }

    async fn replay(
        &self,
        steps: Vec<Step>,
        way: Way,
        now: Timestamp,
    ) -> Result<Result<Vec<EndpointId>, Vec<NotPossible>>, Error> {
        let ids: Vec<DeliveryId> = steps.iter().map(|step| step.delivery).collect();
        let later = self.readers.read(move |connection| replay::later(connection, &ids)).await?;
        let rows = steps.len();
        self.writer
            .write(rows, move |connection, _| replay::replay(connection, (&steps, way), &later, now))
            .await
    }
}
