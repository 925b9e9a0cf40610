//! The sink: the systems that deliveries go to, behind one address. It counts and takes times, no more.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode};
use jiff::Timestamp;
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::sync::CancellationToken;

use crate::{
    api,
    port::clock::{Clock as _, SystemClock},
    task::Supervisor,
};

/// Beginning of the field that says when a delivery's message was accepted.
const ACCEPTED_AT: &str = r#""acceptedAt":""#;

/// A running sink.
#[derive(Debug)]
pub(super) struct Sink {
    desk: Arc<Desk>,
    pub(super) address: SocketAddr,
    tasks: Supervisor,
}

#[derive(Debug, Default)]
struct Desk {
    shut: AtomicBool,
    taken: AtomicUsize,
    refused: AtomicUsize,
    /// The count of either that somebody waits for.
    wanted: AtomicUsize,
    /// From acceptance to arrival, microseconds.
    ages: Mutex<Vec<u32>>,
    bell: Notify,
}

impl Sink {
    /// Opens it on a free port of this machine.
    pub(super) async fn open() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let desk = Arc::new(Desk::default());
        let router = Router::new().fallback(take).with_state(Arc::clone(&desk));
        let mut tasks = Supervisor::new(CancellationToken::new());
        let serve = api::serve(listener, router, tasks.token().clone().cancelled_owned());
        tasks.spawn("sink", async { Ok(serve.await?) });
        Ok(Self { desk, address, tasks })
    }

    /// Forgets what it counted and takes deliveries.
    pub(super) fn welcome(&self) {
        self.desk.shut.store(false, Ordering::Release);
        self.desk.taken.store(0, Ordering::Release);
        self.ages();
    }

    /// Answers 503 from now on.
    pub(super) fn shut(&self) {
        self.desk.shut.store(true, Ordering::Release);
        self.desk.refused.store(0, Ordering::Release);
    }

    /// Waits until it has taken `count`.
    pub(super) async fn taken(&self, count: usize) {
        self.reached(&self.desk.taken, count).await;
    }

    /// Waits until it has refused `count`.
    pub(super) async fn refused(&self, count: usize) {
        self.reached(&self.desk.refused, count).await;
    }

    /// How many it has taken.
    pub(super) fn count(&self) -> usize {
        self.desk.taken.load(Ordering::Acquire)
    }

    /// Takes out the ages of what arrived, microseconds, sorted.
    pub(super) fn ages(&self) -> Vec<u32> {
        let mut ages = std::mem::take(&mut *self.desk.ages.lock().unwrap_or_else(PoisonError::into_inner));
        ages.sort_unstable();
        ages
    }

    /// Closes it.
    pub(super) async fn close(self, grace: std::time::Duration) -> Result<(), crate::task::Error> {
        self.tasks.drain(grace).await
    }

    async fn reached(&self, counter: &AtomicUsize, count: usize) {
        self.desk.wanted.store(count, Ordering::SeqCst);
        loop {
            let rung = self.desk.bell.notified();
            if counter.load(Ordering::SeqCst) >= count {
                return;
            }
            rung.await;
        }
    }
}

async fn take(State(desk): State<Arc<Desk>>, body: Bytes) -> (StatusCode, &'static str) {
    if desk.shut.load(Ordering::Acquire) {
        desk.count(&desk.refused);
        return (StatusCode::SERVICE_UNAVAILABLE, r#"{"code":1}"#);
    }
    if let Some(age) = age_micros(&body) {
        desk.ages.lock().unwrap_or_else(PoisonError::into_inner).push(age);
    }
    desk.count(&desk.taken);
    (StatusCode::OK, r#"{"code":0}"#)
}

impl Desk {
    /// Counts one more, and rings when that is what somebody waits for.
    fn count(&self, counter: &AtomicUsize) {
        let count = counter.fetch_add(1, Ordering::SeqCst) + 1;
        if count >= self.wanted.load(Ordering::SeqCst) {
            self.bell.notify_waiters();
        }
    }
}

fn age_micros(body: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once(ACCEPTED_AT)?;
    let accepted: Timestamp = rest.split('"').next()?.parse().ok()?;
    let age = SystemClock.now().duration_since(accepted).as_micros().max(0);
    u32::try_from(age).ok().or(Some(u32::MAX))
}
