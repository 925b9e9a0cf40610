//! Tables for a terminal: columns aligned by the width that a character takes on the screen, two cells for
//! a Chinese one.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

/// Longest line under a title; what is longer than that is prose.
const RULE: usize = 72;

/// Blank cells between two columns.
const GAP: usize = 2;

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A table with a header.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new<'a>(columns: impl IntoIterator<Item = (&'a str, Align)>) -> Self {
        let columns = columns.into_iter().map(|(title, align)| (title.to_owned(), align)).collect();
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row; cells beyond the columns are left out, missing ones are blank.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().take(self.columns.len()).collect());
    }

    /// Writes it, each line behind `indent` blanks.
    pub fn write(&self, out: &mut dyn Write, indent: usize) -> io::Result<()> {
        let widths: Vec<usize> = (0..self.columns.len()).map(|column| self.width(column)).collect();
        let titles: Vec<&str> = self.columns.iter().map(|(title, _)| title.as_str()).collect();
        self.line(out, indent, &widths, &titles)?;
        let rules: Vec<String> = widths.iter().map(|width| "─".repeat((*width).min(RULE))).collect();
        self.line(out, indent, &widths, &rules)?;
        for row in &self.rows {
            self.line(out, indent, &widths, row)?;
        }
        Ok(())
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
        std::iter::once(self.columns[column].0.as_str())
            .chain(cells)
            .map(UnicodeWidthStr::width)
            .max()
            .unwrap_or(0)
    }

    fn line<T: AsRef<str>>(
        &self,
        out: &mut dyn Write,
        indent: usize,
        widths: &[usize],
        cells: &[T],
    ) -> io::Result<()> {
        let mut text = " ".repeat(indent);
        for (index, (width, (_, align))) in widths.iter().zip(&self.columns).enumerate() {
            let cell = cells.get(index).map_or("", AsRef::as_ref);
            let blank = " ".repeat(width.saturating_sub(cell.width()));
            match align {
                Align::Left => text.extend([cell, &blank]),
                Align::Right => text.extend([blank.as_str(), cell]),
            }
            text.push_str(&" ".repeat(GAP));
        }
        writeln!(out, "{}", text.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_whatever_the_script() {
        let mut table = Table::new([("机构", Align::Left), ("n", Align::Right)]);
        table.row(["市场监管局".to_owned(), "7".to_owned()]);
        table.row(["Portal".to_owned(), "112".to_owned()]);
        let mut out = Vec::new();
        table.write(&mut out, 1).unwrap();
        let text = String::from_utf8(out).unwrap();
        let ends: Vec<usize> = text.lines().map(UnicodeWidthStr::width).collect();
        assert_eq!(ends, [1 + 10 + 2 + 3; 4], "{text}");
    }
}
