//! `Intake`: messages one by one, and as a stream with one answer each.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt as _, Stream, StreamExt as _, future::ready, stream};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{
    access::{deadline, endpoint, place, too_late},
    status::{self, RETRY_AFTER, stopping},
};
use crate::{
    domain::id::EndpointId,
    port::intake::{self as port, Accepted, Code, Refusal, Submission},
    proto::{
        received::{self, SubmitRequest, SubmitStreamRequest},
        v1::{
            self, FieldFault, ReceiptOf, SubmitResponse, SubmitStreamResponse, intake_server,
            submit_stream_response::Answer,
        },
    },
};

/// Takes messages in.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) way_in: Arc<dyn port::Intake>,
    /// Largest message.
    pub(super) message_bytes: usize,
    /// Most messages of one stream handed in at once.
    pub(super) batch: usize,
    /// Streams open at once.
    pub(super) streams: Arc<Semaphore>,
    /// Cancelled when intake closes.
    pub(super) end: CancellationToken,
}

type Answers = Pin<Box<dyn Stream<Item = Result<SubmitStreamResponse, Status>> + Send>>;

#[tonic::async_trait]
impl intake_server::Intake for Intake {
    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        let endpoint = endpoint(&request)?;
        let desk = self.desk(endpoint);
        let submission = desk.read(request.into_inner().message).await.map_err(status::refused)?;
        let answer = desk.intake.submit(vec![submission]).await.into_iter().next();
        let answer = answer.unwrap_or_else(|| Err(unanswered()));
        answer.map(accepted).map(Response::new).map_err(status::refused)
    }

    type SubmitStreamStream = Answers;

    /// Takes what has come, hands it in together and answers it, then takes more: who reads no answers is
    /// read no further.
    async fn submit_stream(
        &self,
        request: Request<Streaming<SubmitStreamRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let desk = self.desk(endpoint(&request)?);
        let permit = place(&self.streams, "streams")?;
        let late = deadline(&request);
        let end = self.end.clone();
        let messages = request.into_inner().take_until(end.clone().cancelled_owned());
        let answers = messages.ready_chunks(self.batch).then(move |batch| {
            let desk = desk.clone();
            async move { desk.answer(batch).await }
        });
        let over = stream::once(async move { end.is_cancelled().then(|| Err(stopping())) });
        let answers = answers.flat_map(stream::iter).map(Some).chain(over).chain(stream::iter([None]));
        let late = stream::once(late.map(|()| Some(Err(too_late()))));
        // Ends with the messages, or when the caller's time is over; the place is free then.
        let answers = stream::select(answers, late).scan(permit, |_, answer| ready(answer));
        Ok(Response::new(Box::pin(answers)))
    }
}

impl Intake {
    fn desk(&self, endpoint: EndpointId) -> Desk {
        Desk { intake: Arc::clone(&self.way_in), message_bytes: self.message_bytes, endpoint }
    }
}

/// Where the messages of one endpoint are read and handed in.
#[derive(Clone, Debug)]
struct Desk {
    intake: Arc<dyn port::Intake>,
    message_bytes: usize,
    endpoint: EndpointId,
}

impl Desk {
    /// One message; what cannot be read is noted before it is refused.
    async fn read(&self, received: Bytes) -> Result<Submission, Refusal> {
        match self.readable(&received) {
            Ok(message) => Ok(Submission { endpoint: self.endpoint.clone(), kind: None, received, message }),
            Err(refusal) => {
                self.intake.note_unreadable(&self.endpoint, &received, &refusal).await;
                Err(refusal)
            }
        }
    }

    fn readable(&self, received: &Bytes) -> Result<Value, Refusal> {
        if received.len() > self.message_bytes {
            let (found, limit) = (received.len(), self.message_bytes);
            let detail = format!("the message has {found} bytes, the limit is {limit}");
            return Err(Refusal::new(Code::TooLarge, detail));
        }
        received::message(received).map_err(|faults| Refusal {
            faults,
            ..Refusal::new(Code::Malformed, "the message cannot be read")
        })
    }

    /// The answers to messages of a stream, in their order; a message that broke off ends it.
    async fn answer(
        &self,
        batch: Vec<Result<SubmitStreamRequest, Status>>,
    ) -> Vec<Result<SubmitStreamResponse, Status>> {
        let (mut places, mut submissions, mut broken) = (Vec::new(), Vec::new(), None);
        for request in batch {
            match request {
                Ok(SubmitStreamRequest { sequence, message }) => match self.read(message).await {
                    Ok(submission) => {
                        submissions.push(submission);
                        places.push((sequence, None));
                    }
                    Err(refusal) => places.push((sequence, Some(refusal))),
                },
                Err(status) => broken = Some(Err(status)),
            }
        }
        let mut results = self.intake.submit(submissions).await.into_iter();
        let answers = places.into_iter().map(|(sequence, unreadable)| {
            let result = match unreadable {
                Some(refusal) => Err(refusal),
                None => results.next().unwrap_or_else(|| Err(unanswered())),
            };
            let answer = result.map_or_else(
                |refusal| Answer::Refused(refused(refusal)),
                |it| Answer::Accepted(accepted(it)),
            );
            Ok(SubmitStreamResponse { sequence, answer: Some(answer) })
        });
        answers.chain(broken).collect()
    }
}

fn unanswered() -> Refusal {
    Refusal::new(Code::Unavailable, "send it again")
}

fn accepted(accepted: Accepted) -> SubmitResponse {
    let receipt_of = match accepted.receipt_of {
        port::ReceiptOf::First => ReceiptOf::First,
        port::ReceiptOf::Earlier => ReceiptOf::Earlier,
    };
    SubmitResponse {
        message: accepted.message.to_string(),
        receipt_of: receipt_of.into(),
        receipt: accepted.receipt,
    }
}

fn refused(refusal: Refusal) -> v1::Refusal {
    let wait = if refusal.code.retryable() { RETRY_AFTER.as_millis() } else { 0 };
    let faults = refusal.faults.into_iter();
    v1::Refusal {
        code: refusal.code.as_str().to_owned(),
        detail: refusal.detail,
        faults: faults.map(|fault| FieldFault { path: fault.path, text: fault.text }).collect(),
        retry_after_ms: u64::try_from(wait).unwrap_or(u64::MAX),
    }
}
