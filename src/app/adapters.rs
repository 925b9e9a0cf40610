//! The adapters of this hub: loaded, compiled, and set to work.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{Error, setup};
use crate::{
    config::{
        adapter::{self as config, OutboundConnector, Receipts},
        environment::Environment,
        fault::{Fault as FileFault, Faults},
        settings::Settings,
    },
    connector::{build, file_drop::inbound::DropFolder, handout::Handout, mailbox::Mailboxes},
    domain::{
        fault::Fault,
        id::EndpointId,
        registry::{Endpoint, Flow},
        retry,
    },
    engine::{EndpointPolicy, Reach, breaker::BreakerPolicy},
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
    window_default: usize,
    /// Endpoints with a mailbox that is a queue of the broker.
    fetching: BTreeSet<EndpointId>,
}

/// An adapter with its connectors.
#[derive(Debug)]
pub(super) struct Outgoing {
    adapter: Arc<Adapter>,
    connectors: build::Outgoing,
}

/// The work queue of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Queue {
    /// Whose.
    pub(super) endpoint: EndpointId,
    /// Pieces in it at most, where it is in this process.
    pub(super) limit: usize,
    /// Attempts at once.
    pub(super) window: usize,
    /// Who calls whom.
    pub(super) reach: Reach,
}

/// Loads and compiles every adapter; all faults at once.
pub(super) fn load(settings: &Settings, environment: &Environment) -> Result<Adapters, Error> {
    let root = &settings.paths.adapters;
    let adapters = config::load_all(root).map_err(|error| Error::Configuration(error.to_string()))?;
    Ok(Adapters {
        all: Arc::new(worker::Adapters::new(compile(root, adapters)?)),
        environment: environment.clone(),
        window_default: settings.dispatch.window_default,
        fetching: settings.bus.mailboxes.keys().cloned().collect(),
    })
}

