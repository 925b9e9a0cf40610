//! `adapter.toml` as written: every key it may have, and its default. Unknown keys are refused.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;
use toml::Table;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Adapter {
    pub(super) endpoint: String,
    pub(super) name: String,
    pub(super) organisations: Vec<String>,
    pub(super) receives_for: Option<Vec<String>>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) retry: Retry,
    #[serde(default)]
    pub(super) breaker: Breaker,
    pub(super) inbound: Option<Inbound>,
    pub(super) outbound: Option<Outbound>,
}

/// `[limits]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) timeout_ms: u64,
    pub(super) connect_timeout_ms: u64,
    pub(super) idle_ms: u64,
    pub(super) window: Option<u64>,
    pub(super) queue: u64,
    pub(super) max_body_bytes: u64,
    pub(super) max_answer_bytes: u64,
    pub(super) max_records: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout_ms: 30_000,
            connect_timeout_ms: 5_000,
            idle_ms: 4_000,
            window: None,
            queue: 64,
            max_body_bytes: 1 << 20,
            max_answer_bytes: 64 << 10,
            max_records: 500,
        }
    }
}

/// `[retry]`: what is absent comes from the hub's own configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    pub(super) max_attempts: Option<u64>,
    pub(super) first_ms: Option<u64>,
    pub(super) max_ms: Option<u64>,
    pub(super) max_age_ms: Option<u64>,
}

/// `[breaker]`: what is absent comes from the hub's own configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Breaker {
    pub(super) failures: Option<u64>,
    pub(super) pause_ms: Option<u64>,
}

/// `[inbound]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inbound {
    pub(super) http: Option<InboundHttp>,
    pub(super) file: Option<InboundFile>,
    pub(super) codec: Table,
    pub(super) select: Option<String>,
    pub(super) mappings: BTreeMap<String, PathBuf>,
}

/// `[inbound.http]`: `POST /v1/adapters/{endpoint}`, nothing to set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InboundHttp {}

/// `[inbound.file]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InboundFile {
    pub(super) folder: PathBuf,
    #[serde(default = "poll_ms")]
    pub(super) poll_ms: u64,
    #[serde(default)]
    pub(super) receipts: super::Receipts,
}

fn poll_ms() -> u64 {
    2_000
}

/// `[outbound]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outbound {
    pub(super) http: Option<OutboundHttp>,
    pub(super) file: Option<OutboundFile>,
    pub(super) mailbox: Option<OutboundMailbox>,
    pub(super) codec: Table,
    pub(super) answer_codec: Option<Table>,
    pub(super) mappings: BTreeMap<String, PathBuf>,
    pub(super) success: Option<String>,
    pub(super) transient: Option<String>,
    pub(super) throttled: Option<String>,
    pub(super) permanent: Option<String>,
    pub(super) unknown: Option<String>,
    pub(super) on_unknown: Option<crate::domain::delivery::OnUnknown>,
    pub(super) delivery_id: Option<String>,
    #[serde(default)]
    pub(super) effect: super::Effect,
    pub(super) ask: Option<Ask>,
}

/// `[outbound.http]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutboundHttp {
    pub(super) url: String,
    #[serde(default)]
    pub(super) method: super::Method,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) credential: Option<Credential>,
    pub(super) ca: Option<PathBuf>,
}

/// `[outbound.http.credential]`.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Credential {
    Bearer { secret: String },
    Header { name: String, secret: String },
}

/// `[outbound.file]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutboundFile {
    pub(super) folder: PathBuf,
}

/// `[outbound.mailbox]`: the gRPC service `Mailbox`, nothing to set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutboundMailbox {}

/// `[outbound.ask]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    pub(super) url: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) delivered: String,
    pub(super) absent: Option<String>,
}
