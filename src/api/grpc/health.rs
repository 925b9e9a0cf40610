//! `grpc.health.v1`: serving while the hub is ready.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::api::admin::Health;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Names that may be asked for: all of it, and each service.
pub(super) const NAMES: [&str; 5] =
    ["", "liandong.v1.Intake", "liandong.v1.Mailbox", "liandong.v1.Operations", "liandong.v1.Query"];

/// Follows readiness until told to end; from then on it does not serve.
pub(super) async fn follow(health: Arc<dyn Health>, reporter: HealthReporter, token: CancellationToken) {
    loop {
        let is_ready = !token.is_cancelled() && health.not_ready().await.is_empty();
        let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in NAMES {
            reporter.set_service_status(name, status).await;
        }
        if token.is_cancelled() {
            return;
        }
        tokio::select! {
            () = token.cancelled() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
