//! The adapter worker: carries claimed work through an adapter to its target and reports what happened.

pub mod run;
