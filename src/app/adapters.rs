//! The adapters of this hub: loaded, compiled, and set to work.

use std::{collections::HashMap, path::Path, sync::Arc};

use serde_json::{Map, Value};

use super::{Error, setup};
use crate::{
    config::{
        adapter::{self as config, Receipts},
        environment::Environment,
        fault::{Fault as FileFault, Faults},
        settings::Settings,
    },
    connector::{build, file_drop::inbound::DropFolder},
    domain::{
        fault::Fault,
        id::EndpointId,
        registry::{Endpoint, Flow},
        retry,
    },
    engine::{EndpointPolicy, breaker::BreakerPolicy},
    mapping::{self, Mapping, table::Tables},
    port::{
        bus::Bus,
        clock::Clock,
        intake::{Intake, Translate},
    },
    task::Supervisor,
    worker::{self, Adapter, AdapterTarget, Program, Programs, run::Runner, watch::Watch},
};

/// Folder of code tables beside the adapters.
const TABLES: &str = "tables";

/// The adapters of one hub.
#[derive(Debug)]
pub(super) struct Adapters {
    all: Arc<worker::Adapters>,
    environment: Environment,
}

/// The work queue of one endpoint.
#[derive(Debug)]
pub(super) struct Queue {
    /// Whose.
    pub(super) endpoint: EndpointId,
    /// Pieces in it at most, where it is in this process.
    pub(super) limit: usize,
    /// Attempts at once.
    pub(super) window: usize,
}

/// Loads and compiles every adapter below `root`; all faults at once.
pub(super) fn load(root: &Path, environment: &Environment) -> Result<Adapters, Error> {
    let wrong = |error: &dyn std::fmt::Display| Error::Configuration(error.to_string());
    let folder = root.join(TABLES);
    let tables = if folder.is_dir() {
        Tables::read(&folder).map_err(|error| wrong(&error))?
    } else {
        Tables::default()
    };
    let programs = Mappings(Arc::new(tables));
    let mut faults = Vec::new();
    let mut adapters = Vec::new();
    for adapter in config::load_all(root).map_err(|error| wrong(&error))? {
        match Adapter::compile(adapter, &programs) {
            Ok(adapter) => adapters.push(Arc::new(adapter)),
            Err(error) => faults.push(error.to_string()),
        }
    }
    if faults.is_empty() {
        return Ok(Adapters {
            all: Arc::new(worker::Adapters::new(adapters)),
            environment: environment.clone(),
        });
    }
    Err(Error::Configuration(faults.join("\n")))
}

impl Adapters {
    /// The endpoints as the registry knows them.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        let endpoint = |adapter: Arc<Adapter>| endpoint(adapter.config());
        self.all.all().into_iter().flat_map(endpoint).collect()
    }

    /// A work queue for each endpoint that receives.
    pub(super) fn queues(&self) -> Vec<Queue> {
        let receiving = self.all.all().into_iter().filter(|adapter| adapter.config().outbound.is_some());
        let queue = |adapter: Arc<Adapter>| {
            let limits = adapter.limits();
            let limit = limits.queue.max(limits.window);
            Queue { endpoint: adapter.endpoint().clone(), limit, window: limits.window }
        };
        receiving.map(queue).collect()
    }

    /// Longest attempt at any endpoint that receives, milliseconds: a lease lasts longer.
    pub(super) fn longest_attempt_ms(&self) -> u64 {
        let receiving = self.all.all().into_iter().filter(|adapter| adapter.config().outbound.is_some());
        receiving.map(|adapter| adapter.limits().timeout_ms).max().unwrap_or_default()
    }

    /// How the hub treats each endpoint: its own numbers, else those of the settings.
    pub(super) fn policies(&self, settings: &Settings) -> Result<HashMap<EndpointId, EndpointPolicy>, Error> {
        self.all
            .all()
            .iter()
            .map(|adapter| Ok((adapter.endpoint().clone(), policy(adapter.config(), settings)?)))
            .collect()
    }

    /// Reads departments' own bodies.
    pub(super) fn translate(&self) -> Arc<dyn Translate> {
        Arc::clone(&self.all) as Arc<dyn Translate>
    }

    /// Sets a worker to each endpoint that receives and is served here.
    pub(super) fn work(
        &self,
        supervisor: &mut Supervisor,
        bus: &Arc<dyn Bus>,
        clock: &Arc<dyn Clock>,
        is_here: impl Fn(&EndpointId) -> bool,
    ) -> Result<(), Error> {
        for adapter in self.all.all().into_iter().filter(|adapter| is_here(adapter.endpoint())) {
            let outgoing = build::outgoing(adapter.config(), adapter.extension(), &self.environment, clock)
                .map_err(|error| Error::Configuration(error.to_string()))?;
            let Some(outgoing) = outgoing else { continue };
            let endpoint = adapter.endpoint().clone();
            let target = AdapterTarget {
                adapter,
                connector: outgoing.connector,
                ask: outgoing.ask,
                secrets: outgoing.secrets,
                clock: Arc::clone(clock),
            };
            let runner = Runner {
                endpoint: endpoint.clone(),
                bus: Arc::clone(bus),
                clock: Arc::clone(clock),
                target: Arc::new(target),
            };
            supervisor.spawn(format!("worker {endpoint}"), runner.run());
        }
        Ok(())
    }

    /// Watches each folder that a system drops files into.
    pub(super) async fn receive(
        &self,
        supervisor: &mut Supervisor,
        intake: &Arc<dyn Intake>,
    ) -> Result<(), Error> {
        for adapter in self.all.all() {
            let Some(folder) = adapter.folder().cloned() else { continue };
            let pickup = DropFolder::open(folder.folder.clone(), adapter.limits().max_body_bytes)
                .await
                .map_err(|error| setup("drop folder")(error.into()))?;
            let name = format!("folder of {}", adapter.endpoint());
            let receipts: Receipts = folder.receipts;
            let watch = Watch { adapter, intake: Arc::clone(intake), poll_ms: folder.poll_ms, receipts };
            let stop = supervisor.token().clone();
            supervisor.spawn(name, async move {
                watch.run(Box::new(pickup), stop).await;
                Ok(())
            });
        }
        Ok(())
    }
}

