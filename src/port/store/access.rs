//! Who may send: tokens, kept hashed.

use std::borrow::Cow;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use super::{Error, NewEntry, Sha256Digest};
use crate::domain::id::EndpointId;

/// Tokens and versions of configuration.
#[async_trait]
pub trait Access {
    /// Keeps a new token's hash; false, and nothing is written, when a live token has its name.
    async fn add_token(&self, token: NewToken, entry: NewEntry) -> Result<bool, Error>;

    /// Revokes by name; false when there is no such live token.
    async fn revoke_token(&self, name: &str, entry: NewEntry, now: Timestamp) -> Result<bool, Error>;

    /// Every token, without its hash.
    async fn tokens(&self) -> Result<Vec<Token>, Error>;

    /// The live grants, for the cache of the interfaces.
    async fn grants(&self) -> Result<Vec<Grant>, Error>;

    /// Keeps a snapshot of the registry or the rules and returns its version: the same digest, the same
    /// version; a new digest, the next one.
    async fn publish(
        &self,
        table: &'static str,
        digest: Sha256Digest,
        content: Vec<u8>,
        now: Timestamp,
    ) -> Result<u64, Error>;

    /// The content of a version that was published; none where there is no such version.
    async fn snapshot(&self, table: &'static str, version: u64) -> Result<Option<Vec<u8>>, Error>;

    /// A setting of the data directory (key ids, salts), kept once: the first value stays.
    async fn keep_setting(&self, name: &'static str, value: Vec<u8>) -> Result<Vec<u8>, Error>;

    /// A setting, where there is one.
    async fn setting(&self, name: &'static str) -> Result<Option<Vec<u8>>, Error>;

    /// Takes a setting away, with the entry that says so; false, and nothing is written, when there is none: of
    /// several callers one does it.
    async fn take_setting(&self, name: &'static str, entry: NewEntry) -> Result<bool, Error>;
}

/// A token to keep.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Name for people, unique among live ones.
    pub name: String,
    /// SHA-256 of the token.
    pub hash: Sha256Digest,
    /// What it opens.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a token opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Speaks as one endpoint.
    Endpoint(EndpointId),
    /// Works for the endpoints that `bus.workers` lists for this name.
    Worker(Box<str>),
    /// Operates the hub.
    Operator,
}

/// What the name of a worker stands behind where one text says what a token opens. No endpoint has a colon in its
/// name, so a hub of a version that knows no workers takes it for an endpoint that there is not, and opens nothing.
const WORKER: &str = "worker:";

impl Scope {
    /// As one text, as stores keep it; none for an operator.
    pub fn to_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Endpoint(endpoint) => Some(endpoint.as_str().into()),
            Self::Worker(name) => Some(format!("{WORKER}{name}").into()),
            Self::Operator => None,
        }
    }

    /// What such a text says.
    pub fn of_text(text: Option<String>) -> Self {
        match text {
            None => Self::Operator,
            Some(text) => match text.strip_prefix(WORKER) {
                Some(name) => Self::Worker(name.into()),
                None => Self::Endpoint(text.into()),
            },
        }
    }
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Name.
    pub name: String,
    /// What it opens.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A live token's hash and what it opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Name.
    pub name: String,
    /// SHA-256 of the token.
    pub hash: Sha256Digest,
    /// What it opens.
    pub scope: Scope,
}
