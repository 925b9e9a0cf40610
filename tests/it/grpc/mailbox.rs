//! Mailboxes: deliveries for a system that connects outward, each answered under its lease.

use liandong::proto::v1::{AnswerCount, RefusalClass};
use serde_json::{Value, json};
use tonic::{Code, transport::Channel};

use super::bureau_and_mailbox;
use crate::harness::{
    hub::Hub,
    rpc::{Recipient, channel, hub_with_grpc},
    sender::{BUREAU, ENFORCEMENT, REGULATOR, Sender, receives, result, sends, takes_out},
};

struct Stage {
    hub: Hub,
    channel: Channel,
    bureau: Sender,
    token: String,
}

impl Stage {
    fn new(more: &str) -> Self {
        let (mut hub, address) = bureau_and_mailbox(more);
        hub.start();
        let bureau = Sender::at(&hub, "xzspj");
        let token = hub.token("scjgj");
        Self { channel: channel(&address), hub, bureau, token }
    }

    async fn open(&self, credit: u32) -> Recipient {
        Recipient::open(&self.channel, &self.token, credit).await.unwrap()
    }

    /// A result about a licence; the delivery to the regulator.
    async fn sent(&self, key: &str, licence: &str) -> String {
        self.bureau.accepted(&result(key, licence)).await.delivery_to(REGULATOR)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_taken_out_in_the_adapters_form_and_delivered_by_its_acknowledgement() {
    let stage = Stage::new("");
    let mut recipient = stage.open(10).await;
    assert_eq!(recipient.opened.endpoint, "scjgj");
    let id = stage.sent("A", "L").await;
    let delivery = recipient.delivery().await;
    assert_eq!((delivery.delivery.as_str(), delivery.attempt), (id.as_str(), 1));
    assert_eq!((delivery.kind.as_str(), delivery.organisation.as_str()), ("approval.result", REGULATOR));
    let body: Value = serde_json::from_slice(&delivery.body).unwrap();
    assert_eq!(body["key"], "A", "{body}");
    assert_eq!(body["sequence"], delivery.lane_sequence);
    assert_eq!(delivery.content_type, "application/json");
    assert_eq!(stage.hub.delivery(&id).await["state"], "leased", "handed out is not delivered");
    assert_eq!(recipient.acknowledge(&id, delivery.lease).await, AnswerCount::Counted);
    let delivered = stage.hub.until(&id, "delivered").await;
    let attempt = &delivered["attempts_made"][0];
    assert_eq!((&attempt["peer"], &attempt["outcome"]), (&json!("mailbox of scjgj"), &json!("delivered")));
    assert_eq!(recipient.acknowledge(&id, delivery.lease).await, AnswerCount::Stale, "it counts once");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_is_there_work_waits_and_burns_no_attempt() {
    let stage = Stage::new("[retry]\nmax_attempts = 1\n");
    let id = stage.sent("A", "L").await;
    let mut without_credit = stage.open(0).await;
    assert!(without_credit.hears_nothing().await);
    let waiting = stage.hub.delivery(&id).await;
    assert_eq!((&waiting["state"], &waiting["attempts"]), (&json!("ready"), &json!(0)));
    without_credit.grant(1).await;
    let delivery = without_credit.delivery().await;
    assert_eq!(delivery.attempt, 1);
    without_credit.acknowledge(&id, delivery.lease).await;
    stage.hub.until(&id, "delivered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_answered_comes_again_under_its_id_and_a_late_acknowledgement_is_one() {
    let stage = Stage::new("");
    let mut first = stage.open(10).await;
    let id = stage.sent("A", "L").await;
    let copy = first.delivery().await;
    drop(first);
    stage.hub.until(&id, "scheduled").await;
    let mut second = stage.open(10).await;
    let again = second.delivery().await;
    assert_eq!((again.delivery.as_str(), again.attempt), (id.as_str(), 2));
    assert!(again.lease > copy.lease);
    let never = again.lease + 1;
    assert_eq!(second.acknowledge(&id, never).await, AnswerCount::Stale, "no such lease was given");
    assert_eq!(stage.hub.delivery(&id).await["state"], "leased", "it is not delivered by that");
    assert_eq!(second.acknowledge(&id, copy.lease).await, AnswerCount::Counted, "the system has it");
    let delivered = stage.hub.until(&id, "delivered").await;
    assert_eq!(second.acknowledge(&id, copy.lease).await, AnswerCount::Stale, "once");
    let outcomes = delivered["attempts_made"].as_array().unwrap().iter();
    let outcomes: Vec<_> = outcomes.map(|attempt| attempt["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["unknown", "delivered"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_answered_in_time_comes_again() {
    let stage = Stage::new("[limits]\ntimeout_ms = 300\n");
    let mut recipient = stage.open(10).await;
    let id = stage.sent("A", "L").await;
    let copy = recipient.delivery().await;
    let again = recipient.delivery().await;
    assert_eq!((&again.delivery, again.attempt), (&id, 2));
    assert_eq!(recipient.acknowledge(&id, copy.lease).await, AnswerCount::Counted);
    let delivered = stage.hub.until(&id, "delivered").await;
    let attempts = delivered["attempts_made"].as_array().unwrap();
    let outcomes: Vec<_> = attempts.iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, [&json!("unknown"), &json!("delivered")], "{delivered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_refusal_changes_nothing_and_nobody_answers_for_another() {
    let (mut hub, address) = hub_with_grpc(&[
        ("xzspj", sends("xzspj", &[BUREAU])),
        ("scjgj", takes_out("scjgj", REGULATOR, "")),
        ("cgj", takes_out("cgj", ENFORCEMENT, "")),
    ]);
    hub.start();
    let channel = channel(&address);
    let mut first = Recipient::open(&channel, &hub.token("scjgj"), 10).await.unwrap();
    let mut stranger = Recipient::open(&channel, &hub.token("cgj"), 10).await.unwrap();
    let id = Sender::at(&hub, "xzspj").accepted(&result("A", "L")).await.delivery_to(REGULATOR);
    let copy = first.delivery().await;
    assert_eq!(stranger.acknowledge(&id, copy.lease).await, AnswerCount::Stale, "not its delivery");
    assert_eq!(hub.metric(r#"liandong_outcomes_refused_total{reason="foreign"}"#).await, 1);
    assert_eq!(first.refuse(&copy, RefusalClass::Transient).await, AnswerCount::Counted);
    let again = first.delivery().await;
    assert_eq!(first.refuse(&copy, RefusalClass::Permanent).await, AnswerCount::Stale, "late");
    assert_eq!(hub.delivery(&id).await["state"], "leased", "a late failure changes nothing");
    assert_eq!(first.acknowledge(&id, again.lease).await, AnswerCount::Counted);
    hub.until(&id, "delivered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_parks_or_tries_again_as_it_says() {
    let stage = Stage::new("");
    let mut recipient = stage.open(10).await;
    let id = stage.sent("A", "L").await;
    let delivery = recipient.delivery().await;
    assert_eq!(recipient.refuse(&delivery, RefusalClass::Transient).await, AnswerCount::Counted);
    let again = recipient.delivery().await;
    assert_eq!((&again.delivery, again.attempt), (&id, 2));
    assert_eq!(recipient.refuse(&again, RefusalClass::Permanent).await, AnswerCount::Counted);
    let parked = stage.hub.until(&id, "parked").await;
    assert_eq!(parked["park_reason"], "refused");
    assert_eq!(parked["attempts_made"][1]["detail"], "no such licence here");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_handed_out_than_was_granted_and_of_a_lane_one_at_a_time() {
    let stage = Stage::new("");
    let mut recipient = stage.open(2).await;
    let mut ids = Vec::new();
    for (key, licence) in [("A1", "A"), ("A2", "A"), ("B1", "B"), ("C1", "C")] {
        ids.push(stage.sent(key, licence).await);
    }
    let (one, two) = (recipient.delivery().await, recipient.delivery().await);
    assert_eq!([&one.delivery, &two.delivery], [&ids[0], &ids[2]], "the second of A waits for the first");
    assert!(recipient.hears_nothing().await, "two were granted");
    assert_eq!(recipient.acknowledge(&one.delivery, one.lease).await, AnswerCount::Counted);
    assert!(recipient.hears_nothing().await, "an answer grants nothing");
    recipient.grant(10).await;
    let mut rest = [recipient.delivery().await.delivery, recipient.delivery().await.delivery];
    let mut expected = [ids[1].clone(), ids[3].clone()];
    rest.sort();
    expected.sort();
    assert_eq!(rest, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_streams_of_one_endpoint_share_its_deliveries() {
    let stage = Stage::new("");
    let (mut one, mut two) = (stage.open(1).await, stage.open(1).await);
    let mut expected = [stage.sent("A", "A").await, stage.sent("B", "B").await];
    let (first, second) = (one.delivery().await, two.delivery().await);
    let mut ids = [first.delivery.clone(), second.delivery.clone()];
    ids.sort();
    expected.sort();
    assert_eq!(ids, expected);
    assert_eq!(two.acknowledge(&first.delivery, first.lease).await, AnswerCount::Stale, "it is the other's");
    assert_eq!(one.acknowledge(&first.delivery, first.lease).await, AnswerCount::Counted);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_what_is_out_may_still_be_answered() {
    let mut stage = Stage::new("");
    let mut recipient = stage.open(10).await;
    let id = stage.sent("A", "L").await;
    let delivery = recipient.delivery().await;
    stage.hub.terminate();
    assert_eq!(recipient.acknowledge(&id, delivery.lease).await, AnswerCount::Counted);
    assert_eq!(recipient.next().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(stage.hub.ended().await, 0);
    stage.hub.start();
    stage.hub.until(&id, "delivered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_mailbox_is_told_so_and_a_mailbox_without_grpc_or_in_a_worker_does_not_start() {
    let adapters =
        [("xzspj", sends("xzspj", &[BUREAU])), ("scjgj", receives("scjgj", REGULATOR, "127.0.0.1:1", ""))];
    let (mut hub, address) = hub_with_grpc(&adapters);
    hub.start();
    let none = Recipient::open(&channel(&address), &hub.token("scjgj"), 1).await.unwrap_err();
    assert_eq!(none.code(), Code::FailedPrecondition);
    for (key, value, because) in [
        ("grpc.listen", "", "grpc.listen is empty"),
        ("bus.workers", r#"["north: scjgj"]"#, "take it out of bus.workers"),
    ] {
        let (mut hub, _) = hub_with_grpc(&[("scjgj", takes_out("scjgj", REGULATOR, ""))]);
        hub.set("bus.backend", "rabbitmq");
        hub.set(key, value);
        let refused = hub.run(&["serve"]);
        assert_eq!(refused.status.code(), Some(64));
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains("scjgj") && said.contains(because), "{said}");
    }
}
