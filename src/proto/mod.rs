//! Generated wire types of `proto/liandong/v1` and their conversion into domain types.
//!
//! The wire types are permissive (every field optional); `convert` is where they become domain types or
//! a list of every fault with its field path. Nothing else of the hub reads wire types but the interfaces.

pub mod convert;
pub mod detail;
pub mod received;
pub mod redact;
mod wire;

pub use wire::Wire;

/// Descriptors of every message and service, encoded: what server reflection tells.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/liandong.bin"));

#[expect(
    clippy::pedantic,
    clippy::large_enum_variant,
    clippy::allow_attributes_without_reason,
    unused_qualifications,
    reason = "generated code"
)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/liandong.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/liandong.v1.serde.rs"));
}
