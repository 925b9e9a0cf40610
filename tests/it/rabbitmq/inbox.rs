//! A reader of an intake queue that goes away leaves the queue in its order.
//!
//! RabbitMQ gives back what is under way to a cancelled consumer ahead of what the consumer has in hand already.

use lapin::{
    BasicProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use liandong::port::inbox::Inbox;

use crate::harness::{
    broker::{Broker, End},
    hub::PATIENCE,
};

const ENDPOINT: &str = "a";
const COUNT: usize = 60;
const PREFETCH: u16 = 20;

/// How a reader goes.
#[derive(Clone, Copy)]
enum Goes {
    /// As a hub that stops.
    Closed,
    /// As a task that is cut off.
    Dropped,
}

/// A broker with letters in the queue, and an end that may read them.
async fn stage() -> (Broker, End) {
    let broker = Broker::new().await;
    let mut options = broker.options(&[]);
    options.intake.endpoints = vec![ENDPOINT.into()];
    options.intake.prefetch = PREFETCH;
    options.intake.limit = COUNT;
    let end = broker.open(options).await;
    let own = broker.channel().await;
    own.channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    for number in 0..COUNT {
        let body = number.to_string();
        let publish = own.channel.basic_publish(
            "liandong.intake".into(),
            ENDPOINT.into(),
            BasicPublishOptions::default(),
            body.as_bytes(),
            BasicProperties::default(),
        );
        assert!(publish.await.unwrap().await.unwrap().is_ack());
    }
    (broker, end)
}

fn inbox(end: &End) -> Box<dyn Inbox> {
    end.bus.inboxes().pop().unwrap().1
}

/// The next so many, by their numbers.
async fn read(inbox: &mut Box<dyn Inbox>, count: usize) -> Vec<usize> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let letters = inbox.next(count - numbers.len());
        for letter in tokio::time::timeout(PATIENCE, letters).await.expect("more letters") {
            numbers.push(std::str::from_utf8(&letter.body).unwrap().parse().unwrap());
        }
    }
    numbers
}

async fn leaves_the_queue_in_its_order(goes: Goes) {
    let (_broker, end) = stage().await;
    let mut done = 0;
    // Each is brought more by its word for the first ten, while the next ten are in hand.
    while done + usize::from(PREFETCH) < COUNT {
        let mut reader = inbox(&end);
        let numbers = read(&mut reader, 10).await;
        assert!(numbers.iter().copied().eq(done..done + 10), "after {done}: {numbers:?}");
        reader.answers().done(10, Vec::new()).await;
        done += 10;
        if matches!(goes, Goes::Closed) {
            reader.close().await;
        }
    }
    let rest = read(&mut inbox(&end), COUNT - done).await;
    assert!(rest.iter().copied().eq(done..COUNT), "{rest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stops_leaves_the_queue_in_its_order() {
    leaves_the_queue_in_its_order(Goes::Closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_cut_off_leaves_the_queue_in_its_order() {
    leaves_the_queue_in_its_order(Goes::Dropped).await;
}
