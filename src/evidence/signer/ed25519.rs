//! Ed25519 keys in software, kept in a PKCS#8 PEM file.
//!
//! The file is in the older of the two PKCS#8 forms, which `openssl` reads. Leaves the handling of files to
//! [`super::file`].

use std::fmt;
use std::path::Path;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{EncodePrivateKey as _, KeypairBytes, PrivateKeyInfoRef};
use ed25519_dalek::{Signer as _, SigningKey};

use super::{Error, PublicKey, Signature, Signer, file};

/// A signing key in memory, wiped when dropped.
pub struct Ed25519 {
    key: SigningKey,
    public_key: PublicKey,
}

impl Ed25519 {
    /// A fresh key from the operating system, in memory only.
    pub fn generate() -> Result<Self, Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(Error::Random)?;
        Ok(Self::from_seed(&seed))
    }

    /// The key of a 32-byte secret (RFC 8032, section 5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        SigningKey::from_bytes(seed).into()
    }

    /// Creates a fresh key and its file, mode 0600, synced to disk. Refuses to overwrite.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let signer = Self::generate()?;
        let pair = KeypairBytes { secret_key: signer.key.to_bytes(), public_key: None };
        let pem = pair.to_pkcs8_pem(LineEnding::LF).map_err(|source| file::malformed(path, source))?;
        file::write(path, &pem)?;
        Ok(signer)
    }

    /// Loads the key from its file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::from_info(path, file::info(path, &file::read(path)?)?)
    }

    pub(super) fn from_info(path: &Path, info: PrivateKeyInfoRef<'_>) -> Result<Self, Error> {
        SigningKey::try_from(info).map(Self::from).map_err(|source| file::malformed(path, source))
    }
}

impl Signer for Ed25519 {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, Error> {
        Ok(Signature::from_bytes(self.key.sign(message).to_vec()))
    }
}

impl From<SigningKey> for Ed25519 {
    fn from(key: SigningKey) -> Self {
        let public_key = key.verifying_key().into();
        Self { key, public_key }
    }
}

impl fmt::Debug for Ed25519 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ed25519({})", self.public_key.id())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// `openssl genpkey -algorithm ed25519` writes this form; the key is that of RFC 8410, section 10.3.
    const RFC_8410: &str = "-----BEGIN PRIVATE KEY-----\n\
                            MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                            -----END PRIVATE KEY-----\n";
    const RFC_8410_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
                                   MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                                   -----END PUBLIC KEY-----\n";

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.pem");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn a_created_key_is_for_its_owner_and_loads_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.pem");
        let created = Ed25519::create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let loaded = Ed25519::load(&path).unwrap();
        assert_eq!(loaded.public_key(), created.public_key());
        created.public_key().verify(b"text", &loaded.sign(b"text").unwrap()).unwrap();
    }

    #[test]
    fn an_existing_key_is_never_overwritten() {
        let (_folder, path) = file(RFC_8410, 0o600);
        let error = Ed25519::create(&path).unwrap_err();
        assert!(matches!(error, Error::KeyFileExists { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), RFC_8410);
    }

    #[test]
    fn the_key_of_rfc_8410_loads_and_exports_as_printed_there() {
        let (_folder, path) = file(RFC_8410, 0o440);
        let signer = Ed25519::load(&path).unwrap();
        assert_eq!(signer.public_key().to_pem(), RFC_8410_PUBLIC);
        assert_eq!(&PublicKey::from_pem(RFC_8410_PUBLIC).unwrap(), signer.public_key());
    }

    #[test]
    fn a_key_file_open_to_others_is_not_used() {
        for mode in [0o644, 0o604, 0o620, 0o602, 0o601] {
            let (_folder, path) = file(RFC_8410, mode);
            let error = Ed25519::load(&path).unwrap_err();
            assert!(matches!(error, Error::KeyFileMode { mode: found, .. } if found == mode), "{error}");
        }
    }

    #[test]
    fn a_file_without_a_whole_key_is_refused() {
        let public_instead = RFC_8410_PUBLIC.to_owned();
        for content in
            [String::new(), RFC_8410[..60].to_owned(), public_instead, RFC_8410.replace("K2Vw", "K2Vu")]
        {
            let (_folder, path) = file(&content, 0o600);
            let error = Ed25519::load(&path).unwrap_err();
            assert!(matches!(error, Error::KeyFileContent { .. }), "{content:?}: {error}");
        }
        let missing = Ed25519::load(Path::new("/nowhere/signing.pem")).unwrap_err();
        assert!(missing.to_string().contains("could not read key file /nowhere/signing.pem"), "{missing}");
    }

    #[test]
    fn debug_output_shows_the_key_id_only() {
        let signer = Ed25519::from_seed(&[7; 32]);
        assert_eq!(format!("{signer:?}"), format!("Ed25519({})", signer.key_id()));
    }
}
