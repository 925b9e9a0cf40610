//! Liandong (联动).

pub mod domain;
