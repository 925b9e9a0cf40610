//! What commands print: tables for people, JSON for programs.

use std::io::{self, Write};

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use super::language::Language;

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Where and how a command prints.
pub struct Output<'a> {
    /// Standard output.
    pub to: &'a mut dyn Write,
    /// Form.
    pub format: Format,
    /// Language.
    pub language: Language,
}

impl std::fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("format", &self.format)
            .field("language", &self.language)
            .finish_non_exhaustive()
    }
}

impl Output<'_> {
    /// Prints a line.
    pub fn line(&mut self, text: impl std::fmt::Display) -> io::Result<()> {
        writeln!(self.to, "{text}")
    }

    /// Prints a value as JSON.
    pub fn json(&mut self, value: &Value) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *self.to, value)?;
        writeln!(self.to)
    }

    /// Prints the value as JSON, or rows for people.
    pub fn rows(&mut self, value: &Value, heads: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        match self.format {
            Format::Json => self.json(value),
            Format::Text => self.table(heads, rows),
        }
    }

    /// Prints an aligned table; Chinese characters take two columns.
    pub fn table(&mut self, heads: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        let mut widths: Vec<usize> = heads.iter().map(|head| head.width()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
        for row in std::iter::once(&heads).chain(rows) {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
            }
            self.line(line.trim_end())?;
        }
        Ok(())
    }
}

/// The text of a field, or nothing.
pub fn text(value: &Value, field: &str) -> String {
    match &value[field] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_with_chinese_text() {
        let mut bytes = Vec::new();
        let mut output = Output { to: &mut bytes, format: Format::Text, language: Language::Zh };
        let rows = [vec!["安康市".to_owned(), "1".to_owned()], vec!["ab".to_owned(), "22".to_owned()]];
        output.table(&["机构", "n"], &rows).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), "机构    n\n安康市  1\nab      22\n");
    }
}
