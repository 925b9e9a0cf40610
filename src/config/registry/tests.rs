//! Bad folders tell all that is wrong with them.
