//! The hub's settings, checked.
//!
//! `config/liandong.toml` is compiled in and holds every key with its default; a file and the environment
//! (`LIANDONG__SECTION__KEY`) change it. [`Settings::load`] either gives settings that are right in every
//! value, or names all that is wrong, each with file, line and key. Whether paths exist and addresses are
//! free is found by those who open them.

mod anchor;
mod bus;
mod check;
mod layers;
mod raw;
#[cfg(test)]
mod tests;
mod worker;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{environment::Environment, fault::Faults, secret::SecretRef};
use crate::domain::{delivery, retry};
pub use anchor::Anchor;
pub use bus::{Accounts, Bus, Carrier};
use layers::{Layers, Source};
pub use worker::Worker;

/// The default file: documentation and defaults in one.
pub const DEFAULTS: Defaults =
    Defaults { name: "config/liandong.toml", text: include_str!("../../../config/liandong.toml") };

/// A file compiled in.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Its place in the source tree.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// Everything the hub is configured with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where things lie.
    pub paths: Paths,
    /// Taking messages in.
    pub http: Http,
    /// The gRPC interface.
    pub grpc: Grpc,
    /// Probes, metrics, operators.
    pub admin: Admin,
    /// Acceptance.
    pub intake: Intake,
    /// The store.
    pub store: Store,
    /// The store on PostgreSQL.
    pub postgres: Postgres,
    /// The bus.
    pub bus: Bus,
    /// A worker of its own.
    pub worker: Worker,
    /// Handing work out.
    pub dispatch: Dispatch,
    /// Trying again.
    pub retry: retry::Policy,
    /// Pausing sick endpoints.
    pub breaker: Breaker,
    /// Sealing the trail.
    pub seal: Seal,
    /// Sending checkpoints outside.
    pub anchor: Anchor,
    /// Watching deadlines.
    pub watch: Watch,
    /// How long things stay.
    pub retention: Retention,
    /// The operative moment.
    pub moment: Moment,
    /// Ending.
    pub shutdown: Shutdown,
    /// Logs.
    pub log: Log,
    /// Keys.
    pub keys: Keys,
    /// A device that signs; none: keys are files.
    pub device: Option<Device>,
    /// Time stamps over checkpoints; none: there are none.
    pub timestamp: Option<TimeStamps>,
}

/// Where things lie; relative paths start at the working directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Everything the hub writes.
    pub data: PathBuf,
    /// Registry files.
    pub registry: PathBuf,
    /// Routing rules.
    pub rules: PathBuf,
    /// Adapter folders.
    pub adapters: PathBuf,
    /// File of the holiday notices.
    pub calendar: PathBuf,
}

/// Taking messages in over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where.
    pub listen: SocketAddr,
    /// Largest single message.
    pub body_limit_bytes: usize,
    /// Largest batch.
    pub batch_limit_bytes: usize,
    /// Most messages in a batch.
    pub batch_limit_events: usize,
    /// When a request is given up.
    pub request_timeout_ms: u64,
    /// Requests at once.
    pub concurrency: usize,
    /// How often tokens are read again.
    pub token_refresh_ms: u64,
}

/// The gRPC interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grpc {
    /// Where; none: it is off.
    pub listen: Option<SocketAddr>,
    /// Encryption; none: connections are not encrypted.
    pub tls: Option<Tls>,
    /// Largest single message.
    pub message_limit_bytes: usize,
    /// When a call is given up.
    pub request_timeout_ms: u64,
    /// Calls at once.
    pub concurrency: usize,
    /// Streams open at once.
    pub streams: usize,
    /// Connections open at once.
    pub connections: usize,
    /// When a silent connection is asked whether it lives.
    pub keepalive_ms: u64,
    /// How often the files of certificates are looked at.
    pub reload_ms: u64,
}

/// PEM files of certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The hub's certificate with its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authority that signs the certificates of endpoints; none: tokens alone count.
    pub client_authority: Option<PathBuf>,
}

/// Probes, metrics and the operators' interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where.
    pub listen: SocketAddr,
}

/// Acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    /// Messages waiting.
    pub queue_limit: usize,
    /// Messages in one commit.
    pub batch_limit: usize,
}

