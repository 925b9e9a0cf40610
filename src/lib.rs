//! Liandong (联动): the message-bus integration hub between approving bureaus and supervising departments.
//!
//! Rooms and their floors are in `ARCHITECTURE.md`; a room imports only from floors below it.

pub mod api;
pub mod app;
pub mod bus;
pub mod cli;
pub mod config;
pub mod connector;
pub mod device;
pub mod domain;
pub mod engine;
pub mod evidence;
pub mod mapping;
pub mod port;
pub mod proto;
pub mod store;
pub mod task;
pub mod worker;
