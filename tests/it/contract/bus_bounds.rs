//! Bounds: what does not fit, or has nowhere to go, is handed back at once with the reason.

use liandong::port::bus::Error;

use super::bus_backend::{BusBackend, fill, ids, next, places, take, work, works};

on_every_bus!(
    what_does_not_fit_comes_back_at_once_whole_and_in_order,
    room_made_by_a_worker_is_room_again,
    a_full_endpoint_harms_no_other,
    work_for_an_endpoint_nobody_declared_comes_back,
    an_endpoint_nobody_declared_has_no_work,
);

async fn what_does_not_fit_comes_back_at_once_whole_and_in_order(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 4)]).await;
    let mut taken = fill(&*bus, "health", 4).await;
    assert!(taken.len() >= 4, "{} of 4", taken.len());
    let sent = works("health", 500..520);
    let back = bus.send_work(sent.clone()).await;
    let full = Error::Full { endpoint: "health".into(), limit: 4 };
    assert_eq!(back.iter().map(|(error, _)| error).collect::<Vec<_>>(), vec![&full; 20]);
    assert!(full.nothing_sent());
    assert_eq!(back.into_iter().map(|(_, piece)| piece).collect::<Vec<_>>(), sent);
    let mut source = bus.work(&"health".into()).await.unwrap();
    while !taken.is_empty() {
        assert_eq!(take(&mut source).await, taken.remove(0));
    }
}

async fn room_made_by_a_worker_is_room_again(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 2)]).await;
    for _ in 0..3 {
        let taken = fill(&*bus, "health", 2).await;
        let mut source = bus.work(&"health".into()).await.unwrap();
        for piece in taken {
            assert_eq!(take(&mut source).await.delivery, piece.delivery);
        }
        let mut late = vec![work("health", 99)];
        while !late.is_empty() {
            late = bus.send_work(late).await.into_iter().map(|(_, piece)| piece).collect();
        }
        assert_eq!(take(&mut source).await.lane_sequence, 99);
        drop(source);
    }
}

async fn a_full_endpoint_harms_no_other(backend: &dyn BusBackend) {
    let bus = backend.open(&[("sick", 1), ("well", 10)]).await;
    fill(&*bus, "sick", 1).await;
    let mixed = vec![work("sick", 1), work("well", 2), work("sick", 3), work("well", 4)];
    let back: Vec<_> = bus.send_work(mixed).await.into_iter().map(|(_, piece)| piece).collect();
    assert_eq!(places(&back), [1, 3]);
    let mut source = bus.work(&"well".into()).await.unwrap();
    assert_eq!(next(&mut source).await.lane_sequence, 2);
    assert_eq!(next(&mut source).await.lane_sequence, 4);
}

async fn work_for_an_endpoint_nobody_declared_comes_back(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 4)]).await;
    let (stray, known) = (work("nowhere", 1), work("health", 2));
    let back = bus.send_work(vec![stray.clone(), known.clone()]).await;
    assert_eq!(back, [(Error::UnknownEndpoint("nowhere".into()), stray)]);
    let came = next(&mut bus.work(&"health".into()).await.unwrap()).await;
    assert_eq!(ids([&came]), ids([&known]));
}

async fn an_endpoint_nobody_declared_has_no_work(backend: &dyn BusBackend) {
    let bus = backend.open(&[("health", 4)]).await;
    let none = bus.work(&"nowhere".into()).await.unwrap_err();
    assert_eq!(none, Error::UnknownEndpoint("nowhere".into()));
}
