//! Outcomes: in batches, none thrown away, whoever reports waits for room.

use std::collections::BTreeSet;

use super::bus_backend::{BusBackend, gather, outcome, places, work, works};

on_every_bus!(
    an_outcome_arrives_whole,
    a_batch_has_at_least_one_and_at_most_the_limit,
    whoever_reports_waits_for_room_and_nothing_is_lost,
    outcomes_of_all_endpoints_come_together,
    giving_up_waiting_for_outcomes_loses_none,
);

async fn an_outcome_arrives_whole(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 4)]).await;
    let sent = outcome(work("health", 1));
    bus.send_outcomes(vec![sent.clone()]).await.unwrap();
    assert_eq!(bus.outcomes().await.unwrap().next(10).await, [sent]);
}

async fn a_batch_has_at_least_one_and_at_most_the_limit(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 4)]).await;
    bus.send_outcomes(works("health", 0..10).into_iter().map(outcome).collect()).await.unwrap();
    let mut source = bus.outcomes().await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 10 {
        let batch = source.next(4).await;
        assert!((1..=4).contains(&batch.len()), "{}", batch.len());
        seen.extend(batch.iter().map(|outcome| outcome.work.lane_sequence));
        source.settled().await;
    }
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
}

async fn whoever_reports_waits_for_room_and_nothing_is_lost(backend: &dyn BusBackend) {
    const MANY: u64 = 5_000;
    let bus = backend.open(&[("health", 4)]).await;
    let sent: Vec<_> = works("health", 0..MANY).into_iter().map(outcome).collect();
    let mut source = bus.outcomes().await.unwrap();
    let (reported, seen) = tokio::join!(bus.send_outcomes(sent), async {
        let mut seen = BTreeSet::new();
        while (seen.len() as u64) < MANY {
            seen.extend(source.next(100).await.iter().map(|outcome| outcome.work.lane_sequence));
            source.settled().await;
        }
        seen
    });
    reported.unwrap();
    assert_eq!(seen, (0..MANY).collect());
}

async fn outcomes_of_all_endpoints_come_together(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 4), ("culture", 4)]).await;
    bus.send_outcomes(vec![outcome(work("health", 1)), outcome(work("culture", 2))]).await.unwrap();
    let mut source = bus.outcomes().await.unwrap();
    let seen: Vec<_> = gather(&mut source, 2).await.into_iter().map(|outcome| outcome.work).collect();
    assert_eq!(places(&seen).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([1, 2]));
}

async fn giving_up_waiting_for_outcomes_loses_none(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 4)]).await;
    let mut source = bus.outcomes().await.unwrap();
    for place in 0..5 {
        let mut given_up = Box::pin(source.next(10));
        assert!(futures::poll!(&mut given_up).is_pending());
        bus.send_outcomes(vec![outcome(work("health", place))]).await.unwrap();
        drop(given_up);
        assert_eq!(source.next(10).await[0].work.lane_sequence, place);
    }
}
