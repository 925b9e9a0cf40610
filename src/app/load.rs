//! Loads what a hub runs on: registry, rules, calendar, keys, store. Faults come all at once.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::{Timestamp, civil::Date};

pub use super::keys::{make_next, public_keys, signing, trusted};
use super::{Error, adapters, changes, setup};
use crate::{
    config::{adapter, calendar, environment::Environment, registry, rules, settings::Settings},
    domain::{
        lint,
        registry::{Endpoint, Registry},
    },
    engine::{evidence::statements::Configured, world::World},
    evidence::{
        checkpoint::Origin,
        digest::{ContentKey, Digest},
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

/// Files of adapters at most; what goes around in a circle has more.
const FILES: usize = 100_000;

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
    super::keys::check(settings)?;
    super::stamps::authorities(settings)?;
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
    let calendar = file(&settings.paths.calendar).map_err(setup("calendar"))?;
    let adapters = digests(&settings.paths.adapters).map_err(setup("adapters folder"))?;
    for (subject, content) in [(changes::CALENDAR, calendar), (changes::ADAPTERS, adapters)] {
        let digest = Sha256Digest(*Digest::of(&content).as_bytes());
        changes::publish(store, subject, (digest, content), by, now).await?;
    }
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

/// The same of one file.
fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(serde_json::to_vec(&BTreeMap::from([(name, fs::read_to_string(path)?)]))?)
}

/// The digests of all files below a folder as one JSON object.
fn digests(path: &Path) -> Result<Vec<u8>, Failure> {
    let (mut files, mut ahead) = (BTreeMap::new(), vec![path.to_owned()]);
    while let Some(folder) = ahead.pop() {
        for entry in fs::read_dir(folder)? {
            let place = entry?.path();
            if place.is_dir() {
                ahead.push(place);
                continue;
            }
            let name = place.strip_prefix(path).unwrap_or(&place).to_string_lossy().into_owned();
            files.insert(name, Digest::of(&fs::read(&place)?));
            if files.len() > FILES {
                return Err(format!("there are more than {FILES} files below {}", path.display()).into());
            }
        }
    }
    Ok(serde_json::to_vec(&files)?)
}

/// What can never work in a world.
pub fn lint(world: &World, day: Date) -> Vec<lint::Finding> {
    lint::lint(&world.registry, &world.rules, day)
}

/// The key of the content digests: made once, kept for ever in the store.
pub(super) async fn content_key(store: &dyn Store) -> Result<ContentKey, Error> {
    let fresh = ContentKey::generate().map_err(|error| setup("content key")(error.into()))?;
    let kept = store.keep_setting(CONTENT_KEY, fresh.as_bytes().to_vec()).await?;
    ContentKey::new(&kept).map_err(|error| setup("content key")(error.into()))
}

/// What evidence says by the hub's signature alone: names of organisations, and the basis of the operative moment.
pub fn configured(settings: &Settings) -> Configured {
    let known = registry::load(&settings.paths.registry, Vec::new(), 0).ok();
    let organisations = known.iter().flat_map(Registry::organisations);
    Configured {
        names: organisations.map(|one| (one.id.to_string(), one.name.to_string())).collect(),
        moment_basis: settings.moment.basis.to_string(),
    }
}
