//! Where an exporter reads: the store, and the archives that months of it went into.
//!
//! Entries, messages and checkpoints that were archived are the same bytes as before, so a file made from an archive is the
//! one that was made before. What an archive says is held against its manifest; that the entries were sealed, the file
//! proves itself. The log is read only where the file needs it: from the last known state of the tree before its first
//! entry to the checkpoint that covers its last.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

use super::export::{Error, Exporter};
use crate::{
    domain::id::{DeliveryId, MessageId},
    engine::retention::Kept,
    evidence::{
        archive::{self, CHECKPOINTS, DELIVERIES, MANIFEST, MESSAGES, Manifest, TRAIL, read_part},
        digest::Salt,
        tree::{Frontier, Gather, leaf_hash},
    },
    port::store::{AttemptRow, EntryId, MessageRow, Selector, TrailRow},
};

/// Entries of the log read at a time.
const PAGE: usize = 5_000;

/// Archived months, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Archives {
    places: Vec<(PathBuf, Manifest)>,
}

#[derive(Deserialize)]
struct Entry {
    position: u64,
    body: String,
}

#[derive(Deserialize)]
struct Mark {
    size: u64,
    note: String,
}

/// What opens the entry of an attempt.
#[derive(Deserialize)]
struct Opening {
    salt: Option<Salt>,
    detail: String,
    sent_digest: Option<String>,
    sent_sm3: Option<String>,
    answer_digest: Option<String>,
    answer_sm3: Option<String>,
}

impl Opening {
    fn put_into(self, row: &mut AttemptRow) {
        row.salt = self.salt.map(|salt| *salt.as_bytes());
        row.detail = self.detail;
        (row.sent_digest, row.sent_sm3) = (self.sent_digest, self.sent_sm3);
        (row.answer_digest, row.answer_sm3) = (self.answer_digest, self.answer_sm3);
    }
}

impl Archives {
    /// The archives below a folder.
    pub fn open(folder: &Path) -> Result<Self, archive::Error> {
        let mut places = Vec::new();
        for entry in fs::read_dir(folder).map_err(archive::Error::file(folder))? {
            let path = entry.map_err(archive::Error::file(folder))?.path();
            if path.extension().is_none() && path.join(MANIFEST).is_file() {
                let (manifest, _) = Manifest::read(&path)?;
                places.push((path, manifest));
            }
        }
        places.sort_by_key(|(_, manifest)| manifest.before.size);
        Ok(Self { places })
    }

    /// How many entries they hold, from the first.
    fn size(&self) -> u64 {
        self.places.last().map_or(0, |(_, manifest)| manifest.after.size)
    }

    /// Reads one file of a month; it must be the one that the manifest names.
    fn read(
        (place, manifest): &(PathBuf, Manifest),
        name: &str,
        take: impl FnMut(Value) -> Result<(), String>,
    ) -> Result<(), Error> {
        let part = read_part(place, name, take)?;
        if manifest.parts.contains(&part) {
            Ok(())
        } else {
            Err(Error::Altered { month: manifest.month.clone(), name: name.to_owned() })
        }
    }

    fn entries(&self, message: MessageId) -> Result<Vec<TrailRow>, Error> {
        let mut rows = Vec::new();
        for place in &self.places {
            Self::read(place, TRAIL, |value| {
                let Entry { position, body } = read(value)?;
                let said: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
                if said["message"] == message.to_string() {
                    rows.push(row(position, body, &said)?);
                }
                Ok(())
            })?;
        }
        Ok(rows)
    }

