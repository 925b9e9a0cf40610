//! Places outside that keep checkpoints: a folder, and an address that takes them by HTTP.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use super::http_client::{self, HttpClient};
use crate::{
    domain::id::DeliveryId,
    port::{
        anchorage::{Anchor, Anchorage, Error},
        clock::Clock,
        connector::{Connector as _, Parcel},
    },
};

/// A folder: one file a checkpoint, `NAME.txt`, whole or not at all, never replaced.
#[derive(Debug)]
pub struct Folder {
    folder: PathBuf,
}

impl Folder {
    /// The folder; made when it is first written to.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn write(folder: &Path, name: &str, note: &str) -> Result<(), Error> {
        let path = folder.join(format!("{name}.txt"));
        let failed = |error: io::Error| Error::NotKept(format!("{}: {error}", path.display()));
        fs::create_dir_all(folder).map_err(failed)?;
        let new = folder.join(format!(".{name}.{}.new", std::process::id()));
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(note.as_bytes())?;
            file.sync_all()?;
            // A link, not a rename: it refuses to replace what is there.
            fs::hard_link(&new, &path)
        });
        let removed = fs::remove_file(&new);
        match written {
            Ok(()) => removed.and_then(|()| File::open(folder)?.sync_all()).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let kept = fs::read_to_string(&path).map_err(failed)?;
                if kept == note { Ok(()) } else { Err(Error::Another(path.display().to_string())) }
            }
            Err(error) => Err(failed(error)),
        }
    }
}

#[async_trait]
impl Anchorage for Folder {
    fn place(&self) -> &'static str {
        "folder"
    }

    async fn keep(&self, anchor: &Anchor) -> Result<(), Error> {
        let (folder, name, note) = (self.folder.clone(), anchor.name(), anchor.note.clone());
        let written = tokio::task::spawn_blocking(move || Self::write(&folder, &name, &note)).await;
        written.unwrap_or_else(|error| Err(Error::NotKept(error.to_string())))
    }
}

/// An address: `POST` with the note as `text/plain`, and the name of the checkpoint as `Idempotency-Key`.
#[derive(Debug)]
pub struct Address {
    settings: http_client::Settings,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl Address {
    /// The address; it is not asked.
    pub fn new(
        settings: http_client::Settings,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, http_client::BuildError> {
        HttpClient::new(&settings, Arc::clone(&clock))?;
        Ok(Self { settings, timeout, clock })
    }
}

#[async_trait]
impl Anchorage for Address {
    fn place(&self) -> &'static str {
        "address"
    }

    async fn keep(&self, anchor: &Anchor) -> Result<(), Error> {
        let mut settings = self.settings.clone();
        settings.headers.push(("idempotency-key".to_owned(), anchor.name()));
        let not_kept = |text: String| Error::NotKept(text);
        let client = HttpClient::new(&settings, Arc::clone(&self.clock))
            .map_err(|error| not_kept(error.to_string()))?;
        let parcel = Parcel {
            delivery: DeliveryId(Uuid::nil()),
            body: Bytes::from(anchor.note.clone()),
            content_type: "text/plain; charset=utf-8".to_owned(),
            name: anchor.name(),
            not_after: self.clock.now() + self.timeout,
            envelope: None,
        };
        let answer = client.send(parcel).await.map_err(|error| not_kept(error.to_string()))?;
        match answer.status {
            Some(200..=299) => Ok(()),
            Some(409) => Err(Error::Another(client.peer())),
            Some(status) => Err(not_kept(format!("{} answered {status}", client.peer()))),
            None => Err(not_kept(format!("{} gave no status", client.peer()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(note: &str) -> Anchor {
        Anchor { size: 7, at: "2026-03-05T01:30:00Z".parse().unwrap(), note: note.to_owned() }
    }

    #[tokio::test]
    async fn a_folder_keeps_a_dated_file_each_and_replaces_none() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::new(home.path().join("kept"));
        folder.keep(&anchor("one")).await.unwrap();
        folder.keep(&anchor("one")).await.unwrap();
        let refused = folder.keep(&anchor("other")).await.unwrap_err();
        assert!(matches!(refused, Error::Another(_)), "{refused}");
        let names: Vec<_> = fs::read_dir(home.path().join("kept")).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        let kept = fs::read_to_string(home.path().join("kept/20260305T013000Z-7.txt")).unwrap();
        assert_eq!(kept, "one");
    }
}
