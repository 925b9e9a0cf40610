//! How a command reaches a hub: the running one by its interface, else its store directly.
//!
//! A running hub leaves `hub.json` in its data directory, readable by its account only: its address and
//! an operator's token made for this run.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The file that tells where the running hub is.
const FILE: &str = "hub.json";

/// Where a running hub is, and how to operate it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Running {
    /// HTTP address.
    pub http: SocketAddr,
    /// Operator's token of this run.
    pub token: String,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("http", &self.http).finish_non_exhaustive()
    }
}

/// Why a hub could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No hub runs on this data directory.
    #[error("no hub runs on {0}; start one with 'liandong serve', or name its directory with --config")]
    NotRunning(PathBuf),
    /// The file that names it cannot be used.
    #[error("cannot use {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It does not answer.
    #[error("the hub at {address} does not answer: {source}")]
    Silent {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It refused.
    #[error("{status}: {detail}")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// What it said.
        detail: String,
        /// The whole answer.
        body: Value,
    },
}

impl Running {
    /// Leaves the note in the data directory, for its account only.
    pub fn leave(&self, data: &Path) -> Result<(), Error> {
        let path = data.join(FILE);
        let failed = |source| Error::File { path: path.clone(), source };
        let text = serde_json::to_string(self).map_err(|error| failed(error.into()))?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)
    }

    /// Takes the note away.
    pub fn remove(data: &Path) -> Result<(), Error> {
        let path = data.join(FILE);
        fs::remove_file(&path).map_err(|source| Error::File { path, source })
    }

    /// Finds the hub that runs on `data`.
    pub fn find(data: &Path) -> Result<Self, Error> {
        let path = data.join(FILE);
        let text = fs::read_to_string(&path).map_err(|_| Error::NotRunning(data.to_owned()))?;
        serde_json::from_str(&text).map_err(|error| Error::File { path, source: error.into() })
    }

    /// Asks it; a body makes the request JSON.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Error> {
        self.ask_as(
            &self.token,
            method,
            path,
            "application/json",
            body.map(|body| body.to_string().into_bytes()),
        )
        .await
    }

    /// Asks it with another token and media type.
    pub async fn ask_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        media: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Value, Error> {
        let address = format!("http://{}{path}", self.http);
        let silent = |source| Error::Silent { address: address.clone(), source };
        let mut request = reqwest::Client::new().request(method, &address).bearer_auth(token);
        if let Some(body) = body {
            request = request.header("content-type", media).body(body);
        }
        let response = request.send().await.map_err(silent)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(silent)?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_success() {
            return Ok(value);
        }
        let detail = value["detail"].as_str().unwrap_or("the hub gave no reason").to_owned();
        Err(Error::Refused { status, detail, body: value })
    }
}
