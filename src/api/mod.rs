//! The interfaces: HTTP intake and operations, and the admin port with probes and metrics.

pub mod admin;
pub mod http;
