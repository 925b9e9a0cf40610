//! Loads what a hub runs on: registry, rules, calendar, keys, store. Faults come all at once.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::{Timestamp, civil::Date};

use super::{Error, adapters, changes, setup};
use crate::{
    config::{
        adapter, calendar, environment::Environment, registry, rules, secret::SecretRef, settings::Settings,
    },
    domain::{lint, registry::Endpoint},
    engine::world::World,
    evidence::{
        checkpoint::Origin,
        digest::{ContentKey, Digest},
        signer::{Ed25519, KeyId, PublicKey, PublicKeys, Signer},
    },
    port::{
        operations::By,
        store::{Sha256Digest, Store},
    },
    task::Failure,
    worker::Adapter,
};

/// Name of the content key among the settings of the data directory.
const CONTENT_KEY: &str = "content_key";

/// Name of the public key that signs, among the settings, and of the history of such keys among the snapshots.
const SIGNING_KEY: &str = "signing_key";

/// The name of the log.
pub fn origin(settings: &Settings) -> Result<Origin, Error> {
    Origin::new(&*settings.seal.origin).map_err(|error| Error::Configuration(error.to_string()))
}

/// The world as configured, before the store has given it versions: for questions that change nothing.
pub fn unversioned_world(settings: &Settings, environment: &Environment) -> Result<World, Error> {
    draft(settings, adapters::load(settings, environment)?.endpoints())
}

/// Holds what is configured against what it refers to, before anybody is asked: adapters, certificates, the
/// addresses of database and broker.
pub fn references(settings: &Settings, environment: &Environment) -> Result<(), Error> {
    let adapters = adapters::load(settings, environment)?;
    key_file(settings)?;
    adapters.check_mailboxes(settings)?;
    super::interfaces::certificates(settings)?;
    super::bus::check(settings, &adapters)?;
    super::bus::check_references(settings, &adapters, environment)?;
    super::workers::check_references(settings, &adapters, environment)?;
    super::shelf::check_references(settings, environment)
}

/// The same for these endpoints.
pub(super) fn draft(settings: &Settings, endpoints: Vec<Endpoint>) -> Result<World, Error> {
    build(settings, endpoints, [0, 0])
}

/// The adapters in these folders below the configured one, compiled; nothing of them is opened.
pub fn adapters(settings: &Settings, folders: &[PathBuf]) -> Result<Vec<Arc<Adapter>>, Error> {
    let loaded = adapter::load_each(folders).map_err(|error| Error::Configuration(error.to_string()))?;
    adapters::compile(&settings.paths.adapters, loaded)
}

/// The world with the versions that the store knows its registry and rules by. What changed since the last start is
/// in the trail, with who starts this one.
pub(super) async fn world(
    settings: &Settings,
    endpoints: Vec<Endpoint>,
    draft: &World,
    store: &dyn Store,
    (by, now): (&By, Timestamp),
) -> Result<World, Error> {
    let registry = folder(&settings.paths.registry).map_err(setup("registry folder"))?;
    let rules = folder(&settings.paths.rules).map_err(setup("rules folder"))?;
    let registry = (Sha256Digest(*draft.registry.digest()), registry);
    let rules = (Sha256Digest(*draft.rules.digest()), rules);
    let registry = changes::publish(store, changes::REGISTRY, registry, by, now).await?;
    let rules = changes::publish(store, changes::RULES, rules, by, now).await?;
    build(settings, endpoints, [registry, rules])
}

fn build(settings: &Settings, endpoints: Vec<Endpoint>, [registry, rules]: [u64; 2]) -> Result<World, Error> {
    let paths = &settings.paths;
    let mut faults = Vec::new();
    let registry =
        registry::load(&paths.registry, endpoints, registry).map_err(|error| faults.push(error.to_string()));
    let rules = rules::load(&paths.rules, rules).map_err(|error| faults.push(error.to_string()));
    let calendar = calendar::load(&paths.calendar).map_err(|error| faults.push(error.to_string()));
    match (registry, rules, calendar) {
        (Ok(registry), Ok(rules), Ok(calendar)) => {
            Ok(World { registry, rules, calendar, moment: settings.moment.operative })
        }
        _ => Err(Error::Configuration(faults.join("\n"))),
    }
}

