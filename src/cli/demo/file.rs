//! Files of the demo's world in TOML: read and parsed, or said which and why not.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Why a file of the world cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not readable.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not what it should hold.
    #[error("{path} does not hold what it should", path = path.display())]
    Syntax {
        /// Which.
        path: PathBuf,
        /// Why, with the line.
        #[source]
        source: Box<toml::de::Error>,
    },
}

/// Reads one.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let named = || path.to_owned();
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: named(), source })?;
    toml::from_str(&text).map_err(|source| Error::Syntax { path: named(), source: Box::new(source) })
}
