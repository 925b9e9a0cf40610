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

/// What a library would write of the messages it carries stays out of the logs (promise 13), whatever the
/// configured filter lets through; what it has to say of connections, the bus says.
const SILENCED: &str = "lapin=off,lapin::returned_messages=off";

/// Sends logs to standard error.
pub fn log(settings: &Log) -> Result<(), Error> {
    let builder = fmt().with_env_filter(filter(settings)?).with_writer(io::stderr);
    let set = match settings.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    set.map_err(|error| Error::Twice(error.to_string()))
}

fn filter(settings: &Log) -> Result<EnvFilter, Error> {
    EnvFilter::try_new(format!("{},{SILENCED}", settings.filter))
        .map_err(|error| Error::Filter { filter: settings.filter.to_string(), text: error.to_string() })
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Sink {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn what_a_broker_returned_is_not_logged_whatever_the_filter_says() {
        for words in ["info", "trace", "trace,lapin=trace,lapin::returned_messages=trace"] {
            let sink = Sink::default();
            let settings = Log { format: LogFormat::Text, filter: words.into() };
            let filter = filter(&settings).unwrap();
            let subscriber = fmt().with_env_filter(filter).with_writer(sink.clone()).finish();
            tracing::subscriber::with_default(subscriber, || {
                tracing::warn!(target: "lapin::returned_messages", "Server returned us a message");
                tracing::trace!(target: "lapin::channels", "will handle frame");
                tracing::info!("stopping");
            });
            let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
            assert!(text.contains("stopping") && text.lines().count() == 1, "{words}: {text}");
        }
    }
}
