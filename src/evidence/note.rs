//! Signed notes: a text, a blank line, and one line a signature (C2SP signed-note).
//!
//! Promises byte-for-byte exchange with other implementations of the format, and its rules of trust: signatures of
//! unknown keys are passed over, a bad one of a known key condemns the note, and without a good one the text counts
//! for nothing. Leaves the meaning of the text to who wrote it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::signer::{self, KeyId, PublicKey, PublicKeys, Signature, Signer};

/// The longest note read, in bytes.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;

/// The longest key name, in bytes.
pub const MAX_NAME_BYTES: usize = 255;

/// What is wrong with a note.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key name the format does not allow.
    #[error(
        "key name {found:?} must have 1 to {MAX_NAME_BYTES} bytes without spaces, control characters and '+'"
    )]
    Name {
        /// The name found.
        found: String,
    },
    /// A text the format does not allow.
    #[error("a note's text must end in a newline and hold no other control characters")]
    Text,
    /// A note too long to be one.
    #[error("the note has {found} bytes, the limit is {MAX_NOTE_BYTES}")]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// No blank line, or nothing after it.
    #[error("the note is unsigned: signature lines must follow a blank line after the text")]
    Unsigned,
    /// A signature line that is none.
    #[error("signature line {number} of the note is not \"— <key name> <base64>\"")]
    SignatureLine {
        /// Which one, counted from 1.
        number: usize,
    },
    /// The key could not sign.
    #[error("the note could not be signed")]
    Sign(#[source] signer::Error),
    /// Only strangers signed.
    #[error("no trusted key signed the note; it is signed by {signers}, {known} keys are trusted")]
    UnknownKey {
        /// Who signed, as name and key hash.
        signers: String,
        /// How many keys are trusted.
        known: usize,
    },
    /// A trusted key did not make the signature that bears its name.
    #[error("the note fails the check of its signature by {name}")]
    BadSignature {
        /// The key name.
        name: KeyName,
        /// What the check said.
        #[source]
        source: signer::Error,
    },
}

/// The name a key signs notes under; for a log, its origin. A schema-less URL, such as `example.gov.cn/liandong`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// Checks a name against the format.
    pub fn new(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        let alien = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(alien) {
            return Err(Error::Name { found: name });
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The four bytes that mark signatures of a key under this name.
    fn key_hash(&self, key: &PublicKey) -> [u8; 4] {
        let digest = Sha256::new()
            .chain_update(&self.0)
            .chain_update(b"\n")
            .chain_update(key.algorithm().note_type())
            .chain_update(key.as_bytes())
            .finalize();
        [digest[0], digest[1], digest[2], digest[3]]
    }

    /// The key as other tools take it: `<name>+<key hash>+<base64(type || key)>`.
    pub fn verifier_key(&self, key: &PublicKey) -> String {
        let typed = [key.algorithm().note_type(), key.as_bytes()].concat();
        format!("{self}+{}+{}", hex::encode(self.key_hash(key)), STANDARD.encode(typed))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    name: KeyName,
    key_hash: [u8; 4],
    signature: Signature,
}

/// A text with its signatures, not trusted until [`verify`](Self::verify) says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    lines: Vec<Line>,
}

impl Note {
    /// Signs a text that ends in a newline.
    pub fn sign(text: String, name: &KeyName, signer: &dyn Signer) -> Result<Self, Error> {
        check_text(&text)?;
        let signature = signer.sign(text.as_bytes()).map_err(Error::Sign)?;
        let line = Line { name: name.clone(), key_hash: name.key_hash(signer.public_key()), signature };
        Ok(Self { text, lines: vec![line] })
    }

    /// Reads a note without trusting it.
    pub fn parse(note: &str) -> Result<Self, Error> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(Error::TooLong { found: note.len() });
        }
        check_text(note)?;
        // Texts may hold blank lines of their own, signature lines may not.
        let blank = note.rfind("\n\n").ok_or(Error::Unsigned)?;
        let (text, signatures) = (&note[..=blank], &note[blank + 2..]);
        let lines: Vec<_> = signatures
            .split_terminator('\n')
            .enumerate()
            .map(|(index, line)| parse_line(line).ok_or(Error::SignatureLine { number: index + 1 }))
            .collect::<Result<_, _>>()?;
        if lines.is_empty() {
            return Err(Error::Unsigned);
        }
        Ok(Self { text: text.to_owned(), lines })
    }

    /// The text, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Checks the signatures made under `name`; gives the ids of the trusted keys that made them, at least one.
    pub fn verify(&self, name: &KeyName, keys: &PublicKeys) -> Result<Vec<KeyId>, Error> {
        let mut signed_by = Vec::new();
        for line in self.lines.iter().filter(|line| line.name == *name) {
            let Some(key) = keys.iter().find(|key| name.key_hash(key) == line.key_hash) else { continue };
            key.verify(self.text.as_bytes(), &line.signature)
                .map_err(|source| Error::BadSignature { name: name.clone(), source })?;
            signed_by.push(key.id());
        }
        if signed_by.is_empty() {
            return Err(Error::UnknownKey { signers: self.signers(), known: keys.len() });
        }
        Ok(signed_by)
    }

    fn signers(&self) -> String {
        let shown = self.lines.iter().map(|line| format!("{}+{}", line.name, hex::encode(line.key_hash)));
        shown.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.lines.iter().try_for_each(|line| {
            let bytes = [&line.key_hash, line.signature.as_bytes()].concat();
            writeln!(f, "— {} {}", line.name, STANDARD.encode(bytes))
        })
    }
}

