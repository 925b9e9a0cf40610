//! What the bus says of a publish is what became of it.

use std::{collections::HashMap, time::Duration};

use liandong::{
    bus::rabbitmq::Nodes,
    port::bus::{Bus as _, Error},
};

use crate::{
    contract::bus_backend::{gather, ids, next, outcome, work, works},
    harness::{
        broker::{Broker, End},
        hub::{PATIENCE, wait_until_told},
        line::{Line, Passes},
    },
};

/// Where the broker of a test listens.
fn place(broker: &Broker) -> String {
    let (_, place) = broker.url().rsplit_once('@').unwrap();
    place.split('/').next().unwrap().to_owned()
}

/// An end that reaches the broker over a line, and gives up waiting for a confirm soon.
async fn over(line: &Line, broker: &Broker, publish_timeout: Duration) -> End {
    let mut options = broker.options(&[("a", 1000)]);
    let url = broker.url().replace(&place(broker), &line.address.to_string());
    options.nodes = Nodes::parse(&url).unwrap();
    options.publish_timeout = publish_timeout;
    broker.open(options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirm_is_never_taken_for_another() {
    let broker = Broker::new().await;
    let end = broker.open(broker.options(&[("full", 1), ("free", 100_000)])).await;
    // Fill the one that refuses from then on.
    while end.bus.send_work(vec![work("full", 0)]).await.is_empty() {}
    let senders = (0..8).map(|_| async {
        for number in 0..50 {
            let (refused, taken) = (work("full", number), work("free", number));
            let back = end.bus.send_work(vec![taken.clone(), refused.clone(), work("free", number)]).await;
            assert_eq!(back, [(Error::Full { endpoint: "full".into(), limit: 1 }, refused)]);
        }
    });
    futures::future::join_all(senders).await;
    let own = broker.channel().await;
    own.until_count("liandong.work.free", 8 * 50 * 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_is_too_large_is_told_apart_and_ends_no_channel() {
    let broker = Broker::new().await;
    let mut options = broker.options(&[("a", 1000)]);
    options.message_bytes = 1024;
    let end = broker.open(options).await;
    let (mut large, small) = (work("a", 1), work("a", 2));
    large.body = format!(r#"{{"text":"{}"}}"#, "x".repeat(66 * 1024)).into();
    let back = end.bus.send_work(vec![large.clone(), small.clone()]).await;
    let [(Error::TooLarge { bytes, limit: 67_584 }, piece)] = &back[..] else { panic!("{back:?}") };
    assert!(*bytes > 67_584 && *piece == large, "{bytes}");
    assert_eq!(next(&mut end.bus.work(&"a".into()).await.unwrap()).await, small);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_queue_takes_is_told_apart_inside_a_batch() {
    let broker = Broker::new().await;
    let end = broker.open(broker.options(&[("a", 1000), ("b", 1000)])).await;
    let own = broker.channel().await;
    own.unbind("liandong.work.b", ("liandong.work", "b")).await;
    let (a, b) = (works("a", 0..300), works("b", 0..100));
    let mut batch = Vec::new();
    for (index, piece) in a.iter().enumerate() {
        batch.push(piece.clone());
        if index % 3 == 0 {
            batch.push(b[index / 3].clone());
        }
    }
    let back = end.bus.send_work(batch).await;
    assert!(back.iter().all(|(error, _)| *error == Error::Unrouted("b".into())), "{back:?}");
    assert_eq!(ids(back.iter().map(|(_, work)| work)), ids(&b));
    own.until_count("liandong.work.a", 300).await;
    // The queue is bound again with the connection that follows.
    end.bus.ready().await;
    let mut again = b;
    while !again.is_empty() {
        again = end.bus.send_work(again).await.into_iter().map(|(_, work)| work).collect();
        end.bus.ready().await;
    }
    own.until_count("liandong.work.b", 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_whose_leader_was_elsewhere_when_a_channel_first_published_takes_work_again() {
    let broker = Broker::new().await;
    // What a channel finds that publishes for the first time just when the node of the leader is lost. The broker
    // puts it right every few seconds: until one has found it.
    let mut queued = 0;
    let end = loop {
        let end = broker.open(broker.options(&[("a", 1000)])).await;
        broker.place_leader("liandong.work.a", "gone@localhost").await;
        let piece = work("a", 0);
        let back = end.bus.send_work(vec![piece.clone()]).await;
        if !back.is_empty() {
            assert_eq!(back, [(Error::Full { endpoint: "a".into(), limit: 1000 }, piece)]);
            break end;
        }
        queued += 1;
    };
    let taken = async || end.bus.send_work(vec![work("a", 1)]).await.is_empty();
    assert!(wait_until_told(PATIENCE, taken).await, "a queue with room for it never takes work again");
    broker.channel().await.until_count("liandong.work.a", queued + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_without_a_confirm_may_be_queued_and_a_second_copy_is_not_worked_on_twice() {
    let broker = Broker::new().await;
    let line = Line::to(place(&broker)).await;
    let end = over(&line, &broker, Duration::from_millis(1500)).await;
    end.bus.ready().await;
    line.let_pass(Passes::Questions);
    let piece = work("a", 1);
    let back = end.bus.send_work(vec![piece.clone()]).await;
    assert!(matches!(&back[..], [(Error::Unconfirmed(_), work)] if *work == piece), "{back:?}");
    assert!(!back[0].0.nothing_sent());
    let own = broker.channel().await;
    own.until_count("liandong.work.a", 1).await;

    line.let_pass(Passes::Both);
    end.bus.ready().await;
    assert_eq!(end.bus.send_work(vec![piece.clone(), work("a", 2)]).await, []);
    own.until_count("liandong.work.a", 3).await;
    let mut source = end.bus.work(&"a".into()).await.unwrap();
    assert_eq!(next(&mut source).await, piece);
    let second = next(&mut source).await;
    assert_eq!(second.lane_sequence, 2, "the second copy of the first was handed out");
    end.bus.send_outcomes(vec![outcome(piece), outcome(second)]).await.unwrap();
    drop(source);
    own.until_count("liandong.work.a", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_hangs_hands_work_back_and_holds_outcomes_until_it_carries_again() {
    let broker = Broker::new().await;
    let line = Line::to(place(&broker)).await;
    let end = over(&line, &broker, Duration::from_millis(1500)).await;
    end.bus.ready().await;
    line.let_pass(Passes::Nothing);
    let piece = work("a", 1);
    let (first, _) = end.bus.send_work(vec![piece.clone()]).await.remove(0);
    assert!(matches!(first, Error::Unconfirmed(_)), "{first:?}");
    let (second, _) = end.bus.send_work(vec![piece.clone()]).await.remove(0);
    assert!(matches!(second, Error::Unavailable(_)), "{second:?}");
    let outcome = outcome(piece);
    let reported = end.bus.send_outcomes(vec![outcome.clone()]);
    tokio::pin!(reported);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut reported).await;
    assert!(early.is_err(), "an outcome was reported over a line that carries nothing: {early:?}");
    line.let_pass(Passes::Both);
    reported.await.unwrap();
    let mut outcomes = end.bus.outcomes().await.unwrap();
    assert_eq!(gather(&mut outcomes, 1).await[0].work.delivery, outcome.work.delivery);
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_of_many_workers_travel_together() {
    let broker = Broker::new().await;
    let end = broker.open(broker.options(&[("a", 1000)])).await;
    let reports = works("a", 0..400).into_iter().map(|piece| end.bus.send_outcomes(vec![outcome(piece)]));
    // The owner of the channel has room for so many at once; those beyond it try again.
    let reported = futures::future::join_all(reports).await;
    assert!(reported.iter().all(Result::is_ok));
    let own = broker.channel().await;
    let messages = own.count("liandong.outcome").await;
    assert!(messages < 200, "{messages} broker messages for 400 outcomes");
    let mut outcomes = end.bus.outcomes().await.unwrap();
    let mut seen: HashMap<_, usize> = HashMap::new();
    for outcome in gather(&mut outcomes, 400).await {
        *seen.entry(outcome.work.delivery).or_default() += 1;
    }
    assert_eq!(seen.len(), 400);
}
