//! The stores: backends of the ports in [`crate::port::store`], all held to one contract suite.
//!
//! What is decided about deliveries is the same on each ([`change`]); how it is read and written is the
//! backend's own.

mod change;
pub mod directory;
mod fault;
pub mod postgres;
pub mod sqlite;
mod verdict;
mod words;
