//! The sealer: gives positions to unsealed trail entries, extends the Merkle tree, signs checkpoints
//! (DESIGN section 8). One hub seals at a time; the store's fence keeps a second one from doing harm.

use std::{
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use metrics::{counter, gauge};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{dispatch::tolerate, keys::Keyring};
use crate::{
    evidence::{
        checkpoint::{Checkpoint, Origin, TIME},
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

/// How often it is looked whether entries pile up, and how old the oldest is.
const LOOK: Duration = Duration::from_secs(1);
/// How long another hub that is sealing is left to it.
const TURN: Duration = Duration::from_millis(20);

/// What a step leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Nothing that was there when it began, or nothing that can be sealed now.
    Nothing,
    /// More, perhaps.
    Perhaps,
}

/// The sealing task.
#[derive(Debug)]
pub struct Sealer {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Sign checkpoints.
    pub keys: Arc<Keyring>,
    /// Names the log.
    pub origin: Origin,
    /// Rhythm of checkpoints.
    pub every: Duration,
    /// Unsealed entries that are not waited with.
    pub backlog: u64,
    /// Entries in one checkpoint at most.
    pub entries: usize,
    /// Where the last checkpoint is kept apart from the store, so that one which went back in time is found.
    pub anchor: Option<PathBuf>,
}

impl Sealer {
    /// Runs until told to end, then seals what is left.
    pub async fn run(self, token: CancellationToken) -> Result<(), Failure> {
        let mut due = Instant::now() + self.every;
        loop {
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                () = tokio::time::sleep_until(due.min(Instant::now() + LOOK)) => {}
            }
            if self.report().await? >= self.backlog || due <= Instant::now() {
                self.seal_all().await?;
                due = Instant::now() + self.every;
            }
        }
    }

    /// Seals until nothing is left.
    pub async fn seal_all(&self) -> Result<(), Failure> {
        while self.step().await? == Left::Perhaps {}
        self.report().await.map(|_| ())
    }

    /// One checkpoint. A store that cannot answer now seals nothing.
    async fn step(&self) -> Result<Left, Failure> {
        self.keys.confirm().await;
        // The size first: entries that another hub seals after it was read are then refused by the fence, and
        // not missed among the unsealed.
        let state = match self.store.sealer_state().await {
            Ok(state) => state,
            Err(error) => return tolerate(error).map(|()| Left::Nothing),
        };
        let unsealed = match self.store.unsealed(self.entries).await {
            Ok(unsealed) => unsealed,
            Err(error) => return tolerate(error).map(|()| Left::Nothing),
        };
        if unsealed.is_empty() {
            return Ok(Left::Nothing);
        }
        let mut frontier =
            if state.frontier.is_empty() { Frontier::new() } else { Frontier::from_bytes(&state.frontier)? };
        for (_, body) in &unsealed {
            frontier.append(tree::leaf_hash(body));
        }
        let at = self.clock.now();
        let count = unsealed.len();
        let checkpoint = match self.sign(&frontier, at) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                tracing::error!(%error, "the trail could not be sealed, trying again");
                return Ok(Left::Nothing);
            }
        };
        let seal = Seal {
            from_size: state.size,
            entries: unsealed.into_iter().map(|(id, _)| id).collect(),
            checkpoint,
            frontier: frontier.to_bytes().into(),
            at,
        };
        let note = seal.checkpoint.clone();
        match self.store.seal(seal).await {
            Ok(true) => {
                counter!(SEALED).increment(count as u64);
                self.keep(&note);
            }
            // Hubs that share a store take turns by chance, and what the other did not see yet may be ours.
            Ok(false) => {
                tracing::debug!("another hub sealed meanwhile");
                tokio::time::sleep(TURN).await;
                return Ok(Left::Perhaps);
            }
            Err(error) => return tolerate(error).map(|()| Left::Nothing),
        }
        Ok(if count == self.entries { Left::Perhaps } else { Left::Nothing })
    }

    /// Whole or not at all. A disk that does not take it does not stop the sealing.
    fn keep(&self, note: &str) {
        let Some(path) = &self.anchor else { return };
        let new = path.with_extension("new");
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(note.as_bytes())?;
            file.sync_all()
        });
        if let Err(error) = written.and_then(|()| fs::rename(&new, path)) {
            tracing::warn!(%error, path = %path.display(), "last checkpoint could not be kept beside the store");
        }
    }

    fn sign(&self, frontier: &Frontier, at: Timestamp) -> Result<String, Failure> {
        let checkpoint =
            Checkpoint::of(self.origin.clone(), frontier).with_extension(TIME, &at.to_string())?;
        Ok(checkpoint.sign(self.keys.at(at)?.as_ref())?.to_string())
    }

    /// Says how old the oldest unsealed entry is; how many there are.
    async fn report(&self) -> Result<u64, Failure> {
        match self.store.unsealed_count().await {
            Ok((count, oldest)) => {
                let lag = oldest.map_or(0.0, |oldest| oldest.duration_until(self.clock.now()).as_secs_f64());
                gauge!(SEAL_LAG).set(lag);
                Ok(count)
            }
            Err(error) => tolerate(error).map(|()| 0),
        }
    }
}
