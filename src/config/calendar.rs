//! The calendar file: `date,kind,name`, one day a line, `#` for comments.
//!
//! Every fault of the file is reported at once, each with its line. What the days mean, and whether they
//! make a whole calendar, is for [`domain::calendar`](crate::domain::calendar).

use crate::domain::calendar::{Calendar, Day, DayKind, Fault};
use csv::{ReaderBuilder, StringRecord};
use jiff::civil::Date;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::Utf8Error;
use thiserror::Error;

const HEADER: [&str; 3] = ["date", "kind", "name"];

/// What keeps a calendar file from being used.
#[derive(Debug, Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{}: the calendar file cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not UTF-8, for example because a spreadsheet saved it as GB18030.
    #[error("{} line {line}: the text is not UTF-8, save the file as UTF-8", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The first such line, from 1.
        line: usize,
        /// Where exactly.
        #[source]
        source: Utf8Error,
    },
    /// The columns are others.
    #[error("{}: the columns are {found:?} instead of date,kind,name", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// The first line that is no comment.
        found: String,
    },
    /// Days are wrong.
    #[error("{}: {} to correct{}", path.display(), count(faults.len()), Listed(faults))]
    Days {
        /// The file.
        path: PathBuf,
        /// All that is wrong, in the order of the lines.
        faults: Vec<DayFault>,
    },
}

/// What is wrong with a line, or with the file as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayFault {
    /// The line, from 1; `None` if no single line is at fault.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a day.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// Not three fields.
    #[error("has {found} fields instead of the three date,kind,name")]
    Fields {
        /// How many there are.
        found: usize,
    },
    /// Not a date that exists, written `2026-10-01`.
    #[error("date is {found:?}, write a day that exists as 2026-10-01")]
    Date {
        /// What stands there.
        found: String,
    },
    /// Not one of the two kinds.
    #[error("kind is {found:?}, allowed are holiday and makeup_workday")]
    Kind {
        /// What stands there.
        found: String,
    },
    /// The holiday has no name.
    #[error("name is empty, write the holiday the day belongs to")]
    Name,
    /// The days make no calendar.
    #[error(transparent)]
    Calendar(#[from] Fault),
}

impl fmt::Display for DayFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.problem),
            None => self.problem.fmt(f),
        }
    }
}

/// Loads the calendar of a file.
pub fn load(path: &Path) -> Result<Calendar, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    read(path, &bytes)
}

/// Reads a calendar from the bytes of a file; `path` is what errors call it.
pub fn read(path: &Path, bytes: &[u8]) -> Result<Calendar, Error> {
    let text = decode(path, bytes)?;
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let header = lines.next().map_or("", |(_, line)| line);
    if fields(header) != HEADER[..] {
        return Err(Error::Header { path: path.to_owned(), found: header.to_owned() });
    }
    days(lines).map_err(|faults| Error::Days { path: path.to_owned(), faults })
}

fn decode<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, Error> {
    let text = std::str::from_utf8(bytes).map_err(|source| {
        let line = 1 + bytes.iter().take(source.valid_up_to()).filter(|byte| **byte == b'\n').count();
        Error::Encoding { path: path.to_owned(), line, source }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn days<'a>(numbered: impl Iterator<Item = (usize, &'a str)>) -> Result<Calendar, Vec<DayFault>> {
    let (mut listed, mut faults) = (Vec::new(), Vec::new());
    for (line, text) in numbered {
        match day(&fields(text)) {
            Ok(day) => listed.push((line, day)),
            Err(problem) => faults.push(DayFault { line: Some(line), problem }),
        }
    }
    match Calendar::from_days(listed.iter().map(|(_, day)| *day)) {
        Ok(calendar) if faults.is_empty() => return Ok(calendar),
        Ok(_) => {}
        Err(found) => faults.extend(found.into_iter().map(|fault| located(fault, &listed))),
    }
    faults.sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
    Err(faults)
}

/// The fields of one line. Days have no line breaks inside, so each line is a record of its own, which
/// keeps line numbers right where comments stand between.
fn fields(line: &str) -> StringRecord {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line.as_bytes());
    reader.records().next().and_then(Result::ok).unwrap_or_default()
}

fn day(fields: &StringRecord) -> Result<Day, Problem> {
    let [date, kind, name] = fields.iter().collect::<Vec<_>>()[..] else {
        return Err(Problem::Fields { found: fields.len() });
    };
    let kind = match kind {
        "holiday" => DayKind::Holiday,
        "makeup_workday" => DayKind::MakeupWorkday,
        found => return Err(Problem::Kind { found: found.to_owned() }),
    };
    if name.trim().is_empty() {
        return Err(Problem::Name);
    }
    let parsed = date.parse().ok().filter(|parsed: &Date| parsed.to_string() == date);
    let date = parsed.ok_or_else(|| Problem::Date { found: date.to_owned() })?;
    Ok(Day { date, kind })
}

/// Gives a fault of the calendar the last line that names its day.
fn located(fault: Fault, listed: &[(usize, Day)]) -> DayFault {
    let at_fault = match fault {
        Fault::Twice { date } | Fault::MakeupOnWeekday { date } => Some(date),
        Fault::PartOfYear { .. } | Fault::BeyondCalendar { .. } => None,
    };
    let named = |date| listed.iter().rfind(|(_, day)| day.date == date).map(|(line, _)| *line);
    DayFault { line: at_fault.and_then(named), problem: fault.into() }
}

fn count(faults: usize) -> String {
    if faults == 1 { "1 fault".to_owned() } else { format!("{faults} faults") }
}

