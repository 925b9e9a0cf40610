//! A RabbitMQ of the tests: each test has a virtual host of its own on one broker, and those that trouble
//! the broker itself have it alone.

use std::{
    path::PathBuf,
    process::Command,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use liandong::{
    bus::rabbitmq::{IntakeOptions, Lane, Nodes, Options, RabbitmqBus, Role, Served},
    config::environment::Environment,
    domain::id::EndpointId,
    evidence::{
        digest::ContentKey,
        slip::{Purpose, SlipKey},
    },
    task::Supervisor,
};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio_util::sync::CancellationToken;

use super::hub::PATIENCE;

/// Virtual hosts made in one go: asking the broker takes a second each time.
const HOSTS_AT_ONCE: usize = 24;

static ALONE: RwLock<()> = RwLock::const_new(());

/// A virtual host.
#[derive(Debug)]
pub(crate) struct Broker {
    url: String,
    host: String,
    _turn: Turn,
}

#[derive(Debug)]
#[expect(dead_code, reason = "held until the test ends")]
enum Turn {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

impl Broker {
    /// A fresh virtual host, beside other tests.
    pub(crate) async fn new() -> Self {
        Self::with(Turn::Shared(ALONE.read().await)).await
    }

    /// A fresh virtual host, with the whole broker for this test.
    pub(crate) async fn alone() -> Self {
        Self::with(Turn::Alone(ALONE.write().await)).await
    }

    async fn with(turn: Turn) -> Self {
        let host = tokio::task::spawn_blocking(fresh_host).await.unwrap();
        Self { url: address(&host), host, _turn: turn }
    }

    /// Its address, with the account of the tests.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its address for another account.
    pub(crate) fn url_for(&self, user: &str, password: &str) -> String {
        let (_, place) = self.url.rsplit_once('@').unwrap();
        format!("amqp://{user}:{password}@{place}")
    }

    /// Its name.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// How a process with these endpoints, each with a limit, takes part.
    pub(crate) fn options(&self, lanes: &[(&str, usize)]) -> Options {
        let lane = |(endpoint, limit): &(&str, usize)| Lane {
            endpoint: EndpointId::from(*endpoint),
            limit: *limit,
            window: 16,
            served: Served::Here,
        };
        Options {
            nodes: Nodes::parse(&self.url).unwrap(),
            prefix: "liandong".into(),
            lanes: lanes.iter().map(lane).collect(),
            role: Role::Hub,
            slips: Some(slip_key()),
            connect_timeout: Duration::from_secs(10),
            publish_timeout: Duration::from_secs(10),
            start_wait: PATIENCE,
            delivery_limit: 20,
            message_bytes: 1024 * 1024,
            outcome_limit: 10_000,
            reporters: std::collections::HashMap::new(),
            mailboxes: Vec::new(),
            mailbox_limit: 1_000,
            intake: IntakeOptions::default(),
            authority: None,
        }
    }

    /// Opens an end of the bus.
    pub(crate) async fn open(&self, options: Options) -> End {
        let mut tasks = Supervisor::new(CancellationToken::new());
        let bus = RabbitmqBus::open(options, &mut tasks).await.unwrap();
        End { bus: std::sync::Arc::new(bus), tasks }
    }

    /// A channel of the test's own.
    pub(crate) async fn channel(&self) -> Own {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await.unwrap();
        Own { channel: connection.create_channel().await.unwrap(), connection }
    }

    /// Runs `rabbitmqctl` with these arguments.
    pub(crate) async fn ctl(&self, arguments: &[&str]) -> String {
        let mut all = vec!["rabbitmqctl"];
        all.extend(arguments);
        operate(&all).await
    }

    /// Closes the connections of this virtual host, as an operator would.
    pub(crate) async fn close_connections(&self) {
        self.ctl(&["close_all_connections", "--vhost", &self.host, "by a test"]).await;
    }

    /// Closes those of hubs and workers alone.
    pub(crate) async fn close_connections_of_hubs(&self) {
        let listed =
            self.ctl(&["list_connections", "--no-table-headers", "pid", "vhost", "client_properties"]).await;
        for line in listed.lines() {
            let columns: Vec<_> = line.split('\t').collect();
            if columns[1] == self.host && columns[2].contains("\"liandong ") {
                self.ctl(&["close_connection", columns[0], "by a test"]).await;
            }
        }
    }

    /// Has the broker believe that the leader of a queue is on this node, until it looks again.
    pub(crate) async fn place_leader(&self, queue: &str, node: &str) {
        let program = format!(
            "rabbit_misc:execute_mnesia_transaction(fun () -> rabbit_amqqueue:update( \
             rabbit_misc:r(<<\"{}\">>, queue, <<\"{queue}\">>), \
             fun (Q) -> amqqueue:set_pid(Q, {{element(1, amqqueue:get_pid(Q)), {node}}}) end) end).",
            self.host
        );
        self.ctl(&["eval", &program]).await;
    }

    /// Stops, starts, kills or restarts the broker.
    pub(crate) async fn operate(&self, what: &str) {
        operate(&[what]).await;
    }
}

/// An end of the bus, with the tasks that keep it.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) bus: std::sync::Arc<RabbitmqBus>,
    pub(crate) tasks: Supervisor,
}

/// A connection that is not the hub's.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) channel: Channel,
    #[expect(dead_code, reason = "keeps the channel open")]
    connection: Connection,
}

