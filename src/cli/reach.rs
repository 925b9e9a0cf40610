//! How a command reaches a hub: the running one by its interface, else its store directly.
//!
//! A running hub leaves `hub.json` in its data directory, readable by its account only: its address and
//! an operator's token made for this run. Whether it runs is told by the lock on the directory, never by that
//! file, which a killed hub leaves behind.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Call,
    error::{chain, io_chinese},
    output,
    who::Who,
};
use crate::{
    api::http::{ACCOUNT, BY},
    app::counter::{self, Holder, Stopped},
    port::{clock::SystemClock, operations::Said},
    task::Failure,
};

/// The file that tells where the running hub is.
const FILE: &str = "hub.json";
/// Name that commands on this machine operate under.
pub(super) const LOCAL: &str = "local-commands";
/// Longest wait for a connection to a hub on this machine.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where a running hub is, and how to operate it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Running {
    /// HTTP address.
    pub http: SocketAddr,
    /// Operator's token of this run.
    pub token: String,
    /// Its name: hubs that share a store do not take each other's away.
    pub name: String,
    /// Who asks it.
    #[serde(skip)]
    pub said: Said,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("http", &self.http).finish_non_exhaustive()
    }
}

/// Why a hub could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No hub runs on this data directory, and the command needs one.
    #[error("no hub runs on {}; start one with 'liandong serve', or name its configuration with --config", .0.display())]
    NotRunning(PathBuf),
    /// Somebody holds the directory but has not said where it can be asked.
    #[error("another liandong process works on {} and cannot be asked yet; it may be starting or stopping, try again", .0.display())]
    NotSaid(PathBuf),
    /// The file that names it cannot be used.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not answer.
    #[error("the hub at {address} does not answer; it may be starting or stopping, try again")]
    Silent {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: Failure,
    },
    /// It refused.
    #[error("{status}: {detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said.
        detail: String,
        /// The whole answer.
        body: Value,
    },
}

impl Error {
    /// The text for people, in English.
    pub(super) fn english(&self) -> String {
        match self {
            Self::Refused { status, detail, body } => {
                let code = body["code"].as_str().map_or_else(|| status.to_string(), str::to_owned);
                format!("{code}: {detail}{}", faults(body))
            }
            other => chain(other),
        }
    }

    /// The text for people, in Chinese.
    pub(super) fn chinese(&self) -> String {
        match self {
            Self::NotRunning(data) => format!(
                "数据目录 {} 上没有枢纽在运行；先运行 liandong serve，或用 --config 指明枢纽所用的配置",
                data.display()
            ),
            Self::NotSaid(data) => format!(
                "另一个 liandong 进程正在使用 {}，但暂时无法联系；可能正在启动或停止，请稍后再试",
                data.display()
            ),
            Self::File { path, source } => format!("{} 无法使用：{}", path.display(), io_chinese(source)),
            Self::Silent { address, source } => format!(
                "枢纽（{address}）没有应答，可能正在启动或停止，请稍后再试：{}",
                chain(source.as_ref())
            ),
            Self::Refused { status, detail, body } => {
                let title = body["title"].as_str().map_or_else(|| format!("HTTP {status}"), str::to_owned);
                let detail = body["detail_zh"].as_str().unwrap_or(detail);
                format!("{title}：{detail}{}", faults(body))
            }
        }
    }
}

/// Each fault with its place, one on a line.
fn faults(body: &Value) -> String {
    let line = |fault| format!("\n  {}: {}", output::text(fault, "path"), output::text(fault, "text"));
    output::rows(body, "faults").map(line).collect::<Vec<_>>().concat()
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

    /// The note of an earlier run that was killed.
    pub(super) fn earlier(data: &Path) -> Option<Self> {
        Self::read(data).ok()
    }

    /// Takes the note away.
    pub fn remove(data: &Path) -> Result<(), Error> {
        let path = data.join(FILE);
        fs::remove_file(&path).map_err(|source| Error::File { path, source })
    }

    /// Finds the hub that runs.
    pub(super) fn find(call: &Call<'_>) -> Result<Self, super::Error> {
        let data = &call.settings.paths.data;
        match counter::holder(&call.settings)? {
            Holder::Nobody => Err(Error::NotRunning(data.clone()).into()),
            Holder::Another => Ok(Self::read(data)?),
        }
    }

    fn read(data: &Path) -> Result<Self, Error> {
        let path = data.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NotSaid(data.to_owned()));
            }
            Err(source) => return Err(Error::File { path, source }),
        };
        serde_json::from_str(&text).map_err(|error| Error::File { path, source: error.into() })
    }

    /// Asks it with a token and a media type.
    pub async fn ask_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        media: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Value, Error> {
        let address = format!("http://{}{path}", self.http);
        let silent = |source: reqwest::Error| Error::Silent {
            address: format!("http://{}", self.http),
            source: source.into(),
        };
        // A proxy of the office's network does not lead to this machine.
        let client = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .build()
            .map_err(silent)?;
        let mut request = client.request(method, &address).bearer_auth(token);
        for (header, said) in [(BY, &self.said.name), (ACCOUNT, &self.said.account)] {
            if let Some(said) = said {
                request = request.header(header, encoded(said));
            }
        }
        if let Some(body) = body {
            request = request.header("content-type", media).body(body);
        }
        let response = request.send().await.map_err(silent)?;
        let status = response.status().as_u16();
        answer(status, &response.bytes().await.map_err(silent)?)
    }
}

