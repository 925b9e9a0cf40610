//! The task that keeps a stream to some hub open: it tries them in turn, says what is to be said, and hears.

use std::{sync::Arc, time::Instant};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status, Streaming,
    metadata::{Ascii, MetadataValue},
};

use super::{
    Error, Options,
    options::{Hub, is_final},
    state::Shared,
};
use crate::{
    proto::v1::{
        AttachRequest, AttachResponse, attach_request, attach_response::Response,
        workers_client::WorkersClient,
    },
    task::{
        Failure,
        retry::{Delays, Policy},
    },
};

/// Requests on their way into the stream.
const AHEAD: usize = 4;

/// Beyond a message itself: what is said about it.
const ENVELOPE_BYTES: usize = 64 << 10;

/// Keeps the stream.
pub(super) struct Keeper {
    options: Options,
    hubs: Vec<Hub>,
    credential: Option<MetadataValue<Ascii>>,
    shared: Arc<Shared>,
    /// The hub that is tried next.
    next: usize,
    delays: Delays,
}

/// An open stream.
pub(super) struct Line {
    hub: String,
    requests: mpsc::Sender<AttachRequest>,
    responses: Streaming<AttachResponse>,
}

/// Why there is none.
struct Closed {
    hub: String,
    status: Status,
}

impl Keeper {
    pub(super) fn new(options: Options, shared: Arc<Shared>) -> Result<Self, Error> {
        let (hubs, credential) = (options.ways()?, options.credential()?);
        if hubs.is_empty() {
            return Err(Error::Address { number: 1, text: "is missing".to_owned() });
        }
        Ok(Self { options, hubs, credential, shared, next: 0, delays: Policy::CONNECTION.delays() })
    }

    /// The first stream: a hub that refuses is believed, one that cannot be reached is waited for.
    pub(super) async fn first(&mut self) -> Result<Line, Error> {
        let wait = self.options.start_wait;
        let end = Instant::now() + wait;
        loop {
            match self.open().await {
                Ok(line) => return Ok(line),
                Err(Closed { hub, status }) if is_final(&status) => {
                    return Err(Error::Refused { hub, text: said(&status) });
                }
                Err(Closed { hub, status }) if Instant::now() >= end => {
                    return Err(Error::Unreachable { wait, hub, text: said(&status) });
                }
                Err(Closed { hub, status }) => {
                    tracing::warn!(hub, because = said(&status), "hub cannot be reached, trying again");
                    let left = end.saturating_duration_since(Instant::now());
                    tokio::time::sleep(self.delays.draw().min(left)).await;
                }
            }
        }
    }

    /// Keeps a stream open until the bus is closed and every outcome is settled; then waits to be told to end.
    pub(super) async fn run(mut self, first: Line, token: CancellationToken) -> Result<(), Failure> {
        let shared = Arc::clone(&self.shared);
        let keep = async {
            let mut line = first;
            loop {
                let status = self.serve(line).await;
                self.shared.lost();
                tracing::warn!(because = said(&status), "stream to the hub ended, attaching again");
                line = self.again().await;
            }
        };
        tokio::select! {
            () = shared.done() => {}
            () = keep => {}
        }
        shared.over();
        token.cancelled().await;
        Ok(())
    }

    async fn again(&mut self) -> Line {
        loop {
            tokio::time::sleep(self.delays.draw()).await;
            match self.open().await {
                Ok(line) => return line,
                Err(Closed { hub, status }) if is_final(&status) => {
                    tracing::error!(hub, because = said(&status), "hub refuses this worker, trying again");
                }
                Err(Closed { hub, status }) => {
                    tracing::warn!(hub, because = said(&status), "hub cannot be reached, trying again");
                }
            }
        }
    }

    /// A stream to the next hub.
    async fn open(&mut self) -> Result<Line, Closed> {
        let hub = &self.hubs[self.next % self.hubs.len()];
        self.next = (self.next + 1) % self.hubs.len();
        let name = hub.name.clone();
        let opening = attach(hub, self.credential.as_ref(), &self.shared, self.options.message_bytes);
        let opened = tokio::time::timeout(self.options.connect_timeout, opening).await;
        let late = || Status::deadline_exceeded("it did not answer in time");
        let closed = |status| Closed { hub: name.clone(), status };
        let (requests, responses) = opened.unwrap_or_else(|_| Err(late())).map_err(closed)?;
        self.delays.reset();
        self.shared.attached();
        tracing::info!(hub = name, "attached to the hub");
        Ok(Line { hub: name, requests, responses })
    }

    /// Speaks and hears until the stream ends; neither waits for the other, since a hub that is read no further
    /// reads no further.
    async fn serve(&self, line: Line) -> Status {
        let Line { hub, requests, mut responses } = line;
        let mut saying = std::pin::pin!(self.say(requests));
        loop {
            tokio::select! {
                () = &mut saying => return Status::unavailable(format!("hub {hub} takes nothing more")),
                heard = responses.message() => match heard {
                    Ok(Some(AttachResponse { response: Some(response) })) => self.hear(response),
                    Ok(Some(AttachResponse { response: None })) => {
                        tracing::warn!(hub, "the hub says something that this worker does not know");
                    }
                    Ok(None) => return Status::unavailable(format!("hub {hub} ended the stream")),
                    Err(status) => return status,
                },
            }
        }
    }

    async fn say(&self, requests: mpsc::Sender<AttachRequest>) {
        loop {
            self.shared.something().await;
            let Ok(place) = requests.reserve().await else { return };
            if let Some(request) = self.shared.take() {
                place.send(AttachRequest { request: Some(request) });
            }
        }
    }

    fn hear(&self, response: Response) {
        match response {
            Response::Work(piece) => self.shared.bring(piece),
            Response::Settled(settled) => self.shared.settled(settled.outcomes),
            Response::Ended(ended) => self.shared.ended(&ended.endpoint),
            Response::Attached(_) => {}
        }
    }
}

type Opened = (mpsc::Sender<AttachRequest>, Streaming<AttachResponse>);

async fn attach(
    hub: &Hub,
    credential: Option<&MetadataValue<Ascii>>,
    shared: &Shared,
    message_bytes: usize,
) -> Result<Opened, Status> {
    let channel = hub.endpoint.connect().await.map_err(|error| Status::unavailable(causes(&error)))?;
    let (requests, receiver) = mpsc::channel(AHEAD);
    let attach: attach_request::Request = shared.begin();
    // There is room: it is the first.
    requests.try_send(AttachRequest { request: Some(attach) }).ok();
    let mut request = Request::new(ReceiverStream::new(receiver));
    if let Some(credential) = credential {
        request.metadata_mut().insert("authorization", credential.clone());
    }
    let largest = message_bytes.saturating_add(ENVELOPE_BYTES);
    let mut client = WorkersClient::new(channel).max_decoding_message_size(largest);
    let mut responses = client.attach(request).await?.into_inner();
    match responses.message().await? {
        Some(AttachResponse { response: Some(Response::Attached(_)) }) => Ok((requests, responses)),
        _ => Err(Status::unimplemented("it does not answer as a hub does")),
    }
}

/// The words of a status, or its code where it has none.
fn said(status: &Status) -> String {
    if status.message().is_empty() { status.code().to_string() } else { status.message().to_owned() }
}

/// An error with what lies behind it: the transport's own words say too little.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
