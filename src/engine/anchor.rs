//! Anchoring: the latest checkpoint, handed to a place outside on a schedule, so that a store which was rolled back
//! together with its checkpoints is found (promise 10).
//!
//! Each place has a task of its own and waits for nobody: what it cannot do is counted, said once, and tried again by the
//! one policy of in-process retries. Hubs that share a store may each send: the same checkpoint twice is once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use metrics::{counter, gauge};
use tokio_util::sync::CancellationToken;

use crate::{
    evidence::checkpoint::{SignedCheckpoint, TIME},
    port::{
        anchorage::{Anchor, Anchorage, Error},
        clock::Clock,
        store::Store,
    },
    task::{
        Failure,
        metrics::{ANCHOR_OVERDUE, ANCHORS},
        retry::Policy,
    },
};

/// The task of one place.
#[derive(Debug)]
pub struct Anchoring {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The place.
    pub place: Arc<dyn Anchorage>,
    /// How often.
    pub every: Duration,
}

impl Anchoring {
    /// Runs until told to end. The first checkpoint goes out at once.
    pub async fn run(self, token: CancellationToken) -> Result<(), Failure> {
        let policy = Policy { max: Policy::OUTSIDE.max.min(self.every), ..Policy::OUTSIDE };
        let mut delays = Policy { first: policy.first.min(policy.max), ..policy }.delays();
        let (mut sent, mut succeeded, mut failing) = (None, Instant::now(), false);
        loop {
            let pause = match self.send(&mut sent).await {
                Ok(()) => {
                    delays.reset();
                    (succeeded, failing) = (Instant::now(), false);
                    self.every
                }
                Err(error) => {
                    if !failing {
                        let place = self.place.place();
                        tracing::warn!(%error, place, "checkpoint could not be sent outside, trying again");
                    }
                    failing = true;
                    delays.draw()
                }
            };
            let overdue =
                if failing { succeeded.elapsed().saturating_sub(self.every) } else { Duration::ZERO };
            gauge!(ANCHOR_OVERDUE, "place" => self.place.place()).set(overdue.as_secs_f64());
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Sends the latest checkpoint, unless the place has it.
    async fn send(&self, sent: &mut Option<String>) -> Result<(), Error> {
        let not_kept = |text: String| Error::NotKept(text);
        let state = self.store.sealer_state().await.map_err(|error| not_kept(error.to_string()))?;
        let Some(note) = state.checkpoint.filter(|note| sent.as_ref() != Some(note)) else { return Ok(()) };
        let kept = self.place.keep(&self.anchor(&note)?).await;
        let result = if kept.is_ok() { "kept" } else { "failed" };
        counter!(ANCHORS, "place" => self.place.place(), "result" => result).increment(1);
        kept?;
        *sent = Some(note);
        Ok(())
    }

    fn anchor(&self, note: &str) -> Result<Anchor, Error> {
        let signed = SignedCheckpoint::parse(note).map_err(|error| Error::NotKept(error.to_string()))?;
        let at = signed.checkpoint().extension(TIME).and_then(|time| time.parse().ok());
        let at = at.unwrap_or_else(|| self.clock.now());
        Ok(Anchor { size: signed.checkpoint().size(), at, note: note.to_owned() })
    }
}
