//! The readers: a few threads, each with a read-only connection of its own, on one bounded queue.
//!
//! A read sees every commit that returned before it was asked, and never waits for the writer.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::writer::closed;
use crate::port::store::Error;

/// Hands reads to the threads.
pub(super) struct Readers {
    requests: Option<mpsc::Sender<Request>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    ended: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

enum Request {
    Read(Box<dyn FnOnce(&Connection) + Send>),
    Stop,
}

type Queue = Arc<Mutex<mpsc::Receiver<Request>>>;

impl Readers {
    /// Starts a thread for each connection.
    pub(super) fn start(connections: Vec<Connection>, queue_limit: usize) -> std::io::Result<Self> {
        let (requests, queue) = mpsc::channel(queue_limit.max(1));
        let (alive, ended) = mpsc::channel(1);
        let queue: Queue = Arc::new(Mutex::new(queue));
        let threads = connections
            .into_iter()
            .map(|connection| {
                let (queue, alive) = (Arc::clone(&queue), alive.clone());
                thread::Builder::new().name("store-reader".to_owned()).spawn(move || {
                    serve(&connection, &queue);
                    drop(connection);
                    drop(alive);
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            requests: Some(requests),
            threads: Mutex::new(threads),
            ended: tokio::sync::Mutex::new(ended),
        })
    }

    /// Runs a read; waits for room in the queue.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let read = Request::Read(Box::new(move |connection| {
            // A caller that has gone away does not want the answer.
            drop(reply.send(snapshot(connection, work)));
        }));
        let requests = self.requests.as_ref().ok_or_else(closed)?;
        requests.send(read).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Finishes what is queued and ends the threads.
    pub(super) async fn close(&self) {
        if let Some(requests) = &self.requests
            && requests.send(Request::Stop).await.is_ok()
        {
            while self.ended.lock().await.recv().await.is_some() {}
        }
        self.join();
    }

    fn join(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("store reader panicked");
            }
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.requests = None;
        self.join();
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}

fn serve(connection: &Connection, queue: &Mutex<mpsc::Receiver<Request>>) {
    loop {
        let request = {
            // One thread waits for the next request, the others wait for it to have one.
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            let request = queue.blocking_recv();
            if matches!(request, Some(Request::Stop)) {
                queue.close();
            }
            request
        };
        match request {
            Some(Request::Read(read)) => read(connection),
            Some(Request::Stop) => {}
            None => return,
        }
    }
}

/// One picture of the store for all statements of a read.
fn snapshot<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    connection.prepare_cached("BEGIN DEFERRED")?.execute([])?;
    let outcome = work(connection);
    connection.prepare_cached("COMMIT")?.execute([])?;
    outcome
}
