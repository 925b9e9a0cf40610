//! `Mailbox`: an endpoint that connects outward takes its deliveries here and answers each.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt as _, Stream, future::BoxFuture, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{
    access::{deadline, endpoint, place, too_late},
    status::{self, stopping},
};
use crate::{
    domain::{
        delivery::Outcome,
        id::{DeliveryId, EndpointId},
    },
    port::{
        bus::LeaseToken,
        connector::{Answer, Parcel},
        intake::Code,
        mailbox::{Acknowledgement, Acknowledgements, Counted, Heard, Mailbox as Opened, Mailboxes},
    },
    proto::v1::{
        Acknowledge, AnswerCount, AnswerSettled, MailboxDelivery, MailboxOpened, MailboxRequest,
        MailboxResponse, RefusalClass, Refuse, mailbox_request::Request as Asked, mailbox_response,
        mailbox_server,
    },
};

/// The service.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) mailboxes: Arc<dyn Mailboxes>,
    pub(super) acknowledgements: Arc<dyn Acknowledgements>,
    /// Streams open at once.
    pub(super) streams: Arc<Semaphore>,
    /// Longest reason of a refusal that is kept.
    pub(super) reason_bytes: usize,
    /// Cancelled when intake closes.
    pub(super) end: CancellationToken,
}

type Deliveries = Pin<Box<dyn Stream<Item = Result<MailboxResponse, Status>> + Send>>;

#[tonic::async_trait]
impl mailbox_server::Mailbox for Mailbox {
    type OpenStream = Deliveries;

    async fn open(
        &self,
        request: Request<Streaming<MailboxRequest>>,
    ) -> Result<Response<Deliveries>, Status> {
        let endpoint = endpoint(&request)?;
        let place = place(&self.streams, "streams")?;
        let late = deadline(&request).boxed();
        let mut requests = request.into_inner();
        let Some(Asked::Open(open)) = requests.message().await?.and_then(|first| first.request) else {
            return Err(status::refuse(Code::Malformed, "the first request of the stream is 'open'"));
        };
        let mut mailbox = self.mailboxes.open(&endpoint).ok_or_else(|| {
            let detail =
                format!("endpoint '{endpoint}' has no mailbox here; its adapter needs [outbound.mailbox], and bus.mailboxes not its name");
            Status::failed_precondition(detail)
        })?;
        mailbox.grant(open.credit);
        let opened = MailboxOpened {
            endpoint: endpoint.to_string(),
            window: u32::try_from(mailbox.window()).unwrap_or(u32::MAX),
        };
        let session = Session {
            greeting: Some(respond(mailbox_response::Response::Opened(opened))),
            requests,
            mailbox,
            endpoint,
            acknowledgements: Arc::clone(&self.acknowledgements),
            late,
            end: self.end.clone(),
            reason_bytes: self.reason_bytes,
            state: State::Open,
            _place: place,
        };
        Ok(Response::new(Box::pin(stream::unfold(session, Session::step))))
    }
}

/// One open stream.
struct Session {
    greeting: Option<MailboxResponse>,
    requests: Streaming<MailboxRequest>,
    mailbox: Box<dyn Opened>,
    endpoint: EndpointId,
    acknowledgements: Arc<dyn Acknowledgements>,
    late: BoxFuture<'static, ()>,
    end: CancellationToken,
    reason_bytes: usize,
    state: State,
    _place: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Nothing more is handed out; answers are still taken.
    Closing,
    Over,
}

type Said = Result<MailboxResponse, Status>;

impl Session {
    /// What is said next; ends after an error, or when nothing can be answered any more.
    async fn step(mut self) -> Option<(Said, Self)> {
        if self.state == State::Over {
            return None;
        }
        let said = match self.greeting.take() {
            Some(greeting) => Some(Ok(greeting)),
            None => self.next().await,
        }?;
        if said.is_err() {
            self.state = State::Over;
        }
        Some((said, self))
    }

    async fn next(&mut self) -> Option<Said> {
        loop {
            if self.state == State::Closing && self.mailbox.unanswered() == 0 {
                return Some(Err(stopping()));
            }
            let is_open = self.state == State::Open;
            tokio::select! {
                biased;
                () = &mut self.late => return Some(Err(too_late())),
                request = self.requests.message() => match request {
                    Ok(Some(request)) => if let Some(said) = self.hear(request).await {
                        return Some(said);
                    },
                    // Whoever sends no more can answer no more.
                    Ok(None) | Err(_) => return None,
                },
                () = self.end.cancelled(), if is_open => self.state = State::Closing,
                parcel = self.mailbox.next(), if is_open => match parcel {
                    Some(parcel) => return Some(delivery(parcel)),
                    None => self.state = State::Closing,
                },
            }
        }
    }

