//! The store that a hub or a command works on: the one place that chooses it.

use std::{path::Path, sync::Arc, time::Duration};

use super::{Error, setup};
use crate::{
    config::{
        environment::Environment,
        settings::{self, Backend, Settings},
    },
    port::{
        clock::Clock,
        store::{self, Store},
    },
    store::{
        directory::Directory,
        postgres::{self, DatabaseClock, PostgresStore},
        sqlite::{self, SqliteStore},
    },
};

/// How often a data directory that is in use is tried again, and how long is waited between: two seconds.
const TRIES: u32 = 40;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// What a store is opened with.
#[derive(Clone, Debug)]
pub struct Opening<'a> {
    /// Where and how.
    pub settings: &'a Settings,
    /// For secrets.
    pub environment: &'a Environment,
    machine: Arc<dyn Clock>,
    database: DatabaseClock,
}

impl<'a> Opening<'a> {
    /// With the machine's clock.
    pub fn new(settings: &'a Settings, environment: &'a Environment, machine: Arc<dyn Clock>) -> Self {
        let database = DatabaseClock::new(Arc::clone(&machine));
        Self { settings, environment, machine, database }
    }

    /// The clock that goes with the store: the machine's, or that of a database which hubs share, as soon as
    /// the store is open.
    pub fn clock(&self) -> Arc<dyn Clock> {
        match self.settings.store.backend {
            Backend::Sqlite => Arc::clone(&self.machine),
            Backend::Postgres => Arc::new(self.database.clone()),
        }
    }
}

/// An open store.
#[derive(Clone, Debug)]
pub struct Shelf(Opened);

#[derive(Clone, Debug)]
enum Opened {
    Sqlite(Arc<SqliteStore>),
    /// The data directory is the hub's own all the same: held while it runs, and not by looking.
    Postgres {
        store: Arc<PostgresStore>,
        _directory: Option<Arc<Directory>>,
    },
}

impl Shelf {
    /// Opens it for a hub, waiting a little for a command that has the data directory for a moment.
    pub async fn open(opening: &Opening<'_>) -> Result<Self, Error> {
        let settings = opening.settings;
        Ok(Self(match settings.store.backend {
            Backend::Sqlite => {
                let opened = soon(|| SqliteStore::open(&embedded(settings))).await?;
                Opened::Sqlite(Arc::new(opened))
            }
            Backend::Postgres => {
                let directory = soon(|| Directory::lock(&settings.paths.data)).await?;
                let options = shared(opening)?;
                let opened = PostgresStore::open(&options, opening.database.clone()).await?;
                Opened::Postgres { store: Arc::new(opened), _directory: Some(Arc::new(directory)) }
            }
        }))
    }

    /// Opens one that is there already, for operations.
    pub async fn open_existing(opening: &Opening<'_>) -> Result<Self, Error> {
        Self::look(opening).await?.close().await?;
        Self::open(opening).await
    }

    /// Opens one that is there already, for work on the store that hubs may run beside: a shared one is shared, an
    /// embedded one must have nobody else.
    pub async fn beside(opening: &Opening<'_>) -> Result<Self, Error> {
        match opening.settings.store.backend {
            Backend::Sqlite => Self::open_existing(opening).await,
            Backend::Postgres => Self::look(opening).await,
        }
    }

    /// Opens what is stored for looking alone, whether or not a hub runs; nothing is made, locked or changed.
    pub async fn look(opening: &Opening<'_>) -> Result<Self, Error> {
        Ok(Self(match opening.settings.store.backend {
            Backend::Sqlite => Opened::Sqlite(Arc::new(SqliteStore::look(&embedded(opening.settings))?)),
            Backend::Postgres => {
                let options = shared(opening)?;
                let opened = PostgresStore::look(&options, opening.database.clone()).await?;
                Opened::Postgres { store: Arc::new(opened), _directory: None }
            }
        }))
    }

    /// Its ports.
    pub fn store(&self) -> Arc<dyn Store> {
        match &self.0 {
            Opened::Sqlite(store) => Arc::clone(store) as _,
            Opened::Postgres { store, .. } => Arc::clone(store) as _,
        }
    }

    /// Takes no more, finishes what is under way and closes it.
    pub async fn close(&self) -> Result<(), store::Error> {
        match &self.0 {
            Opened::Sqlite(store) => store.close().await,
            Opened::Postgres { store, .. } => store.close().await,
        }
    }
}

/// Whether the database's address and authority are there.
pub(super) fn check_references(settings: &Settings, environment: &Environment) -> Result<(), Error> {
    let settings::Postgres { url, authority, .. } = match settings.store.backend {
        Backend::Sqlite => return Ok(()),
        Backend::Postgres => &settings.postgres,
    };
    let wrong =
        |key: &str, error: &dyn std::fmt::Display| Error::Configuration(format!("postgres.{key}: {error}"));
    url.resolve(Path::new(""), environment).map_err(|error| wrong("url", &error))?;
    match authority.as_ref().map(std::fs::metadata) {
        Some(Err(error)) => Err(wrong("authority", &error)),
        Some(Ok(_)) | None => Ok(()),
    }
}

async fn soon<T>(open: impl Fn() -> Result<T, store::Error>) -> Result<T, store::Error> {
    let mut tries = TRIES;
    loop {
        match open() {
            Err(store::Error::InUse(_)) if tries > 0 => tries -= 1,
            opened => return opened,
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}

fn embedded(settings: &Settings) -> sqlite::Options {
    let mut options = sqlite::Options::new(&settings.paths.data);
    options.readers = settings.store.readers;
    options.queue_limit = settings.store.queue_limit;
    options
}

fn shared(opening: &Opening<'_>) -> Result<postgres::Options, Error> {
    let settings::Postgres { url, authority, connections, .. } = &opening.settings.postgres;
    let own = &opening.settings.postgres;
    let url = url
        .resolve(Path::new(""), opening.environment)
        .map_err(|error| setup("address of the database (postgres.url)")(error.into()))?;
    Ok(postgres::Options {
        url,
        authority: authority.clone(),
        connections: *connections,
        connect_timeout: Duration::from_millis(own.connect_timeout_ms),
        wait_timeout: Duration::from_millis(own.wait_timeout_ms),
        statement_timeout: Duration::from_millis(own.statement_timeout_ms),
        lock_timeout: Duration::from_millis(own.lock_timeout_ms),
        idle_timeout: Duration::from_millis(own.idle_timeout_ms),
    })
}
