//! Windows hold, and a worker that reads nothing holds up nobody but itself.

use liandong::proto::v1::{
    DismissWork, EndpointWindow, LeaveEndpoint, attach_request::Request as Asked,
    attach_response::Response as Said,
};
use serde_json::json;
use tonic::transport::Endpoint;

use super::{On, REGULATED, Stage};
use crate::harness::{
    hub::eventually,
    rpc::{soon, submit},
    sender::result,
    stream::{WorkerStream, delivered},
};

#[tokio::test(flavor = "multi_thread")]
async fn work_is_leased_only_when_a_worker_is_there() {
    let stage = Stage::open(On::Local).await;
    let early = stage.results("A", 3).await;
    // The dispatcher has looked many times when an answer to another question has come.
    for delivery in &early {
        let row = stage.hub.delivery(delivery).await;
        assert_eq!((&row["state"], &row["attempts"]), (&json!("ready"), &json!(0)), "{row}");
    }
    let worker = stage.worker(&stage.token("north"));
    for delivery in &early {
        let row = stage.hub.until(delivery, "delivered").await;
        assert_eq!(row["attempts"], json!(1), "{row}");
    }
    assert_eq!(worker.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_brought_no_more_than_its_window_until_it_has_finished_some() {
    let stage = Stage::with(On::Local, "[limits]\ntimeout_ms = 30000\n", 500).await;
    let mut north = stage.stream(&stage.token("north"), 2).await;
    stage.results("A", 5).await;
    let (first, second) = (north.piece().await, north.piece().await);
    assert!(north.hears_nothing().await);
    // What is finished with makes room, whichever way.
    north.ask(Asked::Dismiss(DismissWork { delivery: second.delivery, lease: second.lease })).await;
    north.piece().await;
    assert!(north.hears_nothing().await);
    assert_eq!(north.report(vec![delivered(&first)]).await[0].reason, "");
    north.piece().await;
    assert!(north.hears_nothing().await);
    let wider = EndpointWindow { endpoint: REGULATED.to_owned(), window: 3 };
    north.ask(Asked::Window(wider)).await;
    let last = north.piece().await;
    assert_eq!(north.report(vec![delivered(&last)]).await[0].reason, "");
    // Who leaves is told when nothing more comes.
    north.ask(Asked::Leave(LeaveEndpoint { endpoint: REGULATED.to_owned() })).await;
    let Ok(Some(Said::Ended(ended))) = north.next().await else { panic!("no end") };
    assert_eq!(ended.endpoint, REGULATED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_reads_nothing_holds_up_neither_calls_nor_other_workers() {
    const MANY: usize = 120;

    let more = "on_unknown = \"resend\"\n[limits]\ntimeout_ms = 20000\nwindow = 200\nqueue = 400\n";
    let stage = Stage::with(On::Local, more, 500).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", stage.address)).unwrap();
    // No more than a few pieces fit into what it has room for on its way.
    let narrow = endpoint.initial_stream_window_size(4_096).initial_connection_window_size(1 << 20);
    let channel = narrow.connect_lazy();
    let stalled = WorkerStream::attach(&channel, &stage.token("north"), &[(REGULATED, 200)]).await.unwrap();
    let deliveries = stage.results("A", MANY).await;
    let made = stage.hub.ask(&["token", "new", "beside", "--endpoint", "hanbin-spj"]);
    let token = made["token"].as_str().unwrap().to_owned();
    for number in 0..20 {
        let message = result(&format!("K{number}"), &format!("K{number}"));
        let beside = submit(&channel, &token, &message);
        soon("an answer beside the stalled stream", beside).await.unwrap();
    }
    // Another worker gets what the stalled one was not given, over the same hub.
    let other = stage.worker(&stage.token("south"));
    let regulator = &stage.regulator;
    eventually("the other works", || regulator.kept() > MANY / 2).await;
    // What the stalled one had goes to the other when it is gone.
    drop((stalled, channel));
    stage.until_delivered(&deliveries).await;
    assert_eq!(other.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_copy_comes_again_while_it_is_at_it_does_not_begin_anew() {
    let mut stage = Stage::open(On::Local).await;
    let worker = stage.worker(&stage.token("north"));
    stage.regulator.behave(|_| crate::harness::department::Behaviour::TakeAfter(super::A_WHILE * 3));
    let deliveries = stage.results("A", 3).await;
    let regulator = &stage.regulator;
    eventually("the worker is at all of it", || regulator.arrivals() == 3).await;
    // The hub is there again before the attempts have ended, and finds its leases still standing.
    stage.hub.kill();
    stage.hub.start();
    stage.until_delivered(&deliveries).await;
    assert_eq!(stage.repeated(), []);
    assert_eq!(worker.stop(), Some(0));
}