/// What a hub answered.
fn answer(status: u16, body: &[u8]) -> Result<Value, Error> {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    if (200..300).contains(&status) {
        return Ok(value);
    }
    let detail = value["detail"].as_str().unwrap_or("the hub gave no reason").to_owned();
    Err(Error::Refused { status, detail, body: value })
}

/// A hub, running or stopped.
#[derive(Debug)]
pub(super) enum Hub {
    /// Asked by its interface.
    Running(Running),
    /// Asked on its store.
    Stopped(Stopped, Said),
}

impl Hub {
    /// For look-ups.
    pub(super) async fn to_look(call: &Call<'_>) -> Result<Self, super::Error> {
        match counter::holder(&call.settings)? {
            Holder::Another => Ok(Self::Running(Running::read(&call.settings.paths.data)?)),
            Holder::Nobody => {
                let clock = Arc::new(SystemClock);
                let stopped = Stopped::look(&call.settings, &call.environment, clock).await?;
                Ok(Self::Stopped(stopped, Said::default()))
            }
        }
    }

    /// For operations of somebody.
    pub(super) async fn to_operate(call: &Call<'_>, who: &Who) -> Result<Self, super::Error> {
        let said = who.said(&call.environment);
        match counter::holder(&call.settings)? {
            Holder::Another => {
                Ok(Self::Running(Running { said, ..Running::read(&call.settings.paths.data)? }))
            }
            Holder::Nobody => {
                let clock = Arc::new(SystemClock);
                let stopped = Stopped::operate(&call.settings, &call.environment, clock).await?;
                Ok(Self::Stopped(stopped, said))
            }
        }
    }

    /// Asks; a body makes the request JSON.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, super::Error> {
        let body = body.map(|body| body.to_string().into_bytes());
        match self {
            Self::Running(running) => {
                Ok(running.ask_as(&running.token, method, path, "application/json", body).await?)
            }
            Self::Stopped(stopped, said) => {
                let (status, body) = stopped.ask((LOCAL, said), method.as_str(), path, body).await?;
                Ok(answer(status, &body)?)
            }
        }
    }

    /// Lets go of it.
    pub(super) async fn close(self) -> Result<(), super::Error> {
        match self {
            Self::Running(_) => Ok(()),
            Self::Stopped(stopped, _) => Ok(stopped.close().await?),
        }
    }
}

/// A query of names and values, `?` included; values that are none are left out.
pub(super) fn query(pairs: &[(&str, Option<&str>)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.push_str(&encoded(value));
    }
    text
}

/// Percent-encoding of all that is not plain.
pub(super) fn encoded(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    text
}

fn hex(digit: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(digit & 15)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_query_leaves_out_what_is_not_asked_and_encodes_the_rest() {
        assert_eq!(query(&[("a", None)]), "");
        assert_eq!(query(&[("a", Some("x y")), ("b", None), ("c", Some("市"))]), "?a=x%20y&c=%E5%B8%82");
    }

    #[test]
    fn a_refusal_is_told_with_every_fault() {
        let body = json!({
            "title": "报文内容有误", "code": "invalid", "detail": "the message has fields that are wrong",
            "faults": [{"path": "decidedAt", "text": "is required"}],
        });
        let error = answer(422, body.to_string().as_bytes()).unwrap_err();
        assert_eq!(
            error.english(),
            "invalid: the message has fields that are wrong\n  decidedAt: is required"
        );
        assert!(error.chinese().starts_with("报文内容有误：") && error.chinese().ends_with("is required"));
    }

    #[test]
    fn what_is_no_problem_document_is_told_by_its_status() {
        let error = answer(502, b"<html>").unwrap_err();
        assert_eq!(error.english(), "502: the hub gave no reason");
        assert!(error.chinese().starts_with("HTTP 502"));
    }
}
