//! Mapping: translates between departmental systems and canonical messages, by configuration.
//!
//! Codecs turn bytes into values and back; a mapping file says, field by field, which expression makes
//! which target. Pure but for reading files: the same bytes and files give the same result anywhere.

pub mod codec;
pub mod condition;
mod expression;
mod fault;
mod filter;
mod path;
pub mod program;
mod scan;
mod scope;
pub mod table;
mod target;

pub use fault::{Cause, Error, Fault, Faults};
pub use program::Mapping;
