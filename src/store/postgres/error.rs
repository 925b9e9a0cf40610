//! What PostgreSQL says, in the words of the port, by SQLSTATE and never by text. Nothing here carries a
//! stored value: of faults in the data only the code and the constraint are told.

use std::{error::Error as _, io, sync::Arc};

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::DbError;

use crate::{port::store::Error, store::fault::unfit};

/// Why a piece of work inside the database failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Said by the server or on the way to it.
    Server(tokio_postgres::Error),
    /// Decided here.
    Store(Error),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Server(error) => of_server(error),
            Failure::Store(error) => error,
        }
    }
}

/// What helps against a failure that came before the commit was sent, when nothing has been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing: the caller must be told.
    None,
    /// The whole transaction again: it lost against another.
    Again,
    /// Another connection: this one is gone.
    Reconnect,
    /// Another server: this one takes no writes (any more).
    Elsewhere,
    /// Statements prepared anew: the tables have changed.
    Reprepare,
}

impl Failure {
    /// What helps.
    pub(super) fn remedy(&self) -> Remedy {
        let Self::Server(error) = self else { return Remedy::None };
        match error.code().map(tokio_postgres::error::SqlState::code) {
            // Of statements sent together, one that is told of another's failure says nothing of its own.
            Some("40001" | "40P01" | "25P02") => Remedy::Again,
            Some("25006") => Remedy::Elsewhere,
            Some("57P01" | "57P02" | "57P03" | "57P05") => Remedy::Reconnect,
            Some("0A000" | "26000") => Remedy::Reprepare,
            Some(code) if code.starts_with("08") => Remedy::Reconnect,
            None if is_lost(error) => Remedy::Reconnect,
            _ => Remedy::None,
        }
    }
}

/// A server's word in the words of the port.
fn of_server(error: tokio_postgres::Error) -> Error {
    let Some(said) = error.as_db_error() else {
        let text: Arc<str> = chain(&error).into();
        return if is_untrusted(&error) {
            Error::Unavailable(untrusted(&text))
        } else if is_lost(&error) {
            Error::Unavailable(text)
        } else {
            Error::Backend { message: text, source: Arc::new(error) }
        };
    };
    let (code, text): (&str, Arc<str>) = (said.code().code(), told(said).into());
    match code {
        "53100" => Error::DiskFull(text),
        // Lost against another; time-outs; shutting down; too much at once; no longer the primary.
        "40001" | "40P01" | "55P03" | "57014" | "25P03" | "57P01" | "57P02" | "57P03" | "57P05" | "25006" => {
            Error::Unavailable(text)
        }
        "XX001" | "XX002" => Error::Damaged(text),
        _ if code.starts_with("08") || code.starts_with("53") => Error::Unavailable(text),
        _ if code.starts_with("22") || code.starts_with("23") => unfit(text),
        _ => Error::Backend { message: text, source: Arc::new(Said(told(said))) },
    }
}

/// The server's words without its details, which repeat values.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

fn told(said: &DbError) -> String {
    let code = said.code().code();
    let said_at = [("constraint", said.constraint()), ("table", said.table()), ("column", said.column())];
    let places = said_at.into_iter().filter_map(|(what, name)| Some(format!(", {what} {}", name?)));
    let text = if code.starts_with("22") || code.starts_with("23") {
        "a value does not fit"
    } else {
        said.message()
    };
    format!("{text}{} (SQLSTATE {code})", places.collect::<String>())
}

/// Whether the connection broke, or there was none.
fn is_lost(error: &tokio_postgres::Error) -> bool {
    let mut cause = error.source();
    let mut broken = error.is_closed();
    while let Some(inner) = cause {
        broken |= inner.is::<io::Error>();
        cause = inner.source();
    }
    // The driver has no other name for its own time-outs and for a connection that ended in the middle.
    broken || error.to_string().starts_with("timeout") || error.to_string().starts_with("error connecting")
}

/// Whether the two ends did not agree on TLS, for which the driver has no other name either. A server that gets a
/// right certificate is good again without a restart of the hub.
fn is_untrusted(error: &tokio_postgres::Error) -> bool {
    error.to_string().starts_with("error performing TLS handshake")
}

fn untrusted(why: &str) -> Arc<str> {
    format!(
        "no trusted connection to the database server ({why}): it must speak TLS (ssl = on) with a certificate for \
         the name in postgres.url that postgres.authority signed"
    )
    .into()
}

fn chain(error: &tokio_postgres::Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        parts.push(inner.to_string());
        cause = inner.source();
    }
    parts.join(": ")
}

/// Why there was no connection.
pub(super) fn of_pool(error: PoolError) -> Error {
    match error {
        // Whatever kept us out (no server, no TLS, a password, a database that lets nobody in) is mended there, and
        // the next connection finds it mended.
        PoolError::Backend(error) => match of_server(error) {
            Error::Backend { message, .. } => Error::Unavailable(message),
            other => other,
        },
        PoolError::Closed => closed(),
        PoolError::Timeout(TimeoutType::Wait) => {
            Error::Unavailable("no connection to the database was free in time".into())
        }
        PoolError::Timeout(_) => Error::Unavailable("the database did not answer in time".into()),
        PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            Error::Backend { message: "no connection could be made".into(), source: Arc::new(error) }
        }
    }
}

/// The answer of a store that is closed or closing.
pub(super) fn closed() -> Error {
    Error::Unavailable("store is closed".into())
}
