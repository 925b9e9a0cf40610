//! The day of the demo: which message files each party hands in, in the morning and in the afternoon.
//!
//! What is decided in the morning is known to the hub in the afternoon, so that a penalty finds who issued
//! the licence. Within one half of the day the parties hand in side by side, each its own files in order of
//! name.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::future::join_all;

use super::party::{AtWork, post::Sheet};
use crate::domain::id::EndpointId;

/// Half a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Half {
    /// Morning.
    Morning,
    /// Afternoon.
    Afternoon,
}

impl Half {
    /// Both, in order.
    pub const ALL: [Self; 2] = [Self::Morning, Self::Afternoon];

    /// Its folder.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Morning => "am",
            Self::Afternoon => "pm",
        }
    }
}

/// The message files of the day.
#[derive(Debug, Default)]
pub struct Day {
    sheets: BTreeMap<(Half, EndpointId), Vec<Sheet>>,
}

/// A folder or file of the day that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}")]
pub struct Error {
    /// Which.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl Day {
    /// Reads `messages/<endpoint>/<am|pm>/*` for these endpoints.
    pub fn read<'a>(
        folder: &Path,
        endpoints: impl IntoIterator<Item = &'a EndpointId>,
    ) -> Result<Self, Error> {
        let mut sheets = BTreeMap::new();
        for endpoint in endpoints {
            for half in Half::ALL {
                let here = folder.join(endpoint.as_str()).join(half.folder());
                if here.is_dir() {
                    sheets.insert((half, endpoint.clone()), self::sheets(&here)?);
                }
            }
        }
        Ok(Self { sheets })
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.sheets.values().map(Vec::len).sum()
    }

    /// The files of one party in one half, in order.
    pub fn of(&self, half: Half, endpoint: &EndpointId) -> &[Sheet] {
        self.sheets.get(&(half, endpoint.clone())).map_or(&[], Vec::as_slice)
    }

    /// Lets every party hand in its files of one half.
    pub async fn hand_in(&self, half: Half, parties: &[Arc<AtWork>]) {
        join_all(parties.iter().map(|party| async move {
            for sheet in self.of(half, party.endpoint()) {
                party.hand_in(sheet).await;
            }
        }))
        .await;
    }
}

fn sheets(folder: &Path) -> Result<Vec<Sheet>, Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error { path, source }
    };
    let mut sheets = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let bytes = std::fs::read(&path).map_err(failed(&path))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        sheets.push(Sheet { name, bytes });
    }
    sheets.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(sheets)
}
