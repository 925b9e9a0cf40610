//! Inbound files: a folder is looked at in intervals, and each file that has settled is handed on.
//!
//! Promises: a file is taken up only whole (its name does not end in `.tmp` or `.part`, does not begin
//! with a dot, and its size and time of change are the same at two looks); it is moved to `done/` or
//! `failed/` only after the hub's answer, so that a crash before the move brings the same file again,
//! which intake answers with the same receipt. Files are taken in order of name. Nothing is deleted.
//! Left to others: what is in a file, and when to look.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use async_trait::async_trait;
use tokio::{
    fs,
    io::{AsyncReadExt as _, AsyncWriteExt as _},
};

use super::sync_folder;
use crate::port::pickup::{Content, Error, Found, Pickup};

const UNFINISHED: [&str; 2] = [".tmp", ".part"];
const DONE: &str = "done";
const FAILED: &str = "failed";
const RECEIPTS: &str = "receipts";

/// A folder under watch.
#[derive(Debug)]
pub struct DropFolder {
    folder: PathBuf,
    max_body_bytes: usize,
    seen: HashMap<OsString, Stamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    changed: Option<SystemTime>,
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error { what, path, source }
}

impl DropFolder {
    /// Watches `folder`, which must exist; its `done/`, `failed/` and `receipts/` are made.
    pub async fn open(folder: PathBuf, max_body_bytes: usize) -> Result<Self, Error> {
        for part in [DONE, FAILED, RECEIPTS] {
            let path = folder.join(part);
            match fs::create_dir(&path).await {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed("making", &path)(error));
                }
                _ => {}
            }
        }
        Ok(Self { folder, max_body_bytes, seen: HashMap::new() })
    }

    async fn present(&self) -> Result<HashMap<OsString, Stamp>, Error> {
        let listing = || failed("listing", &self.folder);
        let mut present = HashMap::new();
        let mut entries = fs::read_dir(&self.folder).await.map_err(listing())?;
        while let Some(entry) = entries.next_entry().await.map_err(listing())? {
            let name = entry.file_name();
            if !is_finished(&name) {
                continue;
            }
            // A file that is gone by now was taken back by its writer.
            if let Ok(about) = fs::symlink_metadata(entry.path()).await
                && about.is_file()
            {
                present.insert(name, Stamp { bytes: about.len(), changed: about.modified().ok() });
            }
        }
        Ok(present)
    }

    async fn free_name(&self, part: &str, name: &OsStr) -> Result<(PathBuf, OsString), Error> {
        let folder = self.folder.join(part);
        let mut free = name.to_owned();
        let mut number = 1_u32;
        while fs::try_exists(folder.join(&free)).await.map_err(failed("looking into", &folder))? {
            number += 1;
            free = with_suffix(name, &format!(".{number}"));
        }
        Ok((folder, free))
    }

    async fn write(&self, folder: &Path, name: &OsStr, bytes: &[u8]) -> Result<(), Error> {
        let (temporary, place) = (folder.join(with_suffix(name, ".tmp")), folder.join(name));
        let written = async {
            let mut file = fs::File::create(&temporary).await?;
            file.write_all(bytes).await?;
            file.sync_all().await?;
            fs::rename(&temporary, &place).await?;
            sync_folder(folder).await
        };
        written.await.map_err(failed("writing", &place))
    }

    async fn shift(&self, found: &Found, folder: &Path, name: &OsStr) -> Result<(), Error> {
        let path = &found.path;
        let moved = async {
            fs::rename(path, folder.join(name)).await?;
            sync_folder(folder).await?;
            sync_folder(&self.folder).await
        };
        moved.await.map_err(failed("moving", path))
    }
}

#[async_trait]
impl Pickup for DropFolder {
    async fn look(&mut self, limit: usize) -> Result<Vec<Found>, Error> {
        let present = self.present().await?;
        let mut settled: Vec<_> = present
            .iter()
            .filter(|(name, stamp)| self.seen.get(*name) == Some(stamp))
            .map(|(name, stamp)| Found { path: self.folder.join(name), bytes: stamp.bytes })
            .collect();
        self.seen = present;
        settled.sort_by(|a, b| a.path.cmp(&b.path));
        settled.truncate(limit);
        Ok(settled)
    }

    async fn read(&self, found: &Found) -> Result<Content, Error> {
        let path = &found.path;
        let limit_bytes = self.max_body_bytes;
        let mut bytes = Vec::new();
        let file = fs::File::open(path).await.map_err(failed("opening", path))?;
        file.take(limit_bytes as u64 + 1).read_to_end(&mut bytes).await.map_err(failed("reading", path))?;
        if bytes.len() > limit_bytes {
            return Ok(Content::TooLarge { found_bytes: found.bytes, limit_bytes });
        }
        Ok(Content::Whole(bytes.into()))
    }

    async fn write_receipts(&self, found: &Found, receipts: &[u8]) -> Result<(), Error> {
        let name = with_suffix(name_of(found), ".receipts.json");
        self.write(&self.folder.join(RECEIPTS), &name, receipts).await
    }

