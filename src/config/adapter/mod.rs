//! One adapter (适配器) as configured: `adapter.toml` read and checked (DESIGN section 7).
//!
//! Promises: a value of type [`Adapter`] holds together: one connector a direction, limits inside their
//! bounds, `resend` only where the target can tell a repetition, `ask` only where there is a way to ask.
//! Left to others: codecs, expressions and mapping files, which the worker compiles.

mod check;
mod raw;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    fault::{Collector, Fault, Faults},
    secret::SecretRef,
};
use crate::domain::{
    delivery::OnUnknown,
    id::{EndpointId, OrganisationId},
    kind::Kind,
};

/// Name of the file that makes a folder an adapter.
pub const FILE: &str = "adapter.toml";

/// A checked adapter.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Its folder, to which its paths are relative.
    pub folder: PathBuf,
    /// The endpoint it is for; also the folder's name.
    pub endpoint: EndpointId,
    /// Name of the system, for people.
    pub name: Box<str>,
    /// Organisations it may speak for.
    pub organisations: Vec<OrganisationId>,
    /// Organisations it receives for; the same unless it says otherwise.
    pub receives_for: Vec<OrganisationId>,
    /// Bounds.
    pub limits: Limits,
    /// Overrides of the hub's retry policy.
    pub retry: Retry,
    /// Overrides of the hub's breaker.
    pub breaker: Breaker,
    /// How its messages come in.
    pub inbound: Option<Inbound>,
    /// How deliveries go out.
    pub outbound: Option<Outbound>,
}

/// Bounds of one adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest one attempt may take.
    pub timeout_ms: u64,
    /// Longest a connection may take to open.
    pub connect_timeout_ms: u64,
    /// How long an unused connection is kept; 0 keeps none. Shorter than the target's own keep-alive, or
    /// a delivery may meet a connection that is just being closed.
    pub idle_ms: u64,
    /// Deliveries in flight at once; none means the hub's own `dispatch.window_default`.
    pub window: Option<usize>,
    /// Deliveries queued for the worker.
    pub queue: usize,
    /// Largest body received or sent.
    pub max_body_bytes: usize,
    /// Beginning of an answer that is read.
    pub max_answer_bytes: usize,
    /// Most records in one body received.
    pub max_records: usize,
}

/// Overrides of the retry policy; none means the hub's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// Attempts before parking.
    pub max_attempts: Option<u32>,
    /// Delay after the first failure.
    pub first_ms: Option<u64>,
    /// Longest delay.
    pub max_ms: Option<u64>,
    /// Age at which it is parked.
    pub max_age_ms: Option<u64>,
}

/// Overrides of the breaker; none means the hub's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    /// Consecutive transient failures that pause the endpoint.
    pub failures: Option<u32>,
    /// Time between probes.
    pub pause_ms: Option<u64>,
}

/// The way in.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// How bytes come.
    pub connector: InboundConnector,
    /// The `[inbound.codec]` table, for the codec to read.
    pub codec: toml::Table,
    /// Expression that names the kind of a record; none with a single mapping.
    pub select: Option<String>,
    /// A mapping file a kind, relative to the folder.
    pub mappings: BTreeMap<Kind, PathBuf>,
}

/// How bytes come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InboundConnector {
    /// The system posts to the hub.
    Http,
    /// The system puts files into a folder.
    File(InboundFolder),
}

/// A folder that a system drops files into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundFolder {
    /// The folder; `done/`, `failed/` and `receipts/` are made inside.
    pub folder: PathBuf,
    /// Time between looks.
    pub poll_ms: u64,
    /// Whether receipts are written.
    pub receipts: Receipts,
}

/// Whether the receipt of each record is written into `receipts/`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receipts {
    /// No.
    #[default]
    None,
    /// One file an input file.
    Write,
}

/// The way out.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// How bytes go.
    pub connector: OutboundConnector,
    /// The `[outbound.codec]` table, for the codec to read.
    pub codec: toml::Table,
    /// The `[outbound.answer_codec]` table; the codec itself unless it says otherwise.
    pub answer_codec: toml::Table,
    /// A mapping file a kind, and perhaps one for every other.
    pub mappings: OutboundMappings,
    /// Conditions by which an answer is judged, as expressions.
    pub conditions: Conditions,
    /// What is done when the outcome is unknown.
    pub on_unknown: OnUnknown,
    /// Where the target receives the delivery id.
    pub delivery_id: DeliveryIdAt,
    /// What a repetition does at the target.
    pub effect: Effect,
    /// How the target is asked.
    pub ask: Option<Ask>,
}

