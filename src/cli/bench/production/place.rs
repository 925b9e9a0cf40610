//! Where the hub is measured: a database of the run's own on the configured server, queues under a prefix of its
//! own on the configured broker. Both are removed at the end; nothing that is there already is touched.

use std::{
    fs::OpenOptions, io::Write as _, net::SocketAddr, os::unix::fs::OpenOptionsExt as _, path::Path,
    sync::Arc,
};

use super::{broker::Broker, publisher::Publisher, rows::Session};
use crate::{
    app::{self, Attached, Attachment, Hub, Outside, Time},
    cli::{
        Call,
        bench::{
            bed::{Bed, RECEIVERS, SENDER},
            loader::{Loader, Manner},
            message::Series,
            run::{BATCH_SENDERS, LIMIT},
        },
    },
    config::{
        secret::{Secret, SecretRef},
        settings::{Backend, Carrier, Settings},
    },
    port::{clock::SystemClock, operations::By},
    task::Failure,
};

/// Messages that the hub fetches ahead of a sender that publishes in a window of a thousand.
const PREFETCH: u16 = 1_000;

/// Servers, and the bed that the hub's files lie in.
pub(super) struct Place {
    bed: Bed,
    /// The database that was there before.
    server: Secret,
    name: String,
    database: String,
    broker: Option<Secret>,
    /// The broker's account of everybody here.
    account: String,
    /// What the worker reads, when there is one.
    worker: Option<Settings>,
}

/// A hub, a worker beside it if it has one, and senders.
pub(super) struct Running {
    hub: Hub,
    worker: Option<Attached>,
    senders: Senders,
}

/// How messages come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intake {
    /// In CloudEvents batches, or one by one at a steady rate.
    Http,
    /// Published to the hub's queue, confirms in a window.
    Amqp,
}

/// Who hands messages in.
pub(super) struct Senders {
    loader: Loader,
    publisher: Option<Publisher>,
}

impl Senders {
    /// Hands in messages `0..count` as fast as they are taken.
    pub(super) async fn send(&self, intake: Intake, series: Series, count: usize) -> Result<(), Failure> {
        match intake {
            Intake::Http => {
                let manner = Manner::InBatches(BATCH_SENDERS);
                self.loader.send(series, 0, count, manner).await.map(drop)
            }
            Intake::Amqp => self.publisher()?.send(series, count).await,
        }
    }

    /// Hands in messages `0..count`, one by one at a steady rate.
    pub(super) async fn send_at_rate(
        &self,
        intake: Intake,
        series: Series,
        count: usize,
        per_second: u32,
    ) -> Result<(), Failure> {
        match intake {
            Intake::Http => self.loader.send_at_rate(series, count, per_second).await,
            Intake::Amqp => self.publisher()?.send_at_rate(series, count, per_second).await,
        }
    }

    fn publisher(&self) -> Result<&Publisher, Failure> {
        Ok(self.publisher.as_ref().ok_or("no broker to publish to")?)
    }
}

