//! The writer: one thread, one connection, group commit.
//!
//! Whatever is queued goes into one transaction, up to a number of rows; nobody is made to wait for
//! company. Requests are answered after the commit. When one of them is at fault the transaction is
//! rolled back and each is run again in a transaction of its own, so that a bad one does not fail its
//! neighbours and good ones pay nothing for the care: a request must therefore be repeatable.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::connection;
use crate::{port::store::Error, store::directory::Directory};

/// How a request is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// With its neighbours: the first fault ends it, nothing of it stays.
    Together,
    /// Alone, after a fault: it sorts its own good rows from the bad.
    Alone,
}

/// Hands requests to the thread.
pub(super) struct Writer {
    requests: Option<mpsc::Sender<Request>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    queue_limit: usize,
}

enum Request {
    Work(Box<dyn Job>),
    Stop(oneshot::Sender<Result<(), Error>>),
}

trait Job: Send {
    fn rows(&self) -> usize;
    fn run(&mut self, connection: &Connection, care: Care) -> Result<(), Error>;
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

struct Work<T, F> {
    rows: usize,
    run: F,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<T: Send, F: FnMut(&Connection, Care) -> Result<T, Error> + Send> Job for Work<T, F> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn run(&mut self, connection: &Connection, care: Care) -> Result<(), Error> {
        self.result = Some((self.run)(connection, care)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        let Self { result, reply, .. } = *self;
        // A caller that has gone away does not want the answer.
        drop(reply.send(committed.and_then(|()| result.ok_or_else(closed))));
    }
}

impl Writer {
    /// Starts the thread; it owns the connection and the directory's lock.
    pub(super) fn start(
        connection: Connection,
        directory: Directory,
        queue_limit: usize,
        max_batch: usize,
    ) -> std::io::Result<Self> {
        let (requests, queue) = mpsc::channel(queue_limit.max(1));
        let thread = thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            let stop = serve(&connection, queue, max_batch);
            let finished = connection::finish(&connection);
            drop(connection);
            drop(directory);
            if let Some(done) = stop {
                drop(done.send(finished));
            }
        })?;
        Ok(Self { requests: Some(requests), thread: Mutex::new(Some(thread)), queue_limit })
    }

    /// No writer: a store that is only read.
    pub(super) fn none() -> Self {
        Self { requests: None, thread: Mutex::new(None), queue_limit: 0 }
    }

    /// Runs a write and returns its result once it is durable; waits for room in the queue.
    pub(super) async fn write<T, F>(&self, rows: usize, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&Connection, Care) -> Result<T, Error> + Send + 'static,
    {
        let (request, answer) = request(rows, work);
        self.queue()?.send(request).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// The same, but refuses at once when the queue is full.
    pub(super) async fn write_or_refuse<T, F>(&self, rows: usize, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&Connection, Care) -> Result<T, Error> + Send + 'static,
    {
        let (request, answer) = request(rows, work);
        self.queue()?.try_send(request).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => self.full(),
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        answer.await.map_err(|_| closed())?
    }

    /// Finishes what is queued, moves the log into the database and ends the thread.
    pub(super) async fn close(&self) -> Result<(), Error> {
        let Some(requests) = &self.requests else { return Ok(()) };
        let (done, finished) = oneshot::channel();
        if requests.send(Request::Stop(done)).await.is_err() {
            return Ok(());
        }
        let outcome = finished.await.map_err(|_| closed())?;
        self.join();
        outcome
    }

    fn queue(&self) -> Result<&mpsc::Sender<Request>, Error> {
        self.requests.as_ref().ok_or_else(|| Error::Unavailable("store is opened for reading alone".into()))
    }

    fn full(&self) -> Error {
        Error::Unavailable(format!("write queue is full ({} requests)", self.queue_limit).into())
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("store writer panicked");
        }
    }
}

impl Drop for Writer {
    /// Without [`Writer::close`]: the same, but it blocks and nobody hears of errors.
    fn drop(&mut self) {
        self.requests = None;
        self.join();
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("queue_limit", &self.queue_limit).finish_non_exhaustive()
    }
}

/// The answer of a store that is closed or closing.
pub(super) fn closed() -> Error {
    Error::Unavailable("store is closed".into())
}

fn request<T, F>(rows: usize, work: F) -> (Request, oneshot::Receiver<Result<T, Error>>)
where
    T: Send + 'static,
    F: FnMut(&Connection, Care) -> Result<T, Error> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Request::Work(Box::new(Work { rows, run: work, result: None, reply })), answer)
}

fn serve(
    connection: &Connection,
    mut queue: mpsc::Receiver<Request>,
    max_batch: usize,
) -> Option<oneshot::Sender<Result<(), Error>>> {
    let mut stop = None;
    while let Some(first) = queue.blocking_recv() {
        let (mut batch, mut rows, mut next) = (Vec::new(), 0, Some(first));
        while let Some(request) = next {
            match request {
                Request::Work(job) => {
                    rows += job.rows();
                    batch.push(job);
                }
                Request::Stop(done) => {
                    queue.close();
                    stop = Some(done);
                }
            }
            next = if rows < max_batch { queue.try_recv().ok() } else { None };
        }
        commit(connection, batch);
    }
    stop
}

fn commit(connection: &Connection, mut batch: Vec<Box<dyn Job>>) {
    let together = transaction(connection, |connection| {
        batch.iter_mut().try_for_each(|job| job.run(connection, Care::Together))
    });
    match together {
        Err(error) if !error.retryable() => {
            for mut job in batch {
                let alone = transaction(connection, |connection| job.run(connection, Care::Alone));
                job.answer(alone);
            }
        }
        outcome => batch.into_iter().for_each(|job| job.answer(outcome.clone())),
    }
}

fn transaction(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<(), Error>,
) -> Result<(), Error> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let outcome = work(connection).and_then(|()| {
        connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    });
    // SQLite may have rolled back by itself, as it does when the disk is full.
    if outcome.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    outcome
}
