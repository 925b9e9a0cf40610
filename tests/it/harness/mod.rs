//! What the tests share: a clock they set, samples of what is stored, and short words for what is done to
//! a store.

pub(crate) mod clock;
pub(crate) mod sample;
pub(crate) mod steps;