impl Place {
    /// Takes the servers that the settings name.
    pub(super) fn make(
        folder: &Path,
        call: &Call<'_>,
        sink: SocketAddr,
        carrier: Carrier,
    ) -> Result<Self, Failure> {
        let (settings, environment) = (&call.settings, &call.environment);
        let server = settings.postgres.url.resolve(Path::new(""), environment)?;
        let name = format!("bench_liandong_{}", std::process::id());
        let database = sibling(server.expose(), &name)?;
        let mut bed = Bed::make(folder, settings, environment, sink)?;
        let (note, apart_data) = (bed.home().join("postgres-url"), bed.home().join("worker"));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&note)?;
        file.write_all(database.as_bytes())?;
        let own = &mut bed.settings;
        own.store.backend = Backend::Postgres;
        own.postgres.url = SecretRef::File(note);
        own.bus.backend = carrier;
        own.bus.workers.clear();
        own.bus.senders.clear();
        let (mut broker, mut worker, mut account) = (None, None, String::new());
        if carrier == Carrier::Rabbitmq {
            own.bus.prefix = name.replace('_', "-").into();
            let mut apart = own.clone();
            apart.paths.data = apart_data;
            broker = Some(settings.bus.url.resolve(Path::new(""), environment)?);
            account = app::bus::account(&settings.bus, environment)?;
            own.bus.senders.insert(SENDER.into(), [account.as_str().into()].into());
            own.bus.intake_prefetch = PREFETCH;
            for (endpoint, _) in RECEIVERS {
                own.bus.workers.insert(endpoint.into(), [account.as_str().into()].into());
            }
            worker = Some(apart);
        }
        Ok(Self { bed, server, name, database, broker, account, worker })
    }

    /// Address of the hub's database.
    pub(super) fn database(&self) -> &str {
        &self.database
    }

    /// Address of the broker, if the hub uses one.
    pub(super) fn broker(&self) -> Option<&str> {
        self.broker.as_ref().map(Secret::expose)
    }

    /// Lets the hub begin with nothing.
    pub(super) async fn empty(&self) -> Result<(), Failure> {
        self.bed.clear()?;
        let name = &self.name;
        self.on_server(&[
            &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            &format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"),
            // What ran before is not to be written back while the next is measured.
            "CHECKPOINT",
        ])
        .await
    }

    /// Starts hub and worker.
    pub(super) async fn start(&self, settings: &Settings, name: &str) -> Result<Running, Failure> {
        let (hub, loader) = self.bed.start_set(settings, name).await?;
        let worker = match &self.worker {
            None => None,
            Some(settings) => {
                let outside = Outside {
                    clock: Arc::new(SystemClock),
                    time: Time::OfStore,
                    metrics: self.bed.metrics.clone(),
                    environment: self.bed.environment.clone(),
                    by: By::new("liandong bench", "benchmark"),
                };
                Some(Attached::start(settings, outside, Attachment::Amqp).await?)
            }
        };
        let publisher = match self.broker() {
            None => None,
            Some(address) => {
                let prefix = &self.bed.settings.bus.prefix;
                Some(Publisher::open(address, &self.account, prefix, SENDER).await?)
            }
        };
        Ok(Running { hub, worker, senders: Senders { loader, publisher } })
    }

    /// The hub's settings.
    pub(super) fn settings(&self) -> &Settings {
        &self.bed.settings
    }

    /// Starts a hub that takes streams in over gRPC and has its workers inside; the sender's token.
    pub(super) async fn start_streamed(&self, name: &str) -> Result<(Hub, String), Failure> {
        let mut settings = self.bed.settings.clone();
        settings.bus.backend = Carrier::Local;
        settings.bus.workers.clear();
        settings.grpc.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        settings.grpc.tls = None;
        self.bed.start_with(&settings, name).await
    }

    /// Removes what the run made on the servers.
    pub(super) async fn clear_away(&self) -> Result<(), Failure> {
        self.on_server(&[&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)]).await?;
        if let Some(address) = self.broker() {
            let prefix = &self.bed.settings.bus.prefix;
            let work = RECEIVERS.iter().map(|(endpoint, _)| format!("{prefix}.work.{endpoint}"));
            let intake = format!("{prefix}.intake.{SENDER}");
            let queues =
                work.chain(["outcome", "dead"].map(|name| format!("{prefix}.{name}"))).chain([intake]);
            let exchanges = ["work", "outcome", "dead", "intake"].map(|name| format!("{prefix}.{name}"));
            Broker::open(address).await?.remove(queues, exchanges).await?;
        }
        Ok(())
    }

    async fn on_server(&self, statements: &[&str]) -> Result<(), Failure> {
        let session = Session::open(self.server.expose()).await?;
        for statement in statements {
            session.client.batch_execute(statement).await?;
        }
        session.close().await
    }
}

impl Running {
    /// The hub.
    pub(super) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Does the work while everything runs; what fails ends it, and so does a limit.
    pub(super) async fn while_it_runs<T>(
        &mut self,
        work: impl AsyncFnOnce(&Senders) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Self { hub, worker, senders } = self;
        let worker_fails = async {
            match worker {
                Some(worker) => worker.watch().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            done = tokio::time::timeout(LIMIT, work(senders)) => done?,
            error = hub.watch() => Err(error.into()),
            error = worker_fails => Err(error.into()),
        }
    }

    /// Stops the sender, the worker, then the hub.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        if let Some(publisher) = self.senders.publisher {
            publisher.close().await?;
        }
        if let Some(worker) = self.worker {
            worker.stop().await?;
        }
        self.hub.stop().await
    }
}

/// The address of another database on the same server.
fn sibling(address: &str, name: &str) -> Result<String, Failure> {
    let (place, options) = address.split_once('?').map_or((address, None), |(a, o)| (a, Some(o)));
    let (server, _) = place
        .rsplit_once('/')
        .filter(|(server, _)| !server.ends_with('/'))
        .ok_or("postgres.url must end with a database, as postgres://USER@HOST/DATABASE")?;
    Ok(options.map_or_else(|| format!("{server}/{name}"), |options| format!("{server}/{name}?{options}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_is_on_the_same_server_with_the_same_options() {
        assert_eq!(sibling("postgres://a@b:1/c?x=y", "d").unwrap(), "postgres://a@b:1/d?x=y");
        assert_eq!(sibling("postgres://a@b/c", "d").unwrap(), "postgres://a@b/d");
        assert!(sibling("postgres://a@b", "d").is_err());
    }
}
