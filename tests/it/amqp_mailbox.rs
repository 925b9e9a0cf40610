//! Mailboxes over AMQP: a system fetches its deliveries from a queue and answers each; whichever hub is brought the
//! answer settles it, under the lease it names.

use std::collections::BTreeSet;

use liandong::evidence::digest::Digest;
use serde_json::json;

use crate::{
    contract::backend::Postgres,
    harness::{
        broker::Broker,
        fetcher::Fetcher,
        hub::Hub,
        sender::{BUREAU, REGULATOR, Sender, hub_of, result, sends, takes_out},
    },
    on_postgres::share_key,
};

/// The endpoint that fetches, and its queue.
const ENDPOINT: &str = "scjgj";
const QUEUE: &str = "liandong.mailbox.scjgj";

fn hub_with(broker: &Broker, more: &str) -> Hub {
    let mut hub =
        hub_of(&[("xzspj", sends("xzspj", &[BUREAU])), (ENDPOINT, takes_out(ENDPOINT, REGULATOR, more))]);
    hub.set("bus.backend", "rabbitmq");
    hub.set("bus.mailboxes", format!(r#"["guest: {ENDPOINT}"]"#));
    hub.variable("LIANDONG_AMQP_URL", broker.url());
    hub
}

struct Stage {
    broker: Broker,
    hub: Hub,
    bureau: Sender,
}

impl Stage {
    async fn new(more: &str) -> Self {
        let broker = Broker::new().await;
        let mut hub = hub_with(&broker, more);
        hub.start();
        let bureau = Sender::at(&hub, "xzspj");
        Self { broker, hub, bureau }
    }

    async fn fetcher(&self) -> Fetcher {
        Fetcher::open(self.broker.url(), "guest", ENDPOINT, "").await
    }

    async fn sent(&self, key: &str, licence: &str) -> String {
        self.bureau.accepted(&result(key, licence)).await.delivery_to(REGULATOR)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_fetched_in_the_adapters_form_and_delivered_by_its_acknowledgement() {
    let stage = Stage::new("").await;
    let mut system = stage.fetcher().await;
    let id = stage.sent("A", "L").await;
    let fetched = system.next().await;
    assert_eq!((fetched.delivery(), fetched.media()), (id.as_str(), "application/json"));
    assert_eq!(fetched.json()["key"], "A");
    for (name, value) in [
        ("liandong-kind", "approval.result"),
        ("liandong-organisation", REGULATOR),
        ("liandong-attempt", "1"),
        ("liandong-lane-sequence", &fetched.json()["sequence"].to_string()),
    ] {
        assert_eq!(fetched.header(name), value, "{name}");
    }
    assert_eq!(stage.hub.delivery(&id).await["state"], "leased", "handed out is not delivered");
    assert_eq!(system.acknowledge(&fetched).await, "counted");
    let delivered = stage.hub.until(&id, "delivered").await;
    let attempt = &delivered["attempts_made"][0];
    assert_eq!(attempt["peer"], "mailbox queue of scjgj");
    assert_eq!(attempt["sent_digest"], hex::encode(Digest::of(fetched.bytes()).as_bytes()));
    assert!(!attempt["adapter_version"].as_str().unwrap().is_empty(), "{attempt}");
    stage.broker.channel().await.until_count(QUEUE, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_fetches_work_waits_and_burns_no_attempt() {
    let stage = Stage::new("[retry]\nmax_attempts = 1\n").await;
    let sent = [stage.sent("A", "L").await, stage.sent("B", "M").await];
    for id in &sent {
        let waiting = stage.hub.delivery(id).await;
        assert_eq!((&waiting["state"], &waiting["attempts"]), (&json!("ready"), &json!(0)), "{waiting}");
    }
    let mut system = stage.fetcher().await;
    for _ in &sent {
        let fetched = system.next().await;
        assert_eq!(system.acknowledge(&fetched).await, "counted");
    }
    for id in &sent {
        stage.hub.until(id, "delivered").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_lane_one_copy_is_out_and_a_refusal_parks_or_tries_again_as_it_says() {
    let stage = Stage::new("").await;
    let mut system = stage.fetcher().await;
    let (first, second) = (stage.sent("A1", "A").await, stage.sent("A2", "A").await);
    let fetched = system.next().await;
    assert_eq!(fetched.delivery(), first);
    assert_eq!(stage.hub.delivery(&second).await["state"], "ready", "it waits for the first");
    let transient = r#"{"outcome":"transient","reason":"the archive is closed"}"#;
    assert_eq!(system.answer(&fetched, transient).await, "counted");
    let again = system.next().await;
    assert_eq!((again.delivery(), again.header("liandong-attempt").as_str()), (first.as_str(), "2"));
    let permanent = r#"{"outcome":"permanent","reason":"no such licence here"}"#;
    assert_eq!(system.answer(&again, permanent).await, "counted");
    let parked = stage.hub.until(&first, "parked").await;
    assert_eq!(parked["park_reason"], "refused");
    assert_eq!(parked["attempts_made"][1]["detail"], "no such licence here");
    stage.hub.order(&first, "skip").await;
    let fetched = system.next().await;
    assert_eq!(fetched.delivery(), second);
    assert_eq!(system.acknowledge(&fetched).await, "counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_answered_in_time_comes_again_and_a_late_acknowledgement_counts_once() {
    let stage = Stage::new("[limits]\ntimeout_ms = 300\n").await;
    let mut system = stage.fetcher().await;
    let id = stage.sent("A", "L").await;
    let copy = system.next().await;
    let again = system.next().await;
    assert_eq!(again.delivery(), id);
    assert_ne!(again.ticket(), copy.ticket(), "another lease");
    let late = r#"{"outcome":"permanent"}"#;
    assert_eq!(system.answer(&copy, late).await, "stale", "a late failure changes nothing");
    let said = system.say(ENDPOINT, "guest", copy.ticket(), "").await;
    assert_eq!(said["count"], "counted", "the system has it");
    let delivered = stage.hub.until(&id, "delivered").await;
    let said = system.say(ENDPOINT, "guest", copy.ticket(), "").await;
    assert_eq!(said["count"], "stale", "once");
    let attempts = delivered["attempts_made"].as_array().unwrap();
    let outcomes: BTreeSet<_> = attempts.iter().map(|attempt| attempt["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["delivered", "permanent", "unknown"].into(), "{delivered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_nobody_fetches_in_time_leaves_its_queue() {
    let stage = Stage::new("[limits]\ntimeout_ms = 300\n").await;
    let mut system = stage.fetcher().await;
    let id = stage.sent("A", "L").await;
    let copy = system.next().await;
    system.leave().await;
    // It goes back to the queue, and its time is over there.
    stage.hub.until(&id, "scheduled").await;
    stage.broker.channel().await.until_count(QUEUE, 0).await;
    let mut system = stage.fetcher().await;
    let again = system.next().await;
    assert_ne!(again.ticket(), copy.ticket());
    assert_eq!(system.acknowledge(&again).await, "counted");
    stage.hub.until(&id, "delivered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_strangers_and_forged_tickets_change_nothing() {
    let stage = Stage::new("").await;
    let user = format!("fetches-{}", stage.broker.host());
    stage.broker.ctl(&["add_user", &user, "secret"]).await;
    let permissions =
        [user.as_str(), r"^scjgj\.", r"^liandong\.answer$", r"^(scjgj\.|liandong\.mailbox\.scjgj$)"];
    let scope = ["set_permissions", "--vhost", stage.broker.host()];
    stage.broker.ctl(&[&scope[..], &permissions[..]].concat()).await;
    let url = stage.broker.url_for(&user, "secret");
    let mut stranger = Fetcher::open(&url, &user, ENDPOINT, "scjgj.counts").await;
    let id = stage.sent("A", "L").await;
    let fetched = stranger.next().await;
    let said = stranger.say(ENDPOINT, &user, fetched.ticket(), "").await;
    assert_eq!((&said["status"], &said["code"]), (&json!(403), &json!("forbidden")), "{said}");
    stranger.leave().await;

    let mut system = stage.fetcher().await;
    let fetched = system.next().await;
    assert_eq!(fetched.delivery(), id);
    let forged = fetched.ticket().replacen(".1.1.", ".1.9.", 1);
    for (ticket, body) in [(forged.as_str(), ""), ("nonsense", ""), (fetched.ticket(), "{ nonsense")] {
        let said = system.say(ENDPOINT, "guest", ticket, body).await;
        assert_eq!((&said["status"], &said["code"]), (&json!(400), &json!("malformed")), "{said}");
    }
    let unreadable = r#"liandong_outcomes_refused_total{reason="unreadable"}"#;
    assert_eq!(stage.hub.metric(unreadable).await, 3);
    assert_eq!(stage.hub.delivery(&id).await["state"], "leased", "nothing of it counted");
    assert_eq!(system.acknowledge(&fetched).await, "counted");
    stage.broker.ctl(&["delete_user", &user]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_outlives_the_hub_that_handed_the_delivery_out() {
    let (broker, place) = (Broker::new().await, Postgres::new());
    let (mut one, mut two) = (hub_with(&broker, ""), hub_with(&broker, ""));
    for hub in [&mut one, &mut two] {
        hub.set("store.backend", "postgres");
        hub.variable("LIANDONG_POSTGRES_URL", &place.database().await.url());
    }
    one.start();
    let bureau = Sender::at(&one, "xzspj");
    let mut system = Fetcher::open(broker.url(), "guest", ENDPOINT, "").await;
    let mut out = Vec::new();
    for number in 0..5 {
        let key = format!("A-{number}");
        let id = bureau.accepted(&result(&key, &key)).await.delivery_to(REGULATOR);
        out.push((id, system.next().await));
    }
    share_key(&one, &mut two);
    one.kill();
    two.start();
    for (id, fetched) in &out {
        assert_eq!(fetched.delivery(), id);
        assert_eq!(system.acknowledge(fetched).await, "counted");
        let delivered = two.until(id, "delivered").await;
        assert_eq!(delivered["attempts_made"].as_array().unwrap().len(), 1, "{delivered}");
    }
    assert_eq!(two.stop(), Some(0));
}

#[test]
fn accounts_without_a_mailbox_are_a_fault_of_the_configuration() {
    let mut hub = hub_of(&[("xzspj", sends("xzspj", &[BUREAU]))]);
    hub.set("bus.backend", "rabbitmq");
    hub.set("bus.mailboxes", r#"["north: xzspj"]"#);
    for command in ["serve", "check"] {
        let output = hub.run(&[command]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{command}: {said}");
        assert!(said.contains("bus.mailboxes: endpoint 'xzspj' has no adapter"), "{command}: {said}");
    }
    assert!(!hub.data().exists(), "something was opened");
}
