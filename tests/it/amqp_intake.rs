//! Intake over AMQP: what systems publish is accepted or refused as over HTTP, and nothing of it is lost, doubled
//! or overtaken.

use std::collections::{BTreeMap, BTreeSet};

use lapin::BasicProperties;
use serde_json::json;

use crate::harness::{
    books::Books,
    broker::Broker,
    department::Department,
    hub::{Hub, eventually},
    publisher::{Publisher, attributes},
    sender::{BUREAU, REGULATOR, Sender, event, hub_of, receives, result, sends},
};

/// The endpoint that publishes, and its queue.
const ENDPOINT: &str = "hanbin-spj";
const QUEUE: &str = "liandong.intake.hanbin-spj";
const AGAIN: &str = r#"liandong_amqp_letters_total{brought="again"}"#;

struct Stage {
    broker: Broker,
    hub: Hub,
    regulator: Department,
}

impl Stage {
    /// A hub that runs, with these accounts.
    async fn open(senders: &str) -> Self {
        Self::with(senders, |_| {}).await
    }

    /// The same with more said to the hub.
    async fn with(senders: &str, more: impl FnOnce(&mut Hub)) -> Self {
        let broker = Broker::new().await;
        let regulator = Department::anywhere().await;
        let on_unknown = "on_unknown = \"resend\"\n[limits]\ntimeout_ms = 3000\n";
        let mut hub = hub_of(&[
            (ENDPOINT, sends(ENDPOINT, &[BUREAU])),
            ("hanbin-scjg", receives("hanbin-scjg", REGULATOR, &regulator.address(), on_unknown)),
        ]);
        hub.set("bus.backend", "rabbitmq");
        hub.set("bus.senders", senders);
        hub.variable("LIANDONG_AMQP_URL", broker.url());
        more(&mut hub);
        hub.start();
        Self { broker, hub, regulator }
    }

    /// Keys of what has arrived at the regulator, each once, in the order of first sight.
    fn arrived(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        self.regulator.look(|ledger| {
            let keys = ledger.arrivals.iter().map(|arrival| arrival.text("key"));
            keys.filter(|key| seen.insert(key.clone())).collect()
        })
    }

    async fn until_arrived(&self, count: usize) -> Vec<String> {
        eventually("everything has arrived", || self.arrived().len() == count).await;
        self.arrived()
    }
}

