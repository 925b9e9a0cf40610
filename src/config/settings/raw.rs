//! The configuration as it stands in a file: one struct a section, one field a key.
//!
//! No key is optional here, since the default file has every one. Numbers are wide and words are text; what
//! they may be is decided by the conversion into [`super::Settings`].

use serde::Deserialize;
use toml::Spanned;

macro_rules! sections {
    ($($section:ident { $($key:ident: $type:ty),+ $(,)? })+) => {$(
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $section {
            $(pub(super) $key: Spanned<$type>,)+
        }
    )+};
}

sections! {
    Paths { data: String, registry: String, rules: String, adapters: String, calendar: String }
    Http {
        listen: String,
        body_limit_bytes: i64,
        batch_limit_bytes: i64,
        batch_limit_events: i64,
        request_timeout_ms: i64,
        concurrency: i64,
        token_refresh_ms: i64,
    }
    Grpc {
        listen: String,
        certificate: String,
        key: String,
        client_authority: String,
        message_limit_bytes: i64,
        request_timeout_ms: i64,
        concurrency: i64,
        streams: i64,
        connections: i64,
        keepalive_ms: i64,
        reload_ms: i64,
    }
    Admin { listen: String }
    Intake { queue_limit: i64, batch_limit: i64 }
    Store { backend: String, readers: i64, queue_limit: i64 }
    Postgres {
        url: String,
        authority: String,
        connections: i64,
        connect_timeout_ms: i64,
        wait_timeout_ms: i64,
        statement_timeout_ms: i64,
        lock_timeout_ms: i64,
        idle_timeout_ms: i64,
    }
    Bus {
        backend: String,
        url: String,
        authority: String,
        prefix: String,
        connect_timeout_ms: i64,
        publish_timeout_ms: i64,
        start_wait_ms: i64,
        work_limit: i64,
        outcome_limit: i64,
        delivery_limit: i64,
        workers: Vec<String>,
        senders: Vec<String>,
        mailboxes: Vec<String>,
        intake_limit: i64,
        intake_prefetch: i64,
    }
    Worker {
        hubs: String,
        token: String,
        authority: String,
        certificate: String,
        key: String,
        connect_timeout_ms: i64,
        start_wait_ms: i64,
        keepalive_ms: i64,
        outcome_limit: i64,
    }
    Dispatch { window_default: i64, lease_margin_ms: i64, idle_scan_ms: i64, claim_limit: i64 }
    Retry { min_ms: i64, first_ms: i64, factor: i64, max_ms: i64, max_attempts: i64, max_age_hours: i64 }
    Breaker { failures: i64, pause_ms: i64 }
    Seal { every_ms: i64, backlog_entries: i64, entries: i64, origin: String }
    Anchor { folder: String, url: String, token: String, authority: String, every_ms: i64, timeout_ms: i64 }
    Watch { every_ms: i64 }
    Retention { online_months: i64 }
    Moment { operative: String, basis: String }
    Shutdown { grace_ms: i64 }
    Log { format: String, filter: String }
    Timestamp { url: String, authority: String, every_ms: i64, grace_ms: i64, timeout_ms: i64 }
    Device {
        library: String,
        token: String,
        pin: String,
        key: String,
        next: String,
        timeout_ms: i64,
    }
    Keys { signing: String, next: String, algorithm: String, notice_ms: i64 }
}

/// Every section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) paths: Paths,
    pub(super) http: Http,
    pub(super) grpc: Grpc,
    pub(super) admin: Admin,
    pub(super) intake: Intake,
    pub(super) store: Store,
    pub(super) postgres: Postgres,
    pub(super) bus: Bus,
    pub(super) worker: Worker,
    pub(super) dispatch: Dispatch,
    pub(super) retry: Retry,
    pub(super) breaker: Breaker,
    pub(super) seal: Seal,
    pub(super) anchor: Anchor,
    pub(super) watch: Watch,
    pub(super) retention: Retention,
    pub(super) moment: Moment,
    pub(super) shutdown: Shutdown,
    pub(super) log: Log,
    pub(super) keys: Keys,
    pub(super) device: Device,
    pub(super) timestamp: Timestamp,
}
