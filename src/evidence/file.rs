//! The evidence file (证据包): its form, and the checks that need nothing but the file and the trusted keys.
//!
//! One file is canonical JSON (RFC 8785) and a newline, so that one content is one sequence of bytes and no byte can be
//! changed without changing what it says. What must not be reformatted (entries, signed statements, the checkpoint)
//! stands in it as text. Promises that every check names its step. Leaves the meaning of entries to the engine.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{
    attempt::Exchanged,
    canonical,
    checkpoint::{self, SignedCheckpoint},
    digest::{Commitment, Salt},
    signer::{KeyId, PublicKeys},
    statement::{self, Proven},
    tree::{self, Hash, proof},
};
use crate::domain::id::MessageId;

/// Names the form.
pub const FORMAT: &str = "liandong/evidence/v1";

/// The largest file that is read, in bytes.
pub const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// [`FORMAT`].
    pub format: String,
    /// What opens the entries of attempts, by their position; none where it is left out or erased.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// The signed note that covers every entry.
    pub checkpoint: String,
    /// Trail entries, by position.
    pub entries: Vec<Entry>,
    /// Public keys of the signatures, for who wants to look them up; the verifier trusts its own only.
    pub keys: Vec<String>,
    /// Messages, by the position of their acceptance.
    pub messages: Vec<Message>,
    /// What targets answered, in words, by the position of the attempt.
    pub said: Vec<Said>,
    /// Stamp of an authority over the checkpoint (RFC 3161 `TimeStampToken`, base64); none where none was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<String>,
    /// Signed statements, each verbatim; the last one lists the contents.
    pub statements: Vec<String>,
}

/// A trail entry with its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its bytes as they were sealed.
    pub body: String,
    /// Audit path to the checkpoint's root.
    pub path: Vec<Hash>,
    /// Position, from 0.
    pub position: u64,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The hub's name of it.
    pub id: MessageId,
    /// What the commitments of its entry open to; none where it is left out or erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<Opening>,
    /// Accepted receipt, verbatim; none where its message was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

/// What opens the commitments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Canonical form of the message.
    pub content: String,
    /// The routing, as JSON.
    pub decision: String,
    /// Exact bytes received, in base64.
    pub received: String,
    /// The salt of all three.
    pub salt: Salt,
}

/// What opens the entry of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// Position of the entry.
    pub entry: u64,
    /// What was sent and answered, by digests.
    pub exchanged: Exchanged,
    /// The salt of its commitments.
    pub salt: Salt,
}

/// Words of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Position of the attempt's entry.
    pub entry: u64,
    /// The words that are kept, without numbers and names of persons.
    pub words: String,
}

/// What is wrong with a file, by the step that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading.
    #[error("it is not an evidence file")]
    Read(#[source] serde_json::Error),
    /// Reading: another form.
    #[error("its format is {found:?}, this version reads {FORMAT:?}")]
    Format {
        /// The format found.
        found: String,
    },
    /// Reading: reformatted.
    #[error("byte {at} is not as an evidence file is written; bytes were changed or reformatted")]
    Form {
        /// The first byte that differs, from 0.
        at: usize,
    },
    /// Writing: a value that JSON does not carry.
    #[error("it cannot be written as canonical JSON")]
    Write(#[source] canonical::Error),
    /// The checkpoint.
    #[error("the checkpoint does not hold")]
    Checkpoint(#[source] checkpoint::Error),
    /// Another log than was asked for.
    #[error("the checkpoint is of the log {found:?}, not of {expected:?}")]
    Log {
        /// Asked for.
        expected: String,
        /// Found.
        found: String,
    },
    /// Entries out of order.
    #[error("the entry at position {position} stands after the one at {after}; entries rise by position")]
    Order {
        /// Its position.
        position: u64,
        /// The one before.
        after: u64,
    },
    /// Inclusion.
    #[error("the entry at position {position} is not in the tree of the checkpoint")]
    Inclusion {
        /// Its position.
        position: u64,
        /// What the tree said.
        #[source]
        source: tree::Error,
    },
    /// A statement.
    #[error("statement {number} does not hold")]
    Statement {
        /// Which one, from 1.
        number: usize,
        /// Its step.
        #[source]
        source: Box<statement::Invalid>,
    },
    /// A statement whose proof was reformatted.
    #[error("statement {number} is not as it was written; its proof was reformatted")]
    Reformatted {
        /// Which one, from 1.
        number: usize,
    },
    /// Statements that were not signed together.
    #[error(
        "statement {number} is not the one at this place of the batch that was signed; one was taken out, added or moved"
    )]
    Batch {
        /// Which one, from 1.
        number: usize,
    },
}

/// A checkpoint that a trusted key signed.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The log.
    pub log: String,
    /// Entries.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// When, as written.
    pub time: String,
    /// The trusted keys that signed.
    pub signed_by: Vec<KeyId>,
}

