//! The keys that a hub signs with: where they lie, and that they are those of the store.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{Error, setup};
use crate::{
    config::{
        secret::SecretRef,
        settings::{KeyAlgorithm, Settings},
    },
    engine::keys::{self, Keyring, NoKey, Source},
    evidence::signer::{self, Algorithm, KeyId, PublicKeys, Signer},
    port::store::{SigningKey, Store},
};

/// The keyring of a hub. All that is stored at a time is signed by one key: who would sign with another is refused.
/// The first key is made at the first start.
pub(super) async fn open(
    settings: &Settings,
    store: &Arc<dyn Store>,
    now: Timestamp,
) -> Result<Arc<Keyring>, Error> {
    let path = key_file(settings)?;
    if store.signing_keys().await?.is_empty() {
        found(path, settings.keys.algorithm, store.as_ref(), now).await?;
    }
    let notice = Duration::from_millis(settings.keys.notice_ms);
    let ring = Keyring::open(Arc::clone(store), source(settings)?, notice);
    let ring = ring.await.map_err(setup("signing key"))?;
    match ring.at(now) {
        Ok(_) => Ok(Arc::new(ring)),
        Err(NoKey::NotHeld(theirs)) => Err(foreign_key(path, theirs)),
        Err(error) => Err(setup("signing key")(error.into())),
    }
}

/// The keyring of who looks at a store and signs nothing.
pub(super) async fn look(settings: &Settings, store: Arc<dyn Store>) -> Result<Arc<Keyring>, Error> {
    let files = files(settings)?;
    let held = move || Ok(files.iter().filter_map(|path| signer::load(path).ok()).collect());
    let ring = Keyring::open(store, Box::new(held), Duration::from_millis(settings.keys.notice_ms));
    Ok(Arc::new(ring.await.map_err(setup("history of the keys that sign"))?))
}

/// Names the first key of a store. Of hubs that start together on nothing, one does.
async fn found(path: &Path, algorithm: KeyAlgorithm, store: &dyn Store, now: Timestamp) -> Result<(), Error> {
    let (signer, origin) = load_or_make(path, algorithm)?;
    let public = signer.public_key().to_pem();
    let key = SigningKey { number: 1, public, from: now, by_predecessor: None, by_itself: None };
    if !store.add_signing_key(key, None).await? && origin == KeyOrigin::Made {
        // It has signed nothing, and would be in the way of the right one.
        fs::remove_file(path).map_err(|error| setup("signing key")(error.into()))?;
    }
    Ok(())
}

fn foreign_key(path: &Path, theirs: KeyId) -> Error {
    let own = signer::load(path)
        .map_or_else(|_| "is not there".to_owned(), |signer| format!("is key {}", signer.key_id()));
    Error::Configuration(format!(
        "keys.signing: {path} {own}, but what is stored is signed with key {theirs}; hubs that share a database \
         share the key: put the file of the others, or of the hub before, in its place (section \"Keys\" of \
         docs/evidence.md says what to do when it is lost)",
        path = path.display(),
    ))
}

/// The public key of this hub.
pub fn public_keys(settings: &Settings) -> Result<PublicKeys, Error> {
    let signer = signer::load(key_file(settings)?).map_err(|error| setup("signing key")(error.into()))?;
    Ok([signer.public_key().clone()].into_iter().collect())
}

/// These keys, and those of the store's history that they vouch for, each for its time.
pub async fn trusted(store: &dyn Store, base: &PublicKeys) -> Result<PublicKeys, Error> {
    keys::trusted(store, base).await.map_err(setup("history of the keys that sign"))
}

/// Makes the key that is to follow, where there is none yet; where it lies.
pub fn make_next(settings: &Settings) -> Result<(PathBuf, Arc<dyn Signer>), Error> {
    let path = file("next", &settings.keys.next)?;
    folder_of(path)?;
    let signer = signer::create(path, algorithm(settings.keys.algorithm));
    Ok((path.to_owned(), signer.map_err(|error| setup("next signing key")(error.into()))?))
}

/// Both files, as far as they are there.
fn source(settings: &Settings) -> Result<Source, Error> {
    let files = files(settings)?;
    Ok(Box::new(move || files.iter().filter(|path| path.exists()).map(|path| signer::load(path)).collect()))
}

fn files(settings: &Settings) -> Result<[PathBuf; 2], Error> {
    Ok([key_file(settings)?.to_owned(), file("next", &settings.keys.next)?.to_owned()])
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyOrigin {
    /// It was there.
    Found,
    /// Made now.
    Made,
}

fn load_or_make(path: &Path, wanted: KeyAlgorithm) -> Result<(Arc<dyn Signer>, KeyOrigin), Error> {
    let exists = match fs::metadata(path) {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(setup("signing key")(error.into())),
    };
    let (signer, origin) = if exists {
        (signer::load(path), KeyOrigin::Found)
    } else {
        folder_of(path)?;
        (signer::create(path, algorithm(wanted)), KeyOrigin::Made)
    };
    Ok((signer.map_err(|error| setup("signing key")(error.into()))?, origin))
}

fn folder_of(path: &Path) -> Result<(), Error> {
    let Some(folder) = path.parent() else { return Ok(()) };
    fs::create_dir_all(folder).map_err(|error| setup("folder of the signing key")(error.into()))
}

fn algorithm(wanted: KeyAlgorithm) -> Algorithm {
    match wanted {
        KeyAlgorithm::Ed25519 => Algorithm::Ed25519,
        KeyAlgorithm::Sm2 => Algorithm::Sm2,
    }
}

/// Both references name files.
pub(super) fn check(settings: &Settings) -> Result<(), Error> {
    file("next", &settings.keys.next)?;
    key_file(settings).map(drop)
}

fn key_file(settings: &Settings) -> Result<&Path, Error> {
    file("signing", &settings.keys.signing)
}

fn file<'s>(key: &str, reference: &'s SecretRef) -> Result<&'s Path, Error> {
    match reference {
        SecretRef::File(path) => Ok(path),
        SecretRef::Environment(_) => Err(Error::Configuration(format!(
            "keys.{key}: must be a file: the key is made there when it is needed"
        ))),
    }
}
