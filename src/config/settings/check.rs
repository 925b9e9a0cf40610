//! From raw structs to checked settings: every value in its range, and values that depend on each other.
//!
//! A faulty value is noted and the least allowed one stands in for it, so that the check goes on; nothing of
//! it is used, because a fault anywhere refuses the whole.

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf};

use toml::Spanned;
use tracing_subscriber::EnvFilter;

use super::{
    Admin, Backend, Breaker, Device, Dispatch, Grpc, Http, Intake, KeyAlgorithm, Keys, Log, LogFormat,
    Moment, Paths, Postgres, Retention, Seal, Settings, Shutdown, Store, TimeStamps, Tls, Watch,
    layers::Found, layers::Merged, raw,
};
use crate::{
    config::{fault::Faults, secret::SecretRef},
    domain::{delivery, retry},
};

const HOUR_MS: u64 = 60 * 60 * 1000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// One message is held in memory several times over.
const BODY_BYTES: RangeInclusive<i64> = 1024..=64 * 1024 * 1024;
const BATCH_BYTES: RangeInclusive<i64> = 1024..=256 * 1024 * 1024;
/// Months online; six at least (GB/T 39786, 网络安全法第二十一条).
const MONTHS: RangeInclusive<i64> = 6..=1_200;
const QUEUE: RangeInclusive<i64> = 1..=1_000_000;
/// As in an adapter's own `limits.window`.
const WINDOW: RangeInclusive<i64> = 1..=256;
const BATCH: RangeInclusive<i64> = 1..=10_000;
/// Placeholder of the data directory.
const DATA: &str = "{data}";

pub(super) fn check(merged: Merged) -> Result<Settings, Faults> {
    let mut check = Check(merged.found);
    let settings = check.settings(&merged.raw);
    let faults = check.0.into_faults();
    if faults.0.is_empty() { Ok(settings) } else { Err(faults) }
}

pub(super) struct Check(Found);

impl Check {
    fn settings(&mut self, raw: &raw::Raw) -> Settings {
        Settings {
            paths: self.paths(&raw.paths),
            http: self.http(&raw.http),
            grpc: self.grpc(&raw.grpc, &raw.http),
            admin: self.admin(&raw.admin, &raw.http),
            intake: Intake {
                queue_limit: self.number(&raw.intake.queue_limit, QUEUE),
                batch_limit: self.number(&raw.intake.batch_limit, BATCH),
            },
            store: Store {
                backend: self
                    .word(&raw.store.backend, [("sqlite", Backend::Sqlite), ("postgres", Backend::Postgres)]),
                readers: self.number(&raw.store.readers, 1..=64),
                queue_limit: self.number(&raw.store.queue_limit, QUEUE),
            },
            postgres: self.postgres(&raw.postgres),
            bus: self.bus(&raw.bus, &raw.grpc),
            worker: self.worker(&raw.worker),
            dispatch: Dispatch {
                window_default: self.number(&raw.dispatch.window_default, WINDOW),
                lease_margin_ms: self.number(&raw.dispatch.lease_margin_ms, 100..=HOUR_MS.cast_signed()),
                idle_scan_ms: self.number(&raw.dispatch.idle_scan_ms, 10..=HOUR_MS.cast_signed()),
                claim_limit: self.number(&raw.dispatch.claim_limit, BATCH),
            },
            retry: self.retry(&raw.retry),
            breaker: Breaker {
                failures: self.number(&raw.breaker.failures, 1..=1000),
                pause_ms: self.number(&raw.breaker.pause_ms, 10..=DAY_MS),
            },
            seal: self.seal(&raw.seal),
            anchor: self.anchor(&raw.anchor),
            watch: Watch { every_ms: self.number(&raw.watch.every_ms, 10..=HOUR_MS.cast_signed()) },
            retention: Retention { online_months: self.number(&raw.retention.online_months, MONTHS) },
            moment: self.moment(&raw.moment),
            shutdown: Shutdown { grace_ms: self.number(&raw.shutdown.grace_ms, 100..=HOUR_MS.cast_signed()) },
            log: self.log(&raw.log),
            keys: self.keys(&raw.keys, &raw.paths),
            device: self.device(&raw.device),
            timestamp: self.timestamp(&raw.timestamp),
        }
    }

