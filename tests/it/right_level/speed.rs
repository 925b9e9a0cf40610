//! Routing is called thousands of times a second.
