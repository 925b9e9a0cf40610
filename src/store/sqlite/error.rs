//! What SQLite says, in the words of the port. Nothing here carries a stored value.

use std::{io, path::Path, sync::Arc};

use rusqlite::ErrorCode;

use crate::port::store::Error;

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let said: Arc<str> = error.to_string().into();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull(said),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OutOfMemory) => {
                Self::Unavailable(said)
            }
            Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch) => unfit(said),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => Self::Damaged(said),
            Some(_) => Self::Backend { message: said, source: Arc::new(error) },
        }
    }
}

/// What was handed in does not fit what is stored.
#[derive(Debug, thiserror::Error)]
#[error("does not fit what is stored: {0}")]
struct Unfit(Arc<str>);

/// The caller's own fault, not the store's: a constraint is against it.
pub(super) fn unfit(why: impl Into<Arc<str>>) -> Error {
    let why = why.into();
    Error::Backend { message: Arc::clone(&why), source: Arc::new(Unfit(why)) }
}

/// Why it does not fit, when that is the error.
pub(super) fn why_unfit(error: &Error) -> Option<Arc<str>> {
    match error {
        Error::Backend { source, .. } => source.downcast_ref::<Unfit>().map(|unfit| Arc::clone(&unfit.0)),
        _ => None,
    }
}

/// The file system refused something of the data directory.
pub(super) fn of_file(path: &Path, error: io::Error) -> Error {
    let message: Arc<str> = format!("{}: {error}", path.display()).into();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull(message),
        _ => Error::Backend { message, source: Arc::new(error) },
    }
}

/// A row that should not exist.
pub(super) fn damaged(what: impl std::fmt::Display) -> Error {
    Error::Damaged(what.to_string().into())
}

/// A number that does not fit where it is read or written.
pub(super) fn number<T, U: TryFrom<T>>(value: T) -> Result<U, Error>
where
    U::Error: std::fmt::Display,
{
    U::try_from(value).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn of_code(code: i32) -> Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into()
    }

    #[test]
    fn a_full_disk_and_a_busy_database_may_be_tried_again_and_damage_may_not() {
        assert!(matches!(of_code(ffi::SQLITE_FULL), Error::DiskFull(_)));
        assert!(matches!(of_code(ffi::SQLITE_BUSY), Error::Unavailable(_)));
        assert!(matches!(of_code(ffi::SQLITE_CORRUPT), Error::Damaged(_)));
        assert!(why_unfit(&of_code(ffi::SQLITE_CONSTRAINT_UNIQUE)).is_some());
        let broken = of_code(ffi::SQLITE_IOERR);
        assert!(matches!(broken, Error::Backend { .. }) && why_unfit(&broken).is_none());
        assert!(of_code(ffi::SQLITE_FULL).retryable() && !of_code(ffi::SQLITE_CORRUPT).retryable());
    }

    #[test]
    fn a_full_disk_is_said_when_the_file_system_says_it() {
        let full = of_file(Path::new("data"), io::Error::from(io::ErrorKind::StorageFull));
        assert!(matches!(full, Error::DiskFull(_)), "{full:?}");
    }
}
