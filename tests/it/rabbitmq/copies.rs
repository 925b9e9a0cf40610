//! Copies come again until they are finished with, and no longer.

use std::time::Duration;

use lapin::options::{BasicGetOptions, BasicNackOptions, BasicPublishOptions, BasicRejectOptions};
use liandong::{
    bus::rabbitmq::Role,
    port::bus::{Brought, Bus as _},
};

use crate::{
    contract::bus_backend::{gather, ids, next, outcome, work, works},
    harness::{broker::Broker, hub::PATIENCE},
};

const QUEUE: &str = "liandong.work.a";
const DEAD: &str = "liandong.dead";

#[tokio::test(flavor = "multi_thread")]
async fn work_not_reported_comes_again_to_another_process() {
    let broker = Broker::new().await;
    let (first, second) =
        (broker.open(broker.options(&[("a", 100)])).await, broker.open(broker.options(&[("a", 100)])).await);
    let sent = works("a", 0..10);
    assert_eq!(first.bus.send_work(sent.clone()).await, []);
    let mut source = first.bus.work(&"a".into()).await.unwrap();
    let mut came = Vec::new();
    for _ in 0..10 {
        came.push(next(&mut source).await);
    }
    first.bus.send_outcomes(came.drain(..6).map(outcome).collect()).await.unwrap();
    // Killed, as far as the broker can tell.
    drop((source, first));
    let mut source = second.bus.work(&"a".into()).await.unwrap();
    let mut again = Vec::new();
    for _ in 0..4 {
        again.push(next(&mut source).await);
    }
    assert_eq!(ids(&again), ids(&sent[6..]), "what was reported does not come again, what was not does");
    assert!(again.iter().all(|piece| piece.brought == Brought::Again), "somebody may have begun it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_of_before_a_reconnect_is_not_taken_for_another() {
    let broker = Broker::new().await;
    let end = broker.open(broker.options(&[("a", 100)])).await;
    let sent = works("a", 0..12);
    assert_eq!(end.bus.send_work(sent.clone()).await, []);
    let mut source = end.bus.work(&"a".into()).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(next(&mut source).await);
    }
    broker.close_connections().await;
    // All twelve are brought again; the six in hand are not handed out again.
    let mut rest = Vec::new();
    for _ in 0..6 {
        rest.push(next(&mut source).await);
    }
    assert_eq!(ids(&rest), ids(&sent[6..]));
    end.bus.send_outcomes(held.into_iter().map(outcome).collect()).await.unwrap();
    broker.close_connections().await;
    end.bus.ready().await;
    let late = work("a", 99);
    assert_eq!(end.bus.send_work(vec![late.clone()]).await, []);
    assert_eq!(next(&mut source).await, late, "nothing that is in hand or reported is handed out again");
    end.bus.send_outcomes(rest.into_iter().chain([late]).map(outcome).collect()).await.unwrap();
    drop(source);
    let own = broker.channel().await;
    own.until_count(QUEUE, 0).await;
    let mut outcomes = end.bus.outcomes().await.unwrap();
    let settled = gather(&mut outcomes, 13).await;
    assert_eq!(ids(settled.iter().map(|outcome| &outcome.work)).len(), 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_comes_again_until_it_is_settled() {
    let broker = Broker::new().await;
    let end = broker.open(broker.options(&[("a", 100)])).await;
    let sent = works("a", 0..5);
    for piece in &sent {
        end.bus.send_outcomes(vec![outcome(piece.clone())]).await.unwrap();
    }
    let mut outcomes = end.bus.outcomes().await.unwrap();
    let first = tokio::time::timeout(PATIENCE, outcomes.next(2)).await.unwrap();
    assert_eq!(first[0].work.delivery, sent[0].delivery);
    outcomes.settled().await;
    let unsettled = tokio::time::timeout(PATIENCE, outcomes.next(2)).await.unwrap();
    assert!(!unsettled.is_empty());
    drop(outcomes);
    let mut outcomes = end.bus.outcomes().await.unwrap();
    let left = sent.len() - first.len();
    let again = gather(&mut outcomes, left).await;
    assert_eq!(ids(again.iter().map(|outcome| &outcome.work)), ids(&sent[first.len()..]));
    drop(outcomes);
    broker.channel().await.until_count("liandong.outcome", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_dismissed_does_not_come_again() {
    let broker = Broker::new().await;
    let end = broker.open(broker.options(&[("a", 100)])).await;
    assert_eq!(end.bus.send_work(works("a", 0..3)).await, []);
    let mut source = end.bus.work(&"a".into()).await.unwrap();
    for _ in 0..3 {
        let piece = next(&mut source).await;
        source.dismiss(piece).await;
    }
    drop(source);
    broker.channel().await.until_count(QUEUE, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_kept_among_the_dead_letters() {
    let broker = Broker::new().await;
    let end = broker.open(broker.options(&[("a", 100)])).await;
    let own = broker.channel().await;
    let options = BasicPublishOptions::default();
    let properties = lapin::BasicProperties::default();
    for (exchange, key) in [("liandong.work", "a"), ("liandong.outcome", "liandong.outcome")] {
        let publish =
            own.channel.basic_publish(exchange.into(), key.into(), options, b"{", properties.clone());
        publish.await.unwrap();
    }
    let piece = work("a", 1);
    assert_eq!(end.bus.send_work(vec![piece.clone()]).await, []);
    assert_eq!(next(&mut end.bus.work(&"a".into()).await.unwrap()).await, piece);
    end.bus.send_outcomes(vec![outcome(piece.clone())]).await.unwrap();
    let mut outcomes = end.bus.outcomes().await.unwrap();
    assert_eq!(gather(&mut outcomes, 1).await[0].work.delivery, piece.delivery);
    own.until_count(DEAD, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_given_back_by_reject_counts_against_its_limit() {
    let broker = Broker::new().await;
    let mut options = broker.options(&[("a", 100)]);
    options.delivery_limit = 3;
    let end = broker.open(options).await;
    assert_eq!(end.bus.send_work(vec![work("a", 1)]).await, []);
    let own = broker.channel().await;
    // The broker counts a nack too before 4.3, and no longer from then on: what is given back is rejected.
    let mut brought = 0;
    while own.count(DEAD).await == 0 {
        let got = own.channel.basic_get(QUEUE.into(), BasicGetOptions::default()).await.unwrap();
        let Some(message) = got else { continue };
        brought += 1;
        assert!(brought <= 4, "brought {brought} times with a limit of 3");
        assert!(message.delivery.acker.reject(BasicRejectOptions { requeue: true }).await.unwrap());
        // Nothing is acknowledged twice: the word of before is of no use any more.
        assert!(!message.delivery.acker.nack(BasicNackOptions::default()).await.unwrap());
    }
    assert_eq!(brought, 4);
    assert_eq!(own.count(QUEUE).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_finishes_what_it_was_brought_and_leaves_the_rest_untouched() {
    let broker = Broker::new().await;
    let hub = broker.open(broker.options(&[("a", 100)])).await;
    let mut options = broker.options(&[("a", 100)]);
    options.role = Role::Worker;
    options.lanes[0].window = 2;
    let worker = broker.open(options).await;
    let sent = works("a", 0..8);
    assert_eq!(hub.bus.send_work(sent.clone()).await, []);
    let mut source = worker.bus.work(&"a".into()).await.unwrap();
    let mut begun = vec![next(&mut source).await];
    worker.bus.close().await;
    while let Some(piece) = tokio::time::timeout(PATIENCE, source.next()).await.unwrap() {
        begun.push(piece);
    }
    assert!(begun.len() <= 2, "{}", begun.len());
    worker.bus.send_outcomes(begun.iter().cloned().map(outcome).collect()).await.unwrap();
    drop(source);
    worker.bus.finish(&"a".into()).await;
    worker.tasks.drain(Duration::from_secs(10)).await.unwrap();
    let mut source = hub.bus.work(&"a".into()).await.unwrap();
    let mut rest = Vec::new();
    while rest.len() + begun.len() < 8 {
        rest.push(next(&mut source).await);
    }
    assert_eq!(rest, sent[begun.len()..], "nobody had it before");
    let mut outcomes = hub.bus.outcomes().await.unwrap();
    let settled = gather(&mut outcomes, begun.len()).await;
    assert_eq!(ids(settled.iter().map(|outcome| &outcome.work)), ids(&begun));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_stops_leaves_what_is_queued_to_another_that_takes_it() {
    let broker = Broker::new().await;
    let mut options = broker.options(&[("a", 1000)]);
    options.lanes[0].window = 2;
    let (first, second) = (broker.open(options.clone()).await, broker.open(options).await);
    let mut others = second.bus.work(&"a".into()).await.unwrap();
    let sent = works("a", 0..40);
    assert_eq!(first.bus.send_work(sent.clone()).await, []);
    let mut came = vec![next(&mut others).await];
    let mut source = first.bus.work(&"a".into()).await.unwrap();
    let mut own = vec![next(&mut source).await];
    first.bus.close().await;
    while let Some(piece) = tokio::time::timeout(PATIENCE, source.next()).await.unwrap() {
        own.push(piece);
    }
    assert!(own.len() <= 2, "{} were taken by the hub that stops", own.len());
    first.bus.send_outcomes(own.iter().cloned().map(outcome).collect()).await.unwrap();
    others.dismiss(came[0].clone()).await;
    while came.len() + own.len() < sent.len() {
        let piece = next(&mut others).await;
        others.dismiss(piece.clone()).await;
        came.push(piece);
    }
    assert_eq!(&ids(&came) | &ids(&own), ids(&sent));
    assert!(came.iter().all(|piece| piece.brought == Brought::First));
}
