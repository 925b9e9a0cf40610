//! The admin port: `/livez`, `/readyz`, `/metrics`. It opens first and closes last.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;

/// Tells whether the hub can take messages.
#[async_trait]
pub trait Health: fmt::Debug + Send + Sync {
    /// Why it is not ready, one line a cause; empty when it is.
    async fn not_ready(&self) -> Vec<String>;
}

#[derive(Clone)]
struct Admin {
    health: Arc<dyn Health>,
    metrics: PrometheusHandle,
}

/// The routes of the admin port.
pub fn router(health: Arc<dyn Health>, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state(Admin { health, metrics })
}

async fn readyz(State(admin): State<Admin>) -> impl IntoResponse {
    let causes = admin.health.not_ready().await;
    if causes.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, causes.join("\n") + "\n")
    }
}

async fn render(State(admin): State<Admin>) -> impl IntoResponse {
    ([("content-type", "text/plain; version=0.0.4")], admin.metrics.render())
}
