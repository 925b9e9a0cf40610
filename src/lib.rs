//! Liandong (联动).

pub mod config;
pub mod domain;