/// Compiles adapters that stand below `root` with the code tables beside them; all faults at once.
pub(super) fn compile(root: &Path, adapters: Vec<config::Adapter>) -> Result<Vec<Arc<Adapter>>, Error> {
    let folder = root.join(TABLES);
    let tables = if folder.is_dir() {
        Tables::read(&folder).map_err(|error| Error::Configuration(error.to_string()))?
    } else {
        Tables::default()
    };
    let programs = Mappings(Arc::new(tables));
    let (mut compiled, mut faults) = (Vec::new(), Vec::new());
    for adapter in adapters {
        match Adapter::compile(adapter, &programs) {
            Ok(adapter) => compiled.push(Arc::new(adapter)),
            Err(error) => faults.push(error.to_string()),
        }
    }
    if faults.is_empty() { Ok(compiled) } else { Err(Error::Configuration(faults.join("\n"))) }
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
            let window = self.window(&adapter);
            Queue {
                endpoint: adapter.endpoint().clone(),
                limit: adapter.limits().queue.max(window),
                window,
                reach: self.reach(&adapter),
            }
        };
        receiving.map(queue).collect()
    }

    /// Longest attempt at any endpoint that receives, milliseconds: a lease lasts longer.
    pub(super) fn longest_attempt_ms(&self) -> u64 {
        let receiving = self.all.all().into_iter().filter(|adapter| adapter.config().outbound.is_some());
        receiving.map(|adapter| adapter.limits().timeout_ms).max().unwrap_or_default()
    }

    fn window(&self, adapter: &Adapter) -> usize {
        adapter.limits().window.unwrap_or(self.window_default)
    }

    /// How the hub treats each endpoint: its own numbers, else those of the settings.
    pub(super) fn policies(&self, settings: &Settings) -> Result<HashMap<EndpointId, EndpointPolicy>, Error> {
        self.all
            .all()
            .iter()
            .map(|adapter| {
                let policy = policy(adapter.config(), settings, self.reach(adapter))?;
                Ok((adapter.endpoint().clone(), policy))
            })
            .collect()
    }

    /// Reads departments' own bodies.
    pub(super) fn translate(&self) -> Arc<dyn Translate> {
        Arc::clone(&self.all) as Arc<dyn Translate>
    }

    /// The way out of each endpoint that receives and that `is_here` serves: secrets fetched, files read,
    /// nothing opened; all faults at once.
    pub(super) fn outgoing(
        &self,
        clock: &Arc<dyn Clock>,
        mailboxes: &Mailboxes,
        handout: &Arc<Handout>,
        is_here: impl Fn(&EndpointId) -> bool,
    ) -> Result<Vec<Outgoing>, Error> {
        let (mut outgoing, mut faults) = (Vec::new(), Vec::new());
        for adapter in self.all.all().into_iter().filter(|adapter| is_here(adapter.endpoint())) {
            let mailbox = || match self.reach(&adapter) {
                Reach::Fetches => handout.connector(adapter.endpoint(), adapter.version()),
                Reach::Called | Reach::Connects => {
                    mailboxes.connector(adapter.endpoint(), self.window(&adapter))
                }
            };
            match build::outgoing(adapter.config(), adapter.extension(), &self.environment, clock, &mailbox) {
                Ok(Some(connectors)) => outgoing.push(Outgoing { adapter, connectors }),
                Ok(None) => {}
                Err(error) => faults.push(error.to_string()),
            }
        }
        if faults.is_empty() { Ok(outgoing) } else { Err(Error::Configuration(faults.join("\n"))) }
    }

    fn reach(&self, adapter: &Adapter) -> Reach {
        match adapter.config().outbound.as_ref().map(|outbound| &outbound.connector) {
            Some(OutboundConnector::Mailbox) if self.fetching.contains(adapter.endpoint()) => Reach::Fetches,
            Some(OutboundConnector::Mailbox) => Reach::Connects,
            _ => Reach::Called,
        }
    }

    /// Endpoints with a mailbox.
    pub(super) fn mailboxes(&self) -> Vec<EndpointId> {
        let queues = self.queues().into_iter().filter(|queue| queue.reach != Reach::Called);
        queues.map(|queue| queue.endpoint).collect()
    }

    /// Mailboxes are of use only where systems can connect, which is to a hub.
    pub(super) fn check_mailboxes(&self, settings: &Settings) -> Result<(), Error> {
        let fault = |endpoint: EndpointId| {
            if settings.bus.workers.contains_key(&endpoint) {
                Some(format!(
                    "endpoint {endpoint}: has a mailbox, which hubs serve; take it out of bus.workers"
                ))
            } else if settings.grpc.listen.is_none() && !self.fetching.contains(&endpoint) {
                Some(format!(
                    "endpoint {endpoint}: has a mailbox, but grpc.listen is empty and bus.mailboxes does not name it"
                ))
            } else {
                None
            }
        };
        let faults: Vec<_> = self.mailboxes().into_iter().filter_map(fault).collect();
        if faults.is_empty() { Ok(()) } else { Err(Error::Configuration(faults.join("\n"))) }
    }

    /// Sets a worker to each of these ways out.
    pub(super) fn work(
        &self,
        supervisor: &mut Supervisor,
        bus: &Arc<dyn Bus>,
        clock: &Arc<dyn Clock>,
        outgoing: &[Outgoing],
    ) {
        for Outgoing { adapter, connectors } in outgoing {
            let connectors = connectors.clone();
            let target = AdapterTarget {
                window: self.window(adapter),
                adapter: Arc::clone(adapter),
                connector: connectors.connector,
                ask: connectors.ask,
                secrets: connectors.secrets,
                clock: Arc::clone(clock),
            };
            let runner = Runner {
                endpoint: adapter.endpoint().clone(),
                bus: Arc::clone(bus),
                clock: Arc::clone(clock),
                target: Arc::new(target),
            };
            supervisor.spawn(format!("worker {}", adapter.endpoint()), runner.run());
        }
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

fn policy(adapter: &config::Adapter, settings: &Settings, reach: Reach) -> Result<EndpointPolicy, Error> {
    let own = settings.retry.numbers();
    let numbers = retry::Numbers {
        first_ms: adapter.retry.first_ms.unwrap_or(own.first_ms),
        max_ms: adapter.retry.max_ms.unwrap_or(own.max_ms),
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
        window: adapter.limits.window.unwrap_or(settings.dispatch.window_default),
        retry,
        breaker: BreakerPolicy {
            failures: adapter.breaker.failures.unwrap_or(settings.breaker.failures),
            pause_ms: adapter.breaker.pause_ms.unwrap_or(settings.breaker.pause_ms),
        },
        on_unknown: adapter.outbound.as_ref().map(|outbound| outbound.on_unknown).unwrap_or_default(),
        reach,
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(root: &Path, endpoint: &str, limits: &str) {
        let folder = root.join(endpoint);
        fs::create_dir(&folder).unwrap();
        let text = format!(
            "endpoint = '{endpoint}'\nname = 'n'\norganisations = ['o']\n[limits]\nqueue = 2\n{limits}\n\
             [outbound]\nfile = {{ folder = '/tmp' }}\ncodec = {{ format = 'json' }}\nmappings = {{ '*' = 'm.toml' }}\n"
        );
        fs::write(folder.join("adapter.toml"), text).unwrap();
        fs::write(folder.join("m.toml"), "name = 'm'\n[fields]\nkey = 'record.businessKey'\n").unwrap();
    }

    #[test]
    fn an_adapter_that_says_no_window_gets_the_hubs_own() {
        let root = tempfile::tempdir().unwrap();
        folder(root.path(), "says", "window = 3");
        folder(root.path(), "silent", "");
        let variables = [
            ("LIANDONG__PATHS__ADAPTERS", root.path().to_str().unwrap()),
            ("LIANDONG__DISPATCH__WINDOW_DEFAULT", "7"),
        ];
        let settings = Settings::load(None, &variables.into_iter().collect()).unwrap();
        let adapters = load(&settings, &Environment::default()).unwrap();
        let policies = adapters.policies(&settings).unwrap();
        let window = |endpoint: &str| policies[&EndpointId::from(endpoint)].window;
        assert_eq!((window("says"), window("silent")), (3, 7));
        let queue = |endpoint: &str, window| Queue {
            endpoint: endpoint.into(),
            limit: window,
            window,
            reach: Reach::Called,
        };
        assert_eq!(adapters.queues(), [queue("says", 3), queue("silent", 7)]);
        let windows: Vec<_> = adapters.all.all().iter().map(|adapter| adapters.window(adapter)).collect();
        assert_eq!(windows, [3, 7]);
    }
}