    fn paths(&mut self, raw: &raw::Paths) -> Paths {
        Paths {
            data: self.path(&raw.data),
            registry: self.path(&raw.registry),
            rules: self.path(&raw.rules),
            adapters: self.path(&raw.adapters),
            calendar: self.path(&raw.calendar),
        }
    }

    fn http(&mut self, raw: &raw::Http) -> Http {
        let http = Http {
            listen: self.address(&raw.listen),
            body_limit_bytes: self.number(&raw.body_limit_bytes, BODY_BYTES),
            batch_limit_bytes: self.number(&raw.batch_limit_bytes, BATCH_BYTES),
            batch_limit_events: self.number(&raw.batch_limit_events, BATCH),
            request_timeout_ms: self.number(&raw.request_timeout_ms, 100..=HOUR_MS.cast_signed()),
            concurrency: self.number(&raw.concurrency, 1..=65_536),
            token_refresh_ms: self.number(&raw.token_refresh_ms, 10..=60_000),
        };
        if raw.batch_limit_bytes < raw.body_limit_bytes {
            let text = format!("must not be below http.body_limit_bytes ({})", raw.body_limit_bytes);
            self.refuse(&raw.batch_limit_bytes, text);
        }
        http
    }

    fn grpc(&mut self, raw: &raw::Grpc, http: &raw::Http) -> Grpc {
        let listen = (!raw.listen.get_ref().is_empty()).then(|| self.address(&raw.listen));
        if listen.is_some_and(|listen| listen.port() != 0) && raw.listen == http.listen {
            self.refuse(&raw.listen, "is taken by http.listen");
        }
        Grpc {
            listen,
            tls: self.tls(raw),
            message_limit_bytes: self.number(&raw.message_limit_bytes, BODY_BYTES),
            request_timeout_ms: self.number(&raw.request_timeout_ms, 100..=HOUR_MS.cast_signed()),
            concurrency: self.number(&raw.concurrency, 1..=65_536),
            streams: self.number(&raw.streams, 1..=65_536),
            connections: self.number(&raw.connections, 1..=65_536),
            keepalive_ms: self.number(&raw.keepalive_ms, 100..=HOUR_MS.cast_signed()),
            reload_ms: self.number(&raw.reload_ms, 10..=HOUR_MS.cast_signed()),
        }
    }

    fn tls(&mut self, raw: &raw::Grpc) -> Option<Tls> {
        let path =
            |value: &Spanned<String>| (!value.get_ref().is_empty()).then(|| PathBuf::from(value.get_ref()));
        let client_authority = path(&raw.client_authority);
        match (path(&raw.certificate), path(&raw.key)) {
            (Some(certificate), Some(key)) => Some(Tls { certificate, key, client_authority }),
            (None, None) => {
                if client_authority.is_some() {
                    self.refuse(&raw.client_authority, "needs grpc.certificate and grpc.key");
                }
                None
            }
            (Some(_), None) => {
                self.refuse(&raw.key, "is empty, but grpc.certificate is given");
                None
            }
            (None, Some(_)) => {
                self.refuse(&raw.certificate, "is empty, but grpc.key is given");
                None
            }
        }
    }

    fn admin(&mut self, raw: &raw::Admin, http: &raw::Http) -> Admin {
        let listen = self.address(&raw.listen);
        if listen.port() != 0 && raw.listen == http.listen {
            self.refuse(&raw.listen, format!("{listen} is taken by http.listen"));
        }
        Admin { listen }
    }

