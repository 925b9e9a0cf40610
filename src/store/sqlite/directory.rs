//! The data directory: one process at a time, readable by its owner alone.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use super::error::of_file;
use crate::port::store::Error;

const LOCK: &str = "liandong.lock";
const DATABASE: &str = "liandong.db";

/// A locked data directory. The lock ends with the value, and with the process.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory where it is missing and locks it; [`Error::InUse`] when another process has it.
    pub(super) fn lock(path: &Path) -> Result<Self, Error> {
        create(path)?;
        let name = path.join(LOCK);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&name)
            .map_err(|error| of_file(&name, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(path.display().to_string().into())),
            Err(TryLockError::Error(error)) => Err(of_file(&name, error)),
        }
    }

    /// The database file.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }
}

fn create(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| of_file(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_held_by_one_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        let first = Directory::lock(&path).unwrap();
        let refused = Directory::lock(&path).unwrap_err();
        assert!(matches!(&refused, Error::InUse(named) if named.ends_with("a/b")), "{refused}");
        drop(first);
        Directory::lock(&path).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Directory::lock(&file.join("data")).unwrap_err().to_string();
        assert!(error.contains("file/data"), "{error}");
    }
}