    async fn done(&self, found: &Found) -> Result<(), Error> {
        let (folder, name) = self.free_name(DONE, name_of(found)).await?;
        self.shift(found, &folder, &name).await
    }

    async fn failed(&self, found: &Found, explanation: &str) -> Result<(), Error> {
        let (folder, name) = self.free_name(FAILED, name_of(found)).await?;
        self.write(&folder, &with_suffix(&name, ".error.txt"), explanation.as_bytes()).await?;
        self.shift(found, &folder, &name).await
    }
}

fn name_of(found: &Found) -> &OsStr {
    found.path.file_name().unwrap_or_default()
}

fn is_finished(name: &OsStr) -> bool {
    let text = name.to_string_lossy().to_lowercase();
    !text.starts_with('.') && !UNFINISHED.iter().any(|suffix| text.ends_with(suffix))
}

fn with_suffix(name: &OsStr, suffix: &str) -> OsString {
    let mut name = name.to_owned();
    name.push(suffix);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn watched() -> (tempfile::TempDir, DropFolder) {
        let root = tempfile::tempdir().unwrap();
        let folder = DropFolder::open(root.path().into(), 1_024).await.unwrap();
        (root, folder)
    }

    async fn names(folder: &mut DropFolder) -> Vec<String> {
        folder.look(10).await.unwrap().iter().map(Found::name).collect()
    }

    #[tokio::test]
    async fn a_file_is_taken_up_at_the_second_look_that_finds_it_unchanged() {
        let (root, mut folder) = watched().await;
        std::fs::write(root.path().join("a.json"), "{").unwrap();
        assert!(names(&mut folder).await.is_empty());
        std::fs::write(root.path().join("a.json"), "{}").unwrap();
        assert!(names(&mut folder).await.is_empty(), "it has grown since");
        assert_eq!(names(&mut folder).await, ["a.json"]);
    }

    #[tokio::test]
    async fn unfinished_hidden_and_linked_files_and_folders_are_left_alone() {
        let (root, mut folder) = watched().await;
        for name in ["a.json.tmp", "b.PART", ".c.json"] {
            std::fs::write(root.path().join(name), "{}").unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", root.path().join("d.json")).unwrap();
        names(&mut folder).await;
        assert!(names(&mut folder).await.is_empty());
    }

    #[tokio::test]
    async fn files_come_in_order_of_name_and_within_the_limit() {
        let (root, mut folder) = watched().await;
        for name in ["3", "1", "2"] {
            std::fs::write(root.path().join(name), "{}").unwrap();
        }
        names(&mut folder).await;
        let found: Vec<_> = folder.look(2).await.unwrap().iter().map(Found::name).collect();
        assert_eq!(found, ["1", "2"]);
    }

    #[tokio::test]
    async fn a_crash_before_the_move_brings_the_same_file_again() {
        let (root, mut folder) = watched().await;
        std::fs::write(root.path().join("a.json"), "{}").unwrap();
        names(&mut folder).await;
        let found = folder.look(1).await.unwrap().remove(0);
        folder.write_receipts(&found, b"[1]").await.unwrap();
        drop(folder);

        let mut folder = DropFolder::open(root.path().into(), 1_024).await.unwrap();
        names(&mut folder).await;
        assert_eq!(folder.look(1).await.unwrap(), vec![found.clone()]);
        folder.write_receipts(&found, b"[1]").await.unwrap();
        folder.done(&found).await.unwrap();
        assert!(names(&mut folder).await.is_empty());
        assert_eq!(std::fs::read(root.path().join("done/a.json")).unwrap(), b"{}");
        assert_eq!(std::fs::read(root.path().join("receipts/a.json.receipts.json")).unwrap(), b"[1]");
    }

    #[tokio::test]
    async fn a_name_used_before_overwrites_nothing() {
        let (root, mut folder) = watched().await;
        for content in ["first", "second"] {
            std::fs::write(root.path().join("a"), content).unwrap();
            names(&mut folder).await;
            let found = folder.look(1).await.unwrap().remove(0);
            folder.failed(&found, "because").await.unwrap();
        }
        assert_eq!(std::fs::read(root.path().join("failed/a")).unwrap(), b"first");
        assert_eq!(std::fs::read(root.path().join("failed/a.2")).unwrap(), b"second");
        assert_eq!(std::fs::read(root.path().join("failed/a.2.error.txt")).unwrap(), b"because");
    }

    #[tokio::test]
    async fn a_large_file_is_not_read() {
        let (root, mut folder) = watched().await;
        std::fs::write(root.path().join("a"), vec![b'x'; 1_025]).unwrap();
        names(&mut folder).await;
        let found = folder.look(1).await.unwrap().remove(0);
        let content = folder.read(&found).await.unwrap();
        assert_eq!(content, Content::TooLarge { found_bytes: 1_025, limit_bytes: 1_024 });
    }

    #[tokio::test]
    async fn a_missing_folder_says_what_to_check() {
        let root = tempfile::tempdir().unwrap();
        let error = DropFolder::open(root.path().join("share"), 1).await.unwrap_err();
        assert!(error.to_string().contains("check that the folder is there"), "{error}");
    }
}
