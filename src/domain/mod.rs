//! The pure heart of the hub: the words of the trade as types, and the rules over them.
//!
//! Nothing here waits, reads a clock, a file or the environment; what a rule needs is passed in.

pub mod calendar;
pub mod identifier;
pub mod retry;
