//! The stage of the demo: a folder of its own with the adapters set to where the parties really are, a hub
//! started on it, a token for each party that sends over HTTP, and the parties at work.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{
    clock::DayClock,
    party::{
        AtWork, Party, Way,
        post::Post,
        script::{Channel, Script, Sends},
    },
};
use crate::{
    app::{self, Hub, Outside},
    cli::{Error, serve, submit::failed},
    config::{
        adapter::{self, Adapter, InboundConnector, OutboundConnector},
        environment::Environment,
        settings::{Log, LogFormat, Settings},
    },
    domain::{id::EndpointId, registry::Registry},
    port::{
        clock::{Clock, SystemClock},
        operations::{By, Operations as _},
        store::Scope,
    },
    task::{self, Supervisor},
};

/// What stands in an adapter of the demo where the party's own address belongs.
const ADDRESS: &str = "127.0.0.1:0";
/// Longest request of a party to the hub.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the parties may take to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Everything that takes part.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) hub: Hub,
    pub(super) settings: Settings,
    pub(super) registry: Registry,
    pub(super) parties: Vec<Arc<AtWork>>,
    home: Home,
    pub(super) world: PathBuf,
    work: Supervisor,
}

/// The demo's own folder; it goes with the demo unless it is kept.
#[derive(Debug)]
struct Home {
    path: PathBuf,
    leavings: Leavings,
}

impl Home {
    /// A new folder below the system's folder for temporary files.
    fn make(clock: &dyn Clock) -> Result<Self, Error> {
        let name = format!("liandong-demo-{}-{}", std::process::id(), clock.now().as_millisecond());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).map_err(cannot("make", &path))?;
        Ok(Self { path, leavings: Leavings::Remove })
    }

    /// The configuration of the demo's hub.
    fn configuration(&self) -> PathBuf {
        self.path.join("hub.toml")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.leavings == Leavings::Remove
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::error!(%error, path = %self.path.display(), "the demo's folder could not be removed");
        }
    }
}

/// What becomes of the demo's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leavings {
    Keep,
    Remove,
}

/// Logs of a run: its faults are made on purpose, so only what needs a person is said.
pub(super) fn log() -> Log {
    Log { format: LogFormat::Text, filter: "error".into() }
}

impl Stage {
    /// Sets everything up; nothing has been handed in yet.
    pub(super) async fn set(
        world: &Path,
        given: &Settings,
        environment: &Environment,
    ) -> Result<Self, Error> {
        let clock: Arc<dyn Clock> = Arc::new(DayClock::start());
        let parties = parties(&world.join("parties"), &clock)?;
        let home = Home::make(&SystemClock)?;
        let configuration = home.configuration();
        fs::write(&configuration, hub_toml(&home.path, given)?).map_err(cannot("write", &configuration))?;
        copy_adapters(&world.join("adapters"), &home.path.join("adapters"), &parties)?;
        let settings = Settings::load(Some(&configuration), &Environment::default())?;
        let adapters = adapters(&settings)?;
        make_folders(adapters.values())?;
        let registry = app::load::unversioned_world(&settings, environment)?.registry;
        let metrics = app::telemetry::record()?;
        let outside = Outside { clock, metrics, environment: environment.clone() };
        let hub = Hub::start(&settings, outside).await?;
        serve::admit_local_commands(&hub).await?;
        let mut stage = Self {
            hub,
            settings,
            registry,
            parties: Vec::new(),
            home,
            world: world.to_owned(),
            work: Supervisor::new(CancellationToken::new()),
        };
        stage.begin(parties, &adapters).await?;
        Ok(stage)
    }

    /// Gives the parties their tokens and sends them to work.
    async fn begin(
        &mut self,
        parties: Vec<Party>,
        adapters: &BTreeMap<EndpointId, Adapter>,
    ) -> Result<(), Error> {
        let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(task::Failure::from)?;
        let mut ways = Vec::new();
        for party in &parties {
            let script = party.script();
            let adapter = adapters.get(&script.endpoint).ok_or_else(|| {
                failed(format!("party {} has no adapter in the demo's world", script.endpoint))
            })?;
            ways.push(self.way(&client, script, adapter).await?);
        }
        self.hub.refresh_grants().await.map_err(app::Error::from)?;
        for (party, way) in parties.into_iter().zip(ways) {
            let (party, work) = party.start(way, self.work.token());
            let name = format!("party {}", party.endpoint());
            self.work.spawn(name, async { Ok(work.run().await?) });
            self.parties.push(party);
        }
        Ok(())
    }

    async fn way(&self, client: &reqwest::Client, script: &Script, adapter: &Adapter) -> Result<Way, Error> {
        let endpoint = &script.endpoint;
        let inbound = adapter.inbound.as_ref().map(|inbound| &inbound.connector);
        let post = match (&script.sends, inbound) {
            (None, None) => None,
            (Some(Sends { by: Channel::Folder, .. }), Some(InboundConnector::File(drop))) => {
                Some(Post::Folder(drop.folder.clone()))
            }
            (Some(Sends { by: Channel::Http, media_type, .. }), Some(InboundConnector::Http)) => {
                Some(Post::Http {
                    client: client.clone(),
                    url: format!("http://{}/v1/adapters/{endpoint}", self.hub.places().http),
                    token: self.token(endpoint).await?,
                    media_type: media_type.clone(),
                })
            }
            _ => return Err(failed(format!("party {endpoint} sends by another way than its adapter takes"))),
        };
        let outbound = adapter.outbound.as_ref().map(|outbound| &outbound.connector);
        let inbox = match (script.receives.as_ref().map(|receives| receives.by), outbound) {
            (Some(Channel::Folder), Some(OutboundConnector::File(folder))) => Some(folder.clone()),
            (Some(Channel::Http), Some(OutboundConnector::Http(_))) | (None, None) => None,
            _ => {
                return Err(failed(format!(
                    "party {endpoint} receives by another way than its adapter sends"
                )));
            }
        };
        Ok(Way { post, inbox })
    }

