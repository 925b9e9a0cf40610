//! `Workers`: adapters that run apart attach here, are brought work and report how it went.
//!
//! A stream is one more consumer of the hub's bus, whatever that is: what the bus promises of work and outcomes holds
//! for a worker beyond the stream. A worker is known by its credential and held to the endpoints that `bus.workers`
//! lists for it. An outcome counts only with the slip that the hub wrote for this worker when it gave the work away;
//! all but how the attempt went is taken from that slip.

mod session;
mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::Arc,
};

use futures::{FutureExt as _, Stream, stream};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use self::session::{Place, Session};
use super::{
    access::{Standing, deadline, place, worker},
    status,
};
use crate::{
    api::http::Grants,
    domain::id::EndpointId,
    engine::trail::{self, About},
    evidence::slip::SlipKey,
    port::{
        bus::{self, Bus},
        clock::Clock,
        intake::Code,
        store::Store,
    },
    proto::v1::{
        AttachRequest, AttachResponse, AttachWorker, attach_request::Request as Asked, workers_server,
    },
};

/// Refused outcomes that one entry of the trail names.
const NAMED: usize = 20;

/// What workers attach to.
#[derive(Clone, Debug)]
pub struct Attachments {
    /// Brings work and takes outcomes.
    pub bus: Arc<dyn Bus>,
    /// Seals the slips of work that is given away.
    pub slips: SlipKey,
    /// Workers of each endpoint that has its own.
    pub listed: BTreeMap<EndpointId, BTreeSet<Box<str>>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Attachments {
    /// Nobody works for any of them beyond a stream any more.
    pub(super) async fn finish(&self) {
        for endpoint in self.listed.keys() {
            self.bus.finish(endpoint).await;
        }
    }
}

/// The service.
#[derive(Debug)]
pub(super) struct Workers {
    pub(super) attachments: Attachments,
    /// Keeps what is refused.
    pub(super) store: Arc<dyn Store>,
    /// Knows whose credential still counts.
    pub(super) grants: Arc<Grants>,
    /// Streams open at once.
    pub(super) streams: Arc<Semaphore>,
    /// Cancelled when the hub stops.
    pub(super) end: CancellationToken,
}

type Responses = Pin<Box<dyn Stream<Item = Result<AttachResponse, Status>> + Send>>;

#[tonic::async_trait]
impl workers_server::Workers for Workers {
    type AttachStream = Responses;

    async fn attach(
        &self,
        request: Request<Streaming<AttachRequest>>,
    ) -> Result<Response<Responses>, Status> {
        let worker = worker(&request)?;
        let permit = place(&self.streams, "streams")?;
        let late = deadline(&request).boxed();
        let standing = Standing::of(&request, &self.grants);
        let mut requests = request.into_inner();
        let Some(Asked::Attach(attach)) = requests.message().await?.and_then(|first| first.request) else {
            return Err(status::refuse(Code::Malformed, "the first request of the stream is 'attach'"));
        };
        let (attachments, store) = (self.attachments.clone(), Arc::clone(&self.store));
        let own = Own { worker, standing, attachments, store };
        let mut places = BTreeMap::new();
        for (endpoint, window) in own.windows(&attach)? {
            let source = own.attachments.bus.work(&endpoint).await.map_err(|error| refused(&error))?;
            places.insert(endpoint, Place::new(source, window));
        }
        tracing::info!(worker = %own.worker, endpoints = places.len(), "worker attached");
        let session = Session::new(own, places, requests, late, self.end.clone(), permit);
        Ok(Response::new(Box::pin(stream::unfold(session, Session::step))))
    }
}

/// A worker, and what it may do here.
#[derive(Debug)]
struct Own {
    worker: Box<str>,
    standing: Standing,
    attachments: Attachments,
    store: Arc<dyn Store>,
}

impl Own {
    /// Whether it may work for an endpoint.
    fn may_work(&self, endpoint: &EndpointId) -> bool {
        self.attachments.listed.get(endpoint).is_some_and(|workers| workers.contains(&self.worker))
    }

    /// The endpoints asked for, each its own and named once.
    fn windows(&self, asked: &AttachWorker) -> Result<BTreeMap<EndpointId, usize>, Status> {
        let asked = || asked.endpoints.iter().map(|it| (EndpointId::from(it.endpoint.as_str()), it.window));
        let alien: Vec<_> =
            asked().filter(|(endpoint, _)| !self.may_work(endpoint)).map(|(endpoint, _)| endpoint).collect();
        if !alien.is_empty() {
            let names: Vec<_> = alien.iter().map(|endpoint| format!("'{endpoint}'")).collect();
            tracing::warn!(worker = %self.worker, ?alien, "a worker asks for endpoints that are not its own");
            let detail = format!(
                "worker '{}' may not work for {}: bus.workers of this hub does not list it there",
                self.worker,
                names.join(", ")
            );
            return Err(status::refuse(Code::Forbidden, detail));
        }
        let windows: BTreeMap<_, _> = asked().map(|(endpoint, window)| (endpoint, window as usize)).collect();
        if windows.is_empty() || windows.len() < asked().count() {
            let detail = "a worker attaches for one endpoint or several, each named once";
            return Err(status::refuse(Code::Malformed, detail));
        }
        Ok(windows)
    }

    /// Keeps in the trail that outcomes were refused. Where the store cannot, the log has them.
    async fn note(&self, refused: &[wire::Refused], at: Timestamp) {
        let named: Vec<_> = refused
            .iter()
            .take(NAMED)
            .map(|it| json!({ "delivery": it.delivery, "lease": it.lease, "because": it.because.text() }))
            .collect();
        let data = json!({ "worker": self.worker, "count": refused.len(), "outcomes": named });
        let entry = trail::entry(trail::OUTCOME_REFUSED, About::default(), &data, at);
        if let Err(error) = self.store.append(vec![entry]).await {
            tracing::error!(%error, worker = %self.worker, "refused outcomes could not be kept in the trail");
        }
    }
}

/// Why the bus gives no work or takes no outcome now.
fn refused(error: &bus::Error) -> Status {
    match error {
        bus::Error::UnknownEndpoint(endpoint) => {
            let detail = format!("endpoint '{endpoint}' has no adapter at this hub that sends to it");
            Status::failed_precondition(detail)
        }
        bus::Error::Closed => status::stopping(),
        other => status::refuse(Code::Unavailable, other.to_string()),
    }
}