impl Own {
    /// Messages in a queue that nobody has.
    pub(crate) async fn count(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        self.channel
            .queue_declare(queue.into(), options, FieldTable::default())
            .await
            .unwrap()
            .message_count()
    }

    /// A queue that has no room and says so.
    pub(crate) async fn full_queue(&self) -> String {
        let name = "full".to_owned();
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
        arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(0));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(name.as_str().into(), options, arguments).await.unwrap();
        self.channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        // It notices when it has taken what is too much.
        loop {
            let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
            let sent =
                self.channel.basic_publish("".into(), name.as_str().into(), options, b"{}", properties);
            if let Confirmation::Nack(_) = sent.await.unwrap().await.unwrap() {
                return name;
            }
        }
    }

    /// Binds a queue to an exchange by a key.
    pub(crate) async fn bind(&self, queue: &str, (exchange, key): (&str, &str)) {
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        let bound = self.channel.queue_bind(queue.into(), exchange.into(), key.into(), options, none);
        bound.await.unwrap();
    }

    /// Takes a binding away.
    pub(crate) async fn unbind(&self, queue: &str, (exchange, key): (&str, &str)) {
        let none = FieldTable::default();
        self.channel.queue_unbind(queue.into(), exchange.into(), key.into(), none).await.unwrap();
    }

    /// Waits until so many messages are in a queue.
    pub(crate) async fn until_count(&self, queue: &str, wanted: u32) {
        let reached = async {
            while self.count(queue).await != wanted {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        assert!(reached.is_ok(), "{queue} never had {wanted} messages");
    }
}

/// Seals the slips of every hub of the tests.
pub(crate) fn slip_key() -> SlipKey {
    SlipKey::of(&ContentKey::new(&[7; 32]).unwrap(), Purpose::Work)
}

fn environment(name: &str) -> String {
    let environment = Environment::of_process();
    let Some(value) = environment.get(name) else {
        panic!(
            "{name} is not set: run the tests by `make test`, or one of them by \
             `deploy/services/run cargo test --locked NAME`; both start a RabbitMQ of their own"
        );
    };
    value.to_owned()
}

/// The address of a virtual host on the broker of the tests.
fn address(host: &str) -> String {
    let url = environment("LIANDONG_TEST_AMQP_URL");
    let (broker, _) = url.rsplit_once('/').expect("an address with a virtual host");
    format!("{broker}/{host}")
}

async fn operate(arguments: &[&str]) -> String {
    let arguments: Vec<_> = arguments.iter().map(|text| (*text).to_owned()).collect();
    tokio::task::spawn_blocking(move || run(&arguments)).await.unwrap()
}

fn run(arguments: &[String]) -> String {
    let ctl = PathBuf::from(environment("LIANDONG_TEST_SERVICES")).join("rabbitmq/ctl");
    let output = Command::new(&ctl).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A virtual host that no test has yet.
fn fresh_host() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    static MADE: OnceLock<Mutex<usize>> = OnceLock::new();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    let mut made = MADE.get_or_init(|| Mutex::new(0)).lock().unwrap_or_else(PoisonError::into_inner);
    while *made <= number {
        let (first, last) = (*made, *made + HOSTS_AT_ONCE - 1);
        let program = format!(
            "[begin Name = list_to_binary([\"test-{process}-\", integer_to_list(N)]), \
             ok = rabbit_vhost:add(Name, <<\"tests\">>), \
             ok = rabbit_auth_backend_internal:set_permissions(<<\"guest\">>, Name, <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"tests\">>) \
             end || N <- lists:seq({first}, {last})]."
        );
        run(&["rabbitmqctl".to_owned(), "eval".to_owned(), program]);
        *made += HOSTS_AT_ONCE;
    }
    format!("test-{process}-{number}")
}
