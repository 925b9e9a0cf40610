//! The database in the data directory.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::error::of_file;
use crate::port::store::Error;

const DATABASE: &str = "liandong.db";

/// The database file.
pub(super) fn database(directory: &Path) -> PathBuf {
    directory.join(DATABASE)
}

/// The database of a directory that somebody has made; nothing is made here.
pub(super) fn existing(path: &Path) -> Result<PathBuf, Error> {
    let database = database(path);
    match fs::metadata(&database) {
        Ok(_) => Ok(database),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::Absent(path.display().to_string().into()))
        }
        Err(error) => Err(of_file(&database, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_for_a_database_makes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data");
        let error = existing(&path).unwrap_err();
        assert!(matches!(&error, Error::Absent(named) if named.ends_with("data")), "{error}");
        assert!(!path.exists());
    }
}
