//! Tokens that were made or revoked through another hub on the same store take effect here too, no later than
//! the configured rhythm. While the store cannot be asked the grants stay as they were: nothing can be accepted
//! or operated meanwhile.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{api::http::Grants, port::store::Store, task::Failure};

/// The task that looks.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) grants: Arc<Grants>,
    pub(super) store: Arc<dyn Store>,
    /// How often.
    pub(super) every: Duration,
}

impl Tokens {
    /// Runs until told to end.
    pub(super) async fn run(self, token: CancellationToken) -> Result<(), Failure> {
        loop {
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                () = tokio::time::sleep(self.every) => {}
            }
            match self.grants.refresh(self.store.as_ref()).await {
                Err(error) if !error.retryable() => return Err(error.into()),
                Err(error) => tracing::debug!(%error, "tokens could not be read, trying again"),
                Ok(()) => {}
            }
        }
    }
}
