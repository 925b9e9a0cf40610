//! Logs and metrics of the process: set up once, by the command that runs.

use std::{io, time::Duration};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, fmt};

use crate::{
    config::settings::{Log, LogFormat},
    task::{
        Failure,
        metrics::{self, DURATION_BUCKETS_SECONDS},
    },
};

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is not one.
    #[error("log.filter '{filter}' is not a filter: {text}")]
    Filter {
        /// As configured.
        filter: String,
        /// What is wrong.
        text: String,
    },
    /// Logs or metrics are set up already in this process.
    #[error("telemetry is set up already: {0}")]
    Twice(String),
    /// The metrics recorder could not be built.
    #[error("metrics recorder could not be built")]
    Recorder(#[from] BuildError),
}

/// Sends logs to standard error.
pub fn log(settings: &Log) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&*settings.filter)
        .map_err(|error| Error::Filter { filter: settings.filter.to_string(), text: error.to_string() })?;
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr);
    let set = match settings.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    set.map_err(|error| Error::Twice(error.to_string()))
}

/// Installs the recorder of the process and describes every metric.
pub fn record() -> Result<PrometheusHandle, Error> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS_SECONDS)?
        .install_recorder()?;
    metrics::describe();
    Ok(handle)
}

/// Histograms grow until they are folded.
pub(super) async fn upkeep(metrics: PrometheusHandle, token: CancellationToken) -> Result<(), Failure> {
    loop {
        tokio::select! {
            () = token.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_secs(5)) => metrics.run_upkeep(),
        }
    }
}
