//! CSV (RFC 4180) with a header row: one record a row, all values text.
//!
//! Promises: rows of another length, quotes left open, unnamed and doubled columns are refused with their place; text that a
//! spreadsheet would run as a formula is written with a leading apostrophe, plain numbers are not.

use std::collections::HashSet;

use csv::{ErrorKind, ReaderBuilder, StringRecord, Terminator, WriterBuilder};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Error, Limits, Origin, Record, scalar_text};

/// What CSV cannot say by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsvOptions {
    /// What stands between cells. Default comma.
    pub delimiter: Delimiter,
    /// The columns to write, in order. Empty: the keys of the first row.
    pub columns: Vec<String>,
}

/// What stands between cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delimiter {
    /// `,`
    #[default]
    Comma,
    /// `;`
    Semicolon,
    /// A tabulator.
    Tab,
    /// `|`
    Pipe,
}

impl Delimiter {
    fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Pipe => b'|',
        }
    }
}

pub(super) fn decode(text: &str, options: &CsvOptions, limits: &Limits) -> Result<Vec<Record>, Error> {
    check_quotes(text)?;
    let mut reader = ReaderBuilder::new().delimiter(options.delimiter.byte()).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| fault(&error))?.clone();
    check_header(&header)?;
    let mut cells = 0;
    let mut records = Vec::new();
    let mut row = StringRecord::new();
    while reader.read_record(&mut row).map_err(|error| fault(&error))? {
        let line = line_of(row.position());
        cells += row.len();
        if cells > limits.max_elements {
            return Err(Error::TooManyElements { limit: limits.max_elements, line });
        }
        let fields: Map<String, Value> =
            header.iter().zip(&row).map(|(name, cell)| (name.to_owned(), cell.into())).collect();
        let origin = Origin { number: records.len() + 1, line: Some(line) };
        records.push(Record { value: Value::Object(fields), origin });
    }
    Ok(records)
}

pub(super) fn encode(value: &Value, options: &CsvOptions, limits: &Limits) -> Result<String, Error> {
    let rows = match value {
        Value::Array(rows) => rows.as_slice(),
        row => std::slice::from_ref(row),
    };
    let rows = rows.iter().enumerate().map(|(index, row)| {
        row.as_object().ok_or_else(|| Error::unfit(&format!("/{index}"), "a row must be an object"))
    });
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let columns = columns(&rows, options)?;
    if rows.len().saturating_mul(columns.len()) > limits.max_elements {
        return Err(Error::unfit("", "it has more cells than max_elements"));
    }
    let mut writer = WriterBuilder::new()
        .delimiter(options.delimiter.byte())
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record(&columns).map_err(|error| fault(&error))?;
    for (index, row) in rows.iter().enumerate() {
        check_columns(index, row, &columns)?;
        let cells = columns.iter().map(|column| cell(index, row, column));
        writer.write_record(cells.collect::<Result<Vec<_>, _>>()?).map_err(|error| fault(&error))?;
    }
    let bytes = writer.into_inner().map_err(|_| Error::unfit("", "the rows could not be written"))?;
    String::from_utf8(bytes).map_err(|_| Error::unfit("", "the rows could not be written"))
}

/// In RFC 4180 quotes come in pairs. A reader that is lenient about it swallows lines instead of failing.
fn check_quotes(text: &str) -> Result<(), Error> {
    let (mut open_line, mut line) = (None, 1);
    for byte in text.bytes() {
        match byte {
            b'"' => open_line = if open_line.is_some() { None } else { Some(line) },
            b'\n' => line += 1,
            _ => {}
        }
    }
    open_line
        .map_or(Ok(()), |line| Err(Error::Malformed { format: "csv", line, reason: "a quote is not closed" }))
}

fn check_header(header: &StringRecord) -> Result<(), Error> {
    if header.is_empty() {
        return Err(Error::NoHeader);
    }
    let mut seen = HashSet::new();
    for (index, name) in header.iter().enumerate() {
        if name.trim().is_empty() {
            return Err(Error::UnnamedColumn { column: index + 1 });
        }
        if !seen.insert(name) {
            return Err(Error::Duplicate { name: name.to_owned(), line: line_of(header.position()) });
        }
    }
    Ok(())
}

fn columns<'a>(rows: &[&'a Map<String, Value>], options: &'a CsvOptions) -> Result<Vec<&'a str>, Error> {
    let columns: Vec<&str> = match rows.first() {
        Some(first) if options.columns.is_empty() => first.keys().map(String::as_str).collect(),
        _ => options.columns.iter().map(String::as_str).collect(),
    };
    if columns.is_empty() {
        return Err(Error::unfit(
            "",
            "csv.columns must name the columns when there is no row to take them from",
        ));
    }
    Ok(columns)
}

fn check_columns(index: usize, row: &Map<String, Value>, columns: &[&str]) -> Result<(), Error> {
    match row.keys().find(|key| !columns.contains(&key.as_str())) {
        Some(key) => Err(Error::unfit(&format!("/{index}/{key}"), "it belongs to no column")),
        None => Ok(()),
    }
}

