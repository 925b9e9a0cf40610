//! HTTP: `POST /v1/messages` in CloudEvents 1.0, a department's own body through its adapter, look-ups
//! and operations. Every request is authenticated by a bearer token; errors are RFC 9457 problem details.

mod access;
mod body;
mod counter;
mod evidence;
mod exchange;
mod intake;
mod operate;
mod problem;
mod query;
pub mod view;

use std::{sync::Arc, time::Duration};

pub use access::{ACCOUNT, BY, Grants, Identity};
use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRef},
    routing::post,
};
pub use counter::{Counter, ask, ask_as};
pub use evidence::MEDIA as EVIDENCE_MEDIA;
pub use exchange::STEPS;
pub use problem::Problem;
use tokio::sync::Semaphore;

use crate::{
    api::events,
    port::intake::{Intake, Translate},
};

/// Bounds of the interface (promise 9).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest body of one message.
    pub body_bytes: usize,
    /// Largest body of a batch or of a department's own records; an adapter may set a lower one.
    pub batch_bytes: usize,
    /// Most events in a batch.
    pub batch_events: usize,
    /// Requests worked on at once.
    pub concurrency: usize,
    /// Longest request.
    pub timeout: Duration,
}

impl Limits {
    /// Bounds of the events in a request.
    fn events(&self) -> events::Limits {
        let Self { body_bytes, batch_bytes, batch_events, .. } = *self;
        events::Limits { body_bytes, batch_bytes, batch_events }
    }

    /// Largest body that may turn out to be in order.
    fn largest_bytes(&self) -> usize {
        self.batch_bytes.max(self.body_bytes)
    }
}

/// What the interface is built from.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Takes messages in.
    pub intake: Arc<dyn Intake>,
    /// Reads departments' own bodies.
    pub translate: Arc<dyn Translate>,
    /// Answers look-ups and operations.
    pub counter: Counter,
    /// Bounds.
    pub limits: Limits,
}

#[derive(Clone, Debug)]
struct Api {
    parts: Parts,
    room: Arc<Semaphore>,
}

impl FromRef<Api> for Counter {
    fn from_ref(api: &Api) -> Self {
        api.parts.counter.clone()
    }
}

/// The routes of the public port.
pub fn router(parts: Parts) -> Router {
    let limits = parts.limits;
    let api = Api { parts, room: Arc::new(Semaphore::new(limits.concurrency)) };
    Router::new()
        .route("/v1/messages", post(intake::messages))
        .route("/v1/adapters/{endpoint}", post(intake::adapter))
        .merge(counter::routes())
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::not_allowed)
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .with_state(api)
}
