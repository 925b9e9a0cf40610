//! The keys that a hub signs with: where they lie, in files or in a device, and that they are those of the store.

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
        environment::Environment,
        secret::SecretRef,
        settings::{self, KeyAlgorithm, Settings},
    },
    device::pkcs11::{self, Device},
    engine::keys::{self, Keyring, NoKey},
    evidence::signer::{self, Algorithm, KeyId, PublicKeys, Signer},
    port::store::{SigningKey, Store},
};

/// The keyring of a hub. All that is stored at a time is signed by one key: who would sign with another is refused.
/// The first key is made at the first start.
pub(super) async fn open(
    settings: &Settings,
    environment: &Environment,
    store: &Arc<dyn Store>,
    now: Timestamp,
) -> Result<Arc<Keyring>, Error> {
    let path = key_file(settings)?;
    let places = Places::new(settings, environment)?;
    if store.signing_keys().await?.is_empty() {
        found(&places, path, settings.keys.algorithm, store.as_ref(), now).await?;
    }
    let notice = Duration::from_millis(settings.keys.notice_ms);
    let ring = Keyring::open(Arc::clone(store), Box::new(move || places.keys()), notice);
    let ring = ring.await.map_err(setup("signing key"))?;
    match ring.at(now) {
        Ok(_) => Ok(Arc::new(ring)),
        Err(NoKey::NotHeld(theirs)) => Err(foreign_key(path, theirs)),
        Err(error) => Err(setup("signing key")(error.into())),
    }
}

/// The keyring of who looks at a store and signs nothing.
pub(super) async fn look(
    settings: &Settings,
    environment: &Environment,
    store: Arc<dyn Store>,
) -> Result<Arc<Keyring>, Error> {
    let places = Places::new(settings, environment);
    let held = move || Ok(places.as_ref().ok().and_then(|places| places.keys().ok()).unwrap_or_default());
    let ring = Keyring::open(store, Box::new(held), Duration::from_millis(settings.keys.notice_ms));
    Ok(Arc::new(ring.await.map_err(setup("history of the keys that sign"))?))
}

/// The key that signs now, for a command beside hubs, and since when.
pub async fn signing(
    settings: &Settings,
    store: &Arc<dyn Store>,
    now: Timestamp,
) -> Result<(Arc<dyn Signer>, Timestamp), Error> {
    let signer = look(settings, Arc::clone(store)).await?.at(now);
    let signer = signer.map_err(|error| setup("signing key")(error.into()))?;
    let public = signer.public_key().to_pem();
    let keys = store.signing_keys().await?;
    let since = keys.into_iter().filter(|key| key.public == public).map(|key| key.from).max();
    Ok((signer, since.unwrap_or(now)))
}

/// Names the first key of a store. Of hubs that start together on nothing, one does.
async fn found(
    places: &Places,
    path: &Path,
    algorithm: KeyAlgorithm,
    store: &dyn Store,
    now: Timestamp,
) -> Result<(), Error> {
    let (signer, origin) = match &places.device {
        // A key in a device that signs nothing is in nobody's way.
        Some((device, [label, _])) => (in_device(device, label)?, KeyOrigin::Found),
        None => load_or_make(path, algorithm)?,
    };
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

fn in_device(device: &Arc<Device>, label: &str) -> Result<Arc<dyn Signer>, Error> {
    let found = device.key(label).map_err(|error| setup("signing device")(error.into()))?;
    match found {
        Some(signer) => Ok(signer),
        None => device.make(label).map_err(|error| setup("signing device")(error.into())),
    }
}

/// The public key of this hub: of its file, or of its device.
pub fn public_keys(settings: &Settings, environment: &Environment) -> Result<PublicKeys, Error> {
    let path = key_file(settings)?;
    let signer = match Places::new(settings, environment)?.device {
        Some((device, [label, _])) if !path.exists() => {
            device.key(&label).and_then(|key| key.ok_or(signer::Error::NoPublicKey))
        }
        _ => signer::load(path),
    };
    let signer = signer.map_err(|error| setup("signing key")(error.into()))?;
    Ok([signer.public_key().clone()].into_iter().collect())
}

/// These keys, and those of the store's history that they vouch for, each for its time.
pub async fn trusted(store: &dyn Store, base: &PublicKeys) -> Result<PublicKeys, Error> {
    keys::trusted(store, base).await.map_err(setup("history of the keys that sign"))
}

/// Makes the key that is to follow, where there is none yet; where it lies.
pub fn make_next(settings: &Settings, environment: &Environment) -> Result<(String, Arc<dyn Signer>), Error> {
    let places = Places::new(settings, environment)?;
    let (place, signer) = if let Some((device, [_, label])) = &places.device {
        (label.to_string(), device.make(label))
    } else {
        let path = file("next", &settings.keys.next)?;
        folder_of(path)?;
        (path.display().to_string(), signer::create(path, algorithm(settings.keys.algorithm)))
    };
    Ok((place, signer.map_err(|error| setup("next signing key")(error.into()))?))
}

/// Where keys may lie.
struct Places {
    files: [PathBuf; 2],
    /// With the labels of the key that signs and of the next.
    device: Option<(Arc<Device>, [Box<str>; 2])>,
}

impl Places {
    fn new(settings: &Settings, environment: &Environment) -> Result<Self, Error> {
        let files = [key_file(settings)?.to_owned(), file("next", &settings.keys.next)?.to_owned()];
        let device = settings.device.as_ref().map(|device| open_device(device, environment)).transpose()?;
        Ok(Self { files, device })
    }

    /// Those of the device first: where there is one, it has the next.
    fn keys(&self) -> Result<Vec<Arc<dyn Signer>>, signer::Error> {
        let mut keys = Vec::new();
        if let Some((device, labels)) = &self.device {
            for label in labels {
                keys.extend(device.key(label)?);
            }
        }
        for path in self.files.iter().filter(|path| path.exists()) {
            keys.push(signer::load(path)?);
        }
        Ok(keys)
    }
}

fn open_device(
    settings: &settings::Device,
    environment: &Environment,
) -> Result<(Arc<Device>, [Box<str>; 2]), Error> {
    let pin = settings.pin.resolve(Path::new(""), environment);
    let pin = pin.map_err(|error| Error::Configuration(format!("device.pin: {error}")))?;
    let options = pkcs11::Options {
        library: settings.library.clone(),
        token: settings.token.clone(),
        pin,
        timeout: Duration::from_millis(settings.timeout_ms),
    };
    let device = Device::new(options).map_err(|error| setup("signing device")(error.into()))?;
    Ok((device, [settings.key.clone(), settings.next.clone()]))
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
