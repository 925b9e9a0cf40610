//! What a mapping is to the worker: a file that, once loaded, turns one record into another.

use std::{fmt, path::Path, sync::Arc};

use serde_json::{Map, Value};

use crate::{config::fault::Faults, domain::fault::Fault};

/// Loads mapping files. Everything that is wrong with a file is found then.
pub trait Programs: fmt::Debug + Send + Sync {
    /// The mapping in the file, or every fault of the file with its line.
    fn load(&self, file: &Path) -> Result<Arc<dyn Program>, Faults>;
}

/// A loaded mapping.
///
/// *Pure and bounded*: the same record gives the same result, and evaluation ends whatever the record is.
pub trait Program: fmt::Debug + Send + Sync {
    /// Maps `record`, which expressions see by that name beside the names of `context`. Every fault comes
    /// with the target field as its path, and without values.
    fn apply(&self, record: &Value, context: &Map<String, Value>) -> Result<Value, Vec<Fault>>;
}
