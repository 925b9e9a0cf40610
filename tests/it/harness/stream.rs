//! A worker that speaks the schema itself: it says what a test has it say, also what no worker should.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use liandong::{
    domain::delivery::Outcome,
    port::bus::WorkOutcome,
    proto::v1::{
        AttachRequest, AttachResponse, AttachWorker, AttemptMade, AttemptOutcome, EndpointWindow,
        OutcomeClass, OutcomeSettled, PieceOfWork, ReportOutcomes, attach_request::Request as Asked,
        attach_response::Response as Said, workers_client::WorkersClient,
    },
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

use super::rpc::{soon, with_token};

/// An attached worker.
#[derive(Debug)]
pub(crate) struct WorkerStream {
    requests: mpsc::Sender<AttachRequest>,
    responses: Streaming<AttachResponse>,
    /// Work that came while something else was waited for.
    aside: VecDeque<PieceOfWork>,
}

impl WorkerStream {
    /// Attaches for endpoints with their windows.
    pub(crate) async fn attach(
        channel: &Channel,
        token: &str,
        endpoints: &[(&str, u32)],
    ) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::channel(64);
        let window = |(endpoint, window): &(&str, u32)| EndpointWindow {
            endpoint: (*endpoint).to_owned(),
            window: *window,
        };
        let attach = AttachWorker { endpoints: endpoints.iter().map(window).collect() };
        requests.send(AttachRequest { request: Some(Asked::Attach(attach)) }).await.unwrap();
        let request = with_token(token, ReceiverStream::new(receiver));
        let mut client = WorkersClient::new(channel.clone());
        let mut responses = client.attach(request).await?.into_inner();
        let first = soon("the worker is attached", responses.message()).await?.unwrap();
        assert!(matches!(first.response, Some(Said::Attached(_))), "{first:?}");
        Ok(Self { requests, responses, aside: VecDeque::new() })
    }

    /// What it is told next.
    pub(crate) async fn next(&mut self) -> Result<Option<Said>, Status> {
        let next = soon("the hub says something", self.responses.message()).await?;
        Ok(next.map(|next| next.response.unwrap()))
    }

    /// The next piece of work.
    pub(crate) async fn piece(&mut self) -> PieceOfWork {
        if let Some(piece) = self.aside.pop_front() {
            return piece;
        }
        match self.next().await {
            Ok(Some(Said::Work(piece))) => piece,
            other => panic!("no work: {other:?}"),
        }
    }

    /// Nothing is said for a moment.
    pub(crate) async fn hears_nothing(&mut self) -> bool {
        self.aside.is_empty()
            && tokio::time::timeout(Duration::from_millis(500), self.responses.message()).await.is_err()
    }

    /// Asks for something.
    pub(crate) async fn ask(&self, asked: Asked) {
        self.requests.send(AttachRequest { request: Some(asked) }).await.unwrap();
    }

    /// Reports outcomes; what became of them, in the order they are told.
    pub(crate) async fn report(&mut self, outcomes: Vec<AttemptOutcome>) -> Vec<OutcomeSettled> {
        self.try_report(outcomes).await.unwrap()
    }

    /// The same, to a hub that may end the stream instead.
    pub(crate) async fn try_report(
        &mut self,
        outcomes: Vec<AttemptOutcome>,
    ) -> Result<Vec<OutcomeSettled>, Status> {
        let count = outcomes.len();
        self.ask(Asked::Report(ReportOutcomes { outcomes })).await;
        let mut settled = Vec::new();
        while settled.len() < count {
            match self.next().await? {
                Some(Said::Settled(more)) => settled.extend(more.outcomes),
                Some(Said::Work(piece)) => self.aside.push_back(piece),
                other => panic!("not settled: {other:?}"),
            }
        }
        Ok(settled)
    }
}

/// An outcome as its worker reports it.
pub(crate) fn told(outcome: &WorkOutcome, slip: Bytes) -> AttemptOutcome {
    let digest = |digest: Option<[u8; 32]>| digest.map(|it| it.to_vec().into()).unwrap_or_default();
    let made = &outcome.attempt;
    let Outcome::Throttled { wait_ms } = outcome.outcome else { panic!("another sample: {outcome:?}") };
    AttemptOutcome {
        delivery: outcome.work.delivery.to_string(),
        lease: outcome.work.lease.0,
        slip,
        outcome: OutcomeClass::Throttled.into(),
        wait_ms,
        attempt: Some(AttemptMade {
            started_at: made.started_at.to_string(),
            ended_at: made.ended_at.to_string(),
            peer: made.peer.to_string(),
            sent_digest: digest(made.sent_digest),
            answer_digest: digest(made.answer_digest),
            sent_sm3: digest(made.sent_sm3),
            answer_sm3: digest(made.answer_sm3),
            status: made.status.map(u32::from),
            detail: made.detail.to_string(),
            adapter_version: made.adapter_version.to_string(),
        }),
    }
}

/// That a piece was delivered, as its worker would report it.
pub(crate) fn delivered(piece: &PieceOfWork) -> AttemptOutcome {
    AttemptOutcome {
        delivery: piece.delivery.clone(),
        lease: piece.lease,
        slip: piece.slip.clone(),
        outcome: OutcomeClass::Delivered.into(),
        wait_ms: None,
        attempt: Some(AttemptMade {
            started_at: piece.accepted_at.clone(),
            ended_at: piece.accepted_at.clone(),
            peer: "http://target.invalid/in".to_owned(),
            sent_digest: vec![1; 32].into(),
            answer_digest: vec![2; 32].into(),
            sent_sm3: vec![3; 32].into(),
            answer_sm3: vec![4; 32].into(),
            status: Some(200),
            detail: "ok".to_owned(),
            adapter_version: "1".to_owned(),
        }),
    }
}
