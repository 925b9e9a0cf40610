//! Checkpoints: what the log held at one moment, signed (C2SP tlog-checkpoint).
//!
//! Promises a text other tools read: origin, size, root, then extension lines such as the time; and that a checkpoint
//! can never be taken for a signed batch of statements, though one key signs both. Leaves to the sealer when to make
//! one, and to the caller where an anchor is kept.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::note::{self, KeyName, Note};
use super::signer::{self, KeyId, PublicKeys, Signer};
use super::statement;
use super::tree::{Frontier, Hash, MAX_SIZE};

/// Name of the extension line that carries the time of the checkpoint.
pub const TIME: &str = "time";

/// What is wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An origin under which a checkpoint would read like a batch of statements.
    #[error("origin {origin:?} is reserved for signed statements; choose a name of the office's own")]
    ReservedOrigin {
        /// The origin found.
        origin: KeyName,
    },
    /// A name or a note against the format.
    #[error("the checkpoint is not a sound signed note")]
    Note(#[source] note::Error),
    /// A line of the text that is missing or malformed.
    #[error("line {line} of the checkpoint should be {expected}")]
    Line {
        /// Which one, counted from 1.
        line: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// An extension line that would not read back as one.
    #[error("extension {name:?} needs a name without spaces and a value on one line, both not empty")]
    Extension {
        /// Name of the extension.
        name: String,
    },
    /// A key that did not sign at that time.
    #[error("the key that signed the checkpoint did not count at its time")]
    Term(#[source] signer::Error),
    /// A checkpoint of another log.
    #[error("the checkpoint is of log {found}, not of {expected}")]
    OtherLog {
        /// The log wanted.
        expected: KeyName,
        /// The log found.
        found: KeyName,
    },
}

/// The unique name of a log, which is also the key name of its signatures.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(KeyName);

impl Origin {
    /// Checks a name: a key name of the note format that does not begin like a signed batch of statements.
    pub fn new(name: impl Into<String>) -> Result<Self, Error> {
        let origin = KeyName::new(name).map_err(Error::Note)?;
        if origin.as_str().starts_with(statement::RESERVED_PREFIX) {
            return Err(Error::ReservedOrigin { origin });
        }
        Ok(Self(origin))
    }

    /// The name as key name.
    pub fn key_name(&self) -> &KeyName {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The state of a log at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: Origin,
    size: u64,
    root: Hash,
    extensions: Vec<String>,
}

impl Checkpoint {
    /// The checkpoint of a log as grown so far.
    pub fn of(origin: Origin, frontier: &Frontier) -> Self {
        Self { origin, size: frontier.size(), root: frontier.root(), extensions: Vec::new() }
    }

    /// Adds a line `<name> <value>` that is signed with the rest; readers that do not know it pass over it.
    pub fn with_extension(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let alien = |c: char| c.is_whitespace() || c.is_control();
        let unsound = name.is_empty() || name.contains(alien) || value.trim() != value;
        if unsound || value.is_empty() || value.contains(char::is_control) {
            return Err(Error::Extension { name: name.to_owned() });
        }
        self.extensions.push(format!("{name} {value}"));
        Ok(self)
    }

    /// The log.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Leaves the log held.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root over these leaves.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// Value of the first extension line of this name.
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
    }

    /// The text that is signed.
    pub fn text(&self) -> String {
        let head = format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.as_bytes()));
        self.extensions.iter().fold(head, |text, line| text + line + "\n")
    }

    /// Signs it under the name of its log.
    pub fn sign(self, signer: &dyn Signer) -> Result<SignedCheckpoint, Error> {
        let note = Note::sign(self.text(), self.origin.key_name(), signer).map_err(Error::Note)?;
        Ok(SignedCheckpoint { checkpoint: self, note })
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let malformed = |line, expected| Error::Line { line, expected };
        let mut lines = text.split_terminator('\n');
        let origin = Origin::new(lines.next().unwrap_or_default())?;
        let size =
            lines.next().and_then(parse_size).ok_or_else(|| malformed(2, "the tree size in decimal"))?;
        let root =
            lines.next().and_then(parse_root).ok_or_else(|| malformed(3, "a root of 32 bytes in base64"))?;
        let extensions: Vec<_> = lines.map(str::to_owned).collect();
        match extensions.iter().position(String::is_empty) {
            Some(index) => Err(malformed(index + 4, "an extension, which is not empty")),
            None => Ok(Self { origin, size, root, extensions }),
        }
    }
}