/// The store on PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// Where the address is, with the password in it.
    pub url: SecretRef,
    /// File of the authority that signs the server's certificate; that of the machine without one.
    pub authority: Option<PathBuf>,
    /// Connections at most.
    pub connections: usize,
    /// How long connecting may take.
    pub connect_timeout_ms: u64,
    /// How long a call waits for a free connection.
    pub wait_timeout_ms: u64,
    /// How long the server works on one statement.
    pub statement_timeout_ms: u64,
    /// How long a statement waits for a lock.
    pub lock_timeout_ms: u64,
    /// How long a transaction may stand still.
    pub idle_timeout_ms: u64,
}

/// Where things are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Embedded, in the data directory.
    Sqlite,
    /// On a PostgreSQL that hubs share.
    Postgres,
}

/// The store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Which.
    pub backend: Backend,
    /// Connections that read.
    pub readers: usize,
    /// Writes waiting.
    pub queue_limit: usize,
}

/// Handing work out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// Deliveries under way at one endpoint, when its adapter does not say.
    pub window_default: usize,
    /// Time between the latest end of an attempt and the next lease.
    pub lease_margin_ms: u64,
    /// Rhythm of the reconciler.
    pub idle_scan_ms: u64,
    /// Deliveries in one claim.
    pub claim_limit: usize,
}

/// Pausing sick endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Transient failures in a row.
    pub failures: u32,
    /// Pause before a probe.
    pub pause_ms: u64,
}

/// Sealing the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// How often.
    pub every_ms: u64,
    /// Unsealed entries that are not waited with.
    pub backlog_entries: u64,
    /// Entries in one step.
    pub entries: usize,
    /// Name of the log.
    pub origin: Box<str>,
}

/// Watching deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// How often it is looked whether a day is over.
    pub every_ms: u64,
}

/// How long things stay in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Months online, after the month of acceptance.
    pub online_months: u16,
}

/// The operative moment (审管界点).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Which online moment moves responsibility.
    pub operative: delivery::Moment,
    /// What that rests on, printed on the evidence.
    pub basis: Box<str>,
}

/// Ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// How long work under way may take.
    pub grace_ms: u64,
}

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// In which form.
    pub format: LogFormat,
    /// Levels by target, a valid filter.
    pub filter: Box<str>,
}

/// Form of the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Keys, by reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Signs receipts and checkpoints.
    pub signing: SecretRef,
    /// The key that is to follow.
    pub next: SecretRef,
    /// What a new key is for.
    pub algorithm: KeyAlgorithm,
    /// How long before it takes effect a change of keys is made known.
    pub notice_ms: u64,
}

/// A device that signs, over PKCS#11.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Library of its vendor.
    pub library: PathBuf,
    /// Label of the token.
    pub token: Box<str>,
    /// PIN of the user, in the environment.
    pub pin: SecretRef,
    /// Label of the key pair that signs.
    pub key: Box<str>,
    /// Label of the key pair that is to follow.
    pub next: Box<str>,
    /// Longest wait for an answer.
    pub timeout_ms: u64,
}

/// Time stamps over checkpoints (RFC 3161).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeStamps {
    /// Where the authority is asked.
    pub url: Box<str>,
    /// File of the certificates that its own must lead to.
    pub authority: PathBuf,
    /// Rhythm.
    pub every_ms: u64,
    /// How long a checkpoint may wait.
    pub grace_ms: u64,
    /// Longest wait for an answer.
    pub timeout_ms: u64,
}

/// What a new signing key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// SM2 with SM3 (GB/T 32918).
    Sm2,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The given file cannot be read.
    #[error("configuration file {path} cannot be read", path = path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Faults, all of them, one on a line.
    #[error(transparent)]
    Faulty(#[from] Faults),
}

impl Settings {
    /// Reads the default file, `file` and `environment`, later ones first.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, Error> {
        let Some(path) = file else {
            return Self::from_layers(None, environment);
        };
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        let name = path.display().to_string();
        Self::from_layers(Some(Source { name: &name, text: &text }), environment)
    }

    fn from_layers(file: Option<Source<'_>>, environment: &Environment) -> Result<Self, Error> {
        let mut layers = Layers::new(Source { name: DEFAULTS.name, text: DEFAULTS.text });
        if let Some(source) = file {
            layers = layers.file(source);
        }
        let merged = layers.environment(environment).finish()?;
        Ok(check::check(merged)?)
    }
}
