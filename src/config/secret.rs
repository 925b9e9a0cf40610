//! Secrets by reference: configuration says where a secret is, never what it is.
//!
//! `env:NAME` is an environment variable, `file:PATH` a file. A [`Secret`] prints as nothing, and no error
//! here repeats what stood where a reference was expected, since that may be the secret itself.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use super::environment::Environment;

/// Largest file a secret is read from, in bytes.
pub const LIMIT_BYTES: u64 = 64 * 1024;

/// A secret. Neither printed nor serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Takes text as a secret.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `text` with every occurrence of the secret replaced.
    pub fn scrub(&self, text: &str) -> String {
        text.replace(&*self.0, "***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// `env:NAME`.
    Environment(Box<str>),
    /// `file:PATH`; a line end at the end of the file does not belong to the secret.
    File(PathBuf),
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a reference.
    #[error("a secret is given by reference, as env:NAME or file:PATH")]
    NotAReference,
    /// The variable is not there.
    #[error("environment variable {0} is not set, or not utf-8")]
    Unset(Box<str>),
    /// The file cannot be read.
    #[error("secret file {path} cannot be read", path = path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no secret.
    #[error("secret file {path} has more than {LIMIT_BYTES} bytes", path = .0.display())]
    TooLarge(PathBuf),
    /// Nothing in it.
    #[error("secret {0} is empty")]
    Empty(SecretRef),
}

impl SecretRef {
    /// Fetches the secret; a relative path starts at `base`.
    pub fn resolve(&self, base: &Path, environment: &Environment) -> Result<Secret, Error> {
        let text = match self {
            Self::Environment(name) => {
                environment.get(name).ok_or_else(|| Error::Unset(name.clone()))?.to_owned()
            }
            Self::File(path) => read(&base.join(path))?,
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() { Err(Error::Empty(self.clone())) } else { Ok(Secret::new(text)) }
    }
}

fn read(path: &Path) -> Result<String, Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(LIMIT_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LIMIT_BYTES { Err(Error::TooLarge(path.to_owned())) } else { Ok(text) }
}

impl FromStr for SecretRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Environment(name.into())),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        [("CITY_TOKEN", "hunter2"), ("NOTHING", "")].into_iter().collect()
    }

    fn resolve(reference: &str) -> Result<Secret, Error> {
        reference.parse::<SecretRef>()?.resolve(Path::new(""), &environment())
    }

    #[test]
    fn a_reference_is_followed_into_the_environment() {
        assert_eq!(resolve("env:CITY_TOKEN").unwrap().expose(), "hunter2");
        assert!(matches!(resolve("env:OTHER").unwrap_err(), Error::Unset(name) if &*name == "OTHER"));
        assert!(matches!(resolve("env:NOTHING").unwrap_err(), Error::Empty(_)));
    }

    #[test]
    fn a_reference_is_followed_into_a_file_without_its_line_end() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "hunter2\r\n").unwrap();
        let found =
            |reference: &str| reference.parse::<SecretRef>().unwrap().resolve(folder.path(), &environment());
        assert_eq!(found("file:token").unwrap().expose(), "hunter2");
        assert!(matches!(found("file:none").unwrap_err(), Error::Unreadable { .. }));
    }

    #[test]
    fn a_file_beyond_the_limit_is_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big");
        std::fs::write(&path, vec![b'x'; 64 * 1024 + 1]).unwrap();
        let error = resolve(&format!("file:{}", path.display())).unwrap_err();
        assert!(matches!(error, Error::TooLarge(_)), "{error}");
    }

    #[test]
    fn a_secret_in_the_place_of_a_reference_is_not_repeated() {
        for text in ["hunter2", "https://user:hunter2@host", "env:", "file:"] {
            let error = text.parse::<SecretRef>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "Secret(***)");
        assert_eq!(secret.scrub("token hunter2 refused"), "token *** refused");
    }
}
