//! Loads what a hub runs on: registry, rules, calendar, keys, store. Faults come all at once.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::{Timestamp, civil::Date};

use super::{Error, adapters, setup};
use crate::{
    config::{
        adapter, calendar, environment::Environment, registry, rules, secret::SecretRef, settings::Settings,
    },
    domain::{lint, registry::Endpoint},
    engine::world::World,
    evidence::{
        checkpoint::Origin,
        digest::ContentKey,
        signer::{Ed25519, PublicKeys, Signer},
    },
    port::store::{Sha256Digest, Store},
    task::Failure,
    worker::Adapter,
};

/// Name of the content key among the settings of the data directory.
const CONTENT_KEY: &str = "content_key";

/// The name of the log.
pub fn origin(settings: &Settings) -> Result<Origin, Error> {
    Origin::new(&*settings.seal.origin).map_err(|error| Error::Configuration(error.to_string()))
}

/// The world as configured, before the store has given it versions: for questions that change nothing.
pub fn unversioned_world(settings: &Settings, environment: &Environment) -> Result<World, Error> {
    draft(settings, adapters::load(settings, environment)?.endpoints())
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

/// The world with the versions that the store knows its registry and rules by.
pub(super) async fn world(
    settings: &Settings,
    endpoints: Vec<Endpoint>,
    draft: &World,
    store: &dyn Store,
    now: Timestamp,
) -> Result<World, Error> {
    let registry = folder(&settings.paths.registry).map_err(setup("registry folder"))?;
    let rules = folder(&settings.paths.rules).map_err(setup("rules folder"))?;
    let registry = store.publish("registry", Sha256Digest(*draft.registry.digest()), registry, now).await?;
    let rules = store.publish("rules", Sha256Digest(*draft.rules.digest()), rules, now).await?;
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

/// The signing key, made at the first start.
pub(super) fn signer(settings: &Settings) -> Result<Arc<dyn Signer>, Error> {
    load_signer(settings).map(|signer| Arc::new(signer) as Arc<dyn Signer>)
}

/// The public key of this hub.
pub fn public_keys(settings: &Settings) -> Result<PublicKeys, Error> {
    let path = key_file(settings)?;
    let signer = Ed25519::load(path).map_err(|error| setup("signing key")(error.into()))?;
    let mut keys = PublicKeys::default();
    keys.insert(signer.public_key().clone());
    Ok(keys)
}

fn load_signer(settings: &Settings) -> Result<Ed25519, Error> {
    let path = key_file(settings)?;
    let exists = match fs::metadata(path) {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(setup("signing key")(error.into())),
    };
    if !exists && let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| setup("folder of the signing key")(error.into()))?;
    }
    let made = if exists { Ed25519::load(path) } else { Ed25519::create(path) };
    made.map_err(|error| setup("signing key")(error.into()))
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
