//! The registry's folder: divisions, zones, organisations, items, cross-walk and contacts, as the files that
//! offices keep (CSV and TOML).
//!
//! Every row is read on its own and every fault of every file comes at once, those of shape and those of
//! sense alike. Endpoints are not files of this folder: whoever loads adapters passes them in.

mod items;
mod organisations;
mod places;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{
    fault::{Fault, Faults},
    rows::{Located, Source},
};
use crate::domain::registry::{self, Draft, Endpoint, Registry, Table};

const DIVISIONS: &str = "divisions.csv";
const ZONES: &str = "zones.toml";
const ORGANISATIONS: &str = "organisations.toml";
const APPROVAL_ITEMS: &str = "approval_items.toml";
const SUPERVISION_ITEMS: &str = "supervision_items.toml";
const CROSS_WALK: &str = "cross_walk.csv";
const CONTACTS: &str = "contacts.toml";

/// Loads the folder and builds the registry with these endpoints.
///
/// # Errors
/// Every fault of every file, with file, line and row.
pub fn load(folder: &Path, endpoints: Vec<Endpoint>, version: u64) -> Result<Registry, Faults> {
    let mut reading = Reading::new(folder);
    let mut draft = reading.draft();
    draft.endpoints = endpoints;
    let places = reading.places;
    let mut faults = reading.faults;
    match draft.build(version) {
        Ok(registry) if faults.is_empty() => Ok(registry),
        Ok(_) => Err(Faults(faults)),
        Err(wrong) => {
            // A row that was not read leaves dangling references behind, which are not faults of their own.
            let blind = !faults.is_empty();
            let seen = wrong
                .iter()
                .filter(|fault| !(blind && matches!(fault.problem, registry::Problem::Dangling { .. })));
            faults.extend(seen.map(|fault| located(folder, &places, fault)));
            Err(Faults(faults))
        }
    }
}

/// Where each row stands.
type Places = HashMap<(Table, Box<str>), (PathBuf, usize)>;

/// The folder while it is read.
struct Reading<'a> {
    folder: &'a Path,
    places: Places,
    faults: Vec<Fault>,
}

impl<'a> Reading<'a> {
    fn new(folder: &'a Path) -> Self {
        Self { folder, places: HashMap::new(), faults: Vec::new() }
    }

    fn draft(&mut self) -> Draft {
        let divisions =
            self.file(DIVISIONS, Source::csv, Table::Divisions, places::Row::code, places::Row::into_domain);
        let zones = self.zones();
        Draft {
            divisions: divisions.into_iter().chain(zones.0).collect(),
            governs: zones.1,
            organisations: self.file(
                ORGANISATIONS,
                |source| source.tables("organisation"),
                Table::Organisations,
                organisations::Row::id,
                organisations::Row::into_domain,
            ),
            approval_items: self.file(
                APPROVAL_ITEMS,
                |source| source.tables("approval_item"),
                Table::ApprovalItems,
                items::ApprovalRow::code,
                items::ApprovalRow::into_domain,
            ),
            supervision_items: self.file(
                SUPERVISION_ITEMS,
                |source| source.tables("supervision_item"),
                Table::SupervisionItems,
                items::SupervisionRow::code,
                items::SupervisionRow::into_domain,
            ),
            cross_walk: self.file(
                CROSS_WALK,
                Source::csv,
                Table::CrossWalk,
                items::LinkRow::name,
                items::LinkRow::into_domain,
            ),
            endpoints: Vec::new(),
            contacts: self.file(
                CONTACTS,
                |source| source.tables("contact"),
                Table::Contacts,
                organisations::ContactRow::organisation,
                organisations::ContactRow::into_domain,
            ),
        }
    }

    /// Reads one file: notes where each row stands and what keeps a row from making sense.
    fn file<R, T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Source) -> Vec<Located<R>>,
        table: Table,
        key: impl Fn(&R) -> Box<str>,
        convert: impl Fn(R) -> Result<T, String>,
    ) -> Vec<T> {
        let mut source = Source::read(&self.folder.join(name));
        let mut rows = Vec::new();
        for Located { row, line } in read(&mut source) {
            let key = key(&row);
            match convert(row) {
                Ok(row) => rows.push(row),
                Err(text) => source.fault(Some(line), &*key, text),
            }
            // The later of two alike is the one to point at.
            self.places.insert((table, key), (source.path().to_owned(), line));
        }
        self.faults.append(&mut source.into_faults());
        rows
    }

    fn zones(&mut self) -> (Vec<crate::domain::division::Division>, Vec<crate::domain::division::Governs>) {
        let zones = self.file(
            ZONES,
            |source| source.tables("zone"),
            Table::Divisions,
            places::ZoneRow::code,
            |zone| Ok(zone.into_domain()),
        );
        let (divisions, governs): (Vec<_>, Vec<_>) = zones.into_iter().unzip();
        let governs: Vec<_> = governs.into_iter().flatten().collect();
        for row in &governs {
            let zone = self.places.get(&(Table::Divisions, row.zone.as_str().into())).cloned();
            if let Some(place) = zone {
                self.places.insert((Table::Governs, row.division.as_str().into()), place);
            }
        }
        (divisions, governs)
    }
}

fn located(folder: &Path, places: &Places, fault: &registry::Fault) -> Fault {
    let place = places.get(&(fault.table, fault.row.clone())).cloned();
    let (file, line) = place.map_or((folder.to_owned(), None), |(file, line)| (file, Some(line)));
    Fault { file, line, key: format!("{} '{}'", fault.table, fault.row), text: fault.problem.to_string() }
}

#[cfg(test)]
mod tests;
