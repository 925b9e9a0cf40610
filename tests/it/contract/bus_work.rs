//! Work: in order for an endpoint, whole, once, to whoever of its workers asks first.

use std::{
    collections::BTreeSet,
    task::Poll,
    time::{Duration, Instant},
};

use super::bus_backend::{BusBackend, gather, ids, next, outcome, places, take, work, works};

on_every_bus!(
    a_bus_in_order_is_ready_and_an_endpoint_served_here_has_workers,
    work_of_one_endpoint_arrives_whole_and_in_the_order_sent,
    work_goes_to_its_own_endpoint,
    several_consumers_share_the_work_of_an_endpoint,
    whoever_waits_is_given_what_comes,
    giving_up_waiting_loses_nothing,
    waits_given_up_at_any_moment_lose_nothing,
    work_reported_or_dismissed_does_not_come_again,
    dropping_a_copy_waits_for_no_report_that_nobody_goes_on_with,
);

async fn a_bus_in_order_is_ready_and_an_endpoint_served_here_has_workers(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 10)]).await;
    bus.ready().await;
    assert!(bus.has_workers(&"health".into()));
    assert!(bus.send_work(vec![work("health", 1)]).await.is_empty());
}

async fn work_of_one_endpoint_arrives_whole_and_in_the_order_sent(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 1000)]).await;
    let sent = works("health", 0..300);
    for part in sent.chunks(70) {
        assert_eq!(bus.send_work(part.to_vec()).await, []);
    }
    let mut source = bus.work(&"health".into()).await.unwrap();
    for piece in sent {
        assert_eq!(take(&mut source).await, piece);
    }
}

async fn work_goes_to_its_own_endpoint(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 10), ("culture", 10)]).await;
    let mixed = vec![work("health", 1), work("culture", 2), work("health", 3), work("culture", 4)];
    assert!(bus.send_work(mixed).await.is_empty());
    for (endpoint, expected) in [("culture", [2, 4]), ("health", [1, 3])] {
        let mut source = bus.work(&endpoint.into()).await.unwrap();
        for place in expected {
            let piece = next(&mut source).await;
            assert_eq!((piece.endpoint.as_str(), piece.lane_sequence), (endpoint, place));
        }
    }
}

async fn several_consumers_share_the_work_of_an_endpoint(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 1000)]).await;
    let sent = works("health", 0..200);
    assert!(bus.send_work(sent.clone()).await.is_empty());
    let mut consumers = Vec::new();
    for _ in 0..3 {
        let mut source = bus.work(&"health".into()).await.unwrap();
        consumers.push(async move {
            let mut taken = Vec::new();
            while let Some(piece) = source.next().await {
                source.dismiss(piece.clone()).await;
                taken.push(piece);
            }
            taken
        });
    }
    let (taken, ()) = tokio::join!(futures::future::join_all(consumers), bus.close());
    let taken: Vec<_> = taken.into_iter().flatten().collect();
    assert_eq!(taken.len(), 200, "each once");
    assert_eq!(ids(&taken), ids(&sent));
    assert_eq!(places(&taken).into_iter().collect::<BTreeSet<_>>(), (0..200).collect());
}

async fn whoever_waits_is_given_what_comes(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 10)]).await;
    let mut source = bus.work(&"health".into()).await.unwrap();
    let mut waiting = Box::pin(source.next());
    assert!(futures::poll!(&mut waiting).is_pending());
    assert!(bus.send_work(vec![work("health", 1)]).await.is_empty());
    assert_eq!(waiting.await.unwrap().lane_sequence, 1);
}

async fn giving_up_waiting_loses_nothing(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 10)]).await;
    let mut source = bus.work(&"health".into()).await.unwrap();
    for place in 0..5 {
        let mut given_up = Box::pin(source.next());
        assert!(futures::poll!(&mut given_up).is_pending());
        assert!(bus.send_work(vec![work("health", place)]).await.is_empty());
        drop(given_up);
        assert_eq!(take(&mut source).await.lane_sequence, place);
    }
}

async fn waits_given_up_at_any_moment_lose_nothing(backend: &dyn BusBackend) {
    const SOON: Duration = Duration::from_micros(200);
    let bus = backend.open(&[("health", 1000)]).await;
    let mut source = bus.work(&"health".into()).await.unwrap();
    let mut outcomes = bus.outcomes().await.unwrap();
    let sent = works("health", 0..50);
    let (mut came, mut settled) = (Vec::new(), Vec::new());
    for piece in &sent {
        assert_eq!(bus.send_work(vec![piece.clone()]).await, []);
        for _ in 0..3 {
            if let Ok(Some(piece)) = tokio::time::timeout(SOON, source.next()).await {
                bus.send_outcomes(vec![outcome(piece.clone())]).await.unwrap();
                came.push(piece);
            }
            if let Ok(batch) = tokio::time::timeout(SOON, outcomes.next(7)).await {
                settled.extend(batch);
                outcomes.settled().await;
            }
        }
    }
    while came.len() < sent.len() {
        let piece = next(&mut source).await;
        bus.send_outcomes(vec![outcome(piece.clone())]).await.unwrap();
        came.push(piece);
    }
    let missing = sent.len() - settled.len();
    settled.extend(gather(&mut outcomes, missing).await);
    assert_eq!(came, sent);
    assert_eq!(ids(settled.iter().map(|outcome| &outcome.work)), ids(&sent));
}

async fn work_reported_or_dismissed_does_not_come_again(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 10)]).await;
    assert!(bus.send_work(works("health", 0..4)).await.is_empty());
    let mut source = bus.work(&"health".into()).await.unwrap();
    for _ in 0..2 {
        take(&mut source).await;
        let piece = next(&mut source).await;
        bus.send_outcomes(vec![outcome(piece)]).await.unwrap();
    }
    drop(source);
    bus.close().await;
    assert_eq!(bus.work(&"health".into()).await.unwrap().next().await, None);
}

async fn dropping_a_copy_waits_for_no_report_that_nobody_goes_on_with(backend: &dyn BusBackend) {
    const PAIRS: u32 = 200;
    let bus = backend.open(&[("health", 1000)]).await;
    assert!(bus.send_work(works("health", 0..u64::from(2 * PAIRS))).await.is_empty());
    let mut source = bus.work(&"health".into()).await.unwrap();
    for pair in 0..PAIRS {
        let (first, second) = (next(&mut source).await, next(&mut source).await);
        let mut report = Box::pin(bus.send_outcomes(vec![outcome(first)]));
        // It stands at another point each time.
        let (begun, moment) = (Instant::now(), Duration::from_micros(40) * pair);
        let mut reported = Poll::Pending;
        while reported.is_pending() && begun.elapsed() < moment {
            reported = futures::poll!(&mut report);
            tokio::task::yield_now().await;
        }
        source.dismiss(second).await;
        match reported {
            Poll::Ready(reported) => reported.unwrap(),
            Poll::Pending => report.await.unwrap(),
        }
    }
}
