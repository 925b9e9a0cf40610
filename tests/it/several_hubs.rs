//! Several hubs on one PostgreSQL and one RabbitMQ: each leases, and each settles what any of them leased.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    contract::backend::Postgres,
    harness::{
        broker::Broker,
        department::{Behaviour, Department},
        hub::{Hub, eventually},
        sender::{BUREAU, Sender, result},
    },
    on_postgres::{arrived, hub_on, share_key},
};

const MESSAGES: usize = 120;
const LICENCES: usize = 12;
/// Deliveries that may be under way at the target, whichever hub handed them out.
const WINDOW: usize = 3;
/// How long the target takes for one.
const TAKES: Duration = Duration::from_millis(20);

struct Stage {
    _broker: Broker,
    _place: Postgres,
    target: Department,
    hubs: [Hub; 2],
    senders: [Sender; 2],
}

impl Stage {
    /// Two hubs that run, with workers of their own.
    async fn open() -> Self {
        let (broker, place) = (Broker::new().await, Postgres::new());
        let target = Department::anywhere().await;
        target.behave(|_| Behaviour::TakeAfter(TAKES));
        let mut hubs = [hub_on(&place, &target).await, hub_on(&place, &target).await];
        for hub in &mut hubs {
            hub.set("bus.backend", "rabbitmq");
            hub.set("dispatch.window_default", WINDOW);
            hub.variable("LIANDONG_AMQP_URL", broker.url());
        }
        let [one, two] = &mut hubs;
        one.start();
        let token = one.token(BUREAU);
        share_key(one, two);
        two.start();
        let senders = [Sender::with(one, &token), Sender::with(two, &token)];
        Self { _broker: broker, _place: place, target, hubs, senders }
    }

    /// Has a message accepted by one of the hubs.
    async fn accept(&self, number: usize, hub: usize) {
        let licence = format!("JY{}", number % LICENCES);
        self.senders[hub].accepted(&result(&format!("{licence}-{number}"), &licence)).await;
    }

    /// Everything is there, in the order of each lane, each message under one delivery id.
    async fn until_all_arrived(&self) {
        eventually("all have arrived", || self.target.kept() == MESSAGES).await;
        for (licence, numbers) in arrived(&self.target) {
            assert_eq!(numbers.len(), MESSAGES / LICENCES, "{licence}: {numbers:?}");
            assert!(numbers.is_sorted(), "{licence}: {numbers:?}");
        }
        let ids: BTreeSet<_> = self.target.look(|ledger| {
            ledger.arrivals.iter().map(|arrival| (arrival.text("key"), arrival.delivery.clone())).collect()
        });
        assert_eq!(ids.len(), MESSAGES, "a message that came under two ids");
    }

    fn stop(mut self) {
        for hub in &mut self.hubs {
            assert_eq!(hub.stop(), Some(0));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_are_settled_by_either_hub_and_both_go_on_within_one_window() {
    let stage = Stage::open().await;
    for number in 0..MESSAGES {
        stage.accept(number, number / LICENCES % 2).await;
    }
    stage.until_all_arrived().await;
    stage.target.look(|ledger| {
        assert_eq!(ledger.arrivals.len(), MESSAGES, "each came once");
        for pair in ledger.arrivals.windows(WINDOW + 1) {
            let between = pair[WINDOW].at - pair[0].at;
            assert!(between >= TAKES, "more than {WINDOW} at once: {between:?}");
        }
    });
    stage.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_loses_nothing_and_the_other_goes_on() {
    let mut stage = Stage::open().await;
    for number in 0..MESSAGES / 2 {
        stage.accept(number, number / LICENCES % 2).await;
    }
    let target = stage.target.clone();
    eventually("some have arrived", || target.arrivals() > LICENCES).await;
    stage.hubs[0].kill();
    for number in MESSAGES / 2..MESSAGES {
        stage.accept(number, 1).await;
    }
    eventually("the other hub goes on alone", || target.kept() > MESSAGES / 2 + LICENCES).await;
    stage.hubs[0].start();
    stage.until_all_arrived().await;
    stage.stop();
}
