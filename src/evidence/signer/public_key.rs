//! Public keys, and the set of them that a verifier trusts.
//!
//! Promises that a signature counts only under a key of the set, with that key's own algorithm. Leaves open how the
//! set came about: whoever fills it decides whom to trust.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use sm2::dsa::signature::Verifier as _;

use super::{Algorithm, Error, KeyId, Signature};

/// The user id that goes into every SM2 signature here: the default of GM/T 0009, as `openssl` takes it by
/// `-pkeyopt distid:`.
pub const USER_ID: &str = "1234567812345678";

/// Last line of a public key in PEM form.
const PEM_END: &str = "-----END PUBLIC KEY-----";

/// A key that checks signatures.
#[derive(Clone)]
pub struct PublicKey {
    id: KeyId,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Ed25519(VerifyingKey),
    /// With its point, uncompressed.
    Sm2(Box<(sm2::dsa::VerifyingKey, Box<[u8]>)>),
}

impl PublicKey {
    /// Reads one key in SPKI PEM form (`openssl pkey -pubout`).
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        let malformed = || Error::PublicKey { number: 1 };
        match VerifyingKey::from_public_key_pem(pem.trim()) {
            Ok(key) if key.is_weak() => Err(malformed()),
            Ok(key) => Ok(key.into()),
            Err(_) => {
                let key = sm2::PublicKey::from_public_key_pem(pem.trim()).map_err(|_| malformed())?;
                Self::of_sm2(key).map_err(|_| malformed())
            }
        }
    }

    /// An Ed25519 key by its 32 bytes.
    pub fn of_ed25519(bytes: &[u8; 32]) -> Result<Self, Error> {
        match VerifyingKey::from_bytes(bytes) {
            Ok(key) if !key.is_weak() => Ok(key.into()),
            _ => Err(Error::PublicKey { number: 1 }),
        }
    }

    pub(super) fn of_sm2(key: sm2::PublicKey) -> Result<Self, sm2::dsa::signature::Error> {
        let key = sm2::dsa::VerifyingKey::new(USER_ID, key)?;
        let point = key.to_sec1_bytes();
        Ok(Self { id: KeyId::of(&point), material: Material::Sm2(Box::new((key, point))) })
    }

    /// The key in SPKI PEM form.
    pub fn to_pem(&self) -> String {
        let pem = match &self.material {
            Material::Ed25519(key) => key.to_public_key_pem(LineEnding::LF),
            Material::Sm2(both) => both.0.to_public_key_pem(LineEnding::LF),
        };
        pem.expect("a sound public key always has a PEM form")
    }

    /// Name of the key.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Algorithm of the key.
    pub fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Ed25519(_) => Algorithm::Ed25519,
            Material::Sm2(_) => Algorithm::Sm2,
        }
    }

    /// The key as its algorithm encodes it: 32 bytes for Ed25519, the uncompressed point of 65 for SM2.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.material {
            Material::Ed25519(key) => key.as_bytes(),
            Material::Sm2(both) => &both.1,
        }
    }

    /// Checks a signature over exactly these bytes.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), Error> {
        let checked = match &self.material {
            Material::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature.as_bytes())
                .and_then(|signature| key.verify_strict(message, &signature)),
            Material::Sm2(both) => sm2::dsa::Signature::from_der(signature.as_bytes())
                .and_then(|signature| both.0.verify(message, &signature)),
        };
        checked.map_err(|_| Error::BadSignature { key_id: self.id })
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm() == other.algorithm() && self.as_bytes() == other.as_bytes()
    }
}

impl Eq for PublicKey {}

impl From<VerifyingKey> for PublicKey {
    fn from(key: VerifyingKey) -> Self {
        Self { id: KeyId::of(key.as_bytes()), material: Material::Ed25519(key) }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm(), self.id)
    }
}

/// A key with the time for which it is trusted.
#[derive(Debug, Clone)]
struct Trusted {
    key: PublicKey,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Trusted {
    fn holds(&self, at: Option<Timestamp>) -> bool {
        match at {
            Some(at) => self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until),
            None => self.from.is_none() && self.until.is_none(),
        }
    }

    fn term(&self) -> String {
        let from = self.from.map_or_else(String::new, |from| format!("from {from} "));
        let until = self.until.map_or_else(|| "on".to_owned(), |until| format!("until {until}"));
        format!("{from}{until}")
    }
}

/// The keys a verifier trusts.
#[derive(Debug, Clone, Default)]
pub struct PublicKeys(BTreeMap<KeyId, Trusted>);