/// One endpoint that sends for some organisations and receives for others is two rows when they differ.
fn endpoint(adapter: &config::Adapter) -> Vec<Endpoint> {
    let row = |organisations: &[_], flow| Endpoint {
        id: adapter.endpoint.clone(),
        organisations: organisations.to_vec(),
        flow,
    };
    match (adapter.inbound.is_some(), adapter.outbound.is_some()) {
        (_, false) => vec![row(&adapter.organisations, Flow::Sends)],
        (false, true) => vec![row(&adapter.receives_for, Flow::Receives)],
        (true, true) => vec![row(&adapter.organisations, Flow::Both)],
    }
}

fn policy(adapter: &config::Adapter, settings: &Settings) -> Result<EndpointPolicy, Error> {
    let own = settings.retry.numbers();
    let numbers = retry::Numbers {
        first_ms: adapter.retry.first_delay_ms.unwrap_or(own.first_ms),
        max_ms: adapter.retry.max_delay_ms.unwrap_or(own.max_ms),
        max_attempts: adapter.retry.max_attempts.unwrap_or(own.max_attempts),
        max_age_ms: adapter.retry.max_age_ms.unwrap_or(own.max_age_ms),
        ..own
    };
    let retry = retry::Policy::from_numbers(numbers).map_err(|faults| {
        let lines: Vec<_> =
            faults.iter().map(|fault| format!("endpoint {}: retry: {fault}", adapter.endpoint)).collect();
        Error::Configuration(lines.join("\n"))
    })?;
    Ok(EndpointPolicy {
        window: adapter.limits.window,
        retry,
        breaker: BreakerPolicy {
            failures: adapter.breaker.failures.unwrap_or(settings.breaker.failures),
            pause_ms: adapter.breaker.pause_ms.unwrap_or(settings.breaker.pause_ms),
        },
        on_unknown: adapter.outbound.as_ref().map(|outbound| outbound.on_unknown).unwrap_or_default(),
    })
}

/// Mapping files as programs of the worker.
#[derive(Debug)]
struct Mappings(Arc<Tables>);

impl Programs for Mappings {
    fn load(&self, file: &Path) -> Result<Arc<dyn Program>, Faults> {
        match Mapping::read(file, &self.0) {
            Ok(mapping) => Ok(Arc::new(Compiled(mapping))),
            Err(error) => {
                let fault = |fault: &mapping::Fault| FileFault {
                    file: file.to_owned(),
                    line: Some(fault.line),
                    key: fault.field.clone(),
                    text: fault.cause.to_string(),
                };
                Err(Faults(error.faults().iter().map(fault).collect()))
            }
        }
    }
}

#[derive(Debug)]
struct Compiled(Mapping);

impl Program for Compiled {
    fn apply(&self, record: &Value, context: &Map<String, Value>) -> Result<Value, Vec<Fault>> {
        self.0.run(record, context).map_err(|error| {
            let fault = |fault: &mapping::Fault| {
                Fault::new(&*fault.field, format!("{} ({} line {})", fault.cause, self.0.name(), fault.line))
            };
            error.faults().iter().map(fault).collect()
        })
    }
}
