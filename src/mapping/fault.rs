//! What can be wrong with a mapping: in its file, or with a record it is run on.
//!
//! Promises: *all* faults are told, each with its field and line; texts name fields, lines and paths, never values. All of
//! it is ours to correct (configuration or the sender's data); a retry with the same record fails again.

use std::fmt;

use super::target;

/// A mapping cannot be loaded, or a record cannot be mapped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The mapping file is wrong.
    #[error("mapping file {file}: {faults}")]
    File {
        /// The file.
        file: String,
        /// All that is wrong.
        faults: Faults,
    },
    /// The record does not fit the mapping.
    #[error("mapping '{mapping}' ({file}): {faults}")]
    Record {
        /// The mapping's name.
        mapping: String,
        /// Its file.
        file: String,
        /// All that is wrong.
        faults: Faults,
    },
}

impl Error {
    /// All that is wrong, in the order of lines for a file, of evaluation for a record.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Self::File { faults, .. } | Self::Record { faults, .. } => &faults.0,
        }
    }
}

/// Several faults, written one after the other.
#[derive(Debug)]
pub struct Faults(pub(crate) Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(formatter, "{separator}{fault}")?;
        }
        Ok(())
    }
}

/// One fault, at one field.
#[derive(Debug, thiserror::Error)]
#[error("field '{field}' (line {line}): {cause}")]
pub struct Fault {
    /// The target path, with the element's index inside a repetition; or the key of the file.
    pub field: String,
    /// Line in the mapping file, counted from 1.
    pub line: usize,
    /// What is wrong.
    #[source]
    pub cause: Cause,
}

/// What is wrong with a field.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// A value that is needed is not there.
    #[error("undefined value {}", paths.join(", "))]
    Undefined {
        /// The input paths that lead nowhere; if all lead somewhere, those that were read.
        paths: Vec<String>,
    },
    /// A filter or operation refused its input.
    #[error("{0}")]
    Refused(String),
    /// The expression, or the mapping as a whole, did more work than it may.
    #[error("mapping ran out of fuel, the limit is {limit}; simplify the expression or raise {key}")]
    OutOfFuel {
        /// The limit.
        limit: u64,
        /// Its name.
        key: &'static str,
    },
    /// The result is larger than it may be.
    #[error("the mapping makes more values than the limit of {limit}; raise max_values")]
    TooManyValues {
        /// The limit.
        limit: usize,
    },
    /// The result is not a value that JSON has.
    #[error("the result is a {kind}, which is no json value")]
    NoJson {
        /// What it is.
        kind: String,
    },
    /// The target path is wrong or cannot be set.
    #[error("{0}")]
    Target(String),
    /// The text is not an expression.
    #[error("not an expression: {0}")]
    Syntax(String),
    /// A name that nothing bears: a variable, filter, test or code table.
    #[error("unknown {what} '{name}'")]
    Unknown {
        /// What it should be.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The file lacks a key, has one too many, or one of the wrong type.
    #[error("{0}")]
    File(String),
}

impl From<target::Fault> for Cause {
    fn from(fault: target::Fault) -> Self {
        Self::Target(fault.to_string())
    }
}
