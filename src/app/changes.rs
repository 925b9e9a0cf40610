//! Changes of what a hub goes by: one that starts with another registry, other rules, adapters or another calendar than ran
//! before says in the trail what changed, by digest, version and the ids of rows or files, and who started it, and why.
//!
//! The files are the office's own, changed by whatever means; what counts is when a hub took them up.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Error;
use crate::{
    config::difference,
    engine::trail::{self, About},
    evidence::digest::Digest,
    port::{
        operations::By,
        store::{Sha256Digest, Store},
    },
};

/// One of the folders that versions are kept of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    /// Its snapshots.
    pub table: &'static str,
    /// The setting that says which ran last.
    running: &'static str,
    /// What an entry calls a change.
    event: &'static str,
}

/// Divisions, organisations, items, cross-walk, contacts.
pub(super) const REGISTRY: Subject =
    Subject { table: "registry", running: "running_registry", event: trail::REGISTRY_CHANGED };

/// Routing rules.
pub(super) const RULES: Subject =
    Subject { table: "rules", running: "running_rules", event: trail::RULES_CHANGED };

/// Adapters with their mappings: which files, by digest, since they speak of departments' systems.
pub(super) const ADAPTERS: Subject =
    Subject { table: "adapters", running: "running_adapters", event: trail::ADAPTERS_CHANGED };

/// Working days.
pub(super) const CALENDAR: Subject =
    Subject { table: "calendar", running: "running_calendar", event: trail::CALENDAR_CHANGED };

/// What ran last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Running {
    version: u64,
    digest: Digest,
}

/// Keeps a folder's snapshot; its version. Where another ran before, the trail says what changed.
pub(super) async fn publish(
    store: &dyn Store,
    subject: Subject,
    (digest, content): (Sha256Digest, Vec<u8>),
    by: &By,
    now: Timestamp,
) -> Result<u64, Error> {
    let version = store.publish(subject.table, digest, content.clone(), now).await?;
    let running = Running { version, digest: Digest::from_bytes(digest.0) };
    let value = serde_json::to_vec(&running).unwrap_or_default();
    let kept = store.keep_setting(subject.running, value.clone()).await?;
    let before = serde_json::from_slice::<Running>(&kept).ok();
    if before == Some(running) {
        return Ok(version);
    }
    let entry = trail::entry(
        subject.event,
        About::default(),
        &said(store, subject, before, running, &content, by).await?,
        now,
    );
    // Of several hubs that start at once one says it; what is kept then is what the last of them runs.
    store.take_setting(subject.running, entry).await?;
    store.keep_setting(subject.running, value).await?;
    Ok(version)
}

async fn said(
    store: &dyn Store,
    subject: Subject,
    before: Option<Running>,
    after: Running,
    content: &[u8],
    by: &By,
) -> Result<Value, Error> {
    let old = match before {
        Some(before) => store.snapshot(subject.table, before.version).await?,
        None => None,
    };
    let difference = difference::between(&old.unwrap_or_default(), content);
    Ok(trail::answered(json!({ "before": before, "after": after, "difference": difference }), by))
}
