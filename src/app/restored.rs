//! What a hub cannot vouch for: a store that was restored from a backup, or that has gone back behind what this
//! hub sealed on it. Said at the start, in the log and in the trail, before anything is done.
//!
//! A restore leaves a mark in the database. Besides, each hub keeps the last checkpoint that it signed in its data
//! directory; a store that no longer contains it was rolled back, whether or not anybody said so.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Error, setup};
use crate::{
    engine::trail::{self, About},
    evidence::checkpoint::{SignedCheckpoint, TIME},
    port::store::Store,
};

/// Name of the mark among the settings.
const MARK: &str = "restored";
/// The last checkpoint, in the data directory.
const ANCHOR: &str = "anchor.txt";

/// Where this hub keeps the last checkpoint that it signed.
pub(super) fn anchor(data: &Path) -> PathBuf {
    data.join(ANCHOR)
}

/// Says what cannot be vouched for, once.
pub(super) async fn account(store: &dyn Store, data: &Path, now: Timestamp) -> Result<(), Error> {
    let mark = store.setting(MARK).await?;
    let lost = lost(store, &anchor(data)).await?;
    if mark.is_none() && lost.is_none() {
        return Ok(());
    }
    let restored = mark.as_ref().map(|mark| {
        serde_json::from_slice::<Value>(mark).unwrap_or_else(|_| json!(String::from_utf8_lossy(mark)))
    });
    let sealed = store.sealer_state().await?.size;
    let mut open: BTreeMap<&str, u64> = BTreeMap::new();
    for row in store.counts().await?.iter().filter(|row| !row.state.is_final()) {
        *open.entry(row.state.as_str()).or_default() += row.deliveries;
    }
    let known = json!({
        "backup": restored, "sealed": sealed, "lost_checkpoint": lost.as_ref().map(|lost| &lost.said),
        "open_deliveries": open,
    });
    let entry = trail::entry(trail::RESTORED, About::default(), &known, now);
    let first = if mark.is_some() {
        store.take_setting(MARK, entry).await?
    } else {
        store.append(vec![entry]).await?;
        true
    };
    if first {
        tracing::error!(
            %known,
            "the store has gone back in time: what was accepted after it is not known here and must be sent again; \
             open deliveries may have been handed over and are sent again under their ids; checkpoints beyond \
             'sealed' do not hold; tokens are as they were then, revoked ones live again"
        );
    }
    if let Some(lost) = lost {
        lost.set_aside().map_err(|error| setup("last checkpoint of this hub")(error.into()))?;
    }
    Ok(())
}

/// A checkpoint that the store should contain and does not.
struct Lost {
    path: PathBuf,
    size: u64,
    said: Value,
}

impl Lost {
    /// Keeps it as evidence, where it is not said again.
    fn set_aside(&self) -> io::Result<()> {
        fs::rename(&self.path, self.path.with_extension(format!("lost-{}.txt", self.size)))
    }
}

async fn lost(store: &dyn Store, path: &Path) -> Result<Option<Lost>, Error> {
    let note = match fs::read_to_string(path) {
        Ok(note) => note,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(setup("last checkpoint of this hub")(error.into())),
    };
    let signed = match SignedCheckpoint::parse(&note) {
        Ok(signed) => signed,
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "the checkpoint kept beside the store cannot be read, the next takes its place");
            return Ok(None);
        }
    };
    let checkpoint = signed.checkpoint();
    let size = checkpoint.size();
    let kept = store.checkpoints(size.saturating_sub(1), 1).await?.into_iter().next();
    let kept =
        kept.filter(|(kept, _)| *kept == size).and_then(|(_, note)| SignedCheckpoint::parse(&note).ok());
    if kept.is_some_and(|kept| kept.checkpoint().root() == checkpoint.root()) {
        return Ok(None);
    }
    let said =
        json!({ "size": size, "root": checkpoint.root().to_string(), "time": checkpoint.extension(TIME) });
    Ok(Some(Lost { path: path.to_owned(), size, said }))
}
