//! What commands print: tables and sentences for people, JSON for programs.

use std::io::{self, Write};

use serde_json::Value;

use super::{
    language::Language,
    table::{Align, Table},
};

/// Columns of a terminal that an answer of another system may fill; JSON has all of it.
const ANSWER_COLUMNS: usize = 72;

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

/// Heads of a table, each in Chinese and English.
pub type Heads<'h> = [(&'h str, &'h str)];

impl Output<'_> {
    /// Whether programs read it.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints a line.
    pub fn line(&mut self, text: impl std::fmt::Display) -> io::Result<()> {
        writeln!(self.to, "{text}")
    }

    /// Prints a line in the language of the output.
    pub fn say(&mut self, chinese: &str, english: &str) -> io::Result<()> {
        self.line(self.language.pick(chinese, english))
    }

    /// Prints a value as JSON.
    pub fn json(&mut self, value: &Value) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *self.to, value)?;
        writeln!(self.to)
    }

    /// Prints the value as JSON, or rows for people.
    pub fn rows(&mut self, value: &Value, heads: &Heads<'_>, rows: &[Vec<String>]) -> io::Result<()> {
        match self.format {
            Format::Json => self.json(value),
            Format::Text => self.table(heads, rows),
        }
    }

    /// Prints an aligned table, each cell on one line.
    pub fn table(&mut self, heads: &Heads<'_>, rows: &[Vec<String>]) -> io::Result<()> {
        let language = self.language;
        let mut table =
            Table::new(heads.iter().map(|(chinese, english)| (language.pick(chinese, english), Align::Left)));
        for row in rows {
            table.row(row.iter().map(|cell| one_line(cell)));
        }
        table.write(self.to, 0)
    }

    /// Prints a titled table after a blank line, or nothing when it has no rows.
    pub fn section(
        &mut self,
        title: (&str, &str),
        heads: &Heads<'_>,
        rows: &[Vec<String>],
    ) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.line("")?;
        self.say(title.0, title.1)?;
        self.table(heads, rows)
    }
}

/// The text on one line.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// What another system said, cut where it would fill the screen.
pub fn answer(text: &str) -> String {
    let mut columns = 0;
    let mut line = String::new();
    for character in text.chars() {
        columns += unicode_width::UnicodeWidthChar::width(character).unwrap_or_default();
        if columns > ANSWER_COLUMNS {
            line.push('…');
            break;
        }
        line.push(character);
    }
    line
}

/// The text of a field, or nothing.
pub fn text(value: &Value, field: &str) -> String {
    match &value[field] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The rows of a field, or none.
pub fn rows<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value[field].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_heads_in_the_language_of_the_output() {
        let mut bytes = Vec::new();
        let mut output = Output { to: &mut bytes, format: Format::Text, language: Language::Zh };
        let rows = [vec!["安康市".to_owned(), "1".to_owned()], vec!["ab".to_owned(), "22".to_owned()]];
        output.table(&[("机构", "organisation"), ("数", "n")], &rows).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text, "机构    数\n──────  ──\n安康市  1\nab      22\n");
    }

    #[test]
    fn a_cell_stays_on_one_line_and_an_answer_on_the_screen() {
        assert_eq!(one_line("a\nb\tc"), "a b c");
        let cut = answer(&"督".repeat(50));
        assert_eq!(cut.chars().count(), ANSWER_COLUMNS / 2 + 1);
        assert!(cut.ends_with('…'));
    }
}
