//! Who signs, and with what: the port for signing keys, and the algorithms evidence may name.
//!
//! Promises that a signature is checked under the algorithm of the key that is held, never under one that the signed
//! document asks for. [`Ed25519`] and [`Sm2`] sign in software; a device or a signature server implements [`Signer`] likewise.
//! Leaves domain separation to the texts that are signed, and the choice of trusted keys to configuration.

mod ed25519;
mod file;
mod public_key;
mod sm2;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use self::ed25519::Ed25519;
pub use self::file::{create, load};
pub use self::public_key::{PublicKey, PublicKeys, USER_ID};
pub use self::sm2::Sm2;

/// A key that signs. Implementations may block on a device or a server; call them where blocking is allowed.
pub trait Signer: Send + Sync + fmt::Debug {
    /// The key that checks what this signer signs; its id and algorithm go into what is signed.
    fn public_key(&self) -> &PublicKey;

    /// Signs exactly these bytes. The caller separates domains: no two kinds of text may share a beginning.
    fn sign(&self, message: &[u8]) -> Result<Signature, Error>;

    /// Id of the key.
    fn key_id(&self) -> KeyId {
        self.public_key().id()
    }

    /// Algorithm of the key.
    fn algorithm(&self) -> Algorithm {
        self.public_key().algorithm()
    }
}

/// What went wrong with a key or a signature.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Creating a key where a file already is would destroy the old key.
    #[error("key file {path} exists already and is not overwritten; load it, or name another file")]
    KeyFileExists {
        /// The file.
        path: PathBuf,
    },
    /// A key file could not be read or written.
    #[error("could not {action} key file {path}")]
    KeyFile {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A key file that others may read or change.
    #[error("key file {path} has mode {mode:04o}, open to others; allow its owner only (chmod 600)")]
    KeyFileMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file that holds no private key of an algorithm known here.
    #[error(
        "key file {path} holds no Ed25519 or SM2 private key in PKCS#8 PEM form; 'openssl pkcs8 -topk8 -nocrypt' turns \
         other forms into it"
    )]
    KeyFileContent {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: ed25519_dalek::pkcs8::Error,
    },
    /// A number that is no secret key of the curve.
    #[error("the secret is outside the range of the curve; make another key")]
    Secret,
    /// The key did not sign.
    #[error("key {key_id} could not sign")]
    Refused {
        /// Id of the key.
        key_id: KeyId,
    },
    /// A device that signs did not.
    #[error("the signing device did not do it: {0}")]
    Device(String),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for a key; check its random source")]
    Random(#[source] getrandom::Error),
    /// Text that holds no usable public key.
    #[error(
        "public key {number} in the text is not an Ed25519 or SM2 key in SPKI PEM form; export it as such"
    )]
    PublicKey {
        /// Which one, counted from 1.
        number: usize,
    },
    /// Text without any public key.
    #[error("the text holds no public key; it needs at least one \"BEGIN PUBLIC KEY\" block")]
    NoPublicKey,
    /// Text that is not a key id.
    #[error("a key id has {} lowercase hex digits, found {found} characters that are not", 2 * KeyId::BYTES)]
    KeyId {
        /// Characters found.
        found: usize,
    },
    /// A name that is not an algorithm known here.
    #[error("signature algorithm {found:?} is not known; known are \"ed25519\" and \"sm2\"")]
    Algorithm {
        /// The name found.
        found: String,
    },
    /// The signer is not among the trusted keys.
    #[error("key {key_id} is not among the {known} trusted keys; add its public key if you trust it")]
    UnknownKey {
        /// Id of the key that signed.
        key_id: KeyId,
        /// How many keys are trusted.
        known: usize,
    },
    /// The key did not sign at that time: another did.
    #[error("key {key_id} signs {term}, which does not hold {at}")]
    OutOfTerm {
        /// Id of the key that signed.
        key_id: KeyId,
        /// Its time, in words.
        term: String,
        /// The time that the document says.
        at: String,
    },
    /// A document names another algorithm than the key has.
    #[error("key {key_id} is an {expected} key, the document says {found}")]
    OtherAlgorithm {
        /// Id of the key.
        key_id: KeyId,
        /// Algorithm of the key.
        expected: Algorithm,
        /// Algorithm in the document.
        found: Algorithm,
    },
    /// The signature was not made by this key over these bytes.
    #[error("the signature does not match key {key_id}; the signed text or the signature was changed")]
    BadSignature {
        /// Id of the key.
        key_id: KeyId,
    },
}

