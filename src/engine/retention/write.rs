//! Writes a month into its archive. The folder appears under its name when it is whole and durable; a month that was
//! written before and not recorded is written again and must be the same.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Archivist, Error, Month, exists};
use crate::{
    evidence::{
        archive::{
            self, CHECKPOINTS, DELIVERIES, Edge, FORMAT, MANIFEST, MESSAGES, Manifest, Part, PartWriter,
            TRAIL,
        },
        checkpoint::SignedCheckpoint,
        digest::{Digest, Salt},
        tree::{Frontier, leaf_hash},
    },
    port::store::{
        self, Archived, AttemptRow, DeliveryFilter, DeliveryRow, MessageRow, Page, Sha256Digest, Stock, Store,
    },
};

/// Rows read at a time.
const PAGE: usize = 1_000;
/// Deliveries of one message at most.
const DELIVERIES_LIMIT: usize = 100_000;

/// An archive that is written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) folder: PathBuf,
    pub(super) archived: Archived,
}

/// Writes one month.
pub(super) async fn month(of: &Archivist<'_>, month: Month, stock: Stock) -> Result<Written, Error> {
    let (place, partial) = (of.place(month), of.folder.join(format!("{month}.partial")));
    if exists(&partial)? {
        fs::remove_dir_all(&partial).map_err(archive::Error::file(&partial))?;
    }
    fs::create_dir_all(&partial).map_err(archive::Error::file(&partial))?;
    let before = of.store.archived().await?;
    let (trail, edges, frontier) = trail(of.store, &partial, month, before.as_ref(), stock).await?;
    let mut parts = vec![trail, checkpoints(of.store, &partial, edges.0.size, edges.1.size).await?];
    parts.extend(contents(of.store, &partial, month).await?);
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        origin: of.origin.to_string(),
        month: month.to_string(),
        until: month.ends()?,
        previous: before.map(|before| Digest::from_bytes(before.manifest.0)),
        before: edges.0,
        after: edges.1,
        parts,
    };
    let bytes = manifest.to_bytes()?;
    let path = partial.join(MANIFEST);
    fs::write(&path, &bytes).map_err(archive::Error::file(&path))?;
    durable(&path)?;
    durable(&partial)?;
    put(&partial, &place, &bytes)?;
    durable(&of.folder)?;
    let archived = Archived {
        until: manifest.until,
        size: manifest.after.size,
        frontier: frontier.to_bytes().into(),
        checkpoint: manifest.after.checkpoint,
        manifest: Sha256Digest(*Digest::of(&bytes).as_bytes()),
    };
    Ok(Written { folder: place, archived })
}

/// Gives it its name. What is there already must be the same.
fn put(partial: &Path, place: &Path, manifest: &[u8]) -> Result<(), Error> {
    if !exists(place)? {
        return Ok(fs::rename(partial, place).map_err(archive::Error::file(place))?);
    }
    let path = place.join(MANIFEST);
    if fs::read(&path).map_err(archive::Error::file(&path))? != manifest {
        return Err(Error::Another { path: place.display().to_string().into() });
    }
    Ok(fs::remove_dir_all(partial).map_err(archive::Error::file(partial))?)
}

fn durable(path: &Path) -> Result<(), archive::Error> {
    File::open(path).and_then(|file| file.sync_all()).map_err(archive::Error::file(path))
}

/// The entries from where the archive before ended, to the first checkpoint that covers the month.
async fn trail(
    store: &dyn Store,
    folder: &Path,
    month: Month,
    before: Option<&Archived>,
    stock: Stock,
) -> Result<(Part, (Edge, Edge), Frontier), Error> {
    let mut frontier = match before {
        Some(before) if !before.frontier.is_empty() => Frontier::from_bytes(&before.frontier)?,
        _ => Frontier::new(),
    };
    let first = Edge {
        size: frontier.size(),
        frontier: hex::encode(frontier.to_bytes()),
        checkpoint: before.and_then(|before| before.checkpoint.clone()),
    };
    let (size, note) = if stock.trail_end > first.size {
        let covering = store.checkpoints(stock.trail_end - 1, 1).await?.into_iter().next();
        let (size, note) = covering.ok_or(Error::NotAsSealed { month })?;
        (size, Some(note))
    } else {
        (first.size, first.checkpoint.clone())
    };
    let mut writer = PartWriter::create(folder, TRAIL)?;
    while frontier.size() < size {
        let limit = PAGE.min(usize::try_from(size - frontier.size()).unwrap_or(PAGE));
        let entries = store.sealed(frontier.size(), limit).await?;
        for entry in &entries {
            if entry.position != frontier.size() {
                return Err(Error::NotAsSealed { month });
            }
            let body = std::str::from_utf8(&entry.body).map_err(|_| Error::NotAsSealed { month })?;
            writer.line(&json!({ "position": entry.position, "body": body }))?;
            frontier.append(leaf_hash(&entry.body));
        }
        if entries.is_empty() {
            return Err(Error::NotAsSealed { month });
        }
    }
    if let Some(note) = &note {
        let signed = SignedCheckpoint::parse(note).map_err(|_| Error::NotAsSealed { month })?;
        if signed.checkpoint().root() != frontier.root() {
            return Err(Error::NotAsSealed { month });
        }
    }
    let last = Edge { size, frontier: hex::encode(frontier.to_bytes()), checkpoint: note };
    Ok((writer.finish()?, (first, last), frontier))
}

