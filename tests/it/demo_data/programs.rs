//! Loads the adapters of the demo with the mapping runtime.

use std::{path::Path, sync::Arc};

use liandong::{
    config::{
        adapter,
        fault::{Fault as FileFault, Faults},
    },
    domain::fault::Fault,
    mapping::{Mapping, table::Tables},
    worker::{Adapter, Program, Programs},
};
use serde_json::{Map, Value};

use super::demo;

/// Mapping files as programs.
#[derive(Debug)]
pub(super) struct Mappings(pub(super) Arc<Tables>);

#[derive(Debug)]
struct Compiled(Mapping);

impl Programs for Mappings {
    fn load(&self, file: &Path) -> Result<Arc<dyn Program>, Faults> {
        let fault = |text: String| {
            Faults(vec![FileFault { file: file.to_owned(), line: None, key: String::new(), text }])
        };
        let mapping = Mapping::read(file, &self.0).map_err(|error| fault(error.to_string()))?;
        Ok(Arc::new(Compiled(mapping)))
    }
}

impl Program for Compiled {
    fn apply(&self, record: &Value, context: &Map<String, Value>) -> Result<Value, Vec<Fault>> {
        self.0.run(record, context).map_err(|error| vec![Fault::new("", error.to_string())])
    }
}

/// The demo's code tables.
pub(super) fn tables() -> Arc<Tables> {
    Arc::new(Tables::read(&demo().join("adapters/tables")).unwrap())
}

/// Every adapter of the demo, compiled.
pub(super) fn adapters() -> Vec<Adapter> {
    let programs = Mappings(tables());
    let loaded = adapter::load_all(&demo().join("adapters")).unwrap_or_else(|faults| panic!("{faults}"));
    loaded
        .into_iter()
        .map(|adapter| Adapter::compile(adapter, &programs).unwrap_or_else(|error| panic!("{error}")))
        .collect()
}