impl PublicKeys {
    /// Reads one or more keys in SPKI PEM form, one after the other. Text between them is passed over.
    pub fn from_pem(text: &str) -> Result<Self, Error> {
        let mut keys = Self::default();
        for (index, block) in
            text.split_inclusive(PEM_END).filter(|block| block.ends_with(PEM_END)).enumerate()
        {
            let start = block.find("-----BEGIN").unwrap_or(0);
            let key =
                PublicKey::from_pem(&block[start..]).map_err(|_| Error::PublicKey { number: index + 1 })?;
            keys.insert(key);
        }
        if keys.0.is_empty() { Err(Error::NoPublicKey) } else { Ok(keys) }
    }

    /// Trusts one more key.
    pub fn insert(&mut self, key: PublicKey) {
        self.insert_for(key, None, None);
    }

    /// Trusts one more key for what says that it was signed from `from` on and before `until`.
    pub fn insert_for(&mut self, key: PublicKey, from: Option<Timestamp>, until: Option<Timestamp>) {
        self.0.insert(key.id(), Trusted { key, from, until });
    }

    /// The key of this name, if trusted at any time.
    pub fn get(&self, key_id: KeyId) -> Result<&PublicKey, Error> {
        self.find(key_id).map(|trusted| &trusted.key)
    }

    /// The key of this name, if trusted for what says that it was signed then. What says no time counts only under a
    /// key that is trusted for all time.
    pub fn get_at(&self, key_id: KeyId, at: Option<&str>) -> Result<&PublicKey, Error> {
        let trusted = self.find(key_id)?;
        if trusted.holds(at.and_then(|at| at.parse().ok())) {
            return Ok(&trusted.key);
        }
        Err(Error::OutOfTerm { key_id, term: trusted.term(), at: at.unwrap_or("no time").to_owned() })
    }

    fn find(&self, key_id: KeyId) -> Result<&Trusted, Error> {
        self.0.get(&key_id).ok_or(Error::UnknownKey { key_id, known: self.0.len() })
    }

    /// All trusted keys, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.values().map(|trusted| &trusted.key)
    }

    /// How many keys are trusted.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<PublicKey> for PublicKeys {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        let mut set = Self::default();
        keys.into_iter().for_each(|key| set.insert(key));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::signer::{Ed25519, Signer as _};

    /// RFC 8032, section 7.1, test 2.
    const RFC_PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const RFC_SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                                 085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

    fn rfc_key() -> PublicKey {
        let bytes: [u8; 32] = hex::decode(RFC_PUBLIC).unwrap().try_into().unwrap();
        VerifyingKey::from_bytes(&bytes).unwrap().into()
    }

    #[test]
    fn the_signature_of_rfc_8032_verifies_and_nothing_near_it() {
        let (key, bytes) = (rfc_key(), hex::decode(RFC_SIGNATURE).unwrap());
        key.verify(&[0x72], &Signature::from_bytes(bytes.clone())).unwrap();
        assert!(key.verify(&[0x73], &Signature::from_bytes(bytes.clone())).is_err());
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert!(key.verify(&[0x72], &Signature::from_bytes(other)).is_err(), "byte {at} changed");
        }
        let cut = key.verify(&[0x72], &Signature::from_bytes(bytes[..63].to_vec()));
        assert!(matches!(cut, Err(Error::BadSignature { key_id }) if key_id == key.id()));
    }

    #[test]
    fn the_key_id_is_the_beginning_of_the_digest_of_the_key() {
        let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(hex::decode(RFC_PUBLIC).unwrap()));
        assert_eq!(rfc_key().id().to_string(), digest[..16]);
    }

    #[test]
    fn several_keys_in_one_text_are_all_read() {
        let keys: Vec<_> = (1..=3).map(|seed| Ed25519::from_seed(&[seed; 32]).public_key().clone()).collect();
        let text = keys.iter().map(PublicKey::to_pem).collect::<Vec<_>>().join("# key of the office\n");
        let set = PublicKeys::from_pem(&text).unwrap();
        assert_eq!(set.len(), 3);
        for key in &keys {
            assert_eq!(set.get(key.id()).unwrap(), key);
        }
        let unknown = set.get(rfc_key().id()).unwrap_err();
        assert!(unknown.to_string().contains("not among the 3 trusted keys"), "{unknown}");
    }

    #[test]
    fn text_without_a_sound_key_is_refused_by_its_number() {
        assert!(matches!(PublicKeys::from_pem("no key here"), Err(Error::NoPublicKey)));
        let good = rfc_key().to_pem();
        let bad = good.replace("MCow", "MCox");
        assert!(matches!(PublicKeys::from_pem(&format!("{good}{bad}")), Err(Error::PublicKey { number: 2 })));
        let mut identity = [0; 32];
        identity[0] = 1;
        let weak = PublicKey::from(VerifyingKey::from_bytes(&identity).unwrap()).to_pem();
        assert!(
            matches!(PublicKeys::from_pem(&weak), Err(Error::PublicKey { number: 1 })),
            "a key of small order"
        );
    }
}
