//! The adapter worker: carries claimed work through an adapter to its target and reports what happened,
//! and brings what a system sends to intake (DESIGN section 7).
//!
//! [`Adapter`] is compiled from configuration and is pure: bytes to messages, a delivery to a parcel, an
//! answer to an outcome. [`AdapterTarget`] makes attempts, [`watch`] picks up files. All know ports alone.
//! [`cases`] runs the tests that stand in an adapter's folder.

mod adapter;
mod adapters;
mod attempt;
pub mod cases;
pub mod difference;
mod inbound;
mod judge;
mod outbound;
mod program;
pub mod run;
pub mod watch;

pub use self::{
    adapter::{Adapter, Error},
    adapters::Adapters,
    attempt::AdapterTarget,
    outbound::Asked,
    program::{Program, Programs},
};
