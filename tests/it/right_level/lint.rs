//! What ships fits together.