/// A signature algorithm. Each has its place in three spellings: JSON name, note type byte, and key form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// Ed25519 (RFC 8032), checked strictly: no malleable signatures, no keys of small order.
    Ed25519,
    /// SM2 with SM3 and the default user id (GB/T 32918.2), as DER of two integers (GM/T 0009).
    Sm2,
}

/// What marks SM2 in the key hash of a signed note: the format has no type of its own for it, reserves 0xff for such,
/// and asks for a longer name after it that nobody else uses. The name is the object identifier of SM2 with SM3.
const SM2_NOTE_TYPE: &[u8] = b"\xff1.2.156.10197.1.501";

impl Algorithm {
    /// The name in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Sm2 => "sm2",
        }
    }

    /// The bytes that name the algorithm in the key hash of a signed note (C2SP signed-note, signature types).
    pub const fn note_type(self) -> &'static [u8] {
        match self {
            Self::Ed25519 => &[0x01],
            Self::Sm2 => SM2_NOTE_TYPE,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "ed25519" => Ok(Self::Ed25519),
            "sm2" => Ok(Self::Sm2),
            other => Err(Error::Algorithm { found: other.to_owned() }),
        }
    }
}

/// Name of a key: the first 16 hex digits of the SHA-256 of its public key bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; KeyId::BYTES]);

impl KeyId {
    /// Length in bytes.
    pub const BYTES: usize = 8;

    fn of(public_key: &[u8]) -> Self {
        let digest = Sha256::digest(public_key);
        let mut id = [0; Self::BYTES];
        id.copy_from_slice(&digest[..Self::BYTES]);
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::KeyId { found: text.chars().count() };
        let mut id = [0; Self::BYTES];
        hex::decode_to_slice(text, &mut id).map_err(|_| malformed())?;
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) { Err(malformed()) } else { Ok(Self(id)) }
    }
}

impl Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The bytes of a signature, as its algorithm makes them; standard base64 as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature(Vec<u8>);

impl Signature {
    /// Takes bytes that claim to be a signature.
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(&self.0))
    }
}

impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_has_one_spelling() {
        let id = KeyId::of(b"key");
        let text = id.to_string();
        assert_eq!(text.len(), 16);
        assert_eq!(text.parse::<KeyId>().unwrap(), id);
        for other in [text.to_uppercase(), text[1..].to_owned(), format!("{text}00"), String::new()] {
            assert!(other == text || other.parse::<KeyId>().is_err(), "{other:?} must be refused");
        }
        assert_eq!(serde_json::from_str::<KeyId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    }

    #[test]
    fn algorithms_are_named_alike_everywhere() {
        for algorithm in [Algorithm::Ed25519, Algorithm::Sm2] {
            let json = serde_json::to_string(&algorithm).unwrap();
            assert_eq!(json, format!("\"{algorithm}\""));
            assert_eq!(algorithm.as_str().parse::<Algorithm>().unwrap(), algorithm);
        }
        assert!(matches!("Ed25519".parse::<Algorithm>(), Err(Error::Algorithm { .. })));
    }

    #[test]
    fn a_signature_travels_as_padded_base64() {
        let signature = Signature::from_bytes(vec![0xfb, 0xff]);
        assert_eq!(serde_json::to_string(&signature).unwrap(), "\"+/8=\"");
        assert_eq!(serde_json::from_str::<Signature>("\"+/8=\"").unwrap(), signature);
        for other in ["\"+/8\"", "\"-_8=\"", "\"+/9=\"", "\"+/8=\\n\""] {
            assert!(serde_json::from_str::<Signature>(other).is_err(), "{other} must be refused");
        }
    }
}
