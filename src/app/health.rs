//! Readiness: the store answers and intake is open.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{api::admin::Health, port::store::Store};

/// What readiness looks at.
#[derive(Debug)]
pub(super) struct Readiness {
    pub(super) store: Arc<dyn Store>,
    /// Cancelled when intake closes.
    pub(super) intake: CancellationToken,
}

#[async_trait]
impl Health for Readiness {
    async fn not_ready(&self) -> Vec<String> {
        let mut causes = Vec::new();
        if self.intake.is_cancelled() {
            causes.push("intake is closed: the hub is stopping".to_owned());
        }
        if let Err(error) = self.store.sealer_state().await {
            causes.push(error.to_string());
        }
        causes
    }
}