    async fn token(&self, endpoint: &EndpointId) -> Result<String, Error> {
        let by = By { operator: "liandong demo".to_owned(), reason: "party of the demo".to_owned() };
        let scope = Scope::Endpoint(endpoint.clone());
        let token = self.hub.office().add_token(endpoint.as_str(), scope, by).await;
        token.map_err(|error| Error::Other(error.into()))
    }

    /// Waits until a part of the hub or a party fails; never returns while all is well.
    pub(super) async fn watch(&mut self) -> task::Error {
        tokio::select! {
            error = self.hub.watch() => error,
            error = self.work.watch() => error,
        }
    }

    /// The configuration with which commands reach this hub.
    pub(super) fn configuration(&self) -> PathBuf {
        self.home.configuration()
    }

    /// Stops the parties, then the hub.
    pub(super) async fn strike(self, leavings: Leavings) -> Result<(), Error> {
        let Self { hub, mut home, work, parties, .. } = self;
        home.leavings = leavings;
        let parted = work.drain(GRACE).await;
        drop(parties);
        crate::cli::reach::Running::remove(&hub.places().data)?;
        hub.stop().await?;
        Ok(parted.map_err(task::Failure::from)?)
    }
}

fn cannot<'a>(what: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + use<'a> {
    move |error| failed(format!("cannot {what} {}: {error}", path.display()))
}

/// Reads every script; an HTTP party takes its port now, so that the hub can be told.
fn parties(folder: &Path, clock: &Arc<dyn Clock>) -> Result<Vec<Party>, Error> {
    let listed = fs::read_dir(folder).map_err(|error| {
        let text = "run it where config/demo is, or name the demo's world with --world";
        failed(format!("cannot read {}: {error}; {text}", folder.display()))
    })?;
    let mut files = Vec::new();
    for entry in listed {
        let path = entry.map_err(cannot("read", folder))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    let party = |file: &PathBuf| {
        let script = Script::read(file).map_err(|error| Error::Other(error.into()))?;
        Party::new(script, Arc::clone(clock)).map_err(|error| failed(format!("cannot take a port: {error}")))
    };
    files.iter().map(party).collect()
}

/// The hub of the demo: its own data, ports that are free, and a day that passes in seconds, so that
/// retries, leases and seals do too.
fn hub_toml(home: &Path, given: &Settings) -> Result<String, Error> {
    let absolute = |path: &Path| std::path::absolute(path).map_err(cannot("find", path));
    let paths = &given.paths;
    let table = toml::toml! {
        [http]
        listen = "127.0.0.1:0"
        [admin]
        listen = "127.0.0.1:0"
        [dispatch]
        lease_margin_ms = 500
        idle_scan_ms = 200
        [retry]
        min_ms = 50
        first_ms = 200
        max_ms = 1_000
        [seal]
        every_ms = 1_000
    };
    let mut table = table;
    let places: toml::Table = [
        ("data", home.join("data")),
        ("adapters", home.join("adapters")),
        ("registry", absolute(&paths.registry)?),
        ("rules", absolute(&paths.rules)?),
        ("calendar", absolute(&paths.calendar)?),
    ]
    .into_iter()
    .map(|(key, path)| (key.to_owned(), path.display().to_string().into()))
    .collect();
    table.insert("paths".to_owned(), places.into());
    Ok(table.to_string())
}

/// Copies the adapters; each that speaks HTTP gets the address its party took.
fn copy_adapters(from: &Path, to: &Path, parties: &[Party]) -> Result<(), Error> {
    copy(from, to)?;
    for party in parties {
        let Some(address) = party.address() else { continue };
        let file = to.join(party.script().endpoint.as_str()).join(adapter::FILE);
        let text = fs::read_to_string(&file).map_err(cannot("read", &file))?;
        if !text.contains(ADDRESS) {
            return Err(failed(format!("{} has no {ADDRESS} for its party's address", file.display())));
        }
        fs::write(&file, text.replace(ADDRESS, &address.to_string())).map_err(cannot("write", &file))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(cannot("make", to))?;
    for entry in fs::read_dir(from).map_err(cannot("read", from))? {
        let entry = entry.map_err(cannot("read", from))?;
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &place)?;
        } else {
            fs::copy(&path, &place).map_err(cannot("copy", &path))?;
        }
    }
    Ok(())
}

fn adapters(settings: &Settings) -> Result<BTreeMap<EndpointId, Adapter>, Error> {
    let loaded = adapter::load_all(&settings.paths.adapters)
        .map_err(|faults| app::Error::Configuration(faults.to_string()))?;
    Ok(loaded.into_iter().map(|adapter| (adapter.endpoint.clone(), adapter)).collect())
}

/// The folders that departments would share with the hub.
fn make_folders<'a>(adapters: impl Iterator<Item = &'a Adapter>) -> Result<(), Error> {
    for adapter in adapters {
        let inbound = adapter.inbound.as_ref().and_then(|inbound| match &inbound.connector {
            InboundConnector::File(drop) => Some(&drop.folder),
            InboundConnector::Http => None,
        });
        let outbound = adapter.outbound.as_ref().and_then(|outbound| match &outbound.connector {
            OutboundConnector::File(folder) => Some(folder),
            OutboundConnector::Http(_) | OutboundConnector::Mailbox => None,
        });
        for folder in inbound.into_iter().chain(outbound) {
            fs::create_dir_all(folder).map_err(cannot("make", folder))?;
        }
    }
    Ok(())
}
