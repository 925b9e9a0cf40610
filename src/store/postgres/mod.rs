//! The store on PostgreSQL 15 or later, which any number of hubs share.
//!
//! Promises of the ports it keeps by: one transaction a call, READ COMMITTED, in a task of its own, so that a
//! caller that goes away does not cut a commit in two ([`runner`]); rows are written in sets ([`write`]); whoever
//! appends to a lane or ends something in it holds the lane's order key ([`book`]); claims skip what another
//! hub has locked ([`claim`]). A commit whose answer is lost may have been done: every call is safe to repeat.
//!
//! The server is checked at open ([`connection`]): version, durability, encoding, a session that may write.

mod accept;
mod access;
mod audit;
mod batch;
mod book;
mod claim;
mod clock;
mod connection;
mod deliveries;
mod effect;
mod error;
mod floor;
mod history;
mod insert;
mod keys;
mod migrate;
mod obligations;
mod operate;
mod partition;
mod query;
mod refusals;
mod replay;
mod retention;
mod runner;
mod session;
mod settle;
mod stamps;
#[cfg(test)]
mod tests;
mod trail;
mod upkeep;
mod value;
mod write;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

pub use clock::DatabaseClock;

use floor::Floors;
use runner::Runner;
use upkeep::Upkeep;

use crate::{config::secret::Secret, port::store::Error};

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// `postgres://user:password@host:port/database?sslmode=require`; several hosts separated by commas.
    pub url: Secret,
    /// PEM file of the authority that signs the server's certificate; that of the machine without one.
    pub authority: Option<PathBuf>,
    /// Connections at most.
    pub connections: usize,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a call waits for a free connection.
    pub wait_timeout: Duration,
    /// How long the server works on one statement.
    pub statement_timeout: Duration,
    /// How long a statement waits for a lock.
    pub lock_timeout: Duration,
    /// How long a transaction may stand still before the server ends it.
    pub idle_timeout: Duration,
}

impl Options {
    /// The usual numbers for an address.
    pub fn new(url: Secret) -> Self {
        Self {
            url,
            authority: None,
            connections: 16,
            connect_timeout: Duration::from_secs(5),
            wait_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(1),
        }
    }
}

/// All the ports of the store on one PostgreSQL database.
pub struct PostgresStore {
    runner: Runner,
    floors: Arc<Floors>,
    upkeep: Upkeep,
}

impl PostgresStore {
    /// Connects, checks the server, sets the clock, brings the database to this version's form and makes the months' partitions.
    ///
    /// # Errors
    /// [`Error::Damaged`] when a newer version wrote the database, [`Error::Backend`] when the address is no
    /// address or the server does not keep what is committed, [`Error::Unavailable`] when it cannot be reached.
    pub async fn open(options: &Options, clock: DatabaseClock) -> Result<Self, Error> {
        let runner = Runner::new(connection::pool(options)?);
        connection::check(&runner).await?;
        migrate::apply(&runner).await?;
        let upkeep = Upkeep::start(&runner, clock).await?;
        Ok(Self { runner, floors: Arc::default(), upkeep })
    }

    /// Opens what hubs have stored for looking: the database is neither made nor changed.
    ///
    /// # Errors
    /// [`Error::Absent`] without a store, [`Error::Damaged`] when another version wrote it.
    pub async fn look(options: &Options, clock: DatabaseClock) -> Result<Self, Error> {
        let runner = Runner::new(connection::pool(options)?);
        connection::check(&runner).await?;
        migrate::must_be_current(&runner).await?;
        let upkeep = Upkeep::look(&runner, clock).await?;
        Ok(Self { runner, floors: Arc::default(), upkeep })
    }

    /// The clock of the database's server, which every hub on it follows.
    pub fn clock(&self) -> DatabaseClock {
        self.upkeep.clock()
    }

    /// Takes no more, finishes what is under way and closes every connection.
    pub async fn close(&self) -> Result<(), Error> {
        self.runner.close().await;
        Ok(())
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("runner", &self.runner).finish_non_exhaustive()
    }
}
