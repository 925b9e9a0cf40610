//! The data directory: one process at a time, readable by its owner alone.

use std::{
    fs::{self, File, TryLockError},
    io,
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

/// The database of a directory that somebody has made; nothing is made here.
pub(super) fn existing(path: &Path) -> Result<PathBuf, Error> {
    let database = path.join(DATABASE);
    match fs::metadata(&database) {
        Ok(_) => Ok(database),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::Absent(path.display().to_string().into()))
        }
        Err(error) => Err(of_file(&database, error)),
    }
}

/// Whether a process holds the directory. Looking holds it for an instant.
pub(super) fn is_held(path: &Path) -> Result<bool, Error> {
    let name = path.join(LOCK);
    let lock = match File::open(&name) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(of_file(&name, error)),
    };
    match lock.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(of_file(&name, error)),
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
        assert!(!is_held(&path).unwrap(), "nobody has made it yet");
        let first = Directory::lock(&path).unwrap();
        assert!(is_held(&path).unwrap());
        let refused = Directory::lock(&path).unwrap_err();
        assert!(matches!(&refused, Error::InUse(named) if named.ends_with("a/b")), "{refused}");
        drop(first);
        assert!(!is_held(&path).unwrap());
        Directory::lock(&path).unwrap();
    }

    #[test]
    fn looking_for_a_database_makes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data");
        let error = existing(&path).unwrap_err();
        assert!(matches!(&error, Error::Absent(named) if named.ends_with("data")), "{error}");
        assert!(!path.exists());
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