    fn retry(&mut self, raw: &raw::Retry) -> retry::Policy {
        let bounds = 1..=366 * DAY_MS;
        let before = self.0.len();
        let max_age_hours: u64 = self.number(&raw.max_age_hours, 1..=366 * 24);
        let numbers = retry::Numbers {
            min_ms: self.number(&raw.min_ms, bounds.clone()),
            first_ms: self.number(&raw.first_ms, bounds.clone()),
            max_ms: self.number(&raw.max_ms, bounds),
            factor: self.number(&raw.factor, 1..=1000),
            max_attempts: self.number(&raw.max_attempts, 1..=10_000),
            max_age_ms: max_age_hours * HOUR_MS,
        };
        retry::Policy::from_numbers(numbers).unwrap_or_else(|faults| {
            let in_range_each = self.0.len() == before;
            for fault in faults.iter().filter(|_| in_range_each) {
                let retry::Fault::Range { key, .. } = fault;
                let value = if *key == "max_ms" { &raw.max_ms } else { &raw.first_ms };
                self.refuse(value, fault);
            }
            retry::Policy::default()
        })
    }

    fn postgres(&mut self, raw: &raw::Postgres) -> Postgres {
        let millis = 10..=HOUR_MS.cast_signed();
        let authority = raw.authority.get_ref();
        Postgres {
            url: self.secret(&raw.url, raw.url.get_ref()),
            authority: (!authority.is_empty()).then(|| authority.into()),
            connections: self.number(&raw.connections, 2..=1_000),
            connect_timeout_ms: self.number(&raw.connect_timeout_ms, millis.clone()),
            wait_timeout_ms: self.number(&raw.wait_timeout_ms, millis.clone()),
            statement_timeout_ms: self.number(&raw.statement_timeout_ms, millis.clone()),
            lock_timeout_ms: self.number(&raw.lock_timeout_ms, millis.clone()),
            idle_timeout_ms: self.number(&raw.idle_timeout_ms, millis),
        }
    }

    fn seal(&mut self, raw: &raw::Seal) -> Seal {
        let origin = raw.origin.get_ref();
        let alien = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if origin.is_empty() || origin.len() > 255 || origin.contains(alien) {
            self.refuse(&raw.origin, "must be 1 to 255 bytes without spaces, control characters and '+'");
        }
        Seal {
            every_ms: self.number(&raw.every_ms, 10..=HOUR_MS.cast_signed()),
            backlog_entries: self.number(&raw.backlog_entries, 1..=1_000_000_000),
            entries: self.number(&raw.entries, 1..=1_000_000),
            origin: origin.as_str().into(),
        }
    }

    fn moment(&mut self, raw: &raw::Moment) -> Moment {
        let words = [delivery::Moment::HandedOver, delivery::Moment::Signed];
        let words = words.map(|moment| (moment.as_str(), moment));
        if raw.basis.get_ref().trim().is_empty() {
            self.refuse(&raw.basis, "must name what the operative moment rests on");
        }
        Moment { operative: self.word(&raw.operative, words), basis: raw.basis.get_ref().as_str().into() }
    }

    fn log(&mut self, raw: &raw::Log) -> Log {
        if let Err(error) = EnvFilter::try_new(raw.filter.get_ref()) {
            self.refuse(&raw.filter, error);
        }
        Log {
            format: self.word(&raw.format, [("text", LogFormat::Text), ("json", LogFormat::Json)]),
            filter: raw.filter.get_ref().as_str().into(),
        }
    }

    fn keys(&mut self, raw: &raw::Keys, paths: &raw::Paths) -> Keys {
        let algorithms = [("ed25519", KeyAlgorithm::Ed25519), ("sm2", KeyAlgorithm::Sm2)];
        let placed = |value: &Spanned<String>| value.get_ref().replace(DATA, paths.data.get_ref());
        Keys {
            signing: self.secret(&raw.signing, &placed(&raw.signing)),
            next: self.secret(&raw.next, &placed(&raw.next)),
            algorithm: self.word(&raw.algorithm, algorithms),
            notice_ms: self.number(&raw.notice_ms, 1_000..=DAY_MS),
        }
    }

