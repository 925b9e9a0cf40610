//! SM2 keys in software (GB/T 32918.2, digest SM3, default user id), kept in a PKCS#8 PEM file.
//!
//! Signatures are in the form of GM/T 0009, which `openssl` reads: DER of the two integers. The nonce of a signature
//! is derived from key and text (RFC 6979 with SM3), so that no bad source of randomness gives the key away. The
//! secret is not wiped from all of memory when dropped, as the library that signs does not. Leaves the handling of
//! files to [`super::file`].

use std::fmt;
use std::path::Path;

use sm2::dsa::SigningKey;
use sm2::dsa::signature::Signer as _;
use sm2::pkcs8::der::pem::LineEnding;
use sm2::pkcs8::{EncodePrivateKey as _, PrivateKeyInfoRef};
use sm2::{SecretKey, elliptic_curve};

use super::{Error, PublicKey, Signature, Signer, USER_ID, file};

/// A signing key in memory.
pub struct Sm2 {
    key: SigningKey,
    public_key: PublicKey,
}

impl Sm2 {
    /// A fresh key from the operating system, in memory only.
    pub fn generate() -> Result<Self, Error> {
        loop {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(Error::Random)?;
            // Of 2^32 draws one is outside the range of the curve.
            if let Ok(signer) = Self::from_secret(&secret) {
                return Ok(signer);
            }
        }
    }

    /// The key of a 32-byte secret, from 1 to the order of the curve less 2 (GB/T 32918.1, section 6.1).
    pub fn from_secret(secret: &[u8; 32]) -> Result<Self, Error> {
        let usable = SecretKey::from_slice(secret).and_then(|key| Self::new(&key));
        usable.map_err(|_| Error::Secret)
    }

    /// Creates a fresh key and its file, mode 0600, synced to disk. Refuses to overwrite.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let signer = Self::generate()?;
        let secret = SecretKey::from(signer.key.as_nonzero_scalar());
        let pem = secret.to_pkcs8_pem(LineEnding::LF).map_err(|source| file::malformed(path, source))?;
        file::write(path, &pem)?;
        Ok(signer)
    }

    /// Loads the key from its file, as `openssl genpkey -algorithm SM2` makes one.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::from_info(path, file::info(path, &file::read(path)?)?)
    }

    pub(super) fn from_info(path: &Path, info: PrivateKeyInfoRef<'_>) -> Result<Self, Error> {
        let key = SecretKey::try_from(info).map_err(|source| file::malformed(path, source))?;
        Self::new(&key).map_err(|_| Error::Secret)
    }

    fn new(secret: &SecretKey) -> Result<Self, elliptic_curve::Error> {
        let unusable = |_| elliptic_curve::Error;
        let key = SigningKey::new(USER_ID, secret).map_err(unusable)?;
        // The one secret in range with which nothing can be signed: the order of the curve less 1.
        key.try_sign(b"").map_err(unusable)?;
        let public_key = PublicKey::of_sm2(secret.public_key()).map_err(unusable)?;
        Ok(Self { key, public_key })
    }
}

impl Signer for Sm2 {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, Error> {
        let signature = self.key.try_sign(message).map_err(|_| Error::Refused { key_id: self.key_id() })?;
        Ok(Signature::from_bytes(signature.to_der().as_bytes().to_vec()))
    }
}

