//! A fault of a message: where, and what is wrong.

use serde::{Deserialize, Serialize};

/// One fault, with its place. The text carries no personal value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Field path in canonical JSON (`subject.identifiers[0].number`), or file and line.
    pub path: String,
    /// What is wrong and what would be right.
    pub text: String,
}

impl Fault {
    /// A fault at a place.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}