    fn timestamp(&mut self, raw: &raw::Timestamp) -> Option<TimeStamps> {
        let stamps = TimeStamps {
            url: raw.url.get_ref().as_str().into(),
            authority: raw.authority.get_ref().into(),
            every_ms: self.number(&raw.every_ms, 100..=DAY_MS),
            grace_ms: self.number(&raw.grace_ms, 100..=30 * DAY_MS),
            timeout_ms: self.number(&raw.timeout_ms, 100..=60_000),
        };
        if raw.url.get_ref().is_empty() {
            return None;
        }
        if !["http://", "https://"].iter().any(|scheme| stamps.url.starts_with(scheme)) {
            self.refuse(&raw.url, "must be an address with http:// or https://");
        }
        if raw.authority.get_ref().is_empty() {
            self.refuse(&raw.authority, "is empty, but timestamp.url is given");
        }
        Some(stamps)
    }

    fn device(&mut self, raw: &raw::Device) -> Option<Device> {
        let timeout_ms = self.number(&raw.timeout_ms, 100..=60_000);
        let pin = self.secret(&raw.pin, raw.pin.get_ref());
        if matches!(pin, SecretRef::File(_)) {
            self.refuse(&raw.pin, "must be env:NAME: a PIN does not lie in a file");
        }
        if raw.library.get_ref().is_empty() {
            return None;
        }
        for label in [&raw.token, &raw.key, &raw.next] {
            if label.get_ref().trim().is_empty() {
                self.refuse(label, "must name what the device has, since device.library is given");
            }
        }
        if raw.key.get_ref() == raw.next.get_ref() {
            self.refuse(&raw.next, "must be another label than device.key");
        }
        let label = |value: &Spanned<String>| Box::from(value.get_ref().as_str());
        Some(Device {
            library: raw.library.get_ref().into(),
            token: label(&raw.token),
            pin,
            key: label(&raw.key),
            next: label(&raw.next),
            timeout_ms,
        })
    }

    pub(super) fn secret(&mut self, value: &Spanned<String>, text: &str) -> SecretRef {
        text.parse().unwrap_or_else(|error| {
            self.refuse(value, error);
            SecretRef::File(PathBuf::new())
        })
    }

    pub(super) fn number<T>(&mut self, value: &Spanned<i64>, range: RangeInclusive<i64>) -> T
    where
        T: TryFrom<i64> + Default,
    {
        let number = *value.get_ref();
        match T::try_from(number) {
            Ok(converted) if range.contains(&number) => converted,
            _ => {
                self.refuse(value, format!("{number} is not in {} to {}", range.start(), range.end()));
                T::default()
            }
        }
    }

    pub(super) fn word<T: Copy, const N: usize>(
        &mut self,
        value: &Spanned<String>,
        words: [(&str, T); N],
    ) -> T {
        let found = words.iter().find(|(word, _)| word == value.get_ref());
        if found.is_none() {
            let known = words.map(|(word, _)| word).join(" or ");
            self.refuse(value, format!("must be {known}, found {}", value.get_ref()));
        }
        found.unwrap_or(&words[0]).1
    }

    fn address(&mut self, value: &Spanned<String>) -> SocketAddr {
        value.get_ref().parse().unwrap_or_else(|_| {
            let text = format!("must be an address with port as 127.0.0.1:8080, found {}", value.get_ref());
            self.refuse(value, text);
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    fn path(&mut self, value: &Spanned<String>) -> PathBuf {
        if value.get_ref().is_empty() {
            self.refuse(value, "must name a folder");
        }
        value.get_ref().into()
    }

    pub(super) fn refuse<T>(&mut self, value: &Spanned<T>, text: impl std::fmt::Display) {
        self.0.of(value, text);
    }
}
