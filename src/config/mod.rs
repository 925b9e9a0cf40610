//! Configuration: files and environment become checked types, with every fault named by file and line.
//!
//! The only room that reads environment variables. What is loaded is checked whole before anything starts;
//! secrets are given by reference and fetched by whoever composes the hub.

pub mod adapter;
pub mod calendar;
pub mod difference;
pub mod environment;
pub mod fault;
pub mod registry;
mod rows;
pub mod rules;
pub mod secret;
pub mod settings;
