//! Watch: notices what was owed and is not there when its last day is over, and says so in the trail.
//!
//! Every hub looks; nobody leads. The entry about one missed deadline has the same id, time and bytes whoever writes
//! it, so that it is there once. A hub looks at everything at its start and, after that, at each day once. What is
//! noticed stays true whatever comes later: an obligation that is met afterwards was met late.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{Timestamp, civil::Date};
use metrics::counter;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use uuid::{Builder, Uuid};

use super::{
    dispatch::tolerate,
    trail::{self, About},
};
use crate::{
    domain::calendar::{china_date, end_of_china_day},
    port::{
        clock::Clock,
        store::{NewEntry, Overdue, Place, Store},
    },
    task::{Failure, metrics::DEADLINES_MISSED},
};

/// Obligations looked at in one go.
const BATCH: usize = 500;

/// The watching task.
#[derive(Debug)]
pub struct Watch {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How often it looks whether a day is over.
    pub every: Duration,
    /// Days up to this one are done.
    done: Mutex<Option<Date>>,
}

impl Watch {
    /// Has looked at nothing yet.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, every: Duration) -> Self {
        Self { store, clock, every, done: Mutex::default() }
    }

    /// Runs until told to end.
    pub async fn run(self, token: CancellationToken) -> Result<(), Failure> {
        loop {
            self.look().await?;
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }

    /// Notices what was due on the days that are over.
    pub async fn look(&self) -> Result<(), Failure> {
        let Ok(yesterday) = china_date(self.clock.now()).yesterday() else { return Ok(()) };
        let done = *self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if done.is_some_and(|done| done >= yesterday) {
            return Ok(());
        }
        let mut after = done.map_or(Place::START, Place::end_of);
        loop {
            let page = match self.store.overdue(yesterday, after, BATCH).await {
                Ok(page) => page,
                Err(error) => return tolerate(error),
            };
            let Some(last) = page.last() else { break };
            after = last.place;
            let entries = page.iter().map(entry).collect();
            if let Err(error) = self.store.append(entries).await {
                return tolerate(error);
            }
            counter!(DEADLINES_MISSED).increment(page.len() as u64);
        }
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = Some(yesterday);
        Ok(())
    }
}

/// The entry about one deadline: of the moment at which its last day ended.
fn entry(overdue: &Overdue) -> NewEntry {
    let owed = &overdue.obligation;
    let at = end_of_china_day(owed.due);
    let data = json!({
        "organisation": owed.organisation, "duty": owed.duty, "due": owed.due, "calendar": overdue.calendar,
        "term": overdue.term, "rule": overdue.rule, "basis": overdue.basis,
    });
    let about = About { message: Some(owed.message), delivery: owed.delivery };
    trail::entry_with(id(overdue, at), trail::MISSED, about, &data, at)
}

/// Of version 7 with that moment, so that it sorts like the others; the rest is a digest of what is owed.
fn id(overdue: &Overdue, at: Timestamp) -> Uuid {
    let owed = &overdue.obligation;
    let mut digest = Sha256::new();
    digest.update(owed.message.0.as_bytes());
    digest.update(owed.delivery.map(|delivery| delivery.0).unwrap_or_default().as_bytes());
    for part in [owed.organisation.as_str(), owed.duty.as_str(), overdue.rule.as_str()] {
        digest.update(u64::try_from(part.len()).unwrap_or_default().to_be_bytes());
        digest.update(part);
    }
    let digest = digest.finalize();
    let mut random = [0; 10];
    random.copy_from_slice(&digest[..10]);
    let milliseconds = u64::try_from(at.as_millisecond()).unwrap_or_default();
    Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid()
}
