//! Whose message it is: the broker vouches for the account, and both it and the hub hold the account to its endpoint.

use lapin::BasicProperties;
use serde_json::json;

use super::ENDPOINT;
use crate::harness::{
    books::Books,
    broker::Broker,
    hub::Hub,
    publisher::Publisher,
    sender::{BUREAU, REGULATOR, event, hub_of, result, sends},
};

/// A hub for two endpoints that publish: the account of the tests for the first, `user` for the other.
fn hub_for(broker: &Broker, user: &str) -> Hub {
    let mut hub =
        hub_of(&[(ENDPOINT, sends(ENDPOINT, &[BUREAU])), ("second", sends("second", &[REGULATOR]))]);
    hub.set("bus.backend", "rabbitmq");
    hub.set("bus.senders", format!(r#"["guest: {ENDPOINT}", "{user}: second"]"#));
    hub.variable("LIANDONG_AMQP_URL", broker.url());
    hub.start();
    hub
}

/// An account of its own with these permissions: configure, write, read.
async fn account(broker: &Broker, permissions: [&str; 3]) -> String {
    let user = format!("other-{}", broker.host());
    broker.ctl(&["add_user", &user, "secret"]).await;
    let [configure, write, read] = permissions;
    broker.ctl(&["set_permissions", "--vhost", broker.host(), &user, configure, write, read]).await;
    user
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_takes_only_what_an_account_of_its_endpoint_published() {
    let broker = Broker::new().await;
    // Held to no endpoint by the broker: the hub holds it.
    let user = account(&broker, [r"^answers\.", r"^liandong\.intake$", r"^answers\."]).await;
    let hub = hub_for(&broker, &user);

    let mut other = Publisher::with(&broker.url_for(&user, "secret"), &user, "answers.other").await;
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
async fn with_the_documented_permissions_the_broker_refuses_a_forged_account_and_every_other_queue() {
    let broker = Broker::new().await;
    let user = account(&broker, [r"^second\.", r"^liandong\.intake$", r"^second\."]).await;
    let _hub = hub_for(&broker, &user);
    let topics = [r"^second(\.own)?$", "^$"];
    let scope = ["set_topic_permissions", "--vhost", broker.host(), &user, "liandong.intake"];
    broker.ctl(&[&scope[..], &topics[..]].concat()).await;
    let url = broker.url_for(&user, "secret");
    let mut system = Publisher::with(&url, &user, "second.answers").await;
    let mut message = result("M-1", "M");
    message["organisation"] = json!(REGULATOR);
    system.publish("second", &message, 1).await;
    let (number, _, answer) = system.answer().await;
    assert_eq!((number, answer.status), (1, 403), "a regulator approves nothing: {}", answer.json());

    for (endpoint, account, because) in [
        ("second", "guest", "user_id property set to 'guest'"),
        (ENDPOINT, user.as_str(), "access to topic 'hanbin-spj'"),
    ] {
        let system = Publisher::with(&url, account, "second.forged").await;
        let refused = system.try_publish(endpoint, b"{}", system.properties(2)).await.unwrap_err();
        assert!(refused.to_string().contains(because), "{refused}");
    }
    for queue in ["liandong.intake.second", "liandong.outcome", "liandong.dead"] {
        let system = Publisher::with(&url, &user, "second.curious").await;
        let refused = system.try_consume(queue).await.unwrap_err().to_string();
        assert!(refused.contains("ACCESS_REFUSED") || refused.contains("refused"), "{queue}: {refused}");
    }
    broker.ctl(&["delete_user", &user]).await;
}
