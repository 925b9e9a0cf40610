//! Streams of messages: one answer each, no harm to others, and an end when the hub stops.

use std::time::Duration;

use liandong::proto::v1::{
    SubmitStreamResponse, intake_client::IntakeClient, submit_stream_response::Answer,
};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming, transport::Endpoint};

use super::bureau_and_mailbox;
use crate::harness::{
    rpc::{Recipient, channel, numbered, soon, submit, with_token},
    sender::result,
};

async fn next(answers: &mut Streaming<SubmitStreamResponse>) -> (u64, Answer) {
    let answer = soon("an answer", answers.message()).await.unwrap().unwrap();
    (answer.sequence, answer.answer.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_of_a_stream_has_its_answer_in_order() {
    let (mut hub, address) = bureau_and_mailbox("");
    hub.start();
    let (channel, token) = (channel(&address), hub.token("xzspj"));
    let mut faulty = result("B", "L");
    faulty["decidedAt"] = json!("yesterday");
    let messages = [
        numbered(7, &result("A", "L")),
        numbered(8, &faulty),
        numbered(9, &result("A", "L")),
        numbered(10, &result("C", "L")),
    ];
    let request = with_token(&token, tokio_stream::iter(messages));
    let mut answers = IntakeClient::new(channel).submit_stream(request).await.unwrap().into_inner();
    let (sequence, first) = next(&mut answers).await;
    let Answer::Accepted(first) = first else { panic!("{first:?}") };
    assert_eq!(sequence, 7);
    let (sequence, refused) = next(&mut answers).await;
    let Answer::Refused(refused) = refused else { panic!("{refused:?}") };
    assert_eq!((sequence, refused.code.as_str(), refused.retry_after_ms), (8, "invalid", 0));
    assert_eq!(refused.faults[0].path, "decidedAt");
    let (sequence, again) = next(&mut answers).await;
    let Answer::Accepted(again) = again else { panic!("{again:?}") };
    assert_eq!((sequence, again.receipt), (9, first.receipt));
    assert_eq!(next(&mut answers).await.0, 10);
    assert!(soon("the end", answers.message()).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_stream_holds_up_no_call_beside_it() {
    let (mut hub, address) = bureau_and_mailbox("");
    hub.start();
    let token = hub.token("xzspj");
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = endpoint.initial_stream_window_size(65_536).initial_connection_window_size(1 << 20);
    let channel = channel.connect_lazy();
    let (sender, receiver) = mpsc::channel(1);
    let request = with_token(&token, ReceiverStream::new(receiver));
    sender.send(numbered(0, &result("A", "L"))).await.unwrap();
    let answers = IntakeClient::new(channel.clone()).submit_stream(request).await.unwrap();
    let mut sent = 1_u64;
    let moment = Duration::from_millis(500);
    while tokio::time::timeout(moment, sender.send(numbered(sent, &result("A", "L")))).await.is_ok() {
        sent += 1;
        assert!(sent < 100_000, "the hub takes all, though nobody reads its answers");
    }
    for number in 0..20 {
        let message = result(&format!("K{number}"), "L");
        let beside = submit(&channel, &token, &message);
        soon("an answer beside the stalled stream", beside).await.unwrap();
    }
    drop(sender);
    let mut answers = answers.into_inner();
    for sequence in 0..sent {
        assert_eq!(next(&mut answers).await.0, sequence);
    }
    assert!(soon("the end", answers.message()).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_stops_ends_its_open_streams_and_needs_no_force() {
    let (mut hub, address) = bureau_and_mailbox("");
    hub.start();
    let (channel, token, mailbox) = (channel(&address), hub.token("xzspj"), hub.token("scjgj"));
    let (sender, receiver) = mpsc::channel(4);
    sender.send(numbered(1, &result("A", "L"))).await.unwrap();
    let request = with_token(&token, ReceiverStream::new(receiver));
    let mut answers = IntakeClient::new(channel.clone()).submit_stream(request).await.unwrap().into_inner();
    assert_eq!(next(&mut answers).await.0, 1);
    let mut idle = Recipient::open(&channel, &mailbox, 0).await.unwrap();
    hub.terminate();
    assert_eq!(soon("the stream ends", answers.message()).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(idle.next().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(hub.ended().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_beyond_their_number_are_told_to_try_later_and_those_past_their_time_end() {
    let (mut hub, address) = bureau_and_mailbox("");
    hub.set("grpc.streams", 1);
    hub.start();
    let (channel, token) = (channel(&address), hub.token("scjgj"));
    let first = Recipient::open(&channel, &token, 0).await.unwrap();
    let second = Recipient::open(&channel, &token, 0).await.unwrap_err();
    assert_eq!(second.code(), Code::ResourceExhausted);
    drop(first);
    let bureau = hub.token("xzspj");
    // The place is free as soon as the hub has heard that the other has left.
    let (mut answers, open) = loop {
        let (sender, receiver) = mpsc::channel(1);
        sender.send(numbered(1, &result("A", "L"))).await.unwrap();
        let mut request = with_token(&bureau, ReceiverStream::new(receiver));
        request.metadata_mut().insert("grpc-timeout", "2S".parse().unwrap());
        match IntakeClient::new(channel.clone()).submit_stream(request).await {
            Ok(answers) => break (answers.into_inner(), sender),
            Err(status) => assert_eq!(status.code(), Code::ResourceExhausted),
        }
    };
    assert_eq!(next(&mut answers).await.0, 1);
    let late = soon("its time is over", answers.message()).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    drop(open);
}
