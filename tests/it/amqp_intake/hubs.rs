//! Several hubs on one broker: one of them at a time takes from an endpoint's queue, and the next goes on in order.

use std::collections::BTreeSet;

use super::QUEUE;
use crate::{
    contract::backend::Postgres,
    harness::{
        broker::Broker,
        department::Department,
        hub::eventually,
        publisher::Publisher,
        sender::{Answer, BUREAU, result},
    },
    on_postgres::{arrived, hub_on, share_key},
};

const MESSAGES: usize = 240;
const LICENCES: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn when_one_hub_is_gone_the_other_takes_over_and_order_holds() {
    let (broker, place, target) = (Broker::new().await, Postgres::new(), Department::anywhere().await);
    let mut hubs = [hub_on(&place, &target).await, hub_on(&place, &target).await];
    for hub in &mut hubs {
        hub.set("bus.backend", "rabbitmq");
        hub.set("bus.senders", format!(r#"["guest: {BUREAU}"]"#));
        hub.set("bus.intake_prefetch", 10);
        hub.variable("LIANDONG_AMQP_URL", broker.url());
    }
    let [one, two] = &mut hubs;
    one.start();
    share_key(one, two);
    two.start();
    let mut system = Publisher::at(&broker).await;
    for number in 0..MESSAGES {
        let licence = format!("JY{}", number % LICENCES);
        system.publish(BUREAU, &result(&format!("{licence}-{number}"), &licence), number).await;
        match number {
            60 => one.kill(),
            120 => one.start(),
            180 => assert_eq!(two.stop(), Some(0)),
            _ => {}
        }
    }
    let answers = system.answers(MESSAGES).await;
    let ids: BTreeSet<_> = answers.values().map(Answer::message).collect();
    assert_eq!(ids.len(), MESSAGES, "each has one receipt");
    eventually("all have arrived", || target.kept() == MESSAGES).await;
    for (licence, numbers) in arrived(&target) {
        assert_eq!(numbers.len(), MESSAGES / LICENCES, "{licence}: {numbers:?}");
        assert!(numbers.is_sorted(), "{licence}: {numbers:?}");
    }
    let queue = format!("liandong.intake.{BUREAU}");
    assert_ne!(queue, QUEUE);
    broker.channel().await.until_count(&queue, 0).await;
    assert_eq!(one.stop(), Some(0));
}
