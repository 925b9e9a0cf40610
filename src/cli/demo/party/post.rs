//! How a party sends: to the hub's adapter address with its token, over the hubs' broker, or into its folder.
//!
//! A party keeps what the hub answered: the receipt it may have to show, or the refusal.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use reqwest::{StatusCode, header};

use super::{desk::chain, publish::Publisher};

/// Tries for one message while the hub says "try later".
const TRIES: u32 = 40;
/// Wait between them when the hub names none.
const WAIT: Duration = Duration::from_millis(250);

/// A message file of a party, byte for byte.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Its name, for people and for the folder.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What the hub said to one message file.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Which.
    pub name: String,
    /// HTTP status.
    pub status: u16,
    /// The hub's answer, verbatim.
    pub answer: String,
}

/// Why a message could not be handed in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder.
    #[error("cannot write {path}")]
    Folder {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The wire.
    #[error("cannot post to the hub: {0}")]
    Wire(String),
    /// Always busy.
    #[error("hub still says {status} after {TRIES} tries")]
    Busy {
        /// Its last word.
        status: StatusCode,
    },
}

/// A way to the hub.
#[derive(Clone, Debug)]
pub enum Post {
    /// By HTTP.
    Http {
        /// The client.
        client: reqwest::Client,
        /// The adapter's address at the hub.
        url: String,
        /// `Bearer` token.
        token: String,
        /// Media type of what the party sends.
        media_type: String,
    },
    /// Over the broker.
    Amqp(Arc<Publisher>),
    /// By files.
    Folder(PathBuf),
}

impl Post {
    /// Hands one file in. Over HTTP and the broker the hub's answer comes back; a file is answered in its folder.
    pub async fn send(&self, sheet: &Sheet) -> Result<Option<Sent>, Error> {
        match self {
            Self::Folder(folder) => drop_file(folder, sheet).await.map(|()| None),
            Self::Http { .. } => self.post(sheet).await.map(Some),
            Self::Amqp(publisher) => publisher.send(sheet).await.map(Some),
        }
    }

    async fn post(&self, sheet: &Sheet) -> Result<Sent, Error> {
        let mut status = StatusCode::OK;
        for _ in 0..TRIES {
            let response = self.request(sheet).await.map_err(|error| Error::Wire(chain(&error)))?;
            status = response.status();
            if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
                let answer = response.text().await.map_err(|error| Error::Wire(chain(&error)))?;
                return Ok(Sent { name: sheet.name.clone(), status: status.as_u16(), answer });
            }
            tokio::time::sleep(WAIT).await;
        }
        Err(Error::Busy { status })
    }

    async fn request(&self, sheet: &Sheet) -> Result<reqwest::Response, reqwest::Error> {
        let Self::Http { client, url, token, media_type } = self else {
            unreachable!("only an HTTP post makes requests")
        };
        client
            .post(url)
            .bearer_auth(token)
            .header(header::CONTENT_TYPE, media_type)
            .body(on_the_wire(media_type, &sheet.bytes))
            .send()
            .await
    }
}

/// The bytes a party posts for a message file: a form is kept as one `NAME=value` a line, which a person can
/// read, and encoded when it is sent; everything else goes as it stands.
pub fn on_the_wire(media_type: &str, bytes: &[u8]) -> Vec<u8> {
    if media_type != "application/x-www-form-urlencoded" {
        return bytes.to_vec();
    }
    let text = String::from_utf8_lossy(bytes);
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let encoded: Vec<String> =
        pairs.map(|(name, value)| format!("{}={}", form_encoded(name), form_encoded(value))).collect();
    encoded.join("&").into_bytes()
}

/// Percent-encoding of all but letters, digits and `-._`.
fn form_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes what is written");
        }
    }
    encoded
}

/// Writes under a name that begins with a dot, then gives the file its own name, so that nobody reads half.
async fn drop_file(folder: &Path, sheet: &Sheet) -> Result<(), Error> {
    let path = folder.join(&sheet.name);
    let draft = folder.join(format!(".{}", sheet.name));
    let failed = |source| Error::Folder { path: path.clone(), source };
    tokio::fs::write(&draft, &sheet.bytes).await.map_err(failed)?;
    tokio::fs::rename(&draft, &path).await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_encoded_when_it_is_sent() {
        let bytes = on_the_wire("application/x-www-form-urlencoded", "A=1 2\nB=旬\n".as_bytes());
        assert_eq!(String::from_utf8(bytes).unwrap(), "A=1%202&B=%E6%97%AC");
        assert_eq!(on_the_wire("text/csv", b"a,b"), b"a,b");
    }
}
