//! Closing: no more work is taken, what is queued is still done, outcomes end with the last worker.

use liandong::port::bus::Error;

use super::bus_backend::{BusBackend, outcome, take, work, works};

on_every_bus!(
    a_closed_bus_hands_work_back,
    what_is_queued_is_still_done_and_then_sources_end,
    a_source_that_was_open_ends_after_what_is_queued,
    whoever_waits_for_work_learns_of_the_end,
    outcomes_end_when_every_endpoint_has_finished_and_not_before,
    endpoints_that_finish_first_do_not_end_outcomes_before_the_bus_is_closed,
    an_outcome_after_the_last_is_refused,
    closing_and_finishing_twice_is_as_once,
);

async fn a_closed_bus_hands_work_back(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 4)]).await;
    bus.close().await;
    let piece = work("health", 1);
    assert_eq!(bus.send_work(vec![piece.clone()]).await, [(Error::Closed, piece)]);
}

async fn what_is_queued_is_still_done_and_then_sources_end(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 10)]).await;
    assert!(bus.send_work(works("health", 0..3)).await.is_empty());
    bus.close().await;
    let mut source = bus.work(&"health".into()).await.unwrap();
    for place in 0..3 {
        assert_eq!(take(&mut source).await.lane_sequence, place);
    }
    assert_eq!(source.next().await, None);
    assert_eq!(source.next().await, None, "an end stays an end");
}

async fn a_source_that_was_open_ends_after_what_is_queued(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 100)]).await;
    let sent = works("health", 0..40);
    assert_eq!(bus.send_work(sent.clone()).await, []);
    let mut source = bus.work(&"health".into()).await.unwrap();
    let mut came = vec![take(&mut source).await];
    bus.close().await;
    while let Some(piece) = source.next().await {
        source.dismiss(piece.clone()).await;
        came.push(piece);
    }
    assert_eq!(came, sent);
    assert_eq!(source.next().await, None, "an end stays an end");
}

async fn whoever_waits_for_work_learns_of_the_end(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 4)]).await;
    let mut source = bus.work(&"health".into()).await.unwrap();
    let mut waiting = Box::pin(source.next());
    assert!(futures::poll!(&mut waiting).is_pending());
    bus.close().await;
    assert_eq!(waiting.await, None);
}

async fn outcomes_end_when_every_endpoint_has_finished_and_not_before(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 4), ("culture", 4)]).await;
    let mut source = bus.outcomes().await.unwrap();
    bus.close().await;
    bus.finish(&"culture".into()).await;
    let mut waiting = Box::pin(source.next(10));
    assert!(futures::poll!(&mut waiting).is_pending(), "health may still report");
    bus.send_outcomes(vec![outcome(work("health", 1))]).await.unwrap();
    assert_eq!(waiting.await.len(), 1);
    bus.send_outcomes(vec![outcome(work("health", 2))]).await.unwrap();
    bus.finish(&"health".into()).await;
    assert_eq!(source.next(10).await.len(), 1, "what was reported before the end is not lost");
    assert!(source.next(10).await.is_empty());
    assert!(source.next(10).await.is_empty(), "an end stays an end");
}

async fn endpoints_that_finish_first_do_not_end_outcomes_before_the_bus_is_closed(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 4)]).await;
    let mut source = bus.outcomes().await.unwrap();
    bus.finish(&"health".into()).await;
    let mut waiting = Box::pin(source.next(10));
    assert!(futures::poll!(&mut waiting).is_pending());
    bus.close().await;
    assert!(waiting.await.is_empty());
}

async fn an_outcome_after_the_last_is_refused(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 4)]).await;
    bus.close().await;
    bus.finish(&"health".into()).await;
    let refused = bus.send_outcomes(vec![outcome(work("health", 1))]).await;
    assert_eq!(refused, Err(Error::Closed));
}

async fn closing_and_finishing_twice_is_as_once(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 4)]).await;
    for _ in 0..2 {
        bus.close().await;
        bus.finish(&"health".into()).await;
        bus.finish(&"nowhere".into()).await;
    }
    assert!(bus.outcomes().await.unwrap().next(10).await.is_empty());
    assert_eq!(bus.work(&"health".into()).await.unwrap().next().await, None);
}
