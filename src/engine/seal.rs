//! The sealer: gives positions to unsealed trail entries, extends the Merkle tree, signs checkpoints
//! (DESIGN section 8). One hub seals at a time; the store's fence keeps a second one from doing harm.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use metrics::{counter, gauge};
use tokio_util::sync::CancellationToken;

use super::dispatch::tolerate;
use crate::{
    evidence::{
        checkpoint::{Checkpoint, Origin, TIME},
        signer::Signer,
        tree::{self, Frontier},
    },
    port::{
        clock::Clock,
        store::{Seal, Store},
    },
    task::{
        Failure,
        metrics::{SEAL_LAG, SEALED},
    },
};

/// The sealing task.
#[derive(Debug)]
pub struct Sealer {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Signs checkpoints.
    pub signer: Arc<dyn Signer>,
    /// Names the log.
    pub origin: Origin,
    /// Rhythm of checkpoints.
    pub every: Duration,
    /// Entries in one checkpoint at most.
    pub entries: usize,
}

impl Sealer {
    /// Runs until told to end, then seals what is left.
    pub async fn run(self, token: CancellationToken) -> Result<(), Failure> {
        while !token.is_cancelled() {
            tokio::select! {
                () = token.cancelled() => {}
                () = tokio::time::sleep(self.every) => self.seal_all().await?,
            }
        }
        Ok(())
    }

    /// Seals until nothing is left.
    pub async fn seal_all(&self) -> Result<(), Failure> {
        while self.step().await? == self.entries {}
        self.report().await
    }

    /// One checkpoint; how many entries it took. A store that cannot answer now seals nothing.
    async fn step(&self) -> Result<usize, Failure> {
        // The state first: whatever is sealed after it was read is fenced off.
        let state = match self.store.sealer_state().await {
            Ok(state) => state,
            Err(error) => return tolerate(error).map(|()| 0),
        };
        let unsealed = match self.store.unsealed(self.entries).await {
            Ok(unsealed) => unsealed,
            Err(error) => return tolerate(error).map(|()| 0),
        };
        if unsealed.is_empty() {
            return Ok(0);
        }
        let mut frontier =
            if state.frontier.is_empty() { Frontier::new() } else { Frontier::from_bytes(&state.frontier)? };
        for (_, body) in &unsealed {
            frontier.append(tree::leaf_hash(body));
        }
        let at = self.clock.now();
        let count = unsealed.len();
        let seal = Seal {
            from_size: state.size,
            entries: unsealed.into_iter().map(|(id, _)| id).collect(),
            checkpoint: self.sign(&frontier, at)?,
            frontier: frontier.to_bytes().into(),
            at,
        };
        match self.store.seal(seal).await {
            Ok(true) => counter!(SEALED).increment(count as u64),
            Ok(false) => tracing::warn!("another hub sealed meanwhile, starting again from its checkpoint"),
            Err(error) => return tolerate(error).map(|()| 0),
        }
        Ok(count)
    }

    fn sign(&self, frontier: &Frontier, at: Timestamp) -> Result<String, Failure> {
        let checkpoint =
            Checkpoint::of(self.origin.clone(), frontier).with_extension(TIME, &at.to_string())?;
        Ok(checkpoint.sign(self.signer.as_ref())?.to_string())
    }

    async fn report(&self) -> Result<(), Failure> {
        match self.store.unsealed_count().await {
            Ok((_, oldest)) => {
                let lag = oldest.map_or(0.0, |oldest| oldest.duration_until(self.clock.now()).as_secs_f64());
                gauge!(SEAL_LAG).set(lag);
                Ok(())
            }
            Err(error) => tolerate(error),
        }
    }
}
