//! Look-ups and operations: the answers of HTTP with types, under the same rules.

use liandong::proto::v1::{
    FindMessagesRequest, GetDeliveryRequest, GetMessageRequest, ListDeliveriesRequest, OperateRequest,
    ServeOfflineRequest, operations_client::OperationsClient, query_client::QueryClient,
};
use tonic::{Code, transport::Channel};

use super::bureau_and_mailbox;
use crate::harness::{
    hub::Hub,
    rpc::{channel, reason, submit, with_token},
    sender::{BUREAU, REGULATOR, result},
};

fn operator(hub: &Hub) -> String {
    hub.ask(&["token", "new", "o"])["token"].as_str().unwrap().to_owned()
}

/// A hub with one message whose delivery waits in a mailbox: hub, channel, message and delivery.
async fn with_one_message() -> (Hub, Channel, String, String, String) {
    let (mut hub, address) = bureau_and_mailbox("");
    hub.start();
    let (channel, token) = (channel(&address), hub.token("xzspj"));
    let message = submit(&channel, &token, &result("A 甲", "L")).await.unwrap().message;
    let request = with_token(&token, GetMessageRequest { id: message.clone() });
    let view = QueryClient::new(channel.clone()).get_message(request).await.unwrap().into_inner();
    let delivery = view.deliveries.into_iter().find(|delivery| delivery.organisation == REGULATOR).unwrap();
    (hub, channel, token, message, delivery.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_say_what_http_says() {
    let (hub, channel, token, message, delivery) = with_one_message().await;
    let mut query = QueryClient::new(channel);
    let id = || GetMessageRequest { id: message.clone() };
    let view = query.get_message(with_token(&token, id())).await.unwrap().into_inner();
    let http = hub.get(&format!("/v1/messages/{message}")).await;
    assert_eq!((view.organisation.as_str(), view.kind.as_str()), (BUREAU, "approval.result"));
    assert_eq!(view.accepted_at, http["accepted_at"].as_str().unwrap());
    assert_eq!(view.deliveries.len(), http["deliveries"].as_array().unwrap().len());
    assert_eq!(view.obligations.len(), http["obligations"].as_array().unwrap().len());
    assert!(!view.obligations.is_empty(), "somebody owes a receipt");

    let find = FindMessagesRequest { business_key: "A 甲".into(), ..Default::default() };
    let found = query.find_messages(with_token(&token, find)).await.unwrap().into_inner();
    assert_eq!(found.messages[0].id, message);
    let trail = query.get_message_trail(with_token(&token, id())).await.unwrap().into_inner();
    let http = hub.trail(&message).await;
    let events: Vec<_> = trail.entries.iter().map(|entry| entry.event.as_str()).collect();
    assert_eq!(events, http.iter().map(|entry| entry["event"].as_str().unwrap()).collect::<Vec<_>>());
    let data: serde_json::Value = serde_json::from_str(&trail.entries[0].data).unwrap();
    assert_eq!(data, http[0]["data"]);

    let id = || GetDeliveryRequest { id: delivery.clone() };
    let view = query.get_delivery(with_token(&token, id())).await.unwrap().into_inner();
    let key = view.key.unwrap();
    assert_eq!((view.state.as_str(), view.attempts, key.business_key.as_str()), ("ready", 0, "A 甲"));
    let recipient = hub.token("scjgj");
    assert!(query.get_delivery(with_token(&recipient, id())).await.is_ok(), "it is for them");
    assert!(query.get_delivery_trail(with_token(&recipient, id())).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_theirs_does_not_exist_and_lists_are_for_operators() {
    let (hub, channel, token, message, _) = with_one_message().await;
    let mut query = QueryClient::new(channel);
    let others = hub.token("scjgj");
    let id = || GetMessageRequest { id: message.clone() };
    assert_eq!(query.get_message(with_token(&others, id())).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(query.get_message_trail(with_token(&others, id())).await.unwrap_err().code(), Code::NotFound);
    let strange = GetMessageRequest { id: "../tokens".into() };
    let strange = query.get_message(with_token(&token, strange)).await.unwrap_err();
    assert_eq!((strange.code(), reason(&strange)), (Code::InvalidArgument, "MALFORMED".into()));
    let list = ListDeliveriesRequest { state: "ready".into(), ..Default::default() };
    let refused = query.list_deliveries(with_token(&token, list.clone())).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let all = query.list_deliveries(with_token(&operator(&hub), list)).await.unwrap().into_inner();
    assert_eq!(all.deliveries.len(), 1, "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_operate_with_who_and_why() {
    let (hub, channel, token, message, delivery) = with_one_message().await;
    let mut operations = OperationsClient::new(channel.clone());
    let asked =
        |reason: &str| OperateRequest { delivery: delivery.clone(), reason: reason.into(), dry_run: false };
    let refused = operations.park(with_token(&token, asked("why"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let operator = operator(&hub);
    let silent = operations.park(with_token(&operator, asked(""))).await.unwrap_err();
    assert_eq!((silent.code(), reason(&silent)), (Code::InvalidArgument, "NO_REASON".into()));
    let rehearsed = OperateRequest { dry_run: true, ..asked("look first") };
    let rehearsed = operations.park(with_token(&operator, rehearsed)).await.unwrap().into_inner();
    assert_eq!((rehearsed.dry_run, rehearsed.to.as_str()), (true, "parked"));
    assert!(!rehearsed.obligations.is_empty());
    let parked =
        operations.park(with_token(&operator, asked("wrong department"))).await.unwrap().into_inner();
    assert_eq!((parked.from.as_str(), parked.to.as_str()), ("ready", "parked"));
    let retried =
        operations.retry(with_token(&operator, asked("right after all"))).await.unwrap().into_inner();
    assert_eq!((retried.from.as_str(), retried.to.as_str()), ("parked", "ready"));
    let offline =
        ServeOfflineRequest { delivery: delivery.clone(), reason: "by hand".into(), ..Default::default() };
    let paperless = operations.serve_offline(with_token(&operator, offline.clone())).await.unwrap_err();
    assert_eq!(paperless.code(), Code::InvalidArgument);
    let offline = ServeOfflineRequest { document: "安送〔2026〕1号".into(), ..offline };
    let served = operations.serve_offline(with_token(&operator, offline)).await.unwrap().into_inner();
    assert_eq!(served.to, "served_offline");
    let over = operations.skip(with_token(&operator, asked("too late"))).await.unwrap_err();
    assert_eq!((over.code(), reason(&over)), (Code::FailedPrecondition, "NOT_POSSIBLE".into()));
    let trail = hub.trail(&message).await;
    let said = trail.iter().find(|entry| entry["data"]["reason"] == "wrong department").unwrap();
    assert_eq!(said["data"]["operator"], "o", "{said}");
}
