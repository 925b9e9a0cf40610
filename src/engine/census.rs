//! Census: how many deliveries are in each state, as the store has them, so that what waits for a person
//! is seen after a restart too (promise 3).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use metrics::gauge;
use tokio_util::sync::CancellationToken;

use super::dispatch::tolerate;
use crate::{
    domain::delivery::Transport,
    port::store::Store,
    task::{Failure, metrics::DELIVERIES},
};

/// The counting task.
#[derive(Debug)]
pub struct Census {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// How often it counts.
    pub every: Duration,
}

impl Census {
    /// Runs until told to end.
    pub async fn run(self, token: CancellationToken) -> Result<(), Failure> {
        loop {
            self.count().await?;
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge; exact up to 2^53 deliveries")]
    async fn count(&self) -> Result<(), Failure> {
        let rows = match self.store.counts().await {
            Ok(rows) => rows,
            Err(error) => return tolerate(error),
        };
        let mut states: BTreeMap<_, u64> = Transport::ALL.into_iter().map(|state| (state, 0)).collect();
        for row in rows {
            *states.entry(row.state).or_default() += row.deliveries;
        }
        for (state, count) in states {
            gauge!(DELIVERIES, "state" => state.as_str()).set(count as f64);
        }
        Ok(())
    }
}
