//! The counter (窗口): look-ups and operations, asked over HTTP or from inside the process.
//!
//! A command on a stopped hub's store asks through [`ask`] what it would ask a running hub: the same routes,
//! the same answers, the same entries in the trail.

use std::{io, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::FromRef,
    http::Request,
    routing::{delete, get, post},
};
use bytes::Bytes;
use tower_service::Service as _;

use super::{Grants, Identity, evidence, exchange, operate, problem, query};
use crate::{
    engine::evidence::issue::Issuer,
    port::{
        operations::{Operations, Said},
        store::{Scope, Store},
    },
};

/// What look-ups and operations need.
#[derive(Clone, Debug)]
pub struct Counter {
    /// Does what operators ask.
    pub operations: Arc<dyn Operations>,
    /// Reads what is stored.
    pub store: Arc<dyn Store>,
    /// Who may come in.
    pub grants: Arc<Grants>,
    /// Makes evidence files.
    pub evidence: Arc<Issuer>,
}

/// Its routes, as part of a larger interface.
pub(super) fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Counter: FromRef<S>,
{
    Router::new()
        .route("/v1/messages", get(query::messages))
        .route("/v1/messages/{id}", get(query::message))
        .route("/v1/messages/{id}/trail", get(query::trail))
        .route("/v1/deliveries", get(query::deliveries))
        .route("/v1/deliveries/{id}", get(query::delivery))
        .route("/v1/deliveries/{id}/trail", get(query::trail_of_delivery))
        .route("/v1/deliveries/{id}/evidence", get(evidence::either))
        .route("/v1/deliveries/{id}/evidence.html", get(evidence::page))
        .route("/v1/deliveries/{id}/evidence.json", get(evidence::file))
        .route("/v1/deliveries/{id}/{operation}", post(operate::delivery))
        .route("/v1/counts", get(query::counts))
        .route("/v1/exchanges", get(exchange::sums))
        .route("/v1/exchanges/lines", get(exchange::lines))
        .route("/v1/exchanges/replay", post(exchange::replay))
        .route("/v1/keys", get(operate::keys))
        .route("/v1/keys/rotation", post(operate::rotate_keys))
        .route("/v1/tokens", get(query::tokens).post(operate::add_token))
        .route("/v1/tokens/{name}", delete(operate::revoke_token))
}

/// Asks from inside the process, as the operator of this name: the status and the body of the answer.
pub async fn ask(
    counter: &Counter,
    (operator, said): (&str, &Said),
    method: &str,
    path: &str,
    body: Option<Vec<u8>>,
) -> io::Result<(u16, Bytes)> {
    let identity = Identity { said: said.clone(), ..Identity::new(operator, Scope::Operator) };
    ask_as(counter, identity, method, path, body).await
}

/// The same as somebody known by other means: what one may see and do is told here, once.
pub async fn ask_as(
    counter: &Counter,
    identity: Identity,
    method: &str,
    path: &str,
    body: Option<Vec<u8>>,
) -> io::Result<(u16, Bytes)> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .extension(identity)
        .body(Body::from(body.unwrap_or_default()))
        .map_err(io::Error::other)?;
    let mut router = routes().fallback(problem::not_found).with_state(counter.clone());
    let response = router.call(request).await.map_err(io::Error::other)?;
    let status = response.status().as_u16();
    // The answer is our own, and its rows are bounded where they are read.
    let body = to_bytes(response.into_body(), usize::MAX).await.map_err(io::Error::other)?;
    Ok((status, body))
}
