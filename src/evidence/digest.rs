//! Digests over exact bytes, salted commitments and keyed content digests.
//!
//! Three questions, three types that cannot be mixed up. [`Digest`]: are these the same bytes? [`Commitment`]: is this
//! the value the trail spoke of, answerable only by who holds the [`Salt`]? [`KeyedDigest`]: did this content come
//! before, answerable only inside the hub that holds the [`ContentKey`]? Of bytes that were exchanged with others the
//! first two are also stated by SM3 (GB/T 32905), as [`Sm3Digest`] and [`Sm3Commitment`], for those who may rely on
//! nothing else.
//! Promises that salts and keys never show in `Debug` output. Leaves their safekeeping and erasure to the stores.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sm3::Sm3;

pub use super::bytes32::Malformed;
use super::bytes32::{bytes32, bytes32_serde};

/// The shortest content key: the output length of SHA-256 in bytes (RFC 2104, section 3).
pub const MIN_CONTENT_KEY_BYTES: usize = 32;

/// Why a salt or a key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for a {wanted}; check its random source")]
    Random {
        /// What they were for.
        wanted: &'static str,
        /// What the system said.
        #[source]
        source: getrandom::Error,
    },
    /// A content key shorter than [`MIN_CONTENT_KEY_BYTES`].
    #[error(
        "a content key needs at least {MIN_CONTENT_KEY_BYTES} bytes, found {found}; generate a longer one"
    )]
    ShortKey {
        /// Bytes found.
        found: usize,
    },
    /// A salt of the wrong length.
    #[error("a salt has {} bytes as {} hex digits, found {found} characters", Salt::BYTES, 2 * Salt::BYTES)]
    MalformedSalt {
        /// Characters found.
        found: usize,
    },
}

bytes32! {
    /// SHA-256 over exact bytes: as received, or as sent. As text 64 hex digits, in documents `sha256:<hex>`.
    Digest
}
bytes32_serde!(Digest, "sha256:");

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

bytes32! {
    /// SM3 (GB/T 32905) over exact bytes, beside their SHA-256. As text 64 hex digits, in documents `sm3:<hex>`.
    Sm3Digest
}
bytes32_serde!(Sm3Digest, "sm3:");

impl Sm3Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sm3::digest(bytes).into())
    }
}

/// A digest in the making, for content that streams past and is never held whole.
#[derive(Debug, Clone, Default)]
pub struct Digester(Sha256);

impl Digester {
    /// Starts with nothing read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all pieces in order.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// Sixteen random bytes, one salt a value. While it is kept its holder can open the commitment; once it is erased
/// nobody can, not even by trying every ID number.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt([u8; Salt::BYTES]);

impl Salt {
    /// Length in bytes.
    pub const BYTES: usize = 16;

    /// A fresh salt from the operating system.
    pub fn generate() -> Result<Self, Error> {
        random("salt").map(Self)
    }

    /// Takes a salt that was kept.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be kept beside the value.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Commits to a value: SHA-256(salt || value). The salt's fixed length keeps the two parts apart.
    pub fn commit(&self, value: &[u8]) -> Commitment {
        Commitment(Digest(Sha256::new().chain_update(self.0).chain_update(value).finalize().into()))
    }

