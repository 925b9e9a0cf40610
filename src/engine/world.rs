//! The world that routing reads: registry, rules, calendar. One immutable snapshot, swapped whole.

use std::sync::{Arc, PoisonError, RwLock};

use crate::{
    domain::{calendar::Calendar, registry::Registry, rule::Rules},
    port::store::Moment,
};

/// One snapshot.
#[derive(Debug)]
pub struct World {
    /// Divisions, organisations, items, endpoints.
    pub registry: Registry,
    /// Routing rules.
    pub rules: Rules,
    /// Working days.
    pub calendar: Calendar,
    /// Which online moment is operative (审管界点).
    pub moment: Moment,
}

/// Holds the current snapshot.
#[derive(Debug)]
pub struct Worlds(RwLock<Arc<World>>);

impl Worlds {
    /// Starts with `world`.
    pub fn new(world: World) -> Self {
        Self(RwLock::new(Arc::new(world)))
    }

    /// The current snapshot.
    pub fn current(&self) -> Arc<World> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a new snapshot; messages being routed finish with the old one.
    pub fn replace(&self, world: World) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(world);
    }
}
