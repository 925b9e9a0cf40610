//! A party's folder: deliveries that the hub puts there as files, read by the party and moved to `read/`.
//!
//! A file is one delivery. Names that begin with a dot are still being written.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{desk::Desk, fault::Treatment};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Watches `folder` until `stop`, then looks once more.
pub(super) async fn watch(desk: Arc<Desk>, folder: PathBuf, stop: CancellationToken) -> io::Result<()> {
    tokio::fs::create_dir_all(folder.join("read")).await?;
    let mut looks = tokio::time::interval(LOOK);
    loop {
        let last = stop.is_cancelled();
        take_all(&desk, &folder).await?;
        if last {
            return Ok(());
        }
        tokio::select! {
            _ = looks.tick() => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Whether nothing waits to be read.
pub(super) fn is_empty(folder: &Path) -> io::Result<bool> {
    Ok(waiting(folder)?.is_empty())
}

async fn take_all(desk: &Desk, folder: &Path) -> io::Result<()> {
    let Some(receives) = &desk.script().receives else { return Ok(()) };
    for path in waiting(folder)? {
        let bytes = tokio::fs::read(&path).await?;
        let said = desk.receive(receives, &bytes);
        let name = path.file_name().unwrap_or_default();
        if said.treatment != Treatment::Take {
            desk.note(format!("file {} could not be taken", name.display()));
        }
        tokio::fs::rename(&path, folder.join("read").join(name)).await?;
    }
    Ok(())
}

/// Files that are whole, oldest first: the hub writes the files of one lane one after the other.
fn waiting(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && !entry.file_name().to_string_lossy().starts_with('.') {
            files.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}
