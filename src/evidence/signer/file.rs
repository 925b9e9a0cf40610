//! Key files: PKCS#8 PEM, for their owner alone.
//!
//! Promises that a key file is created once, whole, and for its owner alone; that it is never overwritten; and that
//! one which others may read or change is not used. Leaves to configuration whether a missing key is to be created,
//! and to the algorithms what stands in it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use sm2::pkcs8::der::asn1::ObjectIdentifier;
use sm2::pkcs8::der::pem::PemLabel as _;
use sm2::pkcs8::{self, PrivateKeyInfoRef, SecretDocument};

use super::{Algorithm, Ed25519, Error, Signer, Sm2};

/// The most that is read of a key file; a real one has 120 to 250 bytes.
const MAX_KEY_FILE_BYTES: u64 = 16 * 1024;

/// Permission bits that no key file may have. The group may read, because Kubernetes mounts secrets that way.
const FORBIDDEN_MODE: u32 = 0o027;

/// Ed25519 keys (RFC 8410).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The key in a file, of whichever algorithm it is.
pub fn load(path: &Path) -> Result<Arc<dyn Signer>, Error> {
    let document = read(path)?;
    let info = info(path, &document)?;
    if info.algorithm.oid == ED25519 {
        Ok(Arc::new(Ed25519::from_info(path, info)?))
    } else {
        Ok(Arc::new(Sm2::from_info(path, info)?))
    }
}

/// Creates a fresh key of an algorithm and its file, mode 0600, synced to disk. Refuses to overwrite.
pub fn create(path: &Path, algorithm: Algorithm) -> Result<Arc<dyn Signer>, Error> {
    Ok(match algorithm {
        Algorithm::Ed25519 => Arc::new(Ed25519::create(path)?),
        Algorithm::Sm2 => Arc::new(Sm2::create(path)?),
    })
}

/// What a key file holds, as far as every algorithm has it in common.
pub(super) fn read(path: &Path) -> Result<SecretDocument, Error> {
    let failed = |source| Error::KeyFile { action: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
    if mode & FORBIDDEN_MODE != 0 {
        return Err(Error::KeyFileMode { path: path.to_owned(), mode });
    }
    let mut pem = String::new();
    file.take(MAX_KEY_FILE_BYTES).read_to_string(&mut pem).map_err(failed)?;
    let (label, document) =
        SecretDocument::from_pem(pem.trim()).map_err(|error| malformed(path, error.into()))?;
    PrivateKeyInfoRef::validate_pem_label(label)
        .map_err(|error| malformed(path, pkcs8::der::Error::from(error).into()))?;
    Ok(document)
}

/// The key with the name of its algorithm.
pub(super) fn info<'d>(path: &Path, document: &'d SecretDocument) -> Result<PrivateKeyInfoRef<'d>, Error> {
    document.decode_msg().map_err(|error: pkcs8::der::Error| malformed(path, pkcs8::Error::from(error)))
}

/// A file without a key in it that can be used.
pub(super) fn malformed(path: &Path, source: pkcs8::Error) -> Error {
    Error::KeyFileContent { path: path.to_owned(), source }
}

/// Writes the file of a new key.
pub(super) fn write(path: &Path, pem: &str) -> Result<(), Error> {
    write_new(path, pem.as_bytes()).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Error::KeyFileExists { path: path.to_owned() },
        _ => Error::KeyFile { action: "create", path: path.to_owned(), source },
    })
}

/// Writes a file that was not there before, and makes its name durable too. What could not be written whole is removed.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| sync_folder(path));
    if written.is_err() {
        // The first failure is the one to report.
        std::fs::remove_file(path).ok();
    }
    written
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}
