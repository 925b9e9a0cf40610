//! The stores: backends of the ports in [`crate::port::store`], all held to one contract suite.

pub mod sqlite;
