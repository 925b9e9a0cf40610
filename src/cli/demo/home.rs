//! The demo's own folder: a room for each of its processes, with a configuration, a data directory and adapters
//! that lead to where the parties really are.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::party::Party;
use crate::{
    app,
    cli::{Error, submit::failed},
    config::{
        adapter::{self, Adapter, InboundConnector, OutboundConnector},
        environment::Environment,
        settings::Settings,
    },
    domain::id::EndpointId,
    port::clock::Clock,
};

/// What stands in an adapter of the demo where the party's own address belongs.
const ADDRESS: &str = "127.0.0.1:0";

/// Adapters by endpoint.
pub(super) type Adapters = BTreeMap<EndpointId, Adapter>;

/// The demo's own folder; it goes with the demo unless it is kept.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    pub(super) leavings: Leavings,
}

/// What becomes of the demo's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leavings {
    Keep,
    Remove,
}

/// What a room is furnished from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Props<'a> {
    /// The demo's world.
    pub(super) world: &'a Path,
    /// Settings that the demo was called with.
    pub(super) given: &'a Settings,
    /// Who takes part.
    pub(super) parties: &'a [Party],
}

/// The room of one process, ready to be used.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) configuration: PathBuf,
    pub(super) settings: Settings,
    pub(super) adapters: Adapters,
}

impl Home {
    /// A new folder below the system's folder for temporary files.
    pub(super) fn make(clock: &dyn Clock) -> Result<Self, Error> {
        let name = format!("liandong-demo-{}-{}", std::process::id(), clock.now().as_millisecond());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).map_err(cannot("make", &path))?;
        Ok(Self { path, leavings: Leavings::Remove })
    }

    /// Furnishes a room; `more` is configured beside what is the demo's.
    pub(super) fn room(&self, name: &str, props: &Props<'_>, more: toml::Table) -> Result<Room, Error> {
        let room = self.path.join(name);
        copy_adapters(&props.world.join("adapters"), &room.join("adapters"), props.parties)?;
        let configuration = room.join("liandong.toml");
        let text = configured(&room, props.given, more)?;
        fs::write(&configuration, text).map_err(cannot("write", &configuration))?;
        let settings = Settings::load(Some(&configuration), &Environment::default())?;
        let adapters = adapters(&settings)?;
        make_folders(adapters.values())?;
        Ok(Room { configuration, settings, adapters })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.leavings == Leavings::Remove
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::error!(%error, path = %self.path.display(), "the demo's folder could not be removed");
        }
    }
}

pub(super) fn cannot<'a>(what: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + use<'a> {
    move |error| failed(format!("cannot {what} {}: {error}", path.display()))
}

/// A path that means the same wherever a process is started.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(cannot("find", path))
}

/// A process of the demo: its own data, ports that are free, and a day that passes in seconds, so that
/// retries, leases and seals do too.
fn configured(room: &Path, given: &Settings, more: toml::Table) -> Result<String, Error> {
    let paths = &given.paths;
    let mut table = toml::toml! {
        [http]
        listen = "127.0.0.1:0"
        token_refresh_ms = 100
        [admin]
        listen = "127.0.0.1:0"
        [dispatch]
        lease_margin_ms = 500
        idle_scan_ms = 200
        [retry]
        min_ms = 50
        first_ms = 200
        max_ms = 1_000
        [seal]
        every_ms = 1_000
        [log]
        filter = "error"
    };
    let places: toml::Table = [
        ("data", room.join("data")),
        ("adapters", room.join("adapters")),
        ("registry", absolute(&paths.registry)?),
        ("rules", absolute(&paths.rules)?),
        ("calendar", absolute(&paths.calendar)?),
    ]
    .into_iter()
    .map(|(key, path)| (key.to_owned(), path.display().to_string().into()))
    .collect();
    table.insert("paths".to_owned(), places.into());
    table.extend(more);
    Ok(table.to_string())
}

/// Copies the adapters; each that speaks HTTP gets the address its party took.
fn copy_adapters(from: &Path, to: &Path, parties: &[Party]) -> Result<(), Error> {
    copy(from, to)?;
    for party in parties {
        let Some(address) = party.address() else { continue };
        let file = to.join(party.script().endpoint.as_str()).join(adapter::FILE);
        let text = fs::read_to_string(&file).map_err(cannot("read", &file))?;
        if !text.contains(ADDRESS) {
            return Err(failed(format!("{} has no {ADDRESS} for its party's address", file.display())));
        }
        fs::write(&file, text.replace(ADDRESS, &address.to_string())).map_err(cannot("write", &file))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(cannot("make", to))?;
    for entry in fs::read_dir(from).map_err(cannot("read", from))? {
        let entry = entry.map_err(cannot("read", from))?;
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &place)?;
        } else {
            fs::copy(&path, &place).map_err(cannot("copy", &path))?;
        }
    }
    Ok(())
}

fn adapters(settings: &Settings) -> Result<BTreeMap<EndpointId, Adapter>, Error> {
    let loaded = adapter::load_all(&settings.paths.adapters)
        .map_err(|faults| app::Error::Configuration(faults.to_string()))?;
    Ok(loaded.into_iter().map(|adapter| (adapter.endpoint.clone(), adapter)).collect())
}

/// The folders that departments would share with the hub.
fn make_folders<'a>(adapters: impl Iterator<Item = &'a Adapter>) -> Result<(), Error> {
    for adapter in adapters {
        let inbound = adapter.inbound.as_ref().and_then(|inbound| match &inbound.connector {
            InboundConnector::File(drop) => Some(&drop.folder),
            InboundConnector::Http => None,
        });
        let outbound = adapter.outbound.as_ref().and_then(|outbound| match &outbound.connector {
            OutboundConnector::File(folder) => Some(folder),
            OutboundConnector::Http(_) | OutboundConnector::Mailbox => None,
        });
        for folder in inbound.into_iter().chain(outbound) {
            fs::create_dir_all(folder).map_err(cannot("make", folder))?;
        }
    }
    Ok(())
}
