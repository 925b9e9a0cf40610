//! Work: in order for an endpoint, whole, once, to whoever of its workers asks first.

use std::collections::BTreeSet;

use super::bus_backend::{BusBackend, places, work, works};

on_every_bus!(
    work_of_one_endpoint_arrives_whole_and_in_the_order_sent,
    work_goes_to_its_own_endpoint,
    several_consumers_share_the_work_of_an_endpoint,
    whoever_waits_is_given_what_comes,
    giving_up_waiting_loses_nothing,
);

async fn work_of_one_endpoint_arrives_whole_and_in_the_order_sent(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 100)]).await;
    let sent = works("health", 0..30);
    for part in sent.chunks(7) {
        assert!(bus.send_work(part.to_vec()).await.is_empty());
    }
    let mut source = bus.work(&"health".into()).await.unwrap();
    for piece in &sent {
        assert_eq!(source.next().await.as_ref(), Some(piece));
    }
}

async fn work_goes_to_its_own_endpoint(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 10), ("culture", 10)]).await;
    let mixed = vec![work("health", 1), work("culture", 2), work("health", 3), work("culture", 4)];
    assert!(bus.send_work(mixed).await.is_empty());
    for (endpoint, expected) in [("culture", [2, 4]), ("health", [1, 3])] {
        let mut source = bus.work(&endpoint.into()).await.unwrap();
        for place in expected {
            let piece = source.next().await.unwrap();
            assert_eq!((piece.endpoint.as_str(), piece.lane_sequence), (endpoint, place));
        }
    }
}

async fn several_consumers_share_the_work_of_an_endpoint(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 100)]).await;
    assert!(bus.send_work(works("health", 0..20)).await.is_empty());
    bus.close().await;
    let mut consumers = Vec::new();
    for _ in 0..3 {
        let mut source = bus.work(&"health".into()).await.unwrap();
        consumers.push(async move {
            let mut taken = Vec::new();
            while let Some(piece) = source.next().await {
                taken.push(piece);
            }
            taken
        });
    }
    let taken: Vec<_> = futures::future::join_all(consumers).await.into_iter().flatten().collect();
    assert_eq!(taken.len(), 20, "each once");
    assert_eq!(places(&taken).into_iter().collect::<BTreeSet<_>>(), (0..20).collect());
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
        assert_eq!(source.next().await.unwrap().lane_sequence, place);
    }
}
