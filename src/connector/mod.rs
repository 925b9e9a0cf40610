//! Connectors: they carry bytes to and from departmental systems, and judge nothing.
//!
//! Each outbound one implements [`crate::port::connector::Connector`]; what an answer means is for the
//! worker to say, by the adapter's conditions.

pub mod anchorage;
pub mod authority;
pub mod build;
pub mod file_drop;
pub mod handout;
pub mod http_client;
pub mod mailbox;
