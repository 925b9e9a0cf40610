//! The bus of a worker that is attached to a hub over gRPC: work comes down one stream that the worker opens, outcomes
//! go up it. There is no broker and no way to the database; the hub may be any on the store, one after the other.
//!
//! - The stream is opened anew whenever it ends, to the next hub that lets it in; attempts under way go on meanwhile.
//! - An outcome is kept, and reported again on every new stream, until a hub says that it is settled and durable.
//! - A copy that comes again while it is worked on, or after its end, is not worked on again.

mod keeper;
mod options;
mod state;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;

use self::{keeper::Keeper, state::Shared};
use crate::{
    domain::id::EndpointId,
    port::bus::{self, Bus, OutcomeSource, Work, WorkOutcome, WorkSource},
    task::Supervisor,
};

pub use self::options::{Error, Lane, Options, Tls};

/// Why a worker does not do what a hub does.
const NO_HUB: &str = "a worker neither sends work nor settles outcomes";

/// A worker's end of the bus.
#[derive(Debug)]
pub struct GrpcBus(Arc<Shared>);

impl GrpcBus {
    /// Attaches; `supervisor` keeps the stream and must outlive the bus's users.
    pub async fn open(options: Options, supervisor: &mut Supervisor) -> Result<Self, Error> {
        let shared = Arc::new(Shared::new(&options));
        let mut keeper = Keeper::new(options, Arc::clone(&shared))?;
        let line = keeper.first().await?;
        supervisor.spawn("stream to the hub", keeper.run(line, supervisor.token().clone()));
        Ok(Self(shared))
    }

    /// Whether a hub has it attached now.
    pub fn is_attached(&self) -> bool {
        self.0.is_attached()
    }

    /// Outcomes that no hub has said to be settled.
    pub fn unsettled(&self) -> usize {
        self.0.unsettled()
    }
}

#[async_trait]
impl Bus for GrpcBus {
    async fn ready(&self) {
        std::future::pending::<()>().await;
    }

    fn has_workers(&self, endpoint: &EndpointId) -> bool {
        self.0.knows(endpoint)
    }

    async fn send_work(&self, work: Vec<Work>) -> Vec<(bus::Error, Work)> {
        work.into_iter().map(|piece| (bus::Error::Unavailable(NO_HUB.into()), piece)).collect()
    }

    async fn work(&self, endpoint: &EndpointId) -> Result<Box<dyn WorkSource>, bus::Error> {
        self.0.open(endpoint)?;
        let (shared, endpoint) = (Arc::clone(&self.0), endpoint.clone());
        Ok(Box::new(Source { shared, endpoint, stance: Stance::Takes }))
    }

    async fn send_outcomes(&self, outcomes: Vec<WorkOutcome>) -> Result<(), bus::Error> {
        for outcome in outcomes {
            self.0.report(outcome).await?;
        }
        Ok(())
    }

    async fn outcomes(&self) -> Result<Box<dyn OutcomeSource>, bus::Error> {
        Err(bus::Error::Unavailable(NO_HUB.into()))
    }

    async fn finish(&self, endpoint: &EndpointId) {
        self.0.finish(endpoint);
    }

    async fn close(&self) {
        self.0.close();
    }
}

/// The stream of work of one endpoint.
#[derive(Debug)]
struct Source {
    shared: Arc<Shared>,
    endpoint: EndpointId,
    stance: Stance,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stance {
    Takes,
    Left,
}

#[async_trait]
impl WorkSource for Source {
    async fn next(&mut self) -> Option<Work> {
        match self.stance {
            Stance::Takes => self.shared.next(&self.endpoint).await,
            Stance::Left => None,
        }
    }

    async fn dismiss(&mut self, work: Work) {
        self.shared.dismiss(&work);
    }

    async fn leave(&mut self) {
        self.stance = Stance::Left;
    }
}
