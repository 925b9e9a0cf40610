//! Runs work on pooled connections.
//!
//! Each piece runs in a task of its own and to its end, whether or not its caller waits: a commit is never cut in
//! two, and a statement that outlives its caller's patience keeps its connection, so that the next borrower
//! does not wait behind it. What lost against another transaction, or met a connection that was gone, is run
//! again from its beginning, a bounded number of times and never after its commit was sent.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use deadpool_postgres::{ClientWrapper, Object, Pool};
use tokio_postgres::IsolationLevel;
use tokio_util::task::TaskTracker;

use super::{
    error::{Failure, Remedy, closed, of_pool},
    session::Session,
};
use crate::port::store::Error;

/// How often a piece of work is begun at most.
const TRIES: u32 = 5;
/// Rest before it is begun again, times the number of tries so far.
const REST: Duration = Duration::from_millis(5);

/// A piece of work inside the database. It may be run several times.
#[async_trait]
pub(super) trait Job: Send + Sync + 'static {
    /// What it finds out.
    type Output: Send + 'static;

    /// Does it.
    async fn run(&self, session: &Session<'_>) -> Result<Self::Output, Failure>;
}

/// Whether a piece of work changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It is a transaction.
    Write,
    /// Each statement sees what was committed before it.
    Read,
}

/// Hands work to connections.
pub(super) struct Runner {
    pool: Pool,
    tasks: TaskTracker,
}

/// A try that failed, and whether its commit was sent.
struct Halt {
    failure: Failure,
    commit: Commit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Commit {
    Sent,
    NotSent,
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self { failure, commit: Commit::NotSent }
    }
}

impl Runner {
    /// On these connections.
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, tasks: TaskTracker::new() }
    }

    /// Runs a transaction and returns its result once it is durable.
    pub(super) async fn write<J: Job>(&self, job: J) -> Result<J::Output, Error> {
        self.spawn(Kind::Write, job).await
    }

    /// Runs statements that read.
    pub(super) async fn read<J: Job>(&self, job: J) -> Result<J::Output, Error> {
        self.spawn(Kind::Read, job).await
    }

    /// Takes no more, waits for what is under way, closes the connections.
    pub(super) async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.pool.close();
    }

    async fn spawn<J: Job>(&self, kind: Kind, job: J) -> Result<J::Output, Error> {
        if self.tasks.is_closed() {
            return Err(closed());
        }
        let pool = self.pool.clone();
        let running = self.tasks.spawn(async move { persist(&pool, kind, &job).await });
        running.await.map_err(|error| Error::Backend {
            message: "a task of the store ended without an answer".into(),
            source: std::sync::Arc::new(error),
        })?
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("pool", &self.pool.status()).finish_non_exhaustive()
    }
}

async fn persist<J: Job>(pool: &Pool, kind: Kind, job: &J) -> Result<J::Output, Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut connection = pool.get().await.map_err(of_pool)?;
        let halt = match once(&mut connection, kind, job).await {
            Ok(output) => return Ok(output),
            Err(halt) => halt,
        };
        let remedy = halt.failure.remedy();
        tidy(pool, connection, remedy);
        if remedy == Remedy::None || halt.commit == Commit::Sent || tries == TRIES {
            return Err(halt.failure.into());
        }
        tracing::debug!(?remedy, tries, "running a piece of work in the database again");
        tokio::time::sleep(REST * tries).await;
    }
}

/// Keeps connections out of the pool that are of no more use.
fn tidy(pool: &Pool, connection: Object, remedy: Remedy) {
    match remedy {
        Remedy::None | Remedy::Again => {}
        Remedy::Reconnect => drop(Object::take(connection)),
        Remedy::Elsewhere => {
            drop(Object::take(connection));
            // The others stay on the node that was demoted until somebody closes them.
            pool.retain(|_, _| false);
        }
        Remedy::Reprepare => pool.manager().statement_caches.clear(),
    }
}

async fn once<J: Job>(connection: &mut ClientWrapper, kind: Kind, job: &J) -> Result<J::Output, Halt> {
    if kind == Kind::Read {
        return Ok(job.run(&Session::of_connection(connection)).await?);
    }
    let begun = connection.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await;
    let transaction = begun.map_err(Failure::Server)?;
    let session = Session::of_transaction(&transaction);
    let outcome = job.run(&session).await;
    let failed = session.has_failed();
    match outcome {
        Ok(_) if failed => {
            let unseen = crate::store::fault::damaged("a statement failed and nobody told; nothing was kept");
            Err(Failure::Store(unseen).into())
        }
        Ok(output) => {
            let committed = transaction.commit().await;
            committed
                .map(|()| output)
                .map_err(|error| Halt { failure: Failure::Server(error), commit: Commit::Sent })
        }
        Err(failure) => {
            // A connection that is gone has rolled back by itself.
            drop(transaction.rollback().await);
            Err(failure.into())
        }
    }
}