    /// The same by SM3(salt || value).
    pub fn commit_by_sm3(&self, value: &[u8]) -> Sm3Commitment {
        Sm3Commitment(Sm3Digest(Sm3::new().chain_update(self.0).chain_update(value).finalize().into()))
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

impl Serialize for Salt {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; Self::BYTES];
        hex::decode_to_slice(&text, &mut bytes)
            .map_err(|_| serde::de::Error::custom(Error::MalformedSalt { found: text.chars().count() }))?;
        Ok(Self(bytes))
    }
}

/// What the trail holds in place of a personal value: binding, and mute without the salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Commitment(Digest);

impl Commitment {
    /// Takes bytes that already are a commitment.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Digest(bytes))
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Whether this salt and value open it.
    pub fn opens_with(&self, salt: &Salt, value: &[u8]) -> bool {
        salt.commit(value) == *self
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A [`Commitment`] by SM3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sm3Commitment(Sm3Digest);

/// The secret under which content digests are made, so that a stolen table of them reveals no content.
#[derive(Clone)]
pub struct ContentKey(Box<[u8]>);

impl ContentKey {
    /// Takes a kept key of at least [`MIN_CONTENT_KEY_BYTES`].
    pub fn new(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() < MIN_CONTENT_KEY_BYTES {
            return Err(Error::ShortKey { found: bytes.len() });
        }
        Ok(Self(bytes.into()))
    }

    /// A fresh key from the operating system.
    pub fn generate() -> Result<Self, Error> {
        random::<MIN_CONTENT_KEY_BYTES>("content key").map(|bytes| Self(bytes.into()))
    }

    /// The bytes, to be kept as a secret.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// HMAC-SHA256 (RFC 2104) of the content.
    pub fn digest(&self, content: &[u8]) -> KeyedDigest {
        KeyedDigest(hmac_sha256(&self.0, content))
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(..)")
    }
}

bytes32! {
    /// HMAC-SHA256 of a content under the hub's [`ContentKey`]: finds duplicates, reveals nothing without the key.
    KeyedDigest
}

fn hmac_sha256(key: &[u8], content: &[u8]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(content).finalize().into_bytes().into()
}

fn random<const N: usize>(wanted: &'static str) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|source| Error::Random { wanted, source })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &impl Serialize) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn digest_is_sha256_of_the_exact_bytes() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), abc);
        assert_eq!(abc.parse::<Digest>().unwrap(), Digest::of(b"abc"));
        assert_ne!(Digest::of(b"abc "), Digest::of(b"abc"));
    }

    #[test]
    fn sm3_gives_the_values_of_gb_t_32905_and_of_the_field() {
        let vectors = [
            ("abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
            (&*"abcd".repeat(16), "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
            ("", "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b"),
            ("审管联动", "e86654ce5ba053fa9cf8af63ad0d22be5f7c08cc8f1baa3ec2923aa87fdf52fe"),
        ];
        for (text, digest) in vectors {
            assert_eq!(Sm3Digest::of(text.as_bytes()).to_string(), digest, "{text:?}");
        }
        let json = serde_json::to_string(&Sm3Digest::of(b"abc")).unwrap();
        assert!(json.starts_with("\"sm3:66c7f0f4"), "{json}");
        assert!(serde_json::from_str::<Sm3Digest>(&json.replace("sm3", "sha256")).is_err());
    }

    #[test]
    fn a_streamed_digest_equals_the_digest_of_the_whole() {
        let mut digester = Digester::new();
        for piece in [&b"a"[..], b"", b"bc"] {
            digester.update(piece);
        }
        assert_eq!(digester.finish(), Digest::of(b"abc"));
        assert_eq!(Digester::new().finish(), Digest::of(b""));
    }

    #[test]
    fn in_documents_a_digest_names_its_algorithm() {
        let json = serde_json::to_string(&Digest::of(b"abc")).unwrap();
        assert!(json.starts_with("\"sha256:ba7816bf"), "{json}");
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), Digest::of(b"abc"));
        for other in
            [json.replace("sha256:", ""), json.replace("sha256", "sm3"), json.replace("ba78", "BA78")]
        {
            assert!(serde_json::from_str::<Digest>(&other).is_err(), "{other} must be refused");
        }
    }

    #[test]
    fn a_commitment_opens_only_with_its_salt_and_value() {
        let salt = Salt::from_bytes([7; 16]);
        let commitment = salt.commit(b"value");
        let joined = [&[7; 16][..], b"value"].concat();
        assert_eq!(commitment.as_bytes(), Digest::of(&joined).as_bytes());
        assert!(commitment.opens_with(&salt, b"value"));
        assert!(!commitment.opens_with(&salt, b"valuf"));
        assert!(!commitment.opens_with(&Salt::from_bytes([8; 16]), b"value"));
        assert_eq!(json(&salt.commit_by_sm3(b"value")), json(&Sm3Digest::of(&joined)));
    }

    #[test]
    fn salts_and_keys_are_fresh_and_never_shown() {
        let (a, b) = (Salt::generate().unwrap(), Salt::generate().unwrap());
        assert_ne!(a, b);
        assert_eq!(format!("{a:?}"), "Salt(..)");
        let key = ContentKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), "ContentKey(..)");
        assert_eq!(ContentKey::new(key.as_bytes()).unwrap().digest(b"x"), key.digest(b"x"));
        assert_ne!(ContentKey::generate().unwrap().digest(b"x"), key.digest(b"x"));
    }

    #[test]
    fn a_salt_survives_its_document() {
        let salt = Salt::from_bytes([0xab; 16]);
        let json = serde_json::to_string(&salt).unwrap();
        assert_eq!(json, format!("\"{}\"", "ab".repeat(16)));
        assert_eq!(serde_json::from_str::<Salt>(&json).unwrap(), salt);
        let error = serde_json::from_str::<Salt>("\"abcd\"").unwrap_err().to_string();
        assert!(error.contains("found 4 characters"), "{error}");
    }

    #[test]
    fn keyed_digests_match_rfc_4231() {
        let case_1 = hmac_sha256(&[0x0b; 20], b"Hi There");
        assert_eq!(hex::encode(case_1), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        let case_2 = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex::encode(case_2), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let case_6 = ContentKey::new(&[0xaa; 131])
            .unwrap()
            .digest(b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(case_6.to_string(), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }

    #[test]
    fn a_short_content_key_is_refused_with_both_figures() {
        let error = ContentKey::new(&[1; 31]).unwrap_err().to_string();
        assert!(error.contains("at least 32 bytes, found 31"), "{error}");
    }
}
