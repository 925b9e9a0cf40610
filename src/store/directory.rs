//! The data directory of a hub: one process at a time, readable by its owner alone. The embedded store lies in it;
//! with another store it still holds what is the hub's own.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
};

use super::fault::of_file;
use crate::port::store::Error;

const LOCK: &str = "liandong.lock";

/// A locked data directory. The lock ends with the value, and with the process.
#[derive(Debug)]
pub struct Directory {
    _lock: File,
}

impl Directory {
    /// Makes the directory where it is missing and locks it.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process has it.
    pub fn lock(path: &Path) -> Result<Self, Error> {
        create(path)?;
        let name = path.join(LOCK);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&name)
            .map_err(|error| of_file(&name, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(path.display().to_string().into())),
            Err(TryLockError::Error(error)) => Err(of_file(&name, error)),
        }
    }
}

/// Whether a process holds the directory. Looking holds it for an instant; what is not there is held by nobody.
///
/// # Errors
/// [`Error::Backend`] when it may not be looked at.
pub fn is_held(path: &Path) -> Result<bool, Error> {
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
    fn a_directory_that_cannot_be_made_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Directory::lock(&file.join("data")).unwrap_err().to_string();
        assert!(error.contains("file/data"), "{error}");
    }
}