fn check_text(text: &str) -> Result<(), Error> {
    let alien = |c: char| c < ' ' && c != '\n';
    if !text.ends_with('\n') || text.contains(alien) { Err(Error::Text) } else { Ok(()) }
}

fn parse_line(line: &str) -> Option<Line> {
    let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = STANDARD.decode(encoded).ok()?;
    let (key_hash, signature) = bytes.split_first_chunk::<4>()?;
    let signature = Signature::from_bytes(signature.to_vec());
    Some(Line { name: KeyName::new(name).ok()?, key_hash: *key_hash, signature })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::signer::{Ed25519, Sm2};

    /// From the documentation of Go's golang.org/x/mod/sumdb/note: secret key, public key and signed note.
    const GO_SEED: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const GO_VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\
        \n\
        — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn go_signer() -> Ed25519 {
        let typed = STANDARD.decode(GO_SEED).unwrap();
        Ed25519::from_seed(&typed[1..].try_into().unwrap())
    }

    fn trusting(signers: &[&Ed25519]) -> PublicKeys {
        signers.iter().map(|signer| signer.public_key().clone()).collect()
    }

    fn name(text: &str) -> KeyName {
        KeyName::new(text).unwrap()
    }

    #[test]
    fn notes_are_exchanged_with_go_byte_for_byte() {
        let (signer, peter) = (go_signer(), name("PeterNeumann"));
        assert_eq!(peter.verifier_key(signer.public_key()), GO_VERIFIER);
        let text = GO_NOTE.split_once("\n\n").unwrap().0.to_owned() + "\n";
        assert_eq!(Note::sign(text, &peter, &signer).unwrap().to_string(), GO_NOTE);
        let read = Note::parse(GO_NOTE).unwrap();
        assert_eq!(read.verify(&peter, &trusting(&[&signer])).unwrap(), [signer.key_id()]);
        assert_eq!(read.to_string(), GO_NOTE);
    }

    #[test]
    fn a_changed_text_is_found() {
        let changed = Note::parse(&GO_NOTE.replace("problem is", "problem was")).unwrap();
        let error = changed.verify(&name("PeterNeumann"), &trusting(&[&go_signer()])).unwrap_err();
        assert!(matches!(error, Error::BadSignature { .. }), "{error}");
    }

    #[test]
    fn sm2_signs_notes_under_a_type_that_nobody_else_has() {
        let (signer, hub) = (Sm2::generate().unwrap(), name("hub"));
        let note = Note::sign("text\n".to_owned(), &hub, &signer).unwrap().to_string();
        let keys = [signer.public_key().clone()].into_iter().collect();
        assert_eq!(Note::parse(&note).unwrap().verify(&hub, &keys).unwrap(), [signer.key_id()]);
        let changed = Note::parse(&note.replace("text", "test")).unwrap();
        assert!(matches!(changed.verify(&hub, &keys), Err(Error::BadSignature { .. })));
        let verifier = hub.verifier_key(signer.public_key());
        let typed = STANDARD.decode(verifier.splitn(3, '+').last().unwrap()).unwrap();
        let expected = [&b"\xff1.2.156.10197.1.501"[..], signer.public_key().as_bytes()].concat();
        assert_eq!(typed, expected);
    }

    #[test]
    fn strangers_are_passed_over_and_do_not_suffice() {
        let (ours, stranger) = (Ed25519::from_seed(&[1; 32]), Ed25519::from_seed(&[2; 32]));
        let hub = name("example.gov.cn/hub");
        let text = "a\n\nb\n".to_owned();
        let by_us = Note::sign(text.clone(), &hub, &ours).unwrap();
        let by_stranger = Note::sign(text.clone(), &hub, &stranger).unwrap();
        let both = Note { text, lines: [by_stranger.lines.clone(), by_us.lines].concat() };
        let both = Note::parse(&both.to_string()).unwrap();
        assert_eq!(both.verify(&hub, &trusting(&[&ours])).unwrap(), [ours.key_id()]);
        let error = by_stranger.verify(&hub, &trusting(&[&ours])).unwrap_err().to_string();
        assert!(error.contains("signed by example.gov.cn/hub+"), "{error}");
        assert!(matches!(both.verify(&name("other"), &trusting(&[&ours])), Err(Error::UnknownKey { .. })));
        assert!(matches!(both.verify(&hub, &PublicKeys::default()), Err(Error::UnknownKey { known: 0, .. })));
    }

    #[test]
    fn one_bad_signature_of_a_known_key_condemns_the_note() {
        let signer = Ed25519::from_seed(&[1; 32]);
        let hub = name("hub");
        let mut note = Note::sign("text\n".to_owned(), &hub, &signer).unwrap();
        note.lines.push(Line { signature: Signature::from_bytes(vec![0; 64]), ..note.lines[0].clone() });
        assert!(matches!(note.verify(&hub, &trusting(&[&signer])), Err(Error::BadSignature { .. })));
    }

    #[test]
    fn malformed_notes_are_refused_with_the_reason() {
        let cases = [
            (GO_NOTE.trim_end().to_owned(), "end in a newline"),
            (GO_NOTE.replace("answer", "ans\twer"), "control characters"),
            (GO_NOTE.replace("\n\n", "\n"), "unsigned"),
            (GO_NOTE.split_once('—').unwrap().0.to_owned(), "unsigned"),
            (GO_NOTE.replace("— ", "- "), "signature line 1"),
            (GO_NOTE.replace("BwJnAM=", "BwJnAM"), "signature line 1"),
            (GO_NOTE.replace("x08go", "x08 go"), "signature line 1"),
            ("a\n\n— name AAA=\n".to_owned(), "signature line 1"),
            ("a".repeat(MAX_NOTE_BYTES) + "\n", "the limit is 65536"),
        ];
        for (note, reason) in cases {
            let error = Note::parse(&note).unwrap_err().to_string();
            assert!(error.contains(reason), "{reason}: {error}");
        }
        let unended = Note::sign("text".to_owned(), &name("n"), &go_signer());
        assert!(matches!(unended, Err(Error::Text)));
    }

    #[test]
    fn key_names_keep_to_the_format() {
        for bad in ["", "a b", "a+b", "a\u{3000}b", "a\nb", &"n".repeat(256)] {
            assert!(KeyName::new(bad).is_err(), "{bad:?} must be refused");
        }
        assert_eq!(name("安康.example/联动").to_string(), "安康.example/联动");
    }
}
