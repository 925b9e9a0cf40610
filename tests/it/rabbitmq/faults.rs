//! A broker in trouble: blocked, or started again under load.

use std::{collections::BTreeSet, time::Duration};

use liandong::{
    bus::rabbitmq::RabbitmqBus,
    port::bus::{Bus as _, Error, Work},
};

use crate::{
    contract::bus_backend::{gather, ids, next, outcome, work, works},
    harness::{broker::Broker, hub::PATIENCE},
};

/// Sends until all of it is taken.
async fn send_all(bus: &RabbitmqBus, mut work: Vec<Work>) {
    while !work.is_empty() {
        bus.ready().await;
        work = bus.send_work(work).await.into_iter().map(|(_, work)| work).collect();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_blocks_publishers_hands_work_back_and_takes_acknowledgements() {
    let broker = Broker::alone().await;
    let end = broker.open(broker.options(&[("a", 1000)])).await;
    let before = works("a", 0..4);
    assert_eq!(end.bus.send_work(before.clone()).await, []);
    let mut source = end.bus.work(&"a".into()).await.unwrap();
    let held = next(&mut source).await;
    assert_eq!(held, before[0]);

    broker.ctl(&["set_vm_memory_high_watermark", "0.00001"]).await;
    // The first that is published tells whether the alarm is up; then nothing is sent any more.
    let blocked = async {
        loop {
            match end.bus.send_work(vec![work("a", 9)]).await.pop() {
                Some((Error::Unavailable(why), _)) if why.contains("blocks") => return,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, blocked).await.expect("the bus never said that the broker blocks");
    let ready = tokio::time::timeout(Duration::from_millis(200), end.bus.ready()).await;
    assert!(ready.is_err(), "a blocked bus is not ready");
    // Acknowledgements go over the other connection.
    for _ in 0..3 {
        let piece = next(&mut source).await;
        source.dismiss(piece).await;
    }
    let outcome = end.bus.send_outcomes(vec![outcome(held.clone())]);
    tokio::pin!(outcome);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut outcome).await.is_err());

    broker.ctl(&["set_vm_memory_high_watermark", "0.4"]).await;
    tokio::time::timeout(PATIENCE, end.bus.ready()).await.unwrap();
    tokio::time::timeout(PATIENCE, outcome).await.unwrap().unwrap();
    let mut outcomes = end.bus.outcomes().await.unwrap();
    assert_eq!(gather(&mut outcomes, 1).await[0].work.delivery, held.delivery);
    let after = work("a", 10);
    send_all(&end.bus, vec![after.clone()]).await;
    loop {
        let piece = next(&mut source).await;
        if piece == after {
            break;
        }
        source.dismiss(piece).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_started_again_under_load_loses_nothing() {
    let broker = Broker::alone().await;
    let end = broker.open(broker.options(&[("a", 10_000)])).await;
    let sent = works("a", 0..2_000);
    let sending = async {
        for batch in sent.chunks(100) {
            send_all(&end.bus, batch.to_vec()).await;
        }
    };
    let working = async {
        let mut source = end.bus.work(&"a".into()).await.unwrap();
        let mut reported = BTreeSet::new();
        while reported.len() < sent.len() {
            let piece = next(&mut source).await;
            reported.insert(piece.delivery);
            end.bus.send_outcomes(vec![outcome(piece)]).await.unwrap();
        }
    };
    let settling = async {
        let mut source = end.bus.outcomes().await.unwrap();
        let mut settled = BTreeSet::new();
        while settled.len() < sent.len() {
            settled.extend(source.next(100).await.iter().map(|outcome| outcome.work.delivery));
            source.settled().await;
        }
        settled
    };
    let own = broker.channel().await;
    let restarting = async {
        // In the midst of it: some are queued, and some are settled.
        let under_way = async {
            while own.count("liandong.work.a").await == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, under_way).await.unwrap();
        broker.operate("kill").await;
        broker.operate("start").await;
    };
    let all = async { tokio::join!(sending, working, settling, restarting).2 };
    let settled = tokio::time::timeout(PATIENCE * 3, all).await.expect("something was lost");
    assert_eq!(settled, ids(&sent));
}
