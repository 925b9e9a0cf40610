//! Attempts in archives: what opens them against the entries that commit to them.
//!
//! An entry stands in the archive of its message's month or, where the attempt was made later, in one of the next, so
//! openings wait for it from one archive to the next. Where what opens it was erased there is nothing to hold it against.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::{
    domain::id::DeliveryId,
    engine::{attempt, trail::ATTEMPTED},
    evidence::{
        attempt::Exchanged,
        digest::{Commitment, Digest, Salt, Sm3Commitment},
    },
};

type Sealed = (Commitment, Sm3Commitment);

/// A delivery as the file of messages keeps it.
#[derive(Deserialize)]
pub(super) struct Kept {
    id: DeliveryId,
    attempts: Vec<Opening>,
}

/// What opens an attempt; nothing where the salt is none.
#[derive(Deserialize)]
struct Opening {
    salt: Option<Salt>,
    detail: String,
    sent_digest: Option<String>,
    sent_sm3: Option<String>,
    answer_digest: Option<String>,
    answer_sm3: Option<String>,
}

/// The check, archive after archive.
#[derive(Default)]
pub(super) struct Attempts {
    opened: HashMap<DeliveryId, Vec<Sealed>>,
    sealed: Vec<(DeliveryId, Sealed)>,
}

impl Attempts {
    /// Takes an entry of the trail.
    pub(super) fn entry(&mut self, entry: &Value) {
        let delivery = || entry["delivery"].as_str()?.parse().ok();
        if entry["event"] == ATTEMPTED
            && let (Some(delivery), Some(sealed)) = (delivery(), attempt::commitments(&entry["data"]))
        {
            self.sealed.push((delivery, sealed));
        }
    }

    /// Takes what the file of messages has of a delivery.
    pub(super) fn delivery(&mut self, kept: &Kept) -> Result<(), String> {
        for opening in &kept.attempts {
            if let Some(sealed) = opening.commitments()? {
                self.opened.entry(kept.id).or_default().push(sealed);
            }
        }
        Ok(())
    }

    /// At the end of an archive: how many entries were opened, and the deliveries of which one was not.
    pub(super) fn settle(&mut self) -> (u64, Vec<DeliveryId>) {
        let (mut good, mut wrong) = (0, Vec::new());
        for (delivery, sealed) in self.sealed.drain(..) {
            let Some(opened) = self.opened.get_mut(&delivery) else { continue };
            match opened.iter().position(|one| *one == sealed) {
                Some(place) => {
                    opened.swap_remove(place);
                    good += 1;
                }
                None => wrong.push(delivery),
            }
            if opened.is_empty() {
                self.opened.remove(&delivery);
            }
        }
        (good, wrong)
    }
}

impl Opening {
    fn commitments(&self) -> Result<Option<Sealed>, String> {
        let Some(salt) = &self.salt else { return Ok(None) };
        let read = |hex: &Option<String>| hex.as_deref().map(str::parse).transpose();
        let read_sm3 = |hex: &Option<String>| hex.as_deref().map(str::parse).transpose();
        let exchanged = || {
            Ok(Exchanged {
                answer: read(&self.answer_digest)?,
                answer_sm3: read_sm3(&self.answer_sm3)?,
                said: Digest::of(self.detail.as_bytes()),
                sent: read(&self.sent_digest)?,
                sent_sm3: read_sm3(&self.sent_sm3)?,
            })
        };
        let exchanged = exchanged().map_err(|error: crate::evidence::digest::Malformed| error.to_string())?;
        Ok(Some(exchanged.commit(salt)))
    }
}
