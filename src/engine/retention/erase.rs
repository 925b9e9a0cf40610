//! Erasure: what messages said is erased after its legal term: the bytes received, their content, the routing with its
//! reasons, and what opens the commitments (digests, words of answers, salts), together; and the salts of refusals. What stays says that there was a message, of whom, to whom
//! and when, and proves nothing of what it said.
//!
//! Promises: the tree is not touched, since the trail holds commitments and no personal value; an entry about each message
//! says who erased it and why, written with the erasure itself; nothing is erased that is still on its way or owed.
//! Repeatable. Leaves copies that others keep (backups, the recipients' systems) to them.

use std::{fs, path::Path};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::{Error, exists};
use crate::{
    domain::{id::MessageId, obligation::ObligationState},
    engine::trail::{self, About, PAYLOAD_ERASED},
    evidence::archive::{self, MANIFEST, MESSAGES, Manifest},
    port::{
        operations::By,
        store::{self, Asked, MessageRow, Store},
    },
};

/// Messages looked at in one step.
const PAGE: usize = 500;
/// Bytes of messages read in one step.
const LIMIT_BYTES: usize = 32 << 20;

/// Which messages.
#[derive(Clone, Debug)]
pub enum Selection {
    /// Those accepted before a time, as far as they are online.
    Before(Timestamp),
    /// These.
    Messages(Vec<MessageId>),
}

/// Whether it is done.
#[derive(Clone, Copy, Debug)]
pub enum Mode<'b> {
    /// Only counted.
    Rehearse,
    /// Done, by somebody.
    Do(&'b By),
}

/// What came of it, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Messages that are erased, or would be.
    pub erased: u64,
    /// Messages on their way or with something owed about them, left alone.
    pub held: u64,
    /// Messages erased before.
    pub already: u64,
    /// Messages that are not online, or not known.
    pub absent: u64,
    /// Refusals of which it is erased, or would be, what showed which bytes were refused.
    pub refusals: u64,
}

/// Erases what is online.
pub async fn erase(
    store: &dyn Store,
    selection: &Selection,
    mode: Mode<'_>,
    now: Timestamp,
) -> Result<Tally, Error> {
    answered_for(mode)?;
    let mut tally = Tally::default();
    match selection {
        Selection::Messages(messages) => {
            for page in messages.chunks(PAGE) {
                step(store, page, mode, now, &mut tally).await?;
            }
        }
        Selection::Before(until) => {
            let Some(begins) = store.begins().await? else { return Ok(tally) };
            let mut after = 0;
            loop {
                let page = store.accepted_in(begins.min(*until), *until, after, PAGE).await?;
                let Some((last, _)) = page.last() else { break };
                after = *last;
                let ids: Vec<_> = page.iter().map(|(_, id)| *id).collect();
                step(store, &ids, mode, now, &mut tally).await?;
            }
            tally.refusals = refusals(store, *until, mode, now).await?;
        }
    }
    Ok(tally)
}

/// The salts of refusals, whose bytes are not kept.
async fn refusals(
    store: &dyn Store,
    until: Timestamp,
    mode: Mode<'_>,
    now: Timestamp,
) -> Result<u64, store::Error> {
    let found = store.erase_refusals(until, None).await?;
    let Mode::Do(by) = mode else { return Ok(found) };
    if found == 0 {
        return Ok(0);
    }
    let data = trail::answered(json!({ "refusals_before": until }), by);
    store.erase_refusals(until, Some(trail::entry(PAYLOAD_ERASED, About::default(), &data, now))).await
}

fn answered_for(mode: Mode<'_>) -> Result<(), Error> {
    match mode {
        Mode::Do(by) if by.reason.trim().is_empty() => Err(Error::NoReason),
        _ => Ok(()),
    }
}

/// One page; a part of it at a time where messages are large.
async fn step(
    store: &dyn Store,
    mut ids: &[MessageId],
    mode: Mode<'_>,
    now: Timestamp,
    tally: &mut Tally,
) -> Result<(), Error> {
    while !ids.is_empty() {
        let asked = Asked { messages: ids.to_vec(), limit_bytes: LIMIT_BYTES, ..Asked::default() };
        let rows = store.rows_of(asked).await?;
        let mut ready = Vec::new();
        for row in &rows.messages {
            match row {
                None => tally.absent += 1,
                Some(row) if row.is_erased() => tally.already += 1,
                Some(row) => {
                    let under_way =
                        rows.deliveries.iter().any(|it| it.message == row.id && !it.state.is_final());
                    if under_way || is_owed(store, row).await? {
                        tally.held += 1;
                    } else {
                        ready.push(row.id);
                    }
                }
            }
        }
        let count = ready.len() as u64;
        tally.erased += match mode {
            Mode::Rehearse => count,
            Mode::Do(by) => {
                let entry = |id: MessageId| {
                    trail::entry(PAYLOAD_ERASED, About::message(id), &trail::answered(json!({}), by), now)
                };
                let erased = store.erase(ready.into_iter().map(|id| (id, entry(id))).collect()).await?;
                tally.held += count - erased;
                erased
            }
        };
        ids = &ids[rows.messages.len().max(1)..];
    }
    Ok(())
}

async fn is_owed(store: &dyn Store, row: &MessageRow) -> Result<bool, store::Error> {
    Ok(store.of_message(row.id).await?.iter().any(|it| it.state == ObligationState::Open))
}

/// The months in a folder of archives that end before a time and still have their contents.
pub fn archived(folder: &Path, until: Timestamp) -> Result<Vec<Manifest>, Error> {
    let mut months = Vec::new();
    for entry in fs::read_dir(folder).map_err(archive::Error::file(folder))? {
        let place = entry.map_err(archive::Error::file(folder))?.path();
        if exists(&place.join(MANIFEST))? && exists(&place.join(MESSAGES))? {
            let (manifest, _) = Manifest::read(&place)?;
            if manifest.until <= until {
                months.push(manifest);
            }
        }
    }
    months.sort_by(|one, other| one.month.cmp(&other.month));
    Ok(months)
}

/// The messages whose contents are in an archive.
fn messages(place: &Path) -> Result<Vec<MessageId>, archive::Error> {
    let mut messages = Vec::new();
    archive::read_part(place, MESSAGES, |line| {
        let id = line["id"].as_str().and_then(|id| id.parse().ok());
        messages.push(id.ok_or("it names no message")?);
        Ok(())
    })?;
    Ok(messages)
}

/// Erases the contents of one archived month and what the store still has of its messages, after the entry that says so.
pub async fn erase_archived(
    store: &dyn Store,
    folder: &Path,
    manifest: &Manifest,
    by: &By,
    now: Timestamp,
) -> Result<(), Error> {
    answered_for(Mode::Do(by))?;
    let place = folder.join(&manifest.month);
    let (_, digest) = Manifest::read(&place)?;
    let lines = manifest.parts.iter().find(|part| part.name == MESSAGES).map_or(0, |part| part.lines);
    let data = json!({ "month": manifest.month, "manifest": digest, "messages": lines });
    let entry = trail::entry(PAYLOAD_ERASED, About::default(), &trail::answered(data, by), now);
    store.append(vec![entry]).await?;
    for page in messages(&place)?.chunks(PAGE) {
        store.erase_rest(page.to_vec()).await?;
    }
    let path = place.join(MESSAGES);
    fs::remove_file(&path).map_err(archive::Error::file(&path))?;
    let synced = fs::File::open(&place).and_then(|folder| folder.sync_all());
    Ok(synced.map_err(archive::Error::file(&place))?)
}
