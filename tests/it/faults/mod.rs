//! Faults under load on the real services: two hubs on one PostgreSQL and one RabbitMQ, workers in processes of
//! their own, targets that speak HTTP. Something is killed, hangs or refuses in the midst of the load and comes back;
//! then nothing accepted is missing at any target, each lane came in order, everything that came twice came under
//! the id of its receipt, no outcome was overwritten by an older one, and the seals hold.
//!
//! `LIANDONG_TEST_MESSAGES` says how large a load is (2,000), `LIANDONG_TEST_OUTAGE_SECONDS` how long a database
//! lets nobody in (2). `make soak` runs these tests with more of both; see `docs/soak/README.md`.

mod books;
mod brokers;
mod databases;
mod lines;
mod processes;
mod report;
mod stage;

use std::{sync::Arc, time::Duration};

use crate::{
    contract::backend::Postgres,
    harness::{broker::Broker, hub::Hub, line::Line, load::parameter},
};
use stage::{Ground, Stage};

/// A database and a broker beside those of other tests.
async fn beside_others() -> Ground {
    on(Arc::new(Broker::new().await)).await
}

/// A database beside those of other tests, and this broker.
async fn on(broker: Arc<Broker>) -> Ground {
    let place = Postgres::new();
    Ground {
        database: place.database().await.url(),
        first_broker: broker.url().to_owned(),
        broker: broker.url().to_owned(),
        held: vec![Box::new(place), Box::new(broker)],
    }
}

/// The same with the first hub's line to the broker in the test's hand.
async fn behind_a_line(mut ground: Ground) -> (Ground, Line) {
    let (_, place) = ground.broker.rsplit_once('@').unwrap();
    let place = place.split('/').next().unwrap().to_owned();
    let line = Line::to(place.clone()).await;
    ground.first_broker = ground.broker.replace(&place, &line.address.to_string());
    (ground, line)
}

/// Whether a hub has a connection to publish on.
async fn publishes(hub: &Hub) -> bool {
    hub.metric("liandong_bus_connected{connection=\"publish\"}").await == 1
}

/// How long a database lets nobody in.
fn outage() -> Duration {
    Duration::from_secs(parameter("LIANDONG_TEST_OUTAGE_SECONDS", 2) as u64)
}
