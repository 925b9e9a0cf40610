//! One message at a time: the same verdicts, receipts and refusals as over HTTP, with their details.

use std::time::Duration;

use liandong::proto::{
    received::SubmitRequest,
    v1::{ReceiptOf, intake_client::IntakeClient},
};
use serde_json::json;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::bureau_and_mailbox;
use crate::harness::{
    books::Books,
    rpc::{channel, encoded, fields, reason, submit, with_token},
    sender::{ENFORCEMENT, Sender, result},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_one_receipt_over_grpc_and_over_http() {
    let (mut hub, address) = bureau_and_mailbox("");
    hub.start();
    let (channel, token) = (channel(&address), hub.token("xzspj"));
    let first = submit(&channel, &token, &result("A", "L")).await.unwrap();
    assert_eq!(first.receipt_of(), ReceiptOf::First);
    let receipt: serde_json::Value = serde_json::from_slice(&first.receipt).unwrap();
    assert_eq!(receipt["statement"]["id"], first.message.as_str());
    let again = submit(&channel, &token, &result("A", "L")).await.unwrap();
    assert_eq!((again.receipt_of(), &again.receipt), (ReceiptOf::Earlier, &first.receipt));
    let over_http = Sender::with(&hub, &token).send(&result("A", "L")).await;
    assert_eq!((over_http.status, over_http.body), (200, first.receipt.to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_known_or_may_not_speak_is_told_so() {
    let (mut hub, address) = bureau_and_mailbox("");
    hub.start();
    let channel = channel(&address);
    let message = result("A", "L");
    let stranger = submit(&channel, "no-such-token", &message).await.unwrap_err();
    assert_eq!((stranger.code(), reason(&stranger)), (Code::Unauthenticated, "UNAUTHENTICATED".into()));
    let nobody = SubmitRequest { message: encoded(&message) };
    let nobody = IntakeClient::new(channel.clone()).submit(nobody).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
    let operator = hub.ask(&["token", "new", "o"])["token"].as_str().unwrap().to_owned();
    let operator = submit(&channel, &operator, &message).await.unwrap_err();
    assert_eq!((operator.code(), reason(&operator)), (Code::PermissionDenied, "FORBIDDEN".into()));
    let mut of_another = message;
    of_another["organisation"] = json!(ENFORCEMENT);
    let forbidden = submit(&channel, &hub.token("xzspj"), &of_another).await.unwrap_err();
    assert_eq!((forbidden.code(), reason(&forbidden)), (Code::PermissionDenied, "FORBIDDEN".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_comes_with_its_field_and_nothing_unknown_is_lost() {
    let (mut hub, address) = bureau_and_mailbox("");
    hub.start();
    let (channel, token) = (channel(&address), hub.token("xzspj"));
    let mut message = result("", "L");
    message["decidedAt"] = json!("yesterday");
    let invalid = submit(&channel, &token, &message).await.unwrap_err();
    assert_eq!((invalid.code(), reason(&invalid)), (Code::InvalidArgument, "INVALID".into()));
    let named: Vec<_> = fields(&invalid).into_keys().collect();
    assert_eq!(named, ["approvalResult.caseNo", "businessKey", "decidedAt"]);

    let mut bytes = encoded(&result("B", "L")).to_vec();
    let field_60_of_a_later_schema = [0xe0, 0x03, 1];
    bytes.extend_from_slice(&field_60_of_a_later_schema);
    let request = with_token(&token, SubmitRequest { message: bytes.into() });
    let unknown = IntakeClient::new(channel.clone()).submit(request).await.unwrap_err();
    assert_eq!((unknown.code(), reason(&unknown)), (Code::InvalidArgument, "MALFORMED".into()));
    assert_eq!(fields(&unknown).into_keys().collect::<Vec<_>>(), ["60"]);

    let request = with_token(&token, SubmitRequest { message: vec![0xff, 0xff].into() });
    let rubbish = IntakeClient::new(channel.clone()).submit(request).await.unwrap_err();
    assert_eq!(reason(&rubbish), "MALFORMED");
    assert_eq!(hub.metric("liandong_messages_refused_total{code=\"malformed\"}").await, 2, "both are kept");

    submit(&channel, &token, &result("C", "L")).await.unwrap();
    let conflict = submit(&channel, &token, &result("C", "M")).await.unwrap_err();
    assert_eq!((conflict.code(), reason(&conflict)), (Code::AlreadyExists, "CONFLICT".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_the_limit_is_refused_in_words_and_kept_in_mind() {
    let (mut hub, address) = bureau_and_mailbox("");
    hub.set("grpc.message_limit_bytes", 4096);
    hub.start();
    let (channel, token) = (channel(&address), hub.token("xzspj"));
    let mut message = result("A", "L");
    message["approvalResult"]["content"] = json!("长".repeat(2000));
    let large = submit(&channel, &token, &message).await.unwrap_err();
    assert_eq!((large.code(), reason(&large)), (Code::OutOfRange, "TOO_LARGE".into()));
    assert!(large.message().contains("4096"), "{large:?}");
    assert_eq!(hub.metric("liandong_messages_refused_total{code=\"too_large\"}").await, 1);
    message["approvalResult"]["content"] = json!("长".repeat(20_000));
    let huge = submit(&channel, &token, &message).await.unwrap_err();
    assert_eq!(huge.code(), Code::OutOfRange, "not even read");
    submit(&channel, &token, &result("A", "L")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_too_long_is_told_that_its_time_is_over_and_may_be_made_again() {
    let (mut hub, address) = bureau_and_mailbox("");
    hub.set("grpc.request_timeout_ms", 500);
    hub.start();
    let (channel, token) = (channel(&address), hub.token("xzspj"));
    let books = Books::of(&hub);
    books.stall();
    let late = submit(&channel, &token, &result("A", "L")).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    books.release();
    submit(&channel, &token, &result("A", "L")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_there_is_room_for_are_told_when_to_try_again() {
    let (mut hub, address) = bureau_and_mailbox("");
    hub.set("grpc.concurrency", 1);
    hub.start();
    let (channel, token) = (channel(&address), hub.token("xzspj"));
    let calls = (0..40).map(|number| {
        let (channel, token) = (channel.clone(), token.clone());
        async move { submit(&channel, &token, &result(&format!("K{number}"), "L")).await }
    });
    let answers = futures::future::join_all(calls).await;
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert!(answers.iter().any(Result::is_ok), "{refused:?}");
    assert!(!refused.is_empty(), "all forty found room for one");
    for status in refused {
        assert_eq!((status.code(), reason(status)), (Code::ResourceExhausted, "OVERLOADED".into()));
        let retry = status.get_details_retry_info().unwrap().retry_delay;
        assert!(retry.is_some_and(|after| after > Duration::ZERO));
    }
}
