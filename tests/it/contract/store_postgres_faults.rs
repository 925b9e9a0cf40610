//! A PostgreSQL that is killed and started again under a store: what was answered is kept, and nobody but the
//! store has to do anything.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use liandong::{
    port::{
        clock::SystemClock,
        store::{Accept as _, Deliveries as _, DeliveryFilter, Query as _, Verdict, Waiting},
    },
    store::postgres::{DatabaseClock, PostgresStore},
};

use crate::harness::{
    database::{Server, options},
    sample::{Draft, at},
    steps::{ALL, claim, deliver, submit},
};

/// Messages accepted before the server is killed, at least.
const BEFORE: usize = 200;
/// Hands in at once.
const SENDERS: usize = 4;

/// Hands in message after message until the store does not answer; the accepted ones and the one that got no
/// answer.
async fn send_until_refused(
    store: &PostgresStore,
    sender: usize,
    accepted: &AtomicUsize,
    kept: &Mutex<Vec<Draft>>,
) -> Draft {
    for number in 0.. {
        let draft = Draft::new(&format!("K-{sender}-{number}")).to("health");
        match store.accept(vec![draft.0.clone()], at(0)).await {
            Ok(verdicts) => {
                assert!(matches!(verdicts[..], [Verdict::Accepted { .. }]), "{verdicts:?}");
                kept.lock().unwrap().push(draft);
                accepted.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                assert!(error.retryable(), "{error:?}");
                return draft;
            }
        }
    }
    unreachable!("the server is killed")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_accepted_is_there_after_the_server_was_killed_under_load() {
    let server = Arc::new(Server::start());
    let clock = DatabaseClock::new(Arc::new(SystemClock));
    let store = PostgresStore::open(&options(&server.url()), clock).await.unwrap();
    let (accepted, kept) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let senders = futures::future::join_all(
        (0..SENDERS).map(|sender| send_until_refused(&store, sender, &accepted, &kept)),
    );
    let killed = async {
        while accepted.load(Ordering::Relaxed) < BEFORE {
            tokio::task::yield_now().await;
        }
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || server.control("kill")).await.unwrap();
    };
    let (unanswered, ()) = futures::future::join(senders, killed).await;

    let down = store.waiting(at(1)).await.unwrap_err();
    assert!(down.retryable(), "{down:?}");
    server.control("start");

    let kept = kept.into_inner().unwrap();
    for draft in &kept {
        let verdict = submit(&store, &draft.again(), at(2)).await;
        assert_eq!(verdict, Verdict::Duplicate { message: draft.id(), receipt: draft.0.receipt.clone() });
    }
    // Whether those were kept nobody knows; handed in again they are there once.
    for draft in &unanswered {
        let verdict = submit(&store, draft, at(2)).await;
        assert!(matches!(verdict, Verdict::Accepted { .. } | Verdict::Duplicate { .. }), "{verdict:?}");
    }
    let all = kept.len() + unanswered.len();
    assert_eq!(store.deliveries(DeliveryFilter::default(), ALL).await.unwrap().len(), all);
    for work in claim(&store, "health", 10_000, at(3)).await {
        deliver(&store, &work, at(4)).await;
    }
    assert_eq!(store.waiting(at(5)).await.unwrap(), Waiting::default());
    let delivered: u64 = store.counts().await.unwrap().iter().map(|row| row.deliveries).sum();
    assert_eq!(delivered, all as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_that_meet_a_stopped_server_are_told_to_try_later_and_succeed_when_it_is_back() {
    let server = Server::start();
    let clock = DatabaseClock::new(Arc::new(SystemClock));
    let mut options = options(&server.url());
    options.connect_timeout = Duration::from_secs(2);
    let store = PostgresStore::open(&options, clock).await.unwrap();
    let draft = Draft::new("K-1").to("health");
    assert!(matches!(submit(&store, &draft, at(0)).await, Verdict::Accepted { .. }));
    server.control("stop");
    for _ in 0..3 {
        let refused = store.accept(vec![Draft::new("K-2").0], at(1)).await.unwrap_err();
        assert!(refused.retryable(), "{refused:?}");
    }
    server.control("start");
    assert!(matches!(submit(&store, &Draft::new("K-2").to("health"), at(2)).await, Verdict::Accepted { .. }));
    assert_eq!(claim(&store, "health", 10, at(3)).await.len(), 2);
}
