//! Configuration: files and environment become checked types, with every fault named by file and line.

pub mod adapter;
pub mod calendar;
pub mod fault;
pub mod secret;
