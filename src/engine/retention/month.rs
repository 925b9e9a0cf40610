//! Months, as retention counts them: in UTC, like the partitions of a store.

use std::fmt;

use jiff::{Span, Timestamp, civil::Date, tz::Offset};

use crate::port::store::Error;

/// A month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(Date);

impl Month {
    /// The month of a time.
    pub fn of(at: Timestamp) -> Self {
        Self(Offset::UTC.to_datetime(at).date().first_of_month())
    }

    /// The month so many after it.
    pub fn after(self, months: u16) -> Result<Self, Error> {
        let span = Span::new().try_months(months);
        span.and_then(|span| self.0.checked_add(span)).map(Self).map_err(|error| out_of_range(&error))
    }

    /// When it begins.
    pub fn begins(self) -> Result<Timestamp, Error> {
        Offset::UTC.to_timestamp(self.0.at(0, 0, 0, 0)).map_err(|error| out_of_range(&error))
    }

    /// When the next one begins.
    pub fn ends(self) -> Result<Timestamp, Error> {
        self.after(1)?.begins()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

fn out_of_range(error: &jiff::Error) -> Error {
    Error::Damaged(format!("a time is out of range: {error}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_where_the_next_begins() {
        let month = Month::of("2026-12-31T23:59:59Z".parse().unwrap());
        assert_eq!(month.to_string(), "2026-12");
        assert_eq!(month.ends().unwrap().to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(month.after(6).unwrap().to_string(), "2027-06");
    }
}
