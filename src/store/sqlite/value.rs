//! Values between rows and the domain: ids as 16 bytes, times as microseconds, words as text.

use std::cell::Cell;

use jiff::{Timestamp, civil::Date};
use rusqlite::{
    Row,
    types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef},
};
use serde::de::{DeserializeOwned, IntoDeserializer as _, value::Error as WordError};
use uuid::Uuid;

/// An id as 16 bytes.
pub(super) struct Id(pub(super) Uuid);

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.as_bytes())))
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        <[u8; 16]>::column_result(value).map(|bytes| Self(Uuid::from_bytes(bytes)))
    }
}

/// A time as microseconds since 1970.
pub(super) struct Time(pub(super) Timestamp);

impl ToSql for Time {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_microsecond().into())
    }
}

impl FromSql for Time {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let micros = value.as_i64()?;
        Timestamp::from_microsecond(micros).map(Self).map_err(FromSqlError::other)
    }
}

/// A day as `YYYY-MM-DD`.
pub(super) struct Day(pub(super) Date);

impl ToSql for Day {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

impl FromSql for Day {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(FromSqlError::other)
    }
}

/// A word of a closed set, as the set's own serde form says it.
pub(super) struct Word<T>(pub(super) T);

impl<T: DeserializeOwned> FromSql for Word<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = value.as_str()?;
        T::deserialize(word.into_deserializer())
            .map(Self)
            .map_err(|error: WordError| FromSqlError::other(error))
    }
}

/// Reads a column through one of the forms above.
pub(super) trait Columns {
    /// Whatever it is.
    fn value<T: FromSql>(&self, column: &str) -> rusqlite::Result<T>;

    /// An id.
    fn id(&self, column: &str) -> rusqlite::Result<Uuid> {
        self.value::<Id>(column).map(|id| id.0)
    }

    /// A time.
    fn time(&self, column: &str) -> rusqlite::Result<Timestamp> {
        self.value::<Time>(column).map(|time| time.0)
    }

    /// A time, where there is one.
    fn time_if(&self, column: &str) -> rusqlite::Result<Option<Timestamp>> {
        Ok(self.value::<Option<Time>>(column)?.map(|time| time.0))
    }

    /// A word.
    fn word<T: DeserializeOwned>(&self, column: &str) -> rusqlite::Result<T> {
        self.value::<Word<T>>(column).map(|word| word.0)
    }

    /// A word, where there is one.
    fn word_if<T: DeserializeOwned>(&self, column: &str) -> rusqlite::Result<Option<T>> {
        Ok(self.value::<Option<Word<T>>>(column)?.map(|word| word.0))
    }

    /// A text as an id or a boxed text.
    fn text<T: From<String>>(&self, column: &str) -> rusqlite::Result<T> {
        self.value::<String>(column).map(Into::into)
    }

    /// A text, where there is one.
    fn text_if<T: From<String>>(&self, column: &str) -> rusqlite::Result<Option<T>> {
        Ok(self.value::<Option<String>>(column)?.map(Into::into))
    }
}

impl Columns for Row<'_> {
    fn value<T: FromSql>(&self, column: &str) -> rusqlite::Result<T> {
        self.get(column)
    }
}

/// A row whose columns are read in the order of its statement, so that each is found at once. One out of turn is looked
/// for among all, which for a row of many columns takes longer than to read them.
pub(super) struct InTurn<'r, 's> {
    row: &'r Row<'s>,
    next: Cell<usize>,
}

impl<'r, 's> InTurn<'r, 's> {
    pub(super) fn of(row: &'r Row<'s>) -> Self {
        Self { row, next: Cell::new(0) }
    }
}

impl Columns for InTurn<'_, '_> {
    fn value<T: FromSql>(&self, column: &str) -> rusqlite::Result<T> {
        let (statement, next) = (self.row.as_ref(), self.next.get());
        let is_next = next < statement.column_count() && statement.column_name(next)? == column;
        let place = if is_next { next } else { statement.column_index(column)? };
        self.next.set(place + 1);
        self.row.get(place)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, params};

    use super::*;
    use crate::domain::decision::Part;

    #[test]
    fn columns_in_turn_and_out_of_turn_are_the_same() {
        let connection = Connection::open_in_memory().unwrap();
        let read = |row: &Row<'_>| {
            let row = InTurn::of(row);
            let all: Vec<i64> = ["a", "b", "d", "c", "a"]
                .into_iter()
                .map(|name| row.value(name))
                .collect::<Result<_, _>>()?;
            assert!(row.value::<i64>("e").is_err());
            Ok((all, row.value::<i64>("d")?))
        };
        let statement = "SELECT 1 AS a, 2 AS b, 3 AS c, 4 AS d";
        assert_eq!(connection.query_row(statement, [], read).unwrap(), (vec![1, 2, 4, 3, 1], 4));
    }

    #[test]
    fn an_unknown_word_is_an_error_and_not_a_default() {
        assert!(Word::<Part>::column_result(ValueRef::Text(b"leader")).is_err());
    }

    #[test]
    fn ids_times_and_days_come_back_as_they_went() {
        let connection = Connection::open_in_memory().unwrap();
        let id = Uuid::from_u128(7);
        let time: Timestamp = "2026-03-05T01:30:00.123456Z".parse().unwrap();
        let day: Date = "2026-03-05".parse().unwrap();
        let read: (Id, Time, Day) = connection
            .query_row("SELECT ?, ?, ?", params![Id(id), Time(time), Day(day)], |row| row.try_into())
            .unwrap();
        assert_eq!((read.0.0, read.1.0, read.2.0), (id, time, day));
    }
}