fn cell(index: usize, row: &Map<String, Value>, column: &str) -> Result<String, Error> {
    let Some(value) = row.get(column) else { return Ok(String::new()) };
    let text = scalar_text(value, &format!("/{index}/{column}"))?.unwrap_or_default();
    Ok(if runs_as_formula(&text) { format!("'{text}") } else { text.into_owned() })
}

/// What spreadsheets take for a formula (OWASP CSV injection), except signed plain numbers.
fn runs_as_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_plain_number(text)
}

fn is_plain_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

fn fault(error: &csv::Error) -> Error {
    match error.kind() {
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            Error::Ragged { line: line_of(pos.as_ref()), expected: *expected_len, found: *len }
        }
        _ => Error::Malformed {
            format: "csv",
            line: line_of(error.position()),
            reason: "the row cannot be read",
        },
    }
}

fn line_of(position: Option<&csv::Position>) -> usize {
    position.map_or(1, |position| usize::try_from(position.line()).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Vec<Record>, Error> {
        decode(text, &CsvOptions::default(), &Limits::default())
    }

    fn write(value: &Value) -> Result<String, Error> {
        encode(value, &CsvOptions::default(), &Limits::default())
    }

    #[test]
    fn rows_are_records_with_their_lines() {
        let records = read("名称,n\n\"a,\nb\",1\n\"c\"\"d\",\n").unwrap();
        let lines: Vec<_> = records.iter().map(|record| record.origin.line).collect();
        assert_eq!(lines, [Some(2), Some(4)]);
        assert_eq!(records[0].value, json!({"名称": "a,\nb", "n": "1"}));
        assert_eq!(records[1].value, json!({"名称": "c\"d", "n": ""}));
    }

    #[test]
    fn a_header_alone_has_no_records() {
        assert_eq!(read("a,b\n").unwrap(), []);
    }

    #[test]
    fn malformed_files_are_refused_with_their_place() {
        assert!(matches!(read(""), Err(Error::NoHeader)));
        assert!(matches!(read("a,\n1,2\n"), Err(Error::UnnamedColumn { column: 2 })));
        assert!(matches!(read("a,a\n1,2\n"), Err(Error::Duplicate { line: 1, .. })));
        assert!(matches!(read("a,b\n1,2\n3\n"), Err(Error::Ragged { line: 3, expected: 2, found: 1 })));
        assert!(matches!(read("a,b\n1,2,3\n"), Err(Error::Ragged { line: 2, expected: 2, found: 3 })));
        assert!(matches!(read("a,b\n1,\"2\n"), Err(Error::Malformed { line: 2, .. })));
    }

    #[test]
    fn too_many_cells_are_refused() {
        let limits = Limits { max_elements: 4, ..Limits::default() };
        let error = decode("a,b\n1,2\n3,4\n5,6\n", &CsvOptions::default(), &limits).unwrap_err();
        assert!(matches!(error, Error::TooManyElements { limit: 4, line: 4 }), "{error}");
    }

    #[test]
    fn other_delimiters_are_read_and_written() {
        let options = CsvOptions { delimiter: Delimiter::Pipe, ..CsvOptions::default() };
        let records = decode("a|b\n1,5|2\n", &options, &Limits::default()).unwrap();
        assert_eq!(records[0].value, json!({"a": "1,5", "b": "2"}));
        assert_eq!(encode(&records[0].value, &options, &Limits::default()).unwrap(), "a|b\r\n1,5|2\r\n");
    }

    #[test]
    fn formulas_are_disarmed_and_numbers_left_alone() {
        let row = json!({"a": "=1+1", "b": "@x", "c": "-12.50", "d": "-x", "e": "+8613800000000", "f": -3});
        assert_eq!(write(&row).unwrap(), "a,b,c,d,e,f\r\n'=1+1,'@x,-12.50,'-x,+8613800000000,-3\r\n");
    }

    #[test]
    fn configured_columns_give_order_and_fill_gaps() {
        let options = CsvOptions { columns: ["b", "a"].map(str::to_owned).into(), ..CsvOptions::default() };
        let write = |value| encode(&value, &options, &Limits::default());
        assert_eq!(write(json!([{"a": 1}, {"a": null, "b": true}])).unwrap(), "b,a\r\n,1\r\ntrue,\r\n");
        assert_eq!(write(json!([])).unwrap(), "b,a\r\n");
        assert!(write(json!({"c": 1})).unwrap_err().to_string().contains("/0/c"));
    }

    #[test]
    fn what_csv_cannot_hold_is_refused_with_its_place() {
        assert!(write(&json!([{"a": 1}, {"a": [2]}])).unwrap_err().to_string().contains("/1/a"));
        assert!(write(&json!([1])).is_err());
        assert!(write(&json!([])).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            rows in proptest::collection::vec(("[^=+@\t\r\u{2d}\u{feff}][^\u{feff}]{0,8}", "[0-9]{0,3}"), 1..4)
        ) {
            let value: Vec<Value> = rows.into_iter().map(|(a, b)| json!({"甲": a, "b": b})).collect();
            let text = write(&Value::Array(value.clone())).unwrap();
            let back: Vec<Value> = read(&text).unwrap().into_iter().map(|record| record.value).collect();
            prop_assert_eq!(back, value);
        }
    }
}
