//! The shape of production on one machine: hubs and workers as processes of their own, on one PostgreSQL and one
//! RabbitMQ. Hubs share database, signing key and broker; workers have the broker alone.
//!
//! Every system that receives is served by the workers, each of which serves them all. Senders are spread over
//! the hubs; a folder is looked at by one of them; two publish to the broker, and either hub takes that in.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::json;

use super::{
    clock::DayClock,
    home::{Adapters, Home, Props, Room, absolute},
    part::Part,
    party::publish::Place,
    process::Process,
};
use crate::{
    app::{
        self,
        shelf::{Opening, Shelf},
    },
    cli::{
        Error,
        reach::{self, Running},
        submit::failed,
    },
    config::{
        environment::Environment,
        secret::{Secret, SecretRef},
        settings::Settings,
    },
    domain::id::EndpointId,
    port::{clock::SystemClock, store::Store},
    task::{self, Failure, metrics},
};

const HUBS: [&str; 2] = ["hub-1", "hub-2"];
const WORKERS: [&str; 2] = ["worker-1", "worker-2"];
/// Parties that send over the broker: one of single records, one of forms.
const PUBLISH: [&str; 2] = ["ankang-spj", "xunyang-spj"];
/// How long hubs may take to learn a token, or to seal.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// A message that nobody sent: who may ask for it is told that it is not there.
const NOBODYS: &str = "/v1/messages/00000000-0000-7000-8000-000000000000";

/// Hubs, workers, and the store they share.
#[derive(Debug)]
pub(super) struct Production {
    hubs: Vec<Site>,
    workers: Vec<Process>,
    sends: Adapters,
    shelf: Shelf,
    tokens: Vec<String>,
    /// First address of the broker.
    broker: Secret,
    account: String,
}

/// A hub.
#[derive(Debug)]
struct Site {
    room: Room,
    process: Process,
    running: Running,
}

impl Production {
    /// Starts hubs, one after the other, and workers.
    pub(super) async fn open(
        home: &Home,
        props: &Props<'_>,
        environment: &Environment,
        day: DayClock,
    ) -> Result<Self, Error> {
        let account = app::bus::account(&props.given.bus, environment)?;
        let shared = Shared::of(props.given)?;
        // What they carry out is known from the workers' adapters, which must not name the hubs' bus.workers.
        let sends = home.room("workers", props, shared.worker())?;
        let served: Vec<_> =
            sends.adapters.values().filter(|it| it.outbound.is_some()).map(|it| &it.endpoint).collect();
        let mut hubs: Vec<Site> = Vec::new();
        for name in HUBS {
            let key = hubs.first().map(|first: &Site| &first.room.settings.keys.signing);
            let room = home.room(name, props, shared.hub(&account, &served, key))?;
            let process = Process::start(name, Part::Hub, &room.configuration, environment, day).await?;
            let running = Running::earlier(&room.settings.paths.data)
                .ok_or_else(|| failed(format!("{name} left no note of where it is")))?;
            hubs.push(Site { room, process, running });
        }
        let mut workers = Vec::new();
        for name in WORKERS {
            let configuration = &sends.configuration;
            workers.push(Process::start(name, Part::Worker, configuration, environment, day).await?);
        }
        let first =
            hubs.first().map(|site| &site.room.settings).ok_or_else(|| failed("no hub".to_owned()))?;
        let shelf = Shelf::look(&Opening::new(first, environment, Arc::new(SystemClock))).await?;
        let bus = &props.given.bus;
        let broker =
            bus.url.resolve(Path::new(""), environment).map_err(|error| failed(error.to_string()))?;
        Ok(Self { hubs, workers, sends: sends.adapters, shelf, tokens: Vec::new(), broker, account })
    }

    fn site(&self, number: usize) -> &Site {
        &self.hubs[number % self.hubs.len()]
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.site(0).room.settings
    }

    pub(super) fn configuration(&self) -> &Path {
        &self.site(0).room.configuration
    }

    pub(super) fn takes_in(&self, number: usize) -> &Adapters {
        &self.site(number).room.adapters
    }

    pub(super) fn sends(&self) -> &Adapters {
        &self.sends
    }

    pub(super) fn http(&self, number: usize) -> SocketAddr {
        self.site(number).running.http
    }

    /// Where a party publishes, if it does.
    pub(super) fn broker(&self, endpoint: &EndpointId, media_type: &str) -> Option<Place> {
        let is_first = |part: &&str| !part.is_empty();
        let address = self.broker.expose().split([' ', ',', '\n', '\r', '\t']).find(is_first)?;
        PUBLISH.contains(&endpoint.as_str()).then(|| Place {
            address: address.to_owned(),
            prefix: self.settings().bus.prefix.to_string(),
            account: self.account.clone(),
            endpoint: endpoint.to_string(),
            media_type: media_type.to_owned(),
        })
    }

    pub(super) fn admin(&self) -> SocketAddr {
        self.site(0).process.admin()
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        self.shelf.store()
    }

