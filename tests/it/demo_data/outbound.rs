//! What the worker would send for one delivery of the day: the real adapter and target, with a connector
//! that keeps the parcel and sends nothing.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use liandong::{
    domain::{
        decision::PlannedDelivery,
        id::{DeliveryId, MessageId},
    },
    port::{
        bus::{LeaseToken, Work},
        connector::{Answer, Connector, Error, Parcel},
    },
    worker::{Adapter, AdapterTarget, run::Target as _},
};
use uuid::Uuid;

use super::day::{self, Record};
use crate::harness::clock::TestClock;

#[derive(Debug, Default)]
struct Keeping(Mutex<Option<Parcel>>);

#[async_trait]
impl Connector for Keeping {
    async fn send(&self, parcel: Parcel) -> Result<Answer, Error> {
        *self.0.lock().unwrap() = Some(parcel);
        Err(Error::Unknown("kept".to_owned()))
    }

    fn peer(&self) -> String {
        "nobody".to_owned()
    }
}

/// The bytes for `delivery` of `record`, or why they cannot be written.
pub(super) async fn written(
    adapter: &Arc<Adapter>,
    record: &Record,
    delivery: &PlannedDelivery,
) -> Result<Vec<u8>, String> {
    let connector = Arc::new(Keeping::default());
    let target = AdapterTarget {
        adapter: Arc::clone(adapter),
        connector: Arc::clone(&connector) as Arc<dyn Connector>,
        ask: None,
        window: 1,
        secrets: Vec::new(),
        clock: Arc::new(TestClock::at(day::now())),
    };
    let (_, attempt) = target.attempt(&work(record, delivery)).await.unwrap();
    let parcel = connector.0.lock().unwrap().take();
    parcel.map(|parcel| parcel.body.to_vec()).ok_or_else(|| attempt.detail.to_string())
}

fn work(record: &Record, delivery: &PlannedDelivery) -> Work {
    Work {
        delivery: DeliveryId(Uuid::from_u128(2)),
        message: MessageId(Uuid::from_u128(1)),
        kind: record.message.kind(),
        endpoint: delivery.endpoint.clone().unwrap(),
        organisation: delivery.organisation.clone().unwrap(),
        on_behalf_of: delivery.on_behalf_of.clone(),
        part: delivery.part,
        share: delivery.share.clone(),
        redaction: delivery.redaction,
        lane_sequence: 1,
        attempt: 1,
        lease: LeaseToken(1),
        not_after: Timestamp::MAX,
        accepted_at: day::now(),
        first_attempt_at: None,
        relays: Vec::new(),
        body: record.canonical.clone().into(),
        brought: liandong::port::bus::Brought::First,
    }
}
