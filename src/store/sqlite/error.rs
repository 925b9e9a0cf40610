//! What SQLite says, in the words of the port. Nothing here carries a stored value.

use std::sync::Arc;

use rusqlite::ErrorCode;

pub(super) use crate::store::fault::{damaged, number, of_file, unfit, why_unfit};

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
}
