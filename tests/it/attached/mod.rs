//! Workers of their own, attached over gRPC: known by their credential, held to their endpoints, with neither store nor
//! broker; they outlive the hub.

mod certificates;
mod crashes;
mod fences;
mod flow;

use std::time::Duration;

use futures::future::join_all;
use tonic::transport::Channel;

use crate::harness::{
    apart::{By, Worker},
    broker::Broker,
    department::Department,
    hub::Hub,
    rpc::{channel, hub_with_grpc},
    sender::{BUREAU, REGULATOR, Sender, receives, result, sends},
    stream::WorkerStream,
};

/// The endpoint that workers work for.
const REGULATED: &str = "hanbin-scjg";

/// What carries work inside the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    Local,
    Rabbitmq,
}

/// A hub whose regulator's adapter runs apart: worker `north` may work for it, and so may `south`.
struct Stage {
    hub: Hub,
    address: String,
    bureau: Sender,
    regulator: Department,
    _broker: Option<Broker>,
}

/// What is unknown may be sent again.
const RESENDS: &str = "on_unknown = \"resend\"\n[limits]\ntimeout_ms = 3000\n";

impl Stage {
    async fn open(on: On) -> Self {
        Self::with(on, RESENDS, 500).await
    }

    /// With an adapter of its own, and this margin around leases.
    async fn with(on: On, more: &str, margin_ms: u64) -> Self {
        let regulator = Department::anywhere().await;
        let (mut hub, address) = hub_with_grpc(&[
            ("hanbin-spj", sends("hanbin-spj", &[BUREAU])),
            (REGULATED, receives(REGULATED, REGULATOR, &regulator.address(), more)),
        ]);
        hub.set("dispatch.lease_margin_ms", margin_ms);
        hub.set("breaker.failures", 1000);
        hub.set("retry.max_ms", 100);
        hub.set("bus.workers", r#"["north: hanbin-scjg", "south: hanbin-scjg"]"#);
        let broker = match on {
            On::Local => None,
            On::Rabbitmq => {
                let broker = Broker::new().await;
                hub.set("bus.backend", "rabbitmq");
                hub.variable("LIANDONG_AMQP_URL", broker.url());
                Some(broker)
            }
        };
        hub.start();
        let bureau = Sender::at(&hub, "hanbin-spj");
        Self { hub, address, bureau, regulator, _broker: broker }
    }

    fn token(&self, worker: &str) -> String {
        let made = self.hub.ask(&["token", "new", worker, "--worker", worker]);
        made["token"].as_str().unwrap().to_owned()
    }

    /// A worker as its user runs it.
    fn worker(&self, token: &str) -> Worker {
        let hubs = format!("http://{}", self.address);
        Worker::start(&self.hub, By { hubs: &hubs, token }, REGULATED)
    }

    fn channel(&self) -> Channel {
        channel(&self.address)
    }

    /// A worker that does what a test says.
    async fn stream(&self, token: &str, window: u32) -> WorkerStream {
        WorkerStream::attach(&self.channel(), token, &[(REGULATED, window)]).await.unwrap()
    }

    /// Has results accepted, each about a licence of its own; their deliveries to the regulator.
    async fn results(&self, name: &str, count: usize) -> Vec<String> {
        let send = async |number: usize| {
            let key = format!("{name}-{number}");
            self.bureau.accepted(&result(&key, &format!("JY-{key}"))).await.delivery_to(REGULATOR)
        };
        join_all((0..count).map(send)).await
    }

    async fn until_delivered(&self, deliveries: &[String]) {
        for delivery in deliveries {
            self.hub.until(delivery, "delivered").await;
        }
    }

    /// How often each delivery came to the regulator, those that came more than once.
    fn repeated(&self) -> Vec<(String, usize)> {
        let times = self.regulator.look(|ledger| ledger.times.clone());
        times.into_iter().filter(|(_, times)| *times > 1).collect()
    }
}

/// Long enough for an attempt to be found under way.
const A_WHILE: Duration = Duration::from_millis(500);
