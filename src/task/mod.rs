//! Supervised tasks: every task has a name, an owner and an end.
//!
//! Nothing else spawns. A task that ends by error or panic, or before it was told to, ends its
//! supervisor, so that a hub never runs on with a part missing. Metric names live beside, since every
//! room that runs a task reports.

pub mod metrics;
pub mod retry;

use std::{future::Future, time::Duration};

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// What a task failed with.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Owns tasks; dropping it aborts them.
#[derive(Debug)]
pub struct Supervisor {
    tasks: JoinSet<Ended>,
    token: CancellationToken,
}

#[derive(Debug)]
struct Ended {
    name: String,
    result: Result<(), Failure>,
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Yes,
    No,
}

/// Why a supervisor ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A task failed.
    #[error("task {name} failed")]
    Failed {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: Failure,
    },
    /// A task ended though nobody told it to.
    #[error("task {0} ended before it was told to")]
    Early(String),
    /// A task panicked.
    #[error("a task panicked")]
    Panicked(#[source] JoinError),
    /// Tasks were still running when the grace period ended, and were cut off.
    #[error("{left} tasks were cut off after {grace:?}")]
    CutOff {
        /// How many.
        left: usize,
        /// How long they had.
        grace: Duration,
    },
}

impl Supervisor {
    /// A supervisor whose tasks end when `token` is cancelled.
    pub fn new(token: CancellationToken) -> Self {
        Self { tasks: JoinSet::new(), token }
    }

    /// The token that tells its tasks to end.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Runs `task` until it ends. It must end by itself soon after the token is cancelled.
    pub fn spawn<F>(&mut self, name: impl Into<String>, task: F)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let (name, token) = (name.into(), self.token.clone());
        self.tasks.spawn(async move {
            let result = task.await;
            let told = if token.is_cancelled() { Told::Yes } else { Told::No };
            Ended { name, result, told }
        });
    }

    /// Waits until a task fails or ends early; never returns while all is well. Cancel-safe.
    pub async fn watch(&mut self) -> Error {
        loop {
            match self.tasks.join_next().await {
                None => std::future::pending().await,
                Some(ended) => {
                    if let Err(error) = judge(ended) {
                        return error;
                    }
                }
            }
        }
    }

    /// Tells the tasks to end and waits for them, at most `grace`.
    pub async fn drain(mut self, grace: Duration) -> Result<(), Error> {
        self.token.cancel();
        let all = async {
            let mut first = Ok(());
            while let Some(ended) = self.tasks.join_next().await {
                let judged = judge(ended);
                first = first.and(judged);
            }
            first
        };
        match tokio::time::timeout(grace, all).await {
            Ok(result) => result,
            Err(_) => Err(Error::CutOff { left: self.tasks.len(), grace }),
        }
    }
}

fn judge(ended: Result<Ended, JoinError>) -> Result<(), Error> {
    match ended.map_err(Error::Panicked)? {
        Ended { name, result: Err(source), .. } => Err(Error::Failed { name, source }),
        Ended { name, told: Told::No, .. } => Err(Error::Early(name)),
        Ended { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn tasks_end_when_told() {
        let mut supervisor = Supervisor::new(CancellationToken::new());
        let token = supervisor.token().clone();
        supervisor.spawn("waits", async move {
            token.cancelled().await;
            Ok(())
        });
        assert!(supervisor.drain(GRACE).await.is_ok());
    }

    #[tokio::test]
    async fn an_early_end_is_a_failure_with_the_name() {
        let mut supervisor = Supervisor::new(CancellationToken::new());
        supervisor.spawn("short", async { Ok(()) });
        assert_eq!(supervisor.watch().await.to_string(), "task short ended before it was told to");
    }

    #[tokio::test]
    async fn an_error_and_a_panic_are_reported() {
        let mut supervisor = Supervisor::new(CancellationToken::new());
        supervisor.spawn("breaks", async { Err("no disk".into()) });
        assert_eq!(supervisor.watch().await.to_string(), "task breaks failed");
        supervisor.spawn("panics", async { panic!("on purpose") });
        assert!(matches!(supervisor.watch().await, Error::Panicked(_)));
    }

    #[tokio::test]
    async fn what_does_not_end_is_cut_off() {
        let mut supervisor = Supervisor::new(CancellationToken::new());
        supervisor.spawn("deaf", std::future::pending());
        let error = supervisor.drain(Duration::from_millis(10)).await.unwrap_err();
        assert!(matches!(error, Error::CutOff { left: 1, .. }), "{error}");
    }
}
