//! A system that speaks gRPC: a channel to a hub, its credential, and short words for what it asks.

use std::{collections::BTreeMap, time::Duration};

use liandong::proto::{
    received::{SubmitRequest, SubmitStreamRequest},
    v1::{
        self, GrantCredit, MailboxDelivery, MailboxRequest, MailboxResponse, OpenMailbox, SubmitResponse,
        intake_client::IntakeClient, mailbox_client::MailboxClient, mailbox_request,
        mailbox_response::Response as Said,
    },
};
use prost::Message as _;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Status, Streaming,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;

use super::{
    hub::{Hub, PATIENCE, free_address},
    sender::{Files, hub_of},
};

/// A hub with gRPC on, of these adapters; and where it listens.
pub(crate) fn hub_with_grpc(adapters: &[(&str, Files)]) -> (Hub, String) {
    let mut hub = hub_of(adapters);
    let address = free_address();
    hub.set("grpc.listen", &address);
    (hub, address)
}

/// A connection to a hub that is made when it is first needed.
pub(crate) fn channel(address: &str) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

/// A request with a token.
pub(crate) fn with_token<T>(token: &str, content: T) -> Request<T> {
    let mut request = Request::new(content);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// A message, given in its JSON form, as it goes over the wire.
pub(crate) fn encoded(message: &Value) -> bytes::Bytes {
    let message: v1::Message = serde_json::from_value(message.clone()).unwrap();
    message.encode_to_vec().into()
}

/// Hands in one message.
pub(crate) async fn submit(
    channel: &Channel,
    token: &str,
    message: &Value,
) -> Result<SubmitResponse, Status> {
    let request = with_token(token, SubmitRequest { message: encoded(message) });
    IntakeClient::new(channel.clone()).submit(request).await.map(tonic::Response::into_inner)
}

/// One message of a stream.
pub(crate) fn numbered(sequence: u64, message: &Value) -> SubmitStreamRequest {
    SubmitStreamRequest { sequence, message: encoded(message) }
}

/// The reason that a status gives to programs.
pub(crate) fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// The fields that a status finds fault with.
pub(crate) fn fields(status: &Status) -> BTreeMap<String, String> {
    let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    violations.into_iter().map(|violation| (violation.field, violation.description)).collect()
}

/// Waits for something, not for ever.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// A system that has its mailbox open.
#[derive(Debug)]
pub(crate) struct Recipient {
    requests: mpsc::Sender<MailboxRequest>,
    responses: Streaming<MailboxResponse>,
    /// What it was told when it opened.
    pub(crate) opened: v1::MailboxOpened,
}

impl Recipient {
    /// Opens the mailbox with some credit.
    pub(crate) async fn open(channel: &Channel, token: &str, credit: u32) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::channel(64);
        let open = mailbox_request::Request::Open(OpenMailbox { credit });
        requests.send(MailboxRequest { request: Some(open) }).await.unwrap();
        let request = with_token(token, ReceiverStream::new(receiver));
        let mut responses = MailboxClient::new(channel.clone()).open(request).await?.into_inner();
        let first = soon("the mailbox is open", responses.message()).await?.unwrap();
        let Some(Said::Opened(opened)) = first.response else { panic!("{first:?}") };
        Ok(Self { requests, responses, opened })
    }

    /// What it is told next.
    pub(crate) async fn next(&mut self) -> Result<Option<Said>, Status> {
        let next = soon("the mailbox says something", self.responses.message()).await?;
        Ok(next.map(|next| next.response.unwrap()))
    }

    /// The next delivery.
    pub(crate) async fn delivery(&mut self) -> MailboxDelivery {
        match self.next().await {
            Ok(Some(Said::Delivery(delivery))) => delivery,
            other => panic!("no delivery: {other:?}"),
        }
    }

    /// Nothing is said for a moment.
    pub(crate) async fn hears_nothing(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(500), self.responses.message()).await.is_err()
    }

    /// Grants more credit.
    pub(crate) async fn grant(&self, credit: u32) {
        self.ask(mailbox_request::Request::Grant(GrantCredit { credit })).await;
    }

    /// Asks for something.
    pub(crate) async fn ask(&self, request: mailbox_request::Request) {
        self.requests.send(MailboxRequest { request: Some(request) }).await.unwrap();
    }

    /// Acknowledges a delivery under a lease; how it was counted.
    pub(crate) async fn acknowledge(&mut self, delivery: &str, lease: u64) -> v1::AnswerCount {
        let acknowledge = v1::Acknowledge { delivery: delivery.to_owned(), lease };
        self.ask(mailbox_request::Request::Acknowledge(acknowledge)).await;
        self.settled(delivery).await
    }

    /// Refuses a delivery; how it was counted.
    pub(crate) async fn refuse(
        &mut self,
        delivery: &MailboxDelivery,
        class: v1::RefusalClass,
    ) -> v1::AnswerCount {
        let refuse = v1::Refuse {
            delivery: delivery.delivery.clone(),
            lease: delivery.lease,
            class: class.into(),
            reason: "no such licence here".to_owned(),
            retry_after_ms: 0,
        };
        self.ask(mailbox_request::Request::Refuse(refuse)).await;
        self.settled(&delivery.delivery).await
    }

    async fn settled(&mut self, delivery: &str) -> v1::AnswerCount {
        match self.next().await {
            Ok(Some(Said::Settled(settled))) if settled.delivery == delivery => settled.count(),
            other => panic!("not settled: {other:?}"),
        }
    }
}