/// A checkpoint with its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Reads a checkpoint without trusting it.
    pub fn parse(note: &str) -> Result<Self, Error> {
        let note = Note::parse(note).map_err(Error::Note)?;
        Ok(Self { checkpoint: Checkpoint::parse(note.text())?, note })
    }

    /// What it claims; worth nothing before [`verify`](Self::verify).
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Checks that a trusted key signed it for this log; gives the ids of the keys that did.
    pub fn verify(&self, origin: &Origin, keys: &PublicKeys) -> Result<Vec<KeyId>, Error> {
        if self.checkpoint.origin != *origin {
            let (expected, found) = (origin.0.clone(), self.checkpoint.origin.0.clone());
            return Err(Error::OtherLog { expected, found });
        }
        let signed_by = self.note.verify(origin.key_name(), keys).map_err(Error::Note)?;
        for key_id in &signed_by {
            keys.get_at(*key_id, self.checkpoint.extension(TIME)).map_err(Error::Term)?;
        }
        Ok(signed_by)
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

fn parse_size(line: &str) -> Option<u64> {
    let size: u64 = line.parse().ok()?;
    (size <= MAX_SIZE && size.to_string() == line).then_some(size)
}

fn parse_root(line: &str) -> Option<Hash> {
    let bytes = STANDARD.decode(line).ok()?;
    bytes.try_into().ok().map(Hash::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::signer::Ed25519;
    use crate::evidence::tree::leaf_hash;

    const ORIGIN: &str = "hub.example.gov.cn/trail";

    fn origin() -> Origin {
        Origin::new(ORIGIN).unwrap()
    }

    fn signer() -> Ed25519 {
        Ed25519::from_seed(&[1; 32])
    }

    fn keys() -> PublicKeys {
        [signer().public_key().clone()].into_iter().collect()
    }

    fn checkpoint() -> Checkpoint {
        let frontier = [b"a", b"b", b"c"].into_iter().map(|entry| leaf_hash(entry)).collect();
        Checkpoint::of(origin(), &frontier).with_extension(TIME, "2026-03-01T08:00:00+08:00").unwrap()
    }

    #[test]
    fn the_text_is_that_of_tlog_checkpoint() {
        let checkpoint = checkpoint();
        let root = STANDARD.encode(checkpoint.root().as_bytes());
        assert_eq!(checkpoint.text(), format!("{ORIGIN}\n3\n{root}\ntime 2026-03-01T08:00:00+08:00\n"));
        let note = checkpoint.clone().sign(&signer()).unwrap().to_string();
        assert!(note.starts_with(&format!("{}\n— {ORIGIN} ", checkpoint.text())), "{note}");
    }

    #[test]
    fn the_example_of_the_specification_is_read() {
        let note = "example.com/behind-the-sofa\n\
            20852163\n\
            CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
            \n\
            — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
        let read = SignedCheckpoint::parse(note).unwrap();
        assert_eq!(read.checkpoint().size(), 20_852_163);
        assert_eq!(read.checkpoint().extension(TIME), None);
        assert_eq!(read.to_string(), note);
    }

    #[test]
    fn a_signed_checkpoint_reads_back_and_verifies() {
        let note = checkpoint().sign(&signer()).unwrap().to_string();
        let read = SignedCheckpoint::parse(&note).unwrap();
        assert_eq!(read.verify(&origin(), &keys()).unwrap(), [signer().key_id()]);
        assert_eq!(read.checkpoint(), &checkpoint());
        assert_eq!(read.checkpoint().extension(TIME), Some("2026-03-01T08:00:00+08:00"));
    }

    #[test]
    fn every_changed_line_is_found() {
        let note = checkpoint().sign(&signer()).unwrap().to_string();
        let other_root = STANDARD.encode(leaf_hash(b"other").as_bytes());
        let root = STANDARD.encode(checkpoint().root().as_bytes());
        for (from, to) in [("\n3\n", "\n4\n"), (root.as_str(), other_root.as_str()), ("08:00:00", "09:00:00")]
        {
            let changed = SignedCheckpoint::parse(&note.replacen(from, to, 1)).unwrap();
            let error = changed.verify(&origin(), &keys()).unwrap_err();
            assert!(matches!(error, Error::Note(note::Error::BadSignature { .. })), "{from:?}: {error}");
        }
    }

    #[test]
    fn another_log_and_another_key_are_told_apart() {
        let signed = checkpoint().sign(&signer()).unwrap();
        let elsewhere = signed.verify(&Origin::new("other.example/trail").unwrap(), &keys()).unwrap_err();
        assert!(matches!(elsewhere, Error::OtherLog { .. }), "{elsewhere}");
        let stranger = checkpoint().sign(&Ed25519::from_seed(&[2; 32])).unwrap();
        let unknown = stranger.verify(&origin(), &keys()).unwrap_err();
        assert!(matches!(unknown, Error::Note(note::Error::UnknownKey { .. })), "{unknown}");
    }

    #[test]
    fn a_checkpoint_cannot_read_like_a_batch_of_statements() {
        let frontier = [leaf_hash(b"a")].into_iter().collect::<Frontier>();
        let batch = statement::signed_text(frontier.size(), &frontier.root());
        let first_line = batch.lines().next().unwrap();
        assert!(matches!(Origin::new(first_line), Err(Error::ReservedOrigin { .. })));
        let forged = Note::sign(batch, origin().key_name(), &signer()).unwrap().to_string();
        assert!(matches!(SignedCheckpoint::parse(&forged), Err(Error::ReservedOrigin { .. })));
    }

    #[test]
    fn malformed_texts_are_refused_by_line() {
        let root = STANDARD.encode([7; 32]);
        let cases = [
            (format!("{ORIGIN}\n03\n{root}\n"), 2),
            (format!("{ORIGIN}\n+3\n{root}\n"), 2),
            (format!("{ORIGIN}\n9223372036854775808\n{root}\n"), 2),
            (format!("{ORIGIN}\n"), 2),
            (format!("{ORIGIN}\n3\n"), 3),
            (format!("{ORIGIN}\n3\n{}\n", &root[..40]), 3),
            (format!("{ORIGIN}\n3\n{root}\ntime now\n\n"), 5),
        ];
        for (text, expected) in cases {
            let note = Note::sign(text.clone(), origin().key_name(), &signer()).unwrap().to_string();
            let error = SignedCheckpoint::parse(&note).unwrap_err();
            assert!(matches!(error, Error::Line { line, .. } if line == expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn extensions_stay_on_their_line() {
        for (name, value) in [("", "v"), ("a b", "v"), ("n", ""), ("n", "v\n"), ("n", " v"), ("n", "v\u{0}")]
        {
            let refused = checkpoint().with_extension(name, value);
            assert!(matches!(refused, Err(Error::Extension { .. })), "{name:?} {value:?}");
        }
        let two = checkpoint().with_extension("timed", "x").unwrap();
        assert_eq!(two.extension("time"), Some("2026-03-01T08:00:00+08:00"));
        assert_eq!(two.extension("timed"), Some("x"));
    }
}
