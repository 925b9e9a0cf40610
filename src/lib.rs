//! Liandong (联动).

pub mod evidence;
