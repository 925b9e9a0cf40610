//! Bounds: what does not fit, or has nowhere to go, is handed back at once with the reason.

use liandong::port::bus::Error;

use super::bus_backend::{BusBackend, places, work, works};

on_every_bus!(
    what_does_not_fit_comes_back_at_once_whole_and_in_order,
    room_made_by_a_worker_is_room_again,
    a_full_endpoint_harms_no_other,
    work_for_an_endpoint_nobody_declared_comes_back,
    an_endpoint_nobody_declared_has_no_work,
);

async fn what_does_not_fit_comes_back_at_once_whole_and_in_order(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 4)]).await;
    let sent = works("health", 0..10);
    let back = bus.send_work(sent.clone()).await;
    let full = Error::Full { endpoint: "health".into(), limit: 4 };
    assert_eq!(back.iter().map(|(error, _)| error).collect::<Vec<_>>(), vec![&full; 6]);
    assert_eq!(back.into_iter().map(|(_, piece)| piece).collect::<Vec<_>>(), sent[4..]);
    let mut source = bus.work(&"health".into()).await.unwrap();
    for piece in &sent[..4] {
        assert_eq!(source.next().await.as_ref(), Some(piece));
    }
}

async fn room_made_by_a_worker_is_room_again(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 1)]).await;
    let mut source = bus.work(&"health".into()).await.unwrap();
    for place in 0..5 {
        assert!(bus.send_work(vec![work("health", place)]).await.is_empty());
        assert_eq!(bus.send_work(vec![work("health", 99)]).await.len(), 1);
        assert_eq!(source.next().await.unwrap().lane_sequence, place);
    }
}

async fn a_full_endpoint_harms_no_other(backend: &dyn BusBackend) {
    let bus = backend.open(&[("sick", 1), ("well", 10)]).await;
    assert!(bus.send_work(vec![work("sick", 0)]).await.is_empty());
    let mixed = vec![work("sick", 1), work("well", 2), work("sick", 3), work("well", 4)];
    let back: Vec<_> = bus.send_work(mixed).await.into_iter().map(|(_, piece)| piece).collect();
    assert_eq!(places(&back), [1, 3]);
    let mut source = bus.work(&"well".into()).await.unwrap();
    assert_eq!(source.next().await.unwrap().lane_sequence, 2);
    assert_eq!(source.next().await.unwrap().lane_sequence, 4);
}

async fn work_for_an_endpoint_nobody_declared_comes_back(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 4)]).await;
    let stray = work("nowhere", 1);
    let back = bus.send_work(vec![stray.clone(), work("health", 2)]).await;
    assert_eq!(back, [(Error::UnknownEndpoint("nowhere".into()), stray)]);
    let mut source = bus.work(&"health".into()).await.unwrap();
    assert_eq!(source.next().await.unwrap().lane_sequence, 2);
}

async fn an_endpoint_nobody_declared_has_no_work(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 4)]).await;
    let none = bus.work(&"nowhere".into()).await.unwrap_err();
    assert_eq!(none, Error::UnknownEndpoint("nowhere".into()));
}