    async fn hear(&mut self, request: MailboxRequest) -> Option<Said> {
        match request.request {
            Some(Asked::Grant(grant)) => {
                self.mailbox.grant(grant.credit);
                None
            }
            Some(Asked::Acknowledge(Acknowledge { delivery, lease })) => {
                Some(self.settle(delivery, lease, Outcome::Delivered, Bytes::new()).await)
            }
            Some(Asked::Refuse(refuse)) => {
                let class = refuse.class();
                let Refuse { delivery, lease, mut reason, retry_after_ms, .. } = refuse;
                let wait_ms = (retry_after_ms > 0).then_some(retry_after_ms);
                let outcome = match class {
                    RefusalClass::Permanent => Outcome::Permanent,
                    RefusalClass::Transient => Outcome::Transient,
                    RefusalClass::Throttled => Outcome::Throttled { wait_ms },
                    RefusalClass::Unspecified => {
                        let detail = "a refusal has a class: permanent, transient or throttled";
                        return Some(Err(status::refuse(Code::Malformed, detail)));
                    }
                };
                reason.truncate(reason.floor_char_boundary(self.reason_bytes));
                Some(self.settle(delivery, lease, outcome, reason.into()).await)
            }
            Some(Asked::Open(_)) => {
                Some(Err(status::refuse(Code::Malformed, "the mailbox is open already; grant credit")))
            }
            None => {
                Some(Err(status::refuse(Code::Malformed, "the request says nothing that this hub knows")))
            }
        }
    }

    async fn settle(&mut self, delivery: String, lease: u64, outcome: Outcome, said: Bytes) -> Said {
        let Ok(id) = delivery.parse::<DeliveryId>() else {
            return Err(status::refuse(Code::Malformed, "'delivery' is not a delivery id"));
        };
        let token = LeaseToken(lease);
        let counted = match self.mailbox.answer(id, token, answer(outcome.clone(), said.clone())) {
            Heard::Here(counted) => counted,
            Heard::Elsewhere => {
                let acknowledgement = Acknowledgement {
                    endpoint: self.endpoint.clone(),
                    delivery: id,
                    lease: token,
                    outcome,
                    said,
                    peer: format!("mailbox of {}", self.endpoint).into(),
                    handed: None,
                };
                self.settle_elsewhere(acknowledgement).await?
            }
        };
        let count = match counted {
            Counted::Yes => AnswerCount::Counted,
            Counted::Stale => AnswerCount::Stale,
        };
        let settled = AnswerSettled { delivery, lease, count: count.into() };
        Ok(respond(mailbox_response::Response::Settled(settled)))
    }

    /// An answer that nobody here waits for: the store knows whether it counts.
    async fn settle_elsewhere(&mut self, acknowledgement: Acknowledgement) -> Result<Counted, Status> {
        let settled = tokio::select! {
            settled = self.acknowledgements.settle(vec![acknowledgement]) => settled,
            () = &mut self.late => return Err(too_late()),
        };
        let counted = settled.map_err(|error| {
            tracing::error!(%error, "acknowledgement could not be settled");
            status::refuse(Code::Unavailable, "the hub cannot settle answers now; answer again")
        })?;
        Ok(counted.into_iter().next().unwrap_or(Counted::Stale))
    }
}

fn answer(verdict: Outcome, body: Bytes) -> Answer {
    Answer { status: None, retry_after_ms: None, body, content_type: None, verdict: Some(verdict) }
}

fn delivery(parcel: Parcel) -> Said {
    let Some(envelope) = parcel.envelope else {
        return Err(Status::internal("a delivery came without its envelope"));
    };
    let organisation = envelope.on_behalf_of.map(|organisation| organisation.to_string());
    Ok(respond(mailbox_response::Response::Delivery(MailboxDelivery {
        delivery: parcel.delivery.to_string(),
        message: envelope.message.to_string(),
        kind: envelope.kind.to_string(),
        organisation: envelope.organisation.to_string(),
        on_behalf_of: organisation.unwrap_or_default(),
        lane_sequence: envelope.lane_sequence,
        attempt: envelope.attempt,
        lease: envelope.lease.0,
        not_after: parcel.not_after.to_string(),
        accepted_at: envelope.accepted_at.to_string(),
        content_type: parcel.content_type,
        body: parcel.body,
    })))
}

fn respond(response: mailbox_response::Response) -> MailboxResponse {
    MailboxResponse { response: Some(response) }
}