    /// Makes a token at the first hub.
    pub(super) async fn token(&mut self, endpoint: &EndpointId) -> Result<String, Error> {
        let running = &self.site(0).running;
        let body = json!({ "name": endpoint, "endpoint": endpoint }).to_string().into_bytes();
        let answer = running
            .ask_as(&running.token, Method::POST, "/v1/tokens", "application/json", Some(body))
            .await?;
        let token = answer["token"].as_str().map(str::to_owned);
        let token = token.ok_or_else(|| failed("the hub made no token".to_owned()))?;
        self.tokens.push(token.clone());
        Ok(token)
    }

    /// Waits until every hub lets every token in: hubs learn those that another made when they next look.
    pub(super) async fn know_tokens(&self) -> Result<(), Error> {
        let end = Instant::now() + PATIENCE;
        for site in &self.hubs {
            for token in &self.tokens {
                while !knows(&site.running, token).await? {
                    if Instant::now() > end {
                        return Err(failed(format!("{} does not learn the tokens", site.process.name())));
                    }
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
        Ok(())
    }

    /// Waits until the hubs have sealed everything, as they do by themselves.
    pub(super) async fn sealed(&self) -> Result<(), Error> {
        let end = Instant::now() + PATIENCE;
        let store = self.store();
        loop {
            if store.unsealed_count().await.map_err(Failure::from)?.0 == 0 {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(failed("the hubs do not seal the trail".to_owned()));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What each process counted of its own work.
    pub(super) async fn shares(&self) -> Result<BTreeMap<String, u64>, Error> {
        let hubs = self.hubs.iter().map(|site| (&site.process, metrics::MESSAGES_ACCEPTED));
        let workers = self.workers.iter().map(|process| (process, metrics::BUS_PUBLISHED));
        let mut shares = BTreeMap::new();
        for (process, metric) in hubs.chain(workers) {
            shares.insert(process.name().to_owned(), process.count(metric).await?);
        }
        Ok(shares)
    }

    pub(super) async fn watch(&mut self) -> task::Error {
        loop {
            let hubs = self.hubs.iter_mut().map(|site| &mut site.process);
            for process in hubs.chain(&mut self.workers) {
                if process.has_ended() {
                    return task::Error::Early(process.name().to_owned());
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Stops the workers, then the hubs; each must end in order.
    pub(super) async fn close(self) -> Result<(), Error> {
        let closed = self.shelf.close().await;
        let hubs = self.hubs.into_iter().map(|site| site.process);
        for process in self.workers.into_iter().chain(hubs) {
            process.stop().await?;
        }
        Ok(closed.map_err(app::Error::from)?)
    }
}

/// Whether a hub lets a token in.
async fn knows(running: &Running, token: &str) -> Result<bool, Error> {
    match running.ask_as(token, Method::GET, NOBODYS, "application/json", None).await {
        Err(reach::Error::Refused { status: 401, .. }) => Ok(false),
        Ok(_) | Err(reach::Error::Refused { status: 404, .. }) => Ok(true),
        Err(other) => Err(other.into()),
    }
}

/// What is the same for all of them.
struct Shared {
    postgres: toml::Table,
    bus: toml::Table,
}

impl Shared {
    /// As the demo was configured, whose relative paths start where it was called.
    fn of(given: &Settings) -> Result<Self, Error> {
        let authority = |path: Option<&std::path::PathBuf>| -> Result<toml::Value, Error> {
            let path = path.map(|path| absolute(path)).transpose()?;
            Ok(path.map_or_else(String::new, |path| path.display().to_string()).into())
        };
        let mut postgres = toml::Table::new();
        postgres.insert("url".to_owned(), reference(&given.postgres.url)?);
        postgres.insert("authority".to_owned(), authority(given.postgres.authority.as_ref())?);
        let mut bus = toml::toml! { backend = "rabbitmq" };
        bus.insert("url".to_owned(), reference(&given.bus.url)?);
        bus.insert("authority".to_owned(), authority(given.bus.authority.as_ref())?);
        bus.insert("prefix".to_owned(), given.bus.prefix.to_string().into());
        Ok(Self { postgres, bus })
    }

    /// A worker knows the broker and no database.
    fn worker(&self) -> toml::Table {
        toml::Table::from_iter([("bus".to_owned(), self.bus.clone().into())])
    }

    fn hub(&self, account: &str, served: &[&EndpointId], key: Option<&SecretRef>) -> toml::Table {
        let names: Vec<_> = served.iter().map(|endpoint| endpoint.as_str()).collect();
        let mut bus = self.bus.clone();
        bus.insert("workers".to_owned(), vec![format!("{account}: {}", names.join(" "))].into());
        bus.insert("senders".to_owned(), vec![format!("{account}: {}", PUBLISH.join(" "))].into());
        let mut table = toml::toml! {
            [store]
            backend = "postgres"
        };
        table.insert("postgres".to_owned(), self.postgres.clone().into());
        table.insert("bus".to_owned(), bus.into());
        if let Some(key) = key {
            let key = ("signing".to_owned(), key.to_string().into());
            table.insert("keys".to_owned(), toml::Table::from_iter([key]).into());
        }
        table
    }
}

fn reference(secret: &SecretRef) -> Result<toml::Value, Error> {
    let whole = match secret {
        SecretRef::File(path) => SecretRef::File(absolute(path)?),
        SecretRef::Environment(_) => secret.clone(),
    };
    Ok(whole.to_string().into())
}
