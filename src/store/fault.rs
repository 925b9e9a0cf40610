//! Faults that every store tells in the same way.

use std::{fmt, io, path::Path, sync::Arc};

use crate::port::store::Error;

/// What was handed in does not fit what is stored.
#[derive(Debug, thiserror::Error)]
#[error("does not fit what is stored: {0}")]
struct Unfit(Arc<str>);

/// The caller's own fault, not the store's: a constraint is against it.
pub(in crate::store) fn unfit(why: impl Into<Arc<str>>) -> Error {
    let why = why.into();
    Error::Backend { message: Arc::clone(&why), source: Arc::new(Unfit(why)) }
}

/// Why it does not fit, when that is the error.
pub(in crate::store) fn why_unfit(error: &Error) -> Option<Arc<str>> {
    match error {
        Error::Backend { source, .. } => source.downcast_ref::<Unfit>().map(|unfit| Arc::clone(&unfit.0)),
        _ => None,
    }
}

/// A row that should not exist.
pub(in crate::store) fn damaged(what: impl fmt::Display) -> Error {
    Error::Damaged(what.to_string().into())
}

/// A number that does not fit where it is read or written.
pub(in crate::store) fn number<T, U: TryFrom<T>>(value: T) -> Result<U, Error>
where
    U::Error: fmt::Display,
{
    U::try_from(value).map_err(damaged)
}

/// The file system refused something of the data directory.
pub(in crate::store) fn of_file(path: &Path, error: io::Error) -> Error {
    let message: Arc<str> = format!("{}: {error}", path.display()).into();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull(message),
        _ => Error::Backend { message, source: Arc::new(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_said_when_the_file_system_says_it() {
        let full = of_file(Path::new("data"), io::Error::from(io::ErrorKind::StorageFull));
        assert!(matches!(full, Error::DiskFull(_)), "{full:?}");
    }
}
