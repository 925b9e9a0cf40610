//! A time-stamping authority, asked about a digest.

use std::fmt;

use async_trait::async_trait;

/// Answers questions of RFC 3161.
///
/// - *Bounded*: an answer is waited for, and read, no longer than configured.
/// - *Repeatable*: a question may be asked again; each answer is a stamp of its own.
#[async_trait]
pub trait TimeAuthority: fmt::Debug + Send + Sync {
    /// The answer to a question, as it came.
    async fn ask(&self, question: Vec<u8>) -> Result<Vec<u8>, Silent>;
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time-stamping authority gave no answer: {0}")]
pub struct Silent(pub String);
