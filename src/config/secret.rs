//! Secrets by reference (`env:NAME`, `file:path`), redacted by type: no `Debug` or `Display` shows one.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// An environment variable.
    Environment(String),
    /// A file; its trailing line end is not part of the secret.
    File(PathBuf),
}

/// A secret. Printing it shows `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Reads one environment variable; handed in, so that only the composition touches the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why a reference or its secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a reference: a secret may have been written into the file.
    #[error("write a reference, env:NAME or file:path, never the secret itself")]
    NotAReference,
    /// The variable is not set.
    #[error("environment variable {0} is not set")]
    NotSet(String),
    /// The file cannot be read.
    #[error("secret file {path} cannot be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is nothing in it.
    #[error("secret at {0} is empty")]
    Empty(SecretRef),
}

impl SecretRef {
    /// Fetches the secret; relative paths start at `base`.
    pub fn resolve(&self, base: &Path, environment: Environment<'_>) -> Result<Secret, Error> {
        let text = match self {
            Self::Environment(name) => environment(name).ok_or_else(|| Error::NotSet(name.clone()))?,
            Self::File(path) => {
                let path = base.join(path);
                std::fs::read_to_string(&path).map_err(|source| Error::Unreadable { path, source })?
            }
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() { Err(Error::Empty(self.clone())) } else { Ok(Secret(text.to_owned())) }
    }
}

impl FromStr for SecretRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Environment(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err(Error::NotAReference),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl Secret {
    /// A secret made elsewhere.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `text` with every occurrence of the secret replaced.
    pub fn scrub(&self, text: &str) -> String {
        text.replace(&self.0, "***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_written_into_the_file_is_refused_without_repeating_it() {
        let error = "hunter2-very-secret".parse::<SecretRef>().unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_file_secret_loses_its_line_end_and_is_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "abc123\n").unwrap();
        let secret = "file:token".parse::<SecretRef>().unwrap().resolve(folder.path(), &|_| None).unwrap();
        assert_eq!(secret.expose(), "abc123");
        assert_eq!(format!("{secret:?}"), "Secret(***)");
        assert_eq!(secret.scrub("token abc123 refused"), "token *** refused");
    }

    #[test]
    fn a_missing_or_empty_variable_is_an_error() {
        let reference = "env:TOKEN".parse::<SecretRef>().unwrap();
        let base = Path::new("");
        assert!(matches!(reference.resolve(base, &|_| None), Err(Error::NotSet(_))));
        assert!(matches!(reference.resolve(base, &|_| Some("\n".into())), Err(Error::Empty(_))));
    }
}