    fn message(&self, id: MessageId) -> Result<Option<MessageRow>, Error> {
        let mut found = None;
        for place in self.places.iter().filter(|(place, _)| place.join(MESSAGES).is_file()) {
            Self::read(place, MESSAGES, |value| {
                if value["id"] == id.to_string() {
                    found = Some(read::<Kept>(value)?.row()?);
                }
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// With what opens their entries, as far as that is kept.
    fn attempts(&self, delivery: DeliveryId) -> Result<Vec<AttemptRow>, Error> {
        let mut found: Vec<AttemptRow> = Vec::new();
        for place in &self.places {
            Self::read(place, DELIVERIES, |mut value| {
                if value["delivery"]["id"] == delivery.to_string() {
                    found = read(value["attempts"].take())?;
                }
                Ok(())
            })?;
        }
        if found.is_empty() {
            return Ok(found);
        }
        for place in self.places.iter().filter(|(place, _)| place.join(MESSAGES).is_file()) {
            Self::read(place, MESSAGES, |mut value| {
                let kept = value["deliveries"].as_array_mut().into_iter().flatten();
                for own in kept.filter(|own| own["id"] == delivery.to_string()) {
                    let openings: Vec<Opening> = read(own["attempts"].take())?;
                    found.iter_mut().zip(openings).for_each(|(row, opening)| opening.put_into(row));
                }
                Ok(())
            })?;
        }
        Ok(found)
    }

    fn covering(&self, position: u64) -> Result<Option<(u64, String)>, Error> {
        let mut found: Option<(u64, String)> = None;
        for place in self.places.iter().filter(|(_, manifest)| manifest.after.size > position) {
            Self::read(place, CHECKPOINTS, |value| {
                let Mark { size, note } = read(value)?;
                if size > position && found.is_none() {
                    found = Some((size, note));
                }
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// The tree before the month that a position is in.
    fn before(&self, position: u64) -> Result<Option<Frontier>, Error> {
        let within = |manifest: &Manifest| manifest.before.size <= position && position < manifest.after.size;
        let Some((_, manifest)) = self.places.iter().find(|(_, manifest)| within(manifest)) else {
            return Ok(None);
        };
        if manifest.before.size == 0 {
            return Ok(Some(Frontier::new()));
        }
        let bytes = hex::decode(&manifest.before.frontier).map_err(|_| Error::Log)?;
        Ok(Some(Frontier::from_bytes(&bytes)?))
    }

    fn leaves(&self, gather: &mut Gather, size: u64) -> Result<(), Error> {
        for place in &self.places {
            let (_, manifest) = place;
            if manifest.after.size <= gather.taken() || gather.taken() >= size {
                continue;
            }
            Self::read(place, TRAIL, |value| {
                let Entry { position, body } = read(value)?;
                if position == gather.taken() && position < size {
                    gather.leaf(leaf_hash(body.as_bytes()));
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl Exporter {
    /// Every entry about a message and its deliveries.
    pub(super) async fn trail_of(&self, message: MessageId) -> Result<Vec<TrailRow>, Error> {
        let mut rows = self.archives.entries(message)?;
        let archived = self.archives.size();
        let online = self.store.trail_of(Selector::Message(message)).await?;
        rows.extend(
            online.into_iter().filter(|row| row.position.is_none_or(|position| position >= archived)),
        );
        Ok(rows)
    }

    /// What is kept of a message.
    pub(super) async fn row(&self, message: MessageId) -> Result<Option<MessageRow>, Error> {
        match self.store.message(message).await? {
            Some(row) => Ok(Some(row)),
            None => self.archives.message(message),
        }
    }

    /// The attempts at a delivery.
    pub(super) async fn attempts(&self, delivery: DeliveryId) -> Result<Vec<AttemptRow>, Error> {
        let rows = self.store.attempts(delivery).await?;
        if rows.is_empty() { self.archives.attempts(delivery) } else { Ok(rows) }
    }

    /// Whether an entry is held by an archive, and not by rows of the store.
    pub(super) fn is_archived(&self, position: u64) -> bool {
        position < self.archives.size()
    }

    /// The first checkpoint that covers a position.
    pub(super) async fn covering(&self, position: u64) -> Result<(u64, String), Error> {
        if let Some(found) = self.archives.covering(position)? {
            return Ok(found);
        }
        self.store.checkpoints(position, 1).await?.into_iter().next().ok_or(Error::Log)
    }

    /// Gathers the paths of some positions in the tree of a size.
    pub(super) async fn gathered(&self, positions: &[u64], size: u64) -> Result<Gather, Error> {
        let first = positions.first().copied().unwrap_or_default();
        let frontier = self.tree_before(first).await?;
        let reads = size.saturating_sub(frontier.size());
        if reads > self.log_limit {
            let (found, limit) = (to_usize(reads), to_usize(self.log_limit));
            return Err(Error::TooMuch { what: "entries of the log to read", found, limit });
        }
        let mut gather = Gather::new(positions, size, &frontier)?;
        self.archives.leaves(&mut gather, size)?;
        while gather.taken() < size {
            let page = self.store.sealed(gather.taken(), PAGE).await?;
            let before = gather.taken();
            for entry in page.into_iter().take_while(|entry| entry.position < size) {
                if entry.position != gather.taken() {
                    return Err(Error::Log);
                }
                gather.leaf(leaf_hash(&entry.body));
            }
            if gather.taken() == before {
                return Err(Error::Log);
            }
        }
        Ok(gather)
    }

    /// The last known state of the tree that has nothing of a position or after it.
    async fn tree_before(&self, position: u64) -> Result<Frontier, Error> {
        if let Some(frontier) = self.archives.before(position)? {
            return Ok(frontier);
        }
        if let Some(frontier) = self.store.frontier_before(position).await? {
            return Ok(Frontier::from_bytes(&frontier)?);
        }
        match self.store.archived().await?.filter(|archived| archived.size > 0) {
            Some(archived) => Ok(Frontier::from_bytes(&archived.frontier)?),
            None => Ok(Frontier::new()),
        }
    }
}

fn row(position: u64, body: String, said: &Value) -> Result<TrailRow, String> {
    let text = |name: &str| said[name].as_str().ok_or_else(|| format!("an entry without {name}"));
    let wrong = |error: &dyn std::fmt::Display| error.to_string();
    Ok(TrailRow {
        id: EntryId(text("id")?.parse().map_err(|error| wrong(&error))?),
        at: text("at")?.parse().map_err(|error| wrong(&error))?,
        event: text("event")?.to_owned(),
        delivery: said["delivery"].as_str().and_then(|id| id.parse().ok()),
        position: Some(position),
        body: body.into(),
    })
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn to_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
