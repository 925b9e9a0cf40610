//! gRPC over a PostgreSQL: intake, mailbox, look-ups and operations say what they say over the embedded store.

use liandong::proto::v1::{
    AnswerCount, FindMessagesRequest, GetDeliveryRequest, GetMessageRequest, ListDeliveriesRequest,
    OperateRequest, ReceiptOf, RefusalClass, intake_client::IntakeClient,
    operations_client::OperationsClient, query_client::QueryClient, submit_stream_response::Answer,
};
use serde_json::json;
use tonic::{Code, transport::Channel};

use crate::{
    contract::backend::Postgres,
    harness::{
        hub::Hub,
        rpc::{Recipient, channel, hub_with_grpc, numbered, reason, submit, with_token},
        sender::{BUREAU, REGULATOR, result, sends, takes_out},
    },
};

/// A hub whose bureau sends and whose regulator has a mailbox, on a database of its own; a channel to it.
async fn hub(place: &Postgres) -> (Hub, Channel) {
    let (mut hub, address) = hub_with_grpc(&[
        ("xzspj", sends("xzspj", &[BUREAU])),
        ("scjgj", takes_out("scjgj", REGULATOR, "[limits]\ntimeout_ms = 1000")),
    ]);
    hub.set("store.backend", "postgres");
    hub.variable("LIANDONG_POSTGRES_URL", &place.database().await.url());
    hub.start();
    (hub, channel(&address))
}

async fn delivery_of(channel: &Channel, token: &str, message: &str) -> String {
    let request = with_token(token, GetMessageRequest { id: message.to_owned() });
    let view = QueryClient::new(channel.clone()).get_message(request).await.unwrap().into_inner();
    view.deliveries.into_iter().find(|delivery| delivery.organisation == REGULATOR).unwrap().id
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_taken_in_one_by_one_and_as_a_stream() {
    let place = Postgres::new();
    let (hub, channel) = hub(&place).await;
    let token = hub.token("xzspj");
    let first = submit(&channel, &token, &result("A", "L")).await.unwrap();
    assert_eq!(first.receipt_of(), ReceiptOf::First);
    let again = submit(&channel, &token, &result("A", "L")).await.unwrap();
    assert_eq!((again.receipt_of(), &again.receipt), (ReceiptOf::Earlier, &first.receipt));
    let conflict = submit(&channel, &token, &result("A", "other")).await.unwrap_err();
    assert_eq!((conflict.code(), reason(&conflict)), (Code::AlreadyExists, "CONFLICT".to_owned()));

    let mut faulty = result("B", "L");
    faulty["decidedAt"] = json!("yesterday");
    let messages = [numbered(1, &result("A", "L")), numbered(2, &faulty), numbered(3, &result("C", "L"))];
    let request = with_token(&token, tokio_stream::iter(messages));
    let answers = IntakeClient::new(channel).submit_stream(request).await.unwrap().into_inner();
    let answers: Vec<_> = tokio_stream::StreamExt::collect(answers).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().answer.unwrap()).collect();
    let [Answer::Accepted(earlier), Answer::Refused(refused), Answer::Accepted(new)] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!((&earlier.receipt, refused.code.as_str()), (&first.receipt, "invalid"));
    assert_eq!(new.receipt_of(), ReceiptOf::First);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_hands_out_and_counts_what_is_answered_under_its_lease() {
    let place = Postgres::new();
    let (hub, channel) = hub(&place).await;
    let (bureau, regulator) = (hub.token("xzspj"), hub.token("scjgj"));
    let mut recipient = Recipient::open(&channel, &regulator, 1).await.unwrap();
    let message = submit(&channel, &bureau, &result("A", "L")).await.unwrap().message;
    let first = recipient.delivery().await;
    assert_eq!(first.delivery, delivery_of(&channel, &bureau, &message).await);
    assert_eq!(hub.delivery(&first.delivery).await["state"], "leased");
    // Not answered in time: it comes again under its id, and a late acknowledgement is one.
    recipient.grant(1).await;
    let again = recipient.delivery().await;
    assert_eq!(again.delivery, first.delivery);
    assert!(again.lease > first.lease);
    assert_eq!(recipient.acknowledge(&first.delivery, again.lease + 1).await, AnswerCount::Stale);
    assert_eq!(recipient.acknowledge(&first.delivery, first.lease).await, AnswerCount::Counted);
    hub.until(&again.delivery, "delivered").await;

    submit(&channel, &bureau, &result("B", "M")).await.unwrap();
    recipient.grant(1).await;
    let refused = recipient.delivery().await;
    assert_eq!(recipient.refuse(&refused, RefusalClass::Permanent).await, AnswerCount::Counted);
    let row = hub.until(&refused.delivery, "parked").await;
    assert_eq!(row["park_reason"], "refused", "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_and_operations_find_and_move_what_is_stored() {
    let place = Postgres::new();
    let (mut hub, channel) = hub(&place).await;
    let (bureau, operator) = (hub.token("xzspj"), hub.ask(&["token", "new", "o"]));
    let operator = operator["token"].as_str().unwrap();
    let message = submit(&channel, &bureau, &result("A 甲", "L")).await.unwrap().message;
    let delivery = delivery_of(&channel, &bureau, &message).await;
    let mut query = QueryClient::new(channel.clone());
    let find = FindMessagesRequest { business_key: "A 甲".into(), ..Default::default() };
    let found = query.find_messages(with_token(&bureau, find)).await.unwrap().into_inner();
    assert_eq!(found.messages[0].id, message);
    let list = ListDeliveriesRequest { state: "ready".into(), ..Default::default() };
    let listed = query.list_deliveries(with_token(operator, list)).await.unwrap().into_inner();
    assert_eq!(listed.deliveries.iter().map(|row| &row.id).collect::<Vec<_>>(), [&delivery]);

    let mut operations = OperationsClient::new(channel);
    let asked = || OperateRequest { delivery: delivery.clone(), reason: "why".into(), dry_run: false };
    let parked = operations.park(with_token(operator, asked())).await.unwrap().into_inner();
    assert_eq!((parked.from.as_str(), parked.to.as_str()), ("ready", "parked"));
    let skipped = operations.skip(with_token(operator, asked())).await.unwrap().into_inner();
    assert_eq!(skipped.to, "skipped");
    let over = operations.retry(with_token(operator, asked())).await.unwrap_err();
    assert_eq!((over.code(), reason(&over)), (Code::FailedPrecondition, "NOT_POSSIBLE".to_owned()));
    let id = GetDeliveryRequest { id: delivery.clone() };
    let view = query.get_delivery(with_token(&bureau, id)).await.unwrap().into_inner();
    assert_eq!(view.state, "skipped");
    let trail = GetMessageRequest { id: message };
    let trail = query.get_message_trail(with_token(&bureau, trail)).await.unwrap().into_inner();
    let events: Vec<_> = trail.entries.iter().map(|entry| entry.event.as_str()).collect();
    assert_eq!(events, ["message.accepted", "delivery.operated", "delivery.operated"]);
    assert_eq!(hub.stop(), Some(0));
}
