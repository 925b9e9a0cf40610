//! HTTP: `POST /v1/messages` in CloudEvents 1.0, a department's own body through its adapter, look-ups
//! and operations. Every request is authenticated by a bearer token; errors are RFC 9457 problem details.

mod access;
mod events;
mod intake;
mod operate;
mod problem;
mod query;
pub mod view;

use std::{sync::Arc, time::Duration};

pub use access::{Grants, Identity};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{delete, get, post},
};
pub use problem::Problem;
use tokio::sync::Semaphore;

use crate::port::{
    clock::Clock,
    intake::{Intake, Translate},
    operations::Operations,
    store::Store,
};

/// Bounds of the interface (promise 9).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest body of one message.
    pub body_bytes: usize,
    /// Largest body of a batch or of a department's own file.
    pub batch_bytes: usize,
    /// Most events in a batch.
    pub batch_events: usize,
    /// Requests worked on at once.
    pub concurrency: usize,
    /// Longest request.
    pub timeout: Duration,
}

/// What the interface is built from.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Takes messages in.
    pub intake: Arc<dyn Intake>,
    /// Reads departments' own bodies.
    pub translate: Arc<dyn Translate>,
    /// Does what operators ask.
    pub operations: Arc<dyn Operations>,
    /// Reads what is stored.
    pub store: Arc<dyn Store>,
    /// Who may come in.
    pub grants: Arc<Grants>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Bounds.
    pub limits: Limits,
}

#[derive(Clone, Debug)]
struct Api {
    parts: Parts,
    room: Arc<Semaphore>,
}

/// The routes of the public port.
pub fn router(parts: Parts) -> Router {
    let limits = parts.limits;
    let api = Api { parts, room: Arc::new(Semaphore::new(limits.concurrency)) };
    Router::new()
        .route("/v1/messages", post(intake::messages))
        .route("/v1/messages/{id}", get(query::message))
        .route("/v1/messages/{id}/trail", get(query::trail))
        .route("/v1/adapters/{endpoint}", post(intake::adapter))
        .route("/v1/deliveries", get(query::deliveries))
        .route("/v1/deliveries/{id}", get(query::delivery))
        .route("/v1/deliveries/{id}/{operation}", post(operate::delivery))
        .route("/v1/counts", get(query::counts))
        .route("/v1/tokens", get(query::tokens).post(operate::add_token))
        .route("/v1/tokens/{name}", delete(operate::revoke_token))
        .fallback(problem::not_found)
        .layer(DefaultBodyLimit::max(limits.batch_bytes.max(limits.body_bytes)))
        .with_state(api)
}
