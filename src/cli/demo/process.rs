//! A process of the demo, started from this same program: it says where it is on its first lines, and ends when
//! its standard input does, so that none outlives the demo however that ends.

use std::{
    io::BufReader,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{clock::DayClock, part::Part};
use crate::{
    cli::{Error, submit::failed},
    config::environment::Environment,
    task::Failure,
};

/// How long a process may take to start, and to stop.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// A process; dropped before it was stopped, it is killed.
#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    child: Child,
    admin: SocketAddr,
}

impl Process {
    /// Starts it and waits until it says where it is. Only its own configuration holds, not the demo's
    /// environment; secrets are found there.
    pub(super) async fn start(
        name: &'static str,
        part: Part,
        configuration: &Path,
        environment: &Environment,
        day: DayClock,
    ) -> Result<Self, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--config").arg(configuration).args(["--json", "demo", "--part", part.name()]);
        command.args(["--began", &day.began().as_millisecond().to_string()]);
        for (variable, _) in environment.settings() {
            command.env_remove(variable);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let said = child.stdout.take().ok_or_else(|| failed(format!("{name} has no voice")))?;
        let mut process = Self { name, child, admin: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let read = tokio::task::spawn_blocking(move || {
            serde_json::Deserializer::from_reader(BufReader::new(said)).into_iter::<Value>().next()
        });
        let read = tokio::time::timeout(PATIENCE, read).await;
        let Ok(Ok(Some(Ok(places)))) = read else {
            return Err(failed(format!("{name} did not start; what it says of it stands above")));
        };
        let admin = places["admin"].as_str().and_then(|address| address.parse().ok());
        process.admin = admin.ok_or_else(|| failed(format!("{name} does not say where it is: {places}")))?;
        Ok(process)
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Probes and metrics.
    pub(super) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The sum of one of its counters, over all labels.
    pub(super) async fn count(&self, metric: &str) -> Result<u64, Error> {
        let client =
            reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().map_err(Failure::from)?;
        let answer = client.get(format!("http://{}/metrics", self.admin)).send().await;
        let text = answer.map_err(Failure::from)?.text().await.map_err(Failure::from)?;
        Ok(sum(&text, metric))
    }

    /// Lets it end, and waits until it has done so in order.
    pub(super) async fn stop(mut self) -> Result<(), Error> {
        drop(self.child.stdin.take());
        let end = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(failed(format!("{} ended with {status}", self.name))),
                None if Instant::now() > end => return Err(failed(format!("{} does not stop", self.name))),
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.has_ended() {
            // It is not in order any more; what it held is found by its lease.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Sums the samples of a counter in Prometheus' text.
fn sum(text: &str, metric: &str) -> u64 {
    let sample = |line: &str| {
        let rest = line.strip_prefix(metric)?;
        rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse::<u64>().ok())?
    };
    text.lines().filter_map(sample).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_summed_over_its_labels_alone() {
        let text =
            "# TYPE a_total counter\na_total{kind=\"x\"} 3\na_total{kind=\"y z\"} 4\na_total_more 9\nb 1\n";
        assert_eq!(sum(text, "a_total"), 7);
        assert_eq!(sum(text, "b"), 1);
        assert_eq!(sum(text, "c"), 0);
    }
}
