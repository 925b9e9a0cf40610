//! Mailboxes of hubs that share a database and a broker: a delivery comes to the hub to which its system is connected.

use std::collections::BTreeSet;

use liandong::proto::v1::AnswerCount;
use tonic::transport::Channel;

use crate::{
    contract::backend::Postgres,
    harness::{
        broker::Broker,
        hub::Hub,
        rpc::{Recipient, channel, hub_with_grpc},
        sender::{BUREAU, REGULATOR, Sender, result, sends, takes_out},
    },
    on_postgres::share_key,
};

struct Stage {
    _broker: Broker,
    _place: Postgres,
    hubs: [Hub; 2],
    channels: [Channel; 2],
    bureau: Sender,
    token: String,
}

impl Stage {
    /// Two hubs that run; the regulator's system has a mailbox at each.
    async fn open() -> Self {
        let (broker, place) = (Broker::new().await, Postgres::new());
        let adapters = [("xzspj", sends("xzspj", &[BUREAU])), ("scjgj", takes_out("scjgj", REGULATOR, ""))];
        let ((mut one, first), (mut two, second)) = (hub_with_grpc(&adapters), hub_with_grpc(&adapters));
        for hub in [&mut one, &mut two] {
            hub.set("store.backend", "postgres");
            hub.set("bus.backend", "rabbitmq");
            hub.variable("LIANDONG_POSTGRES_URL", &place.database().await.url());
            hub.variable("LIANDONG_AMQP_URL", broker.url());
        }
        one.start();
        let (bureau, token) = (Sender::at(&one, "xzspj"), one.token("scjgj"));
        share_key(&one, &mut two);
        two.start();
        Self {
            _broker: broker,
            _place: place,
            hubs: [one, two],
            channels: [channel(&first), channel(&second)],
            bureau,
            token,
        }
    }

    async fn mailbox(&self, hub: usize, credit: u32) -> Recipient {
        Recipient::open(&self.channels[hub], &self.token, credit).await.unwrap()
    }

    async fn sent(&self, key: &str) -> String {
        self.bureau.accepted(&result(key, key)).await.delivery_to(REGULATOR)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_comes_to_the_hub_to_which_its_system_is_connected() {
    let stage = Stage::open().await;
    let mut recipient = stage.mailbox(1, 10).await;
    for number in 0..5 {
        let id = stage.sent(&format!("A-{number}")).await;
        let delivery = recipient.delivery().await;
        assert_eq!((&delivery.delivery, delivery.attempt), (&id, 1));
        assert_eq!(recipient.acknowledge(&id, delivery.lease).await, AnswerCount::Counted);
        stage.hubs[0].until(&id, "delivered").await;
        recipient.grant(1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_two_hubs_share_the_deliveries_and_either_takes_an_acknowledgement() {
    let stage = Stage::open().await;
    let (mut one, mut two) = (stage.mailbox(0, 1).await, stage.mailbox(1, 1).await);
    let sent = BTreeSet::from([stage.sent("A").await, stage.sent("B").await]);
    let (first, second) = (one.delivery().await, two.delivery().await);
    assert_eq!(BTreeSet::from([first.delivery.clone(), second.delivery.clone()]), sent);
    assert_eq!(two.acknowledge(&first.delivery, first.lease).await, AnswerCount::Counted);
    assert_eq!(one.acknowledge(&second.delivery, second.lease).await, AnswerCount::Counted);
    for id in &sent {
        stage.hubs[1].until(id, "delivered").await;
    }
}
