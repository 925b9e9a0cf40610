//! One binary of integration tests: the promises, one file each, and the rules of the house.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it must be")]

mod accepted_is_kept;
mod bench;
mod contract;
mod demo_data;
mod harness;
mod papers;
mod right_level;
mod source;
mod tidy;
