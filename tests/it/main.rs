//! Promises and contracts over the whole library, in one binary.

mod right_level;