/// Mapping files of the way out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboundMappings {
    /// For one kind.
    pub kinds: BTreeMap<Kind, PathBuf>,
    /// For every other kind (`"*"`).
    pub other: Option<PathBuf>,
}

/// Conditions over `{status, answer, text}`, each an expression. Absent ones follow the status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The target took it.
    pub success: Option<String>,
    /// Try again.
    pub transient: Option<String>,
    /// Try again later.
    pub throttled: Option<String>,
    /// Refused for good.
    pub permanent: Option<String>,
    /// The answer itself leaves it open.
    pub unknown: Option<String>,
}

/// How bytes go out.
#[derive(Clone, Debug)]
pub enum OutboundConnector {
    /// HTTP(S).
    Http(HttpTarget),
    /// Files into this folder.
    File(PathBuf),
    /// The system connects to the hub and takes them out of its mailbox.
    Mailbox,
}

/// An HTTP(S) target.
#[derive(Clone, Debug)]
pub struct HttpTarget {
    /// Absolute URL without credentials.
    pub url: String,
    /// Method.
    pub method: Method,
    /// Fixed headers.
    pub headers: BTreeMap<String, String>,
    /// Credential by reference.
    pub credential: Option<Credential>,
    /// PEM file of certificate authorities that count besides the system's, relative to the folder.
    pub ca: Option<PathBuf>,
}

/// HTTP method of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// POST.
    #[default]
    Post,
    /// PUT.
    Put,
}

/// What authenticates the hub at a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// `Authorization: Bearer`.
    Bearer(SecretRef),
    /// A header of the target's own.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        secret: SecretRef,
    },
}

/// Where the target receives the delivery id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryIdAt {
    /// Nowhere.
    Nowhere,
    /// In an HTTP header.
    Header(String),
    /// In a field of the body, as a JSON pointer into the mapped value.
    Field(String),
    /// In the file's name.
    FileName,
    /// Beside the body, in the interface itself.
    Envelope,
}

/// What the same delivery does at the target when it comes twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It may act twice, unless the target tells by the delivery id.
    #[default]
    Repeats,
    /// Nothing more: the department declares that its effect is idempotent.
    Idempotent,
}

/// How the target is asked whether it has a delivery: a GET with a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Absolute URL without query.
    pub url: String,
    /// Parameters, each an expression over `{record, delivery, kind}`.
    pub query: BTreeMap<String, String>,
    /// Condition over the answer: it has it.
    pub delivered: String,
    /// Condition over the answer: it has it not. Absent: a 2xx answer that is not `delivered`, or 404.
    pub absent: Option<String>,
}

/// Reads one adapter folder.
pub fn load(folder: &Path) -> Result<Adapter, Faults> {
    let file = folder.join(FILE);
    match std::fs::read_to_string(&file) {
        Ok(text) => parse(folder, &text),
        Err(error) => Err(unreadable(file, &error)),
    }
}

/// Reads every adapter folder below `root`, in order of name; faults of all are reported at once.
/// Endpoints are unique, since the folder has the endpoint's name.
pub fn load_all(root: &Path) -> Result<Vec<Adapter>, Faults> {
    load_each(&folders(root)?)
}

/// Every adapter folder below `root`, in order of name.
pub fn folders(root: &Path) -> Result<Vec<PathBuf>, Faults> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(root).map_err(|error| unreadable(root.into(), &error))? {
        let path = entry.map_err(|error| unreadable(root.into(), &error))?.path();
        if path.join(FILE).is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// Reads these adapter folders; faults of all are reported at once.
pub fn load_each(folders: &[PathBuf]) -> Result<Vec<Adapter>, Faults> {
    let (mut adapters, mut faults) = (Vec::new(), Vec::new());
    for folder in folders {
        match load(folder) {
            Ok(adapter) => adapters.push(adapter),
            Err(found) => faults.extend(found.0),
        }
    }
    if faults.is_empty() { Ok(adapters) } else { Err(Faults(faults)) }
}

/// Checks the text of an `adapter.toml` that stands in `folder`.
pub fn parse(folder: &Path, text: &str) -> Result<Adapter, Faults> {
    let mut collector = Collector::new(folder.join(FILE), text);
    match toml::from_str::<raw::Adapter>(text) {
        Ok(raw) => {
            let adapter = check::adapter(folder, raw, &mut collector);
            collector.finish(Some(adapter))
        }
        Err(error) => {
            collector.unreadable(&error);
            collector.finish(None)
        }
    }
}

fn unreadable(file: PathBuf, error: &std::io::Error) -> Faults {
    Faults(vec![Fault { file, line: None, key: String::new(), text: format!("cannot be read: {error}") }])
}

#[cfg(test)]
mod tests;
