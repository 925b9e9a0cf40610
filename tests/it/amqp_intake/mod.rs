//! Intake over AMQP: what systems publish is accepted or refused as over HTTP, and nothing of it is lost, doubled
//! or overtaken.

mod faults;
mod foreign;
mod hubs;
mod rights;

use std::collections::BTreeSet;

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

/// How its own body becomes a message.
const IN: &str = r#"
name = "in"
[fields]
"businessKey" = "record.businessKey"
"decidedAt" = "record.decidedAt"
"items" = "record.items"
"subject" = "record.subject"
"licences" = "record.licences"
"publicity" = "record.publicity"
"approvalResult" = "record.approvalResult"
"#;

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
        let mut stage = Self::unstarted(senders, more).await;
        stage.hub.start();
        stage
    }

    /// The same before it runs.
    async fn unstarted(senders: &str, more: impl FnOnce(&mut Hub)) -> Self {
        Self::on(Broker::new().await, senders, more).await
    }

    /// The same on a broker.
    async fn on(broker: Broker, senders: &str, more: impl FnOnce(&mut Hub)) -> Self {
        let regulator = Department::anywhere().await;
        let on_unknown = "on_unknown = \"resend\"\n[limits]\ntimeout_ms = 3000\n";
        let mut sending = sends(ENDPOINT, &[BUREAU]);
        IN.clone_into(&mut sending[1].1);
        let mut hub = hub_of(&[
            (ENDPOINT, sending),
            ("hanbin-scjg", receives("hanbin-scjg", REGULATOR, &regulator.address(), on_unknown)),
        ]);
        hub.set("bus.backend", "rabbitmq");
        hub.set("bus.senders", senders);
        hub.variable("LIANDONG_AMQP_URL", broker.url());
        more(&mut hub);
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
        assert_eq!((answered, receipt.deliveries()), (number, 2));
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
    assert!(answers.values().all(|answer| answer.deliveries() == 2));
    assert_eq!(stage.until_arrived(COUNT).await, keys);
}

#[test]
fn senders_without_an_adapter_are_a_fault_of_the_configuration() {
    let mut hub = hub_of(&[(ENDPOINT, sends(ENDPOINT, &[BUREAU]))]);
    hub.set("bus.backend", "rabbitmq");
    hub.set("bus.senders", r#"["north: nowhere"]"#);
    for command in ["serve", "check"] {
        let output = hub.run(&[command]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{command}: {said}");
        assert!(said.contains("bus.senders: endpoint 'nowhere' has no adapter"), "{command}: {said}");
    }
    assert!(!hub.data().exists(), "something was opened");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_departments_own_body_goes_through_its_adapter_as_over_http() {
    let stage = Stage::open(GUEST).await;
    let mut system = Publisher::at(&stage.broker).await;
    let own = format!("{ENDPOINT}.own");
    let body = result("K-1", "K").to_string();
    let properties = system.properties(1).with_content_type("application/json".into());
    system.publish_as(&own, body.as_bytes(), properties).await;
    let (number, media, answer) = system.answer().await;
    assert_eq!((number, media.as_str()), (1, "application/json"));
    let answers = answer.json();
    assert_eq!(answers[0]["status"], 201, "{answers}");
    assert_eq!(answers[0]["receipt"]["statement"]["business_key"], "K-1");

    let http = Sender::at(&stage.hub, ENDPOINT);
    let path = format!("/v1/adapters/{ENDPOINT}");
    let again = http.post(&path, "application/json", body).await.json();
    assert_eq!((&again[0]["status"], &again[0]["receipt"]), (&json!(200), &answers[0]["receipt"]));
    system.publish_as(&own, b"{ no json", system.properties(2)).await;
    let (_, media, refusal) = system.answer().await;
    assert_eq!(media, "application/problem+json");
    assert_eq!(refusal, http.post(&path, "application/json", "{ no json").await);
    assert_eq!(Books::of(&stage.hub).refusals().len(), 2, "by either way");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_nobody_asks_for_is_in_the_trail_and_counted() {
    let stage = Stage::open(GUEST).await;
    let system = Publisher::at(&stage.broker).await;
    let silent = BasicProperties::default().with_user_id("guest".into());
    system.publish_as(ENDPOINT, b"{}", silent.with_content_type("text/plain".into())).await;
    stage.hub.until_metric(r#"liandong_amqp_replies_total{result="not_asked"}"#, 1).await;
    assert_eq!(stage.hub.metric(r#"liandong_messages_refused_total{code="malformed"}"#).await, 1);
    let refusals = Books::of(&stage.hub).refusals();
    assert_eq!((&refusals[0]["endpoint"], &refusals[0]["code"]), (&json!(ENDPOINT), &json!("malformed")));
    stage.broker.channel().await.until_count(QUEUE, 0).await;
}