impl fmt::Debug for Sm2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sm2({})", self.public_key.id())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::evidence::signer::{Algorithm, create, load};

    /// GB/T 32918.5, annex A: secret and public key of the example.
    const SECRET: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
    const PUBLIC: &str = "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                          ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
    /// The text there, and its signature.
    const TEXT: &[u8] = b"message digest";
    const R: &str = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3";
    const S: &str = "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";

    /// As `openssl genpkey -algorithm SM2` writes one, and with `-algorithm EC -pkeyopt ec_paramgen_curve:SM2` too.
    const OPENSSL: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIGHAgEAMBMGByqGSM49AgEGCCqBHM9VAYItBG0wawIBAQQgc3qXcFhin6/+smE5\n\
        4PEvgkhpsKzNdBUsuOMC8TGTSMOhRANCAAR8h5/YsAvKKAJftEuNzQtFLxLN6fNn\n\
        xXAj/FE+ee6/xYlA8efbSnDTaFRWQbphaFyPww2ElfqfW7kYtt1vYnkS\n\
        -----END PRIVATE KEY-----\n";

    fn secret(hex: &str) -> [u8; 32] {
        hex::decode(hex).unwrap().try_into().unwrap()
    }

    fn standard() -> Sm2 {
        Sm2::from_secret(&secret(SECRET)).unwrap()
    }

    /// DER of two positive integers of 32 bytes whose first bit is set.
    fn der(r: &str, s: &str) -> Signature {
        let integer = |hex: &str| [&[0x02, 0x21, 0x00][..], &hex::decode(hex).unwrap()].concat();
        Signature::from_bytes([&[0x30, 0x46][..], &integer(r), &integer(s)].concat())
    }

    fn file(content: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.pem");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        (folder, path)
    }

    #[test]
    fn the_signature_of_the_standard_verifies_and_nothing_near_it() {
        let key = standard().public_key().clone();
        assert_eq!(hex::encode(key.as_bytes()), PUBLIC);
        key.verify(TEXT, &der(R, S)).unwrap();
        assert!(key.verify(b"message digesu", &der(R, S)).is_err());
        let bytes = der(R, S).as_bytes().to_vec();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert!(key.verify(TEXT, &Signature::from_bytes(other)).is_err(), "byte {at} changed");
        }
        let raw = [hex::decode(R).unwrap(), hex::decode(S).unwrap()].concat();
        let refused = key.verify(TEXT, &Signature::from_bytes(raw));
        assert!(
            matches!(refused, Err(Error::BadSignature { key_id }) if key_id == key.id()),
            "one form alone"
        );
    }

    #[test]
    fn what_it_signs_verifies_with_its_key_alone() {
        let (one, other) = (standard(), Sm2::generate().unwrap());
        let signature = one.sign(TEXT).unwrap();
        assert_ne!(signature, der(R, S), "the nonce is another than that of the standard");
        one.public_key().verify(TEXT, &signature).unwrap();
        assert!(other.public_key().verify(TEXT, &signature).is_err());
        assert_eq!(one.algorithm(), Algorithm::Sm2);
    }

    #[test]
    fn a_key_of_openssl_loads_and_the_file_decides_the_algorithm() {
        let (_folder, path) = file(OPENSSL);
        let key = load(&path).unwrap();
        assert_eq!(key.algorithm(), Algorithm::Sm2);
        assert_eq!(key.public_key(), Sm2::load(&path).unwrap().public_key());
        assert_eq!(&PublicKey::from_pem(&key.public_key().to_pem()).unwrap(), key.public_key());
    }

    #[test]
    fn a_created_key_is_for_its_owner_and_loads_again() {
        let folder = tempfile::tempdir().unwrap();
        for algorithm in [Algorithm::Sm2, Algorithm::Ed25519] {
            let path = folder.path().join(algorithm.as_str());
            let created = create(&path, algorithm).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let loaded = load(&path).unwrap();
            assert_eq!((loaded.public_key(), loaded.algorithm()), (created.public_key(), algorithm));
            assert!(matches!(create(&path, algorithm), Err(Error::KeyFileExists { .. })));
        }
    }

    #[test]
    fn a_file_without_a_usable_key_is_refused() {
        let other_curve = OPENSSL.replace("CCqBHM9VAYIt", "CCqGSM49AwEH");
        let of_openssl_ec = OPENSSL.replace("PRIVATE KEY", "EC PRIVATE KEY");
        for content in [other_curve, of_openssl_ec, OPENSSL[..100].to_owned(), String::new()] {
            let (_folder, path) = file(&content);
            let error = load(&path).unwrap_err();
            assert!(matches!(error, Error::KeyFileContent { .. }), "{content}: {error}");
        }
        assert!(matches!(Sm2::from_secret(&[0; 32]), Err(Error::Secret)));
        let order_less_one = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54122";
        assert!(matches!(Sm2::from_secret(&secret(order_less_one)), Err(Error::Secret)));
    }

    #[test]
    fn debug_output_shows_the_key_id_only() {
        let signer = standard();
        assert_eq!(format!("{signer:?}"), format!("Sm2({})", signer.key_id()));
    }
}