impl File {
    /// The bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = canonical::to_bytes(self).map_err(Error::Write)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads bytes that are exactly what [`to_bytes`](Self::to_bytes) writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let file: Self = serde_json::from_slice(bytes).map_err(Error::Read)?;
        if file.format != FORMAT {
            return Err(Error::Format { found: file.format });
        }
        let written = file.to_bytes()?;
        if written == bytes {
            return Ok(file);
        }
        let at = written.iter().zip(bytes).position(|(one, other)| one != other);
        Err(Error::Form { at: at.unwrap_or_else(|| written.len().min(bytes.len())) })
    }

    /// Checks that a trusted key signed the checkpoint, for the log that is asked for, if one is.
    pub fn sealed(&self, keys: &PublicKeys, log: Option<&str>) -> Result<Sealed, Error> {
        let signed = SignedCheckpoint::parse(&self.checkpoint).map_err(Error::Checkpoint)?;
        let checkpoint = signed.checkpoint();
        let found = checkpoint.origin().to_string();
        let signed_by = signed.verify(checkpoint.origin(), keys).map_err(Error::Checkpoint)?;
        if let Some(expected) = log.filter(|log| *log != found) {
            return Err(Error::Log { expected: expected.to_owned(), found });
        }
        let time = checkpoint.extension(checkpoint::TIME).unwrap_or_default().to_owned();
        Ok(Sealed { log: found, size: checkpoint.size(), root: checkpoint.root(), time, signed_by })
    }

    /// Checks that each entry is in the tree, at its position.
    pub fn included(&self, sealed: &Sealed) -> Result<(), Error> {
        let mut before: Option<u64> = None;
        for Entry { body, path, position } in &self.entries {
            if let Some(after) = before.filter(|before| before >= position) {
                return Err(Error::Order { position: *position, after });
            }
            before = Some(*position);
            let leaf = tree::leaf_hash(body.as_bytes());
            proof::verify_inclusion(&leaf, *position, sealed.size, path, &sealed.root)
                .map_err(|source| Error::Inclusion { position: *position, source })?;
        }
        Ok(())
    }

    /// Checks that the statements are one whole batch that a trusted key signed.
    pub fn stated(&self, keys: &PublicKeys) -> Result<Vec<Proven>, Error> {
        let mut root: Option<Hash> = None;
        let mut proven = Vec::with_capacity(self.statements.len());
        for (index, envelope) in self.statements.iter().enumerate() {
            let number = index + 1;
            let one = statement::verify(envelope.as_bytes(), keys)
                .map_err(|source| Error::Statement { number, source: Box::new(source) })?;
            if !statement::is_as_written(envelope.as_bytes()) {
                return Err(Error::Reformatted { number });
            }
            let whole = one.batch_size == self.statements.len() as u64 && one.index == index as u64;
            if !whole || *root.get_or_insert(one.root) != one.root {
                return Err(Error::Batch { number });
            }
            proven.push(one);
        }
        Ok(proven)
    }
}

impl Opening {
    /// The bytes received.
    pub fn received(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.received).ok()
    }

    /// Opens for these values.
    pub fn of(received: &[u8], content: String, decision: String, salt: Salt) -> Self {
        Self { content, decision, received: STANDARD.encode(received), salt }
    }

    /// The first of these commitments that it does not open: to the bytes received, the content, the decision.
    pub fn closed(&self, [received, content, decision]: [&Commitment; 3]) -> Option<&'static str> {
        let opens = |commitment: &Commitment, value: &[u8]| self.salt.commit(value) == *commitment;
        let bytes = self.received();
        if !bytes.is_some_and(|bytes| opens(received, &bytes)) {
            Some("received")
        } else if !opens(content, self.content.as_bytes()) {
            Some("content")
        } else if !opens(decision, self.decision.as_bytes()) {
            Some("decision")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        File {
            format: FORMAT.to_owned(),
            attempts: Vec::new(),
            checkpoint: "note\n".to_owned(),
            entries: vec![Entry { body: "{}".to_owned(), path: Vec::new(), position: 0 }],
            keys: Vec::new(),
            messages: Vec::new(),
            said: vec![Said { entry: 0, words: "收到".to_owned() }],
            stamp: None,
            statements: Vec::new(),
        }
    }

    #[test]
    fn one_content_has_one_sequence_of_bytes() {
        let bytes = file().to_bytes().unwrap();
        assert_eq!(File::parse(&bytes).unwrap(), file());
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert!(File::parse(&other).is_err() || File::parse(&other).unwrap() != file(), "byte {at}");
        }
        let text = String::from_utf8(bytes).unwrap();
        for reformatted in [text.trim_end().to_owned(), text.replace(':', ": "), format!("{text}\n")] {
            assert!(matches!(File::parse(reformatted.as_bytes()), Err(Error::Form { .. })), "{reformatted}");
        }
    }

    #[test]
    fn another_form_and_what_is_none_are_told_apart() {
        let mut other = file();
        other.format = "liandong/evidence/v2".to_owned();
        let read = File::parse(&other.to_bytes().unwrap());
        assert!(matches!(read, Err(Error::Format { found }) if found.ends_with("v2")));
        assert!(matches!(File::parse(b"{}"), Err(Error::Read(_))));
    }
}
