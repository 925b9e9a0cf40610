//! The bed of the benchmark: a folder of its own, and in it the real hub over its real store, with the
//! city's registry and rules as they are compiled in and adapters that lead to the sink.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use metrics_exporter_prometheus::PrometheusHandle;

use super::loader::Loader;
use crate::{
    app::{self, Hub, Outside},
    config::{environment::Environment, secret::SecretRef, settings::Settings},
    port::{
        clock::SystemClock,
        operations::{By, Operations as _},
        store::Scope,
    },
    task::Failure,
};

macro_rules! compiled_in {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("../../../config/", $path)))),+]
    };
}

/// The city's registry, rules and calendar.
const CITY: [(&str, &str); 12] = compiled_in![
    "registry/approval_items.toml",
    "registry/contacts.toml",
    "registry/cross_walk.csv",
    "registry/divisions.csv",
    "registry/organisations.toml",
    "registry/supervision_items.toml",
    "registry/zones.toml",
    "rules/approval.toml",
    "rules/feedback.toml",
    "rules/penalty.toml",
    "rules/risk.toml",
    "calendar/holidays.csv",
];

/// Deliveries under way at one system at once.
const WINDOW: usize = 256;

/// Failures in a row after which a system is left alone for an hour.
pub(super) const FAILURES: usize = 5;

/// The endpoint that sends.
pub(super) const SENDER: &str = "bench-sender";

/// Who receives: endpoint and organisation.
pub(super) const RECEIVERS: [(&str, &str); 4] = [
    ("bench-scjg", "610900-scjgj"),
    ("bench-yjgl", "610900-yjglj"),
    ("bench-xypt", "610900-xypt"),
    ("bench-zwfw", "610900-zwfw"),
];

/// What a system gets: the message whole, with the delivery's id and the time of acceptance.
const OUT: &str = r#"name = "out"
[fields]
"acceptedAt" = "delivery.accepted_at"
"delivery" = "delivery.id"
"message" = "record"
"#;

/// The sender speaks CloudEvents; its own form is not used.
const IN: &str = r#"name = "in"
[fields]
"businessKey" = "record.businessKey"
"#;

/// A hub's files below one folder, which is removed at the end.
#[derive(Debug)]
pub(super) struct Bed {
    home: PathBuf,
    pub(super) settings: Settings,
    pub(super) environment: Environment,
    pub(super) metrics: PrometheusHandle,
}

impl Bed {
    /// Lays the files out in a new folder below `place`.
    pub(super) fn make(
        place: &Path,
        settings: &Settings,
        environment: &Environment,
        sink: SocketAddr,
    ) -> Result<Self, Failure> {
        let home = place.join(format!("liandong-bench-{}", std::process::id()));
        let metrics = app::telemetry::record()?;
        for (path, text) in CITY {
            write(&home.join(path), text)?;
        }
        let sends = home.join("adapters").join(SENDER);
        write(&sends.join("adapter.toml"), &sender())?;
        write(&sends.join("in.toml"), IN)?;
        for (endpoint, organisation) in RECEIVERS {
            let folder = home.join("adapters").join(endpoint);
            write(&folder.join("adapter.toml"), &receiver(endpoint, organisation, sink))?;
            write(&folder.join("out.toml"), OUT)?;
        }
        let mut settings = settings.clone();
        settings.paths.registry = home.join("registry");
        settings.paths.rules = home.join("rules");
        settings.paths.calendar = home.join("calendar/holidays.csv");
        settings.paths.adapters = home.join("adapters");
        settings.paths.data = home.join("data");
        settings.keys.signing = SecretRef::File(home.join("keys/signing.pem"));
        settings.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        settings.admin.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Ok(Self { home, settings, environment: environment.clone(), metrics })
    }

    /// Its folder.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// The hub's database file.
    pub(super) fn database(&self) -> PathBuf {
        self.settings.paths.data.join("liandong.db")
    }

    /// Starts the hub on what its data directory holds, and admits a sender.
    pub(super) async fn start(&self, name: &str) -> Result<(Hub, Loader), Failure> {
        self.start_set(&self.settings, name).await
    }

    /// The same with settings of the caller's.
    pub(super) async fn start_set(&self, settings: &Settings, name: &str) -> Result<(Hub, Loader), Failure> {
        let (hub, token) = self.start_with(settings, name).await?;
        let loader = Loader::new(hub.places().http, token)?;
        Ok((hub, loader))
    }

    /// Starts the hub with settings of the caller's; the sender's token.
    pub(super) async fn start_with(&self, settings: &Settings, name: &str) -> Result<(Hub, String), Failure> {
        let outside = Outside {
            clock: Arc::new(SystemClock),
            time: app::Time::OfStore,
            metrics: self.metrics.clone(),
            environment: self.environment.clone(),
            by: By::new("liandong bench", "benchmark"),
        };
        let hub = Hub::start(settings, outside).await?;
        let by = By::new("liandong bench", "benchmark");
        let token = hub.office().add_token(name, Scope::Endpoint(SENDER.into()), by).await?;
        hub.refresh_grants().await?;
        Ok((hub, token))
    }

    /// Removes what the hub has stored.
    pub(super) fn clear(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.settings.paths.data) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever gave the folder.
        drop(fs::remove_dir_all(&self.home));
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

fn sender() -> String {
    format!(
        r#"endpoint = "{SENDER}"
name = "安康市行政审批平台"
organisations = ["610900-xzspj"]
[inbound]
http = {{}}
codec = {{ format = "json" }}
mappings = {{ "approval.progress" = "in.toml" }}
"#
    )
}

fn receiver(endpoint: &str, organisation: &str, sink: SocketAddr) -> String {
    format!(
        r#"endpoint = "{endpoint}"
name = "{endpoint}"
organisations = ["{organisation}"]
[outbound]
http = {{ url = "http://{sink}/" }}
codec = {{ format = "json" }}
success = "status == 200 and answer.code == 0"
on_unknown = "resend"
delivery_id = "header:X-Delivery-Id"
mappings = {{ "*" = "out.toml" }}
[limits]
window = {WINDOW}
queue = {WINDOW}
timeout_ms = 10000
[breaker]
failures = {FAILURES}
pause_ms = 3600000
"#
    )
}