const GUEST: &str = r#"["guest: hanbin-spj"]"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_answered_with_the_receipt_that_http_gives() {
    let stage = Stage::open(GUEST).await;
    let mut system = Publisher::at(&stage.broker).await;
    let message = result("A-1", "A");
    system.publish(ENDPOINT, &message, 7).await;
    let (number, media, receipt) = system.answer().await;
    assert_eq!((number, media.as_str()), (7, "application/json"));
    assert_eq!(receipt.statement()["business_key"], "A-1");
    stage.hub.until(&receipt.delivery_to(REGULATOR), "delivered").await;

    let over_http = Sender::at(&stage.hub, ENDPOINT).send(&message).await;
    assert_eq!(over_http.status, 200);
    assert_eq!(over_http.body, receipt.body, "the stored bytes, by either way");

    system.publish(ENDPOINT, &message, 8).await;
    let (number, _, again) = system.answer().await;
    assert_eq!((number, again.body), (8, receipt.body), "the same twice is once");
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_may_stand_in_application_properties_under_either_prefix() {
    let stage = Stage::open(GUEST).await;
    let mut system = Publisher::direct(&stage.broker).await;
    for (number, prefix) in ["cloudEvents:", "cloudEvents_"].into_iter().enumerate() {
        let properties = system
            .properties(number)
            .with_content_type("application/json".into())
            .with_headers(attributes(prefix, "liandong.approval.result"));
        let message = result(&format!("B-{number}"), "B").to_string();
        system.publish_as(ENDPOINT, message.as_bytes(), properties).await;
        let (answered, _, receipt) = system.answer().await;
        assert_eq!((answered, receipt.deliveries()), (number, 1));
    }
    let replies = r#"liandong_amqp_replies_total{result="taken"}"#;
    stage.hub.until_metric(replies, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_answered_with_one_array_in_its_order() {
    let stage = Stage::open(GUEST).await;
    let mut system = Publisher::at(&stage.broker).await;
    let events = json!([event(&result("C-1", "C")), { "specversion": "1.0" }, event(&result("C-2", "C"))]);
    let properties = system.properties(1).with_content_type("application/cloudevents-batch+json".into());
    system.publish_as(ENDPOINT, events.to_string().as_bytes(), properties).await;
    let answers = system.answer().await.2.json();
    let statuses: Vec<_> = answers.as_array().unwrap().iter().map(|answer| &answer["status"]).collect();
    assert_eq!(statuses, [&json!(201), &json!(400), &json!(201)], "{answers}");
    assert_eq!(answers[2]["receipt"]["statement"]["business_key"], "C-2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_refused_with_the_words_of_http_and_kept_in_the_trail() {
    let stage = Stage::open(GUEST).await;
    let mut system = Publisher::at(&stage.broker).await;
    let mut wrong = result("D-1", "D");
    wrong.as_object_mut().unwrap().remove("businessKey");
    let structured = event(&wrong).to_string();
    let http = Sender::at(&stage.hub, ENDPOINT);
    let media = "application/cloudevents+json";
    for (number, body) in [structured.as_str(), "{ not json", "{}"].into_iter().enumerate() {
        system.publish_as(ENDPOINT, body.as_bytes(), system.properties(number)).await;
        let (answered, kind, refusal) = system.answer().await;
        assert_eq!((answered, kind.as_str()), (number, "application/problem+json"));
        assert_eq!(refusal, http.post("/v1/messages", media, body).await);
    }
    assert_eq!(stage.broker.channel().await.count(QUEUE).await, 0, "refused for good is done with");
    let refusals = Books::of(&stage.hub).refusals();
    assert_eq!(refusals.len(), 6, "by either way: {refusals:?}");
    assert!(refusals.iter().all(|refusal| refusal["endpoint"] == ENDPOINT), "{refusals:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_takes_only_what_an_account_of_its_endpoint_published() {
    let broker = Broker::new().await;
    let user = format!("other-{}", broker.host());
    broker.ctl(&["add_user", &user, "secret"]).await;
    let (queues, exchange) = (format!("^{user}\\."), format!("^({user}\\.|liandong\\.intake$)"));
    broker.ctl(&["set_permissions", "--vhost", broker.host(), &user, &queues, &exchange, &queues]).await;
    let mut hub =
        hub_of(&[(ENDPOINT, sends(ENDPOINT, &[BUREAU])), ("second", sends("second", &[REGULATOR]))]);
    hub.set("bus.backend", "rabbitmq");
    hub.set("bus.senders", format!(r#"["guest: {ENDPOINT}", "{user}: second"]"#));
    hub.variable("LIANDONG_AMQP_URL", broker.url());
    hub.start();

    let mut other =
        Publisher::with(&broker.url_for(&user, "secret"), &user, &format!("{user}.answers")).await;
    other.publish(ENDPOINT, &result("E-1", "E"), 1).await;
    let (_, _, refusal) = other.answer().await;
    assert_eq!((refusal.status, refusal.code()), (403, "forbidden".to_owned()), "{}", refusal.json());

    let mut system = Publisher::at(&broker).await;
    let nameless = BasicProperties::default()
        .with_content_type("application/cloudevents+json".into())
        .with_reply_to(system.queue.as_str().into())
        .with_correlation_id("2".into());
    let body = event(&result("E-2", "E")).to_string();
    system.publish_as(ENDPOINT, body.as_bytes(), nameless).await;
    let (_, _, refusal) = system.answer().await;
    assert_eq!((refusal.status, refusal.code()), (401, "unauthenticated".to_owned()), "{}", refusal.json());

    let refusals = Books::of(&hub).refusals();
    assert_eq!(refusals.len(), 1, "the sender that is known: {refusals:?}");
    assert_eq!((&refusals[0]["endpoint"], &refusals[0]["code"]), (&json!("second"), &json!("forbidden")));
    assert_eq!(hub.get("/v1/deliveries").await, json!([]), "nothing of it was accepted");
    broker.ctl(&["delete_user", &user]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_can_have_is_counted_and_holds_up_nothing() {
    let stage = Stage::open(GUEST).await;
    let mut system = Publisher::at(&stage.broker).await;
    let body = |key: &str| event(&result(key, "F")).to_string();
    let silent = BasicProperties::default()
        .with_content_type("application/cloudevents+json".into())
        .with_user_id("guest".into());
    system.publish_as(ENDPOINT, body("F-0").as_bytes(), silent).await;
    for (key, queue) in [("F-1", "nobody.has.it"), ("F-2", "liandong.work.hanbin-scjg")] {
        let properties = system.properties(0).with_reply_to(queue.into());
        system.publish_as(ENDPOINT, body(key).as_bytes(), properties).await;
    }
    system.publish(ENDPOINT, &result("F-3", "F"), 3).await;
    assert_eq!(system.answer().await.0, 3);
    assert_eq!(stage.until_arrived(4).await, ["F-0", "F-1", "F-2", "F-3"]);
    for result in ["returned", "not_allowed", "taken"] {
        let name = format!(r#"liandong_amqp_replies_total{{result="{result}"}}"#);
        stage.hub.until_metric(&name, 1).await;
    }
    assert_eq!(stage.hub.metric(AGAIN).await, 0, "no connection was lost over it");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_a_queue_is_the_order_of_acceptance() {
    const COUNT: usize = 200;
    let stage = Stage::open(GUEST).await;
    let mut system = Publisher::at(&stage.broker).await;
    let keys: Vec<_> = (0..COUNT).map(|number| format!("G-{number:03}")).collect();
    for (number, key) in keys.iter().enumerate() {
        system.publish(ENDPOINT, &result(key, "G"), number).await;
    }
    let answers = system.answers(COUNT).await;
    assert!(answers.values().all(|answer| answer.deliveries() == 1));
    assert_eq!(stage.until_arrived(COUNT).await, keys);
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
    assert_eq!(counts.values().sum::<u64>(), COUNT as u64, "each once: {counts:?}");
    let mut lanes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for key in &arrived {
        let (licence, number) = key.split_once('-').unwrap();
        lanes.entry(licence).or_default().push(number);
    }
    assert_eq!(lanes.len(), LICENCES);
    assert!(lanes.values().all(|numbers| numbers.is_sorted()), "{lanes:?}");
    // What was answered twice was answered alike; and every message is answered.
    let answers = system.answers(COUNT).await;
    let ids: BTreeSet<_> = answers.values().map(crate::harness::sender::Answer::message).collect();
    assert_eq!(ids.len(), COUNT);
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
    assert!(answers.values().all(|answer| answer.deliveries() == 1), "no refusal for overload");
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

#[test]
fn senders_without_an_adapter_are_a_fault_of_the_configuration() {
    let mut hub = hub_of(&[(ENDPOINT, sends(ENDPOINT, &[BUREAU]))]);
    hub.set("bus.backend", "rabbitmq");
    hub.set("bus.senders", r#"["north: nowhere"]"#);
    let output = hub.run(&["serve"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("bus.senders: endpoint 'nowhere' has no adapter"), "{said}");
    assert!(!hub.data().exists(), "something was opened");
}
