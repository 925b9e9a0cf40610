//! Loads the adapters of the demo as a hub loads them.

use std::sync::Arc;

use liandong::{
    app,
    config::{adapter, environment::Environment, settings::Settings},
    worker::Adapter,
};

use super::demo;

/// Every adapter of the demo, compiled.
pub(super) fn adapters() -> Vec<Arc<Adapter>> {
    let root = demo().join("adapters");
    let variables = [("LIANDONG__PATHS__ADAPTERS", root.clone())];
    let environment: Environment = variables.into_iter().collect();
    let settings = Settings::load(None, &environment).unwrap();
    let folders = adapter::folders(&root).unwrap_or_else(|faults| panic!("{faults}"));
    app::load::adapters(&settings, &folders).unwrap_or_else(|error| panic!("{error}"))
}
