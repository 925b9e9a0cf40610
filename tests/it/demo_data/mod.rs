//! The data of the demo: every adapter loads, every mapping does what its tests say, every message of the
//! day maps, parses and routes, and every story is what it claims to be.
//!
//! No hub runs here; the demo itself shows that what is decided also arrives.

mod adapters;
mod day;
mod messages;
mod outbound;
mod programs;
mod stories;

use std::path::{Path, PathBuf};

/// The demo's folder.
fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo")
}