/// The files of a folder as one JSON object, so that a version can be read again for ever.
fn folder(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let text = fs::read_to_string(entry.path())?;
            files.insert(entry.file_name().to_string_lossy().into_owned(), text);
        }
    }
    Ok(serde_json::to_vec(&files)?)
}

/// What can never work in a world.
pub fn lint(world: &World, day: Date) -> Vec<lint::Finding> {
    lint::lint(&world.registry, &world.rules, day)
}

/// The signing key, made at the first start. All that is stored is signed by one key: who would sign with another
/// is refused. Every key that ever signed is kept beside it, as a version of its own.
pub(super) async fn signer(
    settings: &Settings,
    store: &dyn Store,
    now: Timestamp,
) -> Result<Arc<dyn Signer>, Error> {
    let path = key_file(settings)?;
    let (signer, origin) = load_signer(path)?;
    let public = signer.public_key().to_pem().into_bytes();
    let kept = store.keep_setting(SIGNING_KEY, public.clone()).await?;
    if kept != public {
        if origin == KeyOrigin::Made {
            // It has signed nothing, and would be in the way of the right one.
            fs::remove_file(path).map_err(|error| setup("signing key")(error.into()))?;
        }
        return Err(foreign_key(path, signer.key_id(), &kept));
    }
    let digest = Sha256Digest(*Digest::of(&public).as_bytes());
    store.publish(SIGNING_KEY, digest, public, now).await?;
    Ok(Arc::new(signer))
}

fn foreign_key(path: &Path, own: KeyId, kept: &[u8]) -> Error {
    let kept = std::str::from_utf8(kept).ok().and_then(|pem| PublicKey::from_pem(pem).ok());
    let theirs = kept.map_or_else(|| "another key".to_owned(), |key| format!("key {}", key.id()));
    Error::Configuration(format!(
        "keys.signing: {path} is key {own}, but what is stored is signed with {theirs}; hubs that share a database \
         share the key: put the file of the others, or of the hub before, in its place (section \"Keys\" of \
         docs/evidence.md says what to do when it is lost)",
        path = path.display(),
    ))
}

/// The public key of this hub.
pub fn public_keys(settings: &Settings) -> Result<PublicKeys, Error> {
    let path = key_file(settings)?;
    let signer = Ed25519::load(path).map_err(|error| setup("signing key")(error.into()))?;
    let mut keys = PublicKeys::default();
    keys.insert(signer.public_key().clone());
    Ok(keys)
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyOrigin {
    /// It was there.
    Found,
    /// Made now.
    Made,
}

fn load_signer(path: &Path) -> Result<(Ed25519, KeyOrigin), Error> {
    let exists = match fs::metadata(path) {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(setup("signing key")(error.into())),
    };
    if !exists && let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| setup("folder of the signing key")(error.into()))?;
    }
    let (signer, origin) = if exists {
        (Ed25519::load(path), KeyOrigin::Found)
    } else {
        (Ed25519::create(path), KeyOrigin::Made)
    };
    Ok((signer.map_err(|error| setup("signing key")(error.into()))?, origin))
}

pub(super) fn key_file(settings: &Settings) -> Result<&Path, Error> {
    match &settings.keys.signing {
        SecretRef::File(path) => Ok(path),
        SecretRef::Environment(_) => Err(Error::Configuration(
            "keys.signing: must be a file: the key is made there at the first start".into(),
        )),
    }
}

/// The key of the content digests: made once, kept for ever in the store.
pub(super) async fn content_key(store: &dyn Store) -> Result<ContentKey, Error> {
    let fresh = ContentKey::generate().map_err(|error| setup("content key")(error.into()))?;
    let kept = store.keep_setting(CONTENT_KEY, fresh.as_bytes().to_vec()).await?;
    ContentKey::new(&kept).map_err(|error| setup("content key")(error.into()))
}
