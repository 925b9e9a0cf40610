//! Who calls: interfaces ask this port what a credential opens.

use std::fmt;

use super::store::{Scope, Sha256Digest};

/// Knows the live tokens, by their hashes. Answers from memory; the owner of the table refreshes it.
pub trait Authenticator: fmt::Debug + Send + Sync {
    /// What the token with this SHA-256 opens; none for a token that is not live.
    fn identify(&self, token_hash: &Sha256Digest) -> Option<Identity>;
}

/// A known caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of its token, for the trail.
    pub name: String,
    /// What it opens.
    pub scope: Scope,
}