/// Faults, each on a line of its own.
struct Listed<'a>(&'a [DayFault]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Basis, Due};
    use jiff::civil::date;

    fn shipped() -> Calendar {
        load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/calendar/holidays.csv"))
            .expect("the shipped file")
    }

    fn read_text(text: &str) -> Result<Calendar, Error> {
        read(Path::new("holidays.csv"), text.as_bytes())
    }

    fn faults(text: &str) -> Vec<String> {
        match read_text(text).expect_err("a file with faults") {
            Error::Days { faults, .. } => faults.iter().map(ToString::to_string).collect(),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_shipped_file_announces_2004_to_2026() {
        assert_eq!(shipped().announced_years().collect::<Vec<_>>(), (2004..=2026).collect::<Vec<_>>());
    }

    #[test]
    fn the_shipped_file_gives_the_deadlines_of_2025_and_2026() {
        for (from, days, due) in [
            (date(2026, 2, 13), 1, date(2026, 2, 14)),
            (date(2026, 2, 13), 5, date(2026, 2, 27)),
            (date(2026, 9, 30), 1, date(2026, 10, 8)),
            (date(2026, 9, 30), 5, date(2026, 10, 13)),
            (date(2026, 4, 30), 3, date(2026, 5, 8)),
            (date(2026, 1, 1), 1, date(2026, 1, 4)),
            (date(2026, 9, 18), 1, date(2026, 9, 20)),
            (date(2026, 9, 24), 5, date(2026, 10, 9)),
            (date(2025, 9, 30), 1, date(2025, 10, 9)),
            (date(2025, 9, 30), 5, date(2025, 10, 14)),
            (date(2025, 1, 27), 7, date(2025, 2, 12)),
        ] {
            let counted = shipped().add_working_days(from, days).expect("far from the year 9999");
            assert_eq!(counted, Due { date: due, basis: Basis::Published }, "{from} + {days}");
        }
    }

    #[test]
    fn the_shipped_file_knows_the_december_days_of_the_next_years_notice() {
        let calendar = shipped();
        assert!(calendar.is_working_day(date(2006, 12, 30)) && calendar.is_working_day(date(2011, 12, 31)));
        assert!(!calendar.is_working_day(date(2007, 12, 31)) && !calendar.is_working_day(date(2018, 12, 31)));
        assert!(calendar.is_settled(date(2018, 12, 31)) && !calendar.is_settled(date(2026, 12, 31)));
    }

    #[test]
    fn every_fault_is_told_with_its_line() {
        let text = "# 2027\ndate,kind,name\n2027-01-01,holiday,元旦\n2027-02-30,holiday,春节\n\
                    # a comment counts as a line\n2027-02-06,makeup,春节\n2027-02-08,makeup_workday,春节\n\
                    2027-01-01,holiday,元旦\n2027-10-01,holiday, \n";
        assert_eq!(
            faults(text),
            [
                "line 4: date is \"2027-02-30\", write a day that exists as 2026-10-01",
                "line 6: kind is \"makeup\", allowed are holiday and makeup_workday",
                "line 7: 2027-02-08 is listed as make-up workday, but is no saturday or sunday",
                "line 8: 2027-01-01 is listed twice",
                "line 9: name is empty, write the holiday the day belongs to",
                "year 2027 is listed without the holiday of 2027-10-01, load the whole notice of the year",
            ]
        );
    }

    #[test]
    fn dates_written_another_way_are_refused() {
        for date in ["20270101", "2027/01/01", "2027-01-01T00:00", " 2027-01-01", "2027-1-1", ""] {
            let told = faults(&format!("date,kind,name\n{date},holiday,元旦\n"));
            assert_eq!(told, [format!("line 2: date is {date:?}, write a day that exists as 2026-10-01")]);
        }
    }

    #[test]
    fn the_error_names_the_file_and_counts_the_faults() {
        let error = read_text("date,kind,name\n2027-01-01,rest,元旦\n").expect_err("no such kind");
        let text = "holidays.csv: 1 fault to correct\n  line 2: kind is \"rest\", allowed are holiday and makeup_workday";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn other_columns_are_refused() {
        for header in ["day,kind,name", "date,kind", "date,kind,name,paper", ""] {
            let error = read_text(&format!("# comment\n{header}\n")).expect_err(header);
            assert!(matches!(error, Error::Header { found, .. } if found == header));
        }
    }

    #[test]
    fn a_missing_or_superfluous_field_is_told_with_its_line() {
        let text = "date,kind,name\n2027-01-01,holiday\n\n2027-01-02,holiday,元旦,休\n";
        assert_eq!(
            faults(text),
            [
                "line 2: has 2 fields instead of the three date,kind,name",
                "line 4: has 4 fields instead of the three date,kind,name",
            ]
        );
    }

    #[test]
    fn another_encoding_is_refused_with_its_line() {
        let gb18030 = b"date,kind,name\n2027-01-01,holiday,\xd4\xaa\xb5\xa9\n";
        let error = read(Path::new("holidays.csv"), gb18030).expect_err("not UTF-8");
        assert_eq!(error.to_string(), "holidays.csv line 2: the text is not UTF-8, save the file as UTF-8");
    }

    #[test]
    fn a_file_saved_by_a_spreadsheet_with_mark_and_windows_line_ends_is_read() {
        let text = "\u{feff}date,kind,name\r\n2027-01-01,holiday,元旦\r\n2027-10-01,holiday,国庆节\r\n";
        let calendar = read_text(text).expect("a byte order mark is no fault");
        assert_eq!(calendar.announced_years().collect::<Vec<_>>(), [2027]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load(Path::new("no/such/holidays.csv")).expect_err("no such file");
        assert_eq!(error.to_string(), "no/such/holidays.csv: the calendar file cannot be read");
    }
}
