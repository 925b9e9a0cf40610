//! What evidence costs: the same load delivered with sealing paused, and with it at its configured rhythm, where the time
//! ends only when every entry of the run is sealed. Both are measured one after the other, within the same minute.

use std::time::Duration;

use serde_json::{Value, json};

use super::figures::{Rate, rounded};
use crate::{app::Hub, config::settings::Settings, task::Failure};

/// Of what is delivered with sealing paused.
pub(super) const SEALING_GOAL: f64 = 0.8;

/// Longer than any run.
const NEVER_MS: u64 = 3_600_000;

/// Deliveries per second, both ways.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sealing {
    /// Nothing is sealed before the run has ended.
    pub(super) paused: Rate,
    /// All is sealed by the end of it.
    pub(super) sealed: Rate,
}

impl Sealing {
    /// For programs.
    pub(super) fn json(self) -> Value {
        json!({
            "paused_per_second": rounded(self.paused.0), "sealed_per_second": rounded(self.sealed.0),
            "ratio": rounded(self.sealed.0 / self.paused.0),
        })
    }
}

/// The settings of a hub that seals nothing while it is measured.
pub(super) fn paused(settings: &Settings) -> Settings {
    let mut settings = settings.clone();
    settings.seal.every_ms = NEVER_MS;
    settings.seal.backlog_entries = u64::MAX;
    settings
}

/// Seals what its sealer has left; how long that took.
pub(super) async fn rest(hub: &Hub) -> Result<Duration, Failure> {
    let begun = tokio::time::Instant::now();
    hub.seal().await?;
    Ok(begun.elapsed())
}
