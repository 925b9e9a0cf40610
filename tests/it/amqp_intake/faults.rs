//! What breaks on the way in: nothing is lost, doubled or overtaken by it, and overload pauses.

use std::collections::{BTreeMap, BTreeSet};

use super::{AGAIN, ENDPOINT, GUEST, QUEUE, Stage};
use crate::harness::{
    books::Books,
    broker::Broker,
    hub::{PATIENCE, eventually, wait_until_told},
    line::{Line, Passes},
    publisher::Publisher,
    sender::{Answer, Sender, result},
};

/// Numbers by licence, in turn.
fn lanes<'k>(keys: impl Iterator<Item = &'k str>) -> BTreeMap<&'k str, Vec<&'k str>> {
    let mut lanes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for key in keys {
        let (licence, number) = key.split_once('-').unwrap();
        lanes.entry(licence).or_default().push(number);
    }
    lanes
}

/// Keys of what is accepted, in the order of acceptance.
fn accepted(stage: &Stage) -> String {
    Books::of(&stage.hub).text(
        "SELECT coalesce(group_concat(business_key, ' '), '') \
         FROM (SELECT business_key FROM message_key ORDER BY number)",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_or_stopped_neither_loses_nor_doubles_nor_reorders_what_was_published() {
    const COUNT: usize = 300;
    const LICENCES: usize = 5;
    let mut stage = Stage::with(GUEST, |hub| hub.set("bus.intake_prefetch", 20)).await;
    let mut system = Publisher::at(&stage.broker).await;
    let licence = |number: usize| format!("H{}", number % LICENCES);
    for number in 0..COUNT {
        let licence = licence(number);
        system.publish(ENDPOINT, &result(&format!("{licence}-{number:03}"), &licence), number).await;
        match number {
            80 => stage.hub.kill(),
            120 | 220 => stage.hub.start(),
            180 => assert_eq!(stage.hub.stop(), Some(0)),
            _ => {}
        }
    }
    let arrived = stage.until_arrived(COUNT).await;
    stage.broker.channel().await.until_count(QUEUE, 0).await;
    let counts = stage.hub.counts().await;
    let count = COUNT as u64;
    assert_eq!((counts["delivered"], counts["parked"]), (count, count), "each once: {counts:?}");
    let accepted = accepted(&stage);
    for (what, lanes) in
        [("accepted", lanes(accepted.split(' '))), ("arrived", lanes(arrived.iter().map(String::as_str)))]
    {
        assert_eq!(lanes.len(), LICENCES);
        assert!(lanes.values().all(|numbers| numbers.is_sorted()), "{what}: {lanes:?}");
    }
    // What was answered twice was answered alike; and every message is answered.
    let answers = system.answers(COUNT).await;
    let ids: BTreeSet<_> = answers.values().map(Answer::message).collect();
    assert_eq!(ids.len(), COUNT);
}

#[tokio::test(flavor = "multi_thread")]
async fn hubs_that_stop_while_more_is_waiting_give_it_back_in_its_order() {
    const COUNT: usize = 300;
    let mut stage = Stage::with(GUEST, |hub| hub.set("bus.intake_prefetch", 20)).await;
    let books = Books::of(&stage.hub);
    books.stall();
    let mut system = Publisher::at(&stage.broker).await;
    for number in 0..COUNT {
        system.publish(ENDPOINT, &result(&format!("O-{number:03}"), "O"), number).await;
    }
    books.release();
    for _ in 0..4 {
        let before = books.counts().messages;
        eventually("some of it is accepted", || books.counts().messages > before).await;
        assert_eq!(stage.hub.stop(), Some(0));
        assert!(stage.broker.channel().await.count(QUEUE).await > 40, "more waits than a hub has in hand");
        stage.hub.start();
    }
    let answers = system.answers(COUNT).await;
    assert_eq!(answers.len(), COUNT);
    let numbers: Vec<_> = accepted(&stage).split(' ').map(str::to_owned).collect();
    assert_eq!(numbers.len(), COUNT, "each once");
    assert!(numbers.is_sorted(), "{numbers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_pauses_intake_and_gives_nothing_back_to_the_queue() {
    const COUNT: usize = 40;
    let stage = Stage::with(GUEST, |hub| {
        hub.set("intake.queue_limit", 1);
        hub.set("intake.batch_limit", 1);
    })
    .await;
    let mut system = Publisher::at(&stage.broker).await;
    let books = Books::of(&stage.hub);
    books.stall();
    for number in 0..COUNT {
        let key = format!("J-{number:02}");
        system.publish(ENDPOINT, &result(&key, &format!("J{}", number % 8)), number).await;
    }
    // Its consumer has all of it in hand, and keeps it.
    stage.broker.channel().await.until_count(QUEUE, 0).await;
    books.release();
    let answers = system.answers(COUNT).await;
    assert!(answers.values().all(|answer| answer.deliveries() == 2), "no refusal for overload");
    let pauses = format!(r#"liandong_amqp_pauses_total{{endpoint="{ENDPOINT}"}}"#);
    assert!(stage.hub.metric(&pauses).await > 0, "the hub was never overloaded");
    assert_eq!(stage.hub.metric(AGAIN).await, 0, "brought again");
    let arrived = stage.until_arrived(COUNT).await;
    for lane in 0..8 {
        let number = |key: &String| key[2..].parse::<usize>().unwrap();
        let numbers: Vec<_> = arrived.iter().map(number).filter(|number| number % 8 == lane).collect();
        assert!(numbers.is_sorted() && numbers.len() == COUNT / 8, "{numbers:?}");
    }
}

/// A broker ends a channel on which an acknowledgement is due for half an hour; here for a second.
#[tokio::test(flavor = "multi_thread")]
async fn a_stall_beyond_the_patience_of_the_broker_loses_doubles_and_reorders_nothing() {
    const COUNT: usize = 30;
    let set = async |broker: &Broker, name: &str, ms: u32| {
        broker.ctl(&["eval", &format!("application:set_env(rabbit, {name}, {ms}).")]).await;
    };
    let broker = Broker::alone().await;
    let mut system = Publisher::at(&broker).await;
    set(&broker, "consumer_timeout", 1_000).await;
    set(&broker, "channel_tick_interval", 200).await;
    let mut stage = Stage::on(broker, GUEST, |hub| hub.set("bus.intake_prefetch", 10)).await;
    stage.hub.start();
    let books = Books::of(&stage.hub);
    books.stall();
    for number in 0..COUNT {
        system.publish(ENDPOINT, &result(&format!("P-{number:02}"), "P"), number).await;
    }
    let own = stage.broker.channel().await;
    own.until_count(QUEUE, 20).await;
    // A channel knows its patience from its beginning: the next has half an hour.
    set(&stage.broker, "consumer_timeout", 1_800_000).await;
    let ended = wait_until_told(PATIENCE, async || {
        own.count(QUEUE).await == u32::try_from(COUNT).unwrap() || stage.hub.metric(AGAIN).await > 0
    });
    assert!(ended.await, "the broker ended no channel");
    books.release();
    let answers = system.answers(COUNT).await;
    assert_eq!(answers.len(), COUNT);
    assert!(stage.hub.metric(AGAIN).await > 0, "what was in hand is brought again");
    let accepted = accepted(&stage);
    let keys: Vec<_> = accepted.split(' ').collect();
    assert!(keys.len() == COUNT && keys.is_sorted(), "{keys:?}");
    own.until_count(QUEUE, 0).await;
    set(&stage.broker, "channel_tick_interval", 60_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_before_the_hub_was_killed_and_not_acknowledged_gets_the_first_receipt() {
    const COUNT: usize = 30;
    let mut stage = Stage::unstarted(GUEST, |hub| hub.set("bus.publish_timeout_ms", 60_000)).await;
    let place = stage.broker.url().rsplit_once('@').unwrap().1.to_owned();
    let (server, host) = place.split_once('/').unwrap();
    let line = Line::to(server.to_owned()).await;
    let direct = stage.broker.url().to_owned();
    stage.hub.variable("LIANDONG_AMQP_URL", &format!("amqp://guest:guest@{}/{host}", line.address));
    stage.hub.start();
    let books = Books::of(&stage.hub);
    books.stall();
    let mut system = Publisher::at(&stage.broker).await;
    for number in 0..COUNT {
        system.publish(ENDPOINT, &result(&format!("L-{number:02}"), "L"), number).await;
    }
    stage.broker.channel().await.until_count(QUEUE, 0).await;
    // From here on neither answer nor acknowledgement reaches the broker.
    line.let_pass(Passes::Nothing);
    books.release();
    eventually("all of it is committed", || books.counts().messages == COUNT as u64).await;
    stage.hub.kill();
    stage.hub.variable("LIANDONG_AMQP_URL", &direct);
    // What still waits in the line is lost with it.
    stage.broker.close_connections_of_hubs().await;
    stage.hub.start();
    let answers = system.answers(COUNT).await;
    assert_eq!(stage.hub.metric(AGAIN).await, COUNT as u64, "brought again");
    assert_eq!(stage.hub.metric("liandong_messages_repeated_total").await, COUNT as u64);
    assert_eq!(books.counts().messages, COUNT as u64, "none twice");
    let http = Sender::at(&stage.hub, ENDPOINT);
    for (number, answer) in &answers {
        let first = http.send(&result(&format!("L-{number:02}"), "L")).await;
        assert_eq!((first.status, &first.body), (200, &answer.body), "the first receipt");
    }
}
