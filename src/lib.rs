//! Liandong (联动).
