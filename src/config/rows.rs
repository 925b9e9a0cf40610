//! Rows of tables in TOML and CSV, each with its line, so that one bad row hides no other.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::fault::Fault;

/// A file and the faults found in it.
pub(crate) struct Source {
    path: PathBuf,
    text: String,
    faults: Vec<Fault>,
}

/// A row with its line.
pub(crate) struct Located<T> {
    /// The row.
    pub(crate) row: T,
    /// Its line, from 1.
    pub(crate) line: usize,
}

impl Source {
    /// Reads a file. One that cannot be read holds that fault and no rows.
    pub(crate) fn read(path: &Path) -> Self {
        match std::fs::read_to_string(path) {
            Ok(text) => Self { path: path.to_owned(), text, faults: Vec::new() },
            Err(error) => {
                let mut source = Self { path: path.to_owned(), text: String::new(), faults: Vec::new() };
                source.fault(None, "", format!("cannot be read: {error}"));
                source
            }
        }
    }

    /// Notes a fault.
    pub(crate) fn fault(&mut self, line: Option<usize>, key: impl Into<String>, text: impl Into<String>) {
        self.faults.push(Fault { file: self.path.clone(), line, key: key.into(), text: text.into() });
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its faults, when all is read.
    pub(crate) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    fn line_at(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }

    fn unreadable(&mut self, error: &toml::de::Error, key: &str) {
        let line = error.span().map(|span| self.line_at(span.start));
        self.fault(line, key, error.message());
    }

    /// Rows of the array of tables `name`, the only key the file may hold.
    pub(crate) fn tables<T: DeserializeOwned>(&mut self, name: &str) -> Vec<Located<T>> {
        let text = std::mem::take(&mut self.text);
        let (document, errors) = DeTable::parse_recoverable(&text);
        self.text.clone_from(&text);
        for error in &errors {
            self.unreadable(error, "");
        }
        if !errors.is_empty() {
            return Vec::new();
        }
        let mut rows = Vec::new();
        for (key, value) in document.into_inner() {
            let line = self.line_at(key.span().start);
            match value.into_inner() {
                DeValue::Array(array) if *key.get_ref() == name => {
                    for value in array {
                        let line = self.line_at(value.span().start);
                        match T::deserialize(ValueDeserializer::from(value)) {
                            Ok(row) => rows.push(Located { row, line }),
                            Err(error) => self.unreadable_row(&error, line, name),
                        }
                    }
                }
                _ => {
                    self.fault(Some(line), key.get_ref().as_ref(), format!("only [[{name}]] may stand here"))
                }
            }
        }
        rows
    }

    fn unreadable_row(&mut self, error: &toml::de::Error, line_of_row: usize, key: &str) {
        let line = error.span().map_or(line_of_row, |span| self.line_at(span.start));
        self.fault(Some(line), key, error.message());
    }

    /// Rows of a CSV file with a header; lines that begin with `#` are comments.
    pub(crate) fn csv<T: DeserializeOwned>(&mut self) -> Vec<Located<T>> {
        let text = std::mem::take(&mut self.text);
        let mut reader =
            csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(text.as_bytes());
        let mut rows = Vec::new();
        let headers = reader.headers().cloned().unwrap_or_default();
        for record in reader.records() {
            match record.and_then(|record| {
                let line = record.position().map_or(0, csv::Position::line);
                record.deserialize(Some(&headers)).map(|row| (row, line))
            }) {
                Ok((row, line)) => {
                    rows.push(Located { row, line: usize::try_from(line).unwrap_or(usize::MAX) });
                }
                Err(error) => {
                    let line = error.position().and_then(|at| usize::try_from(at.line()).ok());
                    self.fault(line, "", error.to_string());
                }
            }
        }
        self.text = text;
        rows
    }
}