async fn checkpoints(store: &dyn Store, folder: &Path, from: u64, until: u64) -> Result<Part, Error> {
    let mut writer = PartWriter::create(folder, CHECKPOINTS)?;
    let mut after = from;
    while after < until {
        let page = store.checkpoints(after, PAGE).await?;
        let covered = page.iter().filter(|(size, _)| *size <= until);
        for (size, note) in covered {
            writer.line(&json!({ "size": size, "note": note }))?;
        }
        match page.last() {
            Some((size, _)) => after = *size,
            None => break,
        }
    }
    Ok(writer.finish()?)
}

/// Messages with what opens their entries, and apart from that their deliveries with the attempts.
async fn contents(store: &dyn Store, folder: &Path, month: Month) -> Result<[Part; 2], Error> {
    let mut messages = PartWriter::create(folder, MESSAGES)?;
    let mut deliveries = PartWriter::create(folder, DELIVERIES)?;
    let mut after = 0;
    loop {
        let page = store.accepted_in(month.begins()?, month.ends()?, after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (_, id) in &page {
            let gone = || store::Error::Damaged(format!("message {id} is gone").into());
            let mut whole = message(&store.message(*id).await?.ok_or_else(gone)?);
            let filter = DeliveryFilter { message: Some(*id), ..DeliveryFilter::default() };
            let all = Page { offset: 0, limit: DELIVERIES_LIMIT };
            let mut openings = Vec::new();
            for row in store.deliveries(filter, all).await? {
                let attempts = store.attempts(row.id).await?;
                let (opening, rest) = split(row, attempts);
                openings.push(opening);
                deliveries.line(&rest)?;
            }
            whole["deliveries"] = json!(openings);
            messages.line(&whole)?;
        }
    }
    Ok([messages.finish()?, deliveries.finish()?])
}

/// A delivery in two: what may be erased with its message, and what stays.
fn split(mut row: DeliveryRow, mut attempts: Vec<AttemptRow>) -> (Value, Value) {
    let openings: Vec<_> = attempts.iter().map(opening).collect();
    let erasable = json!({ "id": row.id, "detail": row.detail.take(), "attempts": openings });
    for attempt in &mut attempts {
        attempt.detail = String::new();
        (attempt.sent_digest, attempt.sent_sm3) = (None, None);
        (attempt.answer_digest, attempt.answer_sm3) = (None, None);
    }
    (erasable, json!({ "delivery": row, "attempts": attempts }))
}

/// What opens the entry of an attempt, with its words; the salt is none in attempts of earlier versions, and where nothing
/// was tried.
fn opening(row: &AttemptRow) -> Value {
    json!({
        "salt": row.salt.map(Salt::from_bytes), "detail": row.detail, "sent_digest": row.sent_digest,
        "sent_sm3": row.sent_sm3, "answer_digest": row.answer_digest, "answer_sm3": row.answer_sm3,
    })
}

fn message(row: &MessageRow) -> Value {
    json!({
        "id": row.id, "organisation": row.key.organisation, "kind": row.key.kind,
        "business_key": row.key.business_key, "revision": row.revision, "matter": row.matter,
        "endpoint": row.endpoint, "accepted_at": row.accepted_at, "salt": Salt::from_bytes(row.salt),
        "received": STANDARD.encode(&row.received), "canonical": STANDARD.encode(&row.canonical),
        "decision": STANDARD.encode(&row.decision), "receipt": STANDARD.encode(&row.receipt),
    })
}
