//! The stage of the demo: a folder of its own with the adapters set to where the parties really are, the hub or
//! hubs started on it, a token for each party that sends over HTTP, and the parties at work.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{
    clock::DayClock,
    home::{Home, Leavings, Props, cannot},
    house::{House, Shape},
    party::{
        AtWork, Party, Way,
        post::Post,
        publish::Publisher,
        script::{Channel, Script, Sends},
    },
};
use crate::{
    app,
    cli::{Error, submit::failed},
    config::{
        adapter::{InboundConnector, OutboundConnector},
        environment::Environment,
        settings::{Log, LogFormat, Settings},
    },
    domain::registry::Registry,
    port::clock::{Clock, SystemClock},
    task::{self, Supervisor},
};

/// Longest request of a party to the hub.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the parties may take to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Everything that takes part.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) house: House,
    pub(super) registry: Registry,
    pub(super) parties: Vec<Arc<AtWork>>,
    home: Home,
    pub(super) world: PathBuf,
    work: Supervisor,
}

/// Logs of a run: its faults are made on purpose, so only what needs a person is said.
pub(super) fn log() -> Log {
    Log { format: LogFormat::Text, filter: "error".into() }
}

impl Stage {
    /// Sets everything up; nothing has been handed in yet.
    pub(super) async fn set(
        world: &Path,
        shape: Shape,
        given: &Settings,
        environment: &Environment,
    ) -> Result<Self, Error> {
        let day = DayClock::start();
        let clock: Arc<dyn Clock> = Arc::new(day);
        let parties = parties(&world.join("parties"), &clock)?;
        let home = Home::make(&SystemClock)?;
        let house =
            House::open(shape, &home, &Props { world, given, parties: &parties }, environment, day).await?;
        let mut stage = Self {
            registry: app::load::unversioned_world(house.settings(), environment)?.registry,
            house,
            parties: Vec::new(),
            home,
            world: world.to_owned(),
            work: Supervisor::new(CancellationToken::new()),
        };
        stage.begin(parties).await?;
        Ok(stage)
    }

    /// Gives the parties their tokens and sends them to work, turn about with one hub or the other.
    async fn begin(&mut self, parties: Vec<Party>) -> Result<(), Error> {
        let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(task::Failure::from)?;
        let mut ways = Vec::new();
        for (number, party) in parties.iter().enumerate() {
            ways.push(self.way(&client, party.script(), number).await?);
        }
        self.house.know_tokens().await?;
        for (party, way) in parties.into_iter().zip(ways) {
            let (party, work) = party.start(way, self.work.token());
            let name = format!("party {}", party.endpoint());
            self.work.spawn(name, async { Ok(work.run().await?) });
            self.parties.push(party);
        }
        Ok(())
    }

    async fn way(&mut self, client: &reqwest::Client, script: &Script, number: usize) -> Result<Way, Error> {
        let endpoint = &script.endpoint;
        let missing = || failed(format!("party {endpoint} has no adapter in the demo's world"));
        let adapter = self.house.takes_in(number).get(endpoint).ok_or_else(missing)?;
        let inbound = adapter.inbound.as_ref().map(|inbound| &inbound.connector);
        let adapter = self.house.sends().get(endpoint).ok_or_else(missing)?;
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
        let post = match (&script.sends, inbound) {
            (None, None) => None,
            (Some(Sends { by: Channel::Folder, .. }), Some(InboundConnector::File(drop))) => {
                Some(Post::Folder(drop.folder.clone()))
            }
            (Some(Sends { by: Channel::Http, media_type, .. }), Some(InboundConnector::Http)) => {
                Some(match self.house.broker(endpoint, media_type) {
                    Some(place) => {
                        let publisher =
                            Publisher::open(place).await.map_err(|error| failed(error.to_string()))?;
                        Post::Amqp(Arc::new(publisher))
                    }
                    None => Post::Http {
                        client: client.clone(),
                        url: format!("http://{}/v1/adapters/{endpoint}", self.house.http(number)),
                        token: self.house.token(endpoint).await?,
                        media_type: media_type.clone(),
                    },
                })
            }
            _ => return Err(failed(format!("party {endpoint} sends by another way than its adapter takes"))),
        };
        Ok(Way { post, inbox })
    }

    /// Waits until a part of a hub or a party fails; never returns while all is well.
    pub(super) async fn watch(&mut self) -> task::Error {
        tokio::select! {
            error = self.house.watch() => error,
            error = self.work.watch() => error,
        }
    }

    /// Stops the parties, then the hub or hubs.
    pub(super) async fn strike(self, leavings: Leavings) -> Result<(), Error> {
        let Self { house, mut home, work, parties, .. } = self;
        home.leavings = leavings;
        let parted = work.drain(GRACE).await;
        drop(parties);
        house.close().await?;
        Ok(parted.map_err(task::Failure::from)?)
    }
}

/// Reads every script; an HTTP party takes its port now, so that the hub can be told.
fn parties(folder: &Path, clock: &Arc<dyn Clock>) -> Result<Vec<Party>, Error> {
    let listed = fs::read_dir(folder).map_err(|error: io::Error| {
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
