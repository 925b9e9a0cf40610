//! Values between rows and the domain: times as microseconds, days, words as text.

use std::{borrow::Cow, error::Error as StdError};

use bytes::{BufMut as _, BytesMut};
use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::de::{DeserializeOwned, IntoDeserializer as _, value::Error as WordError};
use tokio_postgres::{
    Row,
    types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked},
};
use uuid::Uuid;

use super::error::Failure;
use crate::store::fault::{damaged, number};

type Fault = Box<dyn StdError + Sync + Send>;

/// Where the server's times begin: 2000-01-01, in seconds since 1970.
const EPOCH_SECONDS: i64 = 946_684_800;
const EPOCH_DAY: Date = Date::constant(2000, 1, 1);

/// A time in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) Timestamp);

impl ToSql for Time {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        out.put_i64(self.0.as_microsecond() - EPOCH_SECONDS * 1_000_000);
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Time {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Fault> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        let since = micros.checked_add(EPOCH_SECONDS * 1_000_000).ok_or("time out of range")?;
        Ok(Self(Timestamp::from_microsecond(since)?))
    }

    accepts!(TIMESTAMPTZ);
}

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Day(pub(super) Date);

impl ToSql for Day {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        let days = EPOCH_DAY.duration_until(self.0).as_hours() / 24;
        out.put_i32(i32::try_from(days)?);
        Ok(IsNull::No)
    }

    accepts!(DATE);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Day {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Fault> {
        let days = i32::from_be_bytes(raw.try_into()?);
        Ok(Self(EPOCH_DAY.checked_add(SignedDuration::from_hours(i64::from(days) * 24))?))
    }

    accepts!(DATE);
}

/// Text for people that may come from anywhere: the server takes no NUL in a text.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text.into() }
}

/// One column of rows to write.
pub(super) fn column<'r, T, U>(rows: &'r [T], value: impl Fn(&'r T) -> U) -> Vec<U> {
    rows.iter().map(value).collect()
}

/// Reads a column by its name.
pub(super) trait Columns {
    /// A value that the driver knows.
    fn value<'r, T: FromSql<'r>>(&'r self, column: &str) -> Result<T, Failure>;

    /// An id.
    fn id(&self, column: &str) -> Result<Uuid, Failure> {
        self.value(column)
    }

    /// A time.
    fn time(&self, column: &str) -> Result<Timestamp, Failure> {
        self.value::<Time>(column).map(|time| time.0)
    }

    /// A time, where there is one.
    fn time_if(&self, column: &str) -> Result<Option<Timestamp>, Failure> {
        Ok(self.value::<Option<Time>>(column)?.map(|time| time.0))
    }

    /// A number of the size wanted; the server's own are signed.
    fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T, Failure>
    where
        T::Error: std::fmt::Display,
    {
        Ok(number(self.value::<i64>(column)?)?)
    }

    /// A digest.
    fn digest(&self, column: &str) -> Result<[u8; 32], Failure> {
        let bytes = self.value::<&[u8]>(column)?;
        Ok(bytes.try_into().map_err(|_| damaged(format_args!("{column} has {} bytes", bytes.len())))?)
    }

    /// A digest, where there is one.
    fn digest_if(&self, column: &str) -> Result<Option<[u8; 32]>, Failure> {
        let Some(bytes) = self.value::<Option<&[u8]>>(column)? else { return Ok(None) };
        Ok(Some(bytes.try_into().map_err(|_| damaged(format_args!("{column} has {} bytes", bytes.len())))?))
    }

    /// A salt, where there is one.
    fn salt_if(&self, column: &str) -> Result<Option<[u8; 16]>, Failure> {
        let Some(bytes) = self.value::<Option<&[u8]>>(column)? else { return Ok(None) };
        Ok(Some(bytes.try_into().map_err(|_| damaged(format_args!("{column} has {} bytes", bytes.len())))?))
    }

    /// Bytes.
    fn bytes(&self, column: &str) -> Result<bytes::Bytes, Failure> {
        self.value::<Vec<u8>>(column).map(Into::into)
    }

    /// A word of a closed set, as the set's own serde form says it.
    fn word<T: DeserializeOwned>(&self, column: &str) -> Result<T, Failure> {
        word(column, self.value(column)?)
    }

    /// A word, where there is one.
    fn word_if<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, Failure> {
        self.value::<Option<&str>>(column)?.map(|text| word(column, text)).transpose()
    }

    /// A text as an id or a boxed text.
    fn text<T: From<String>>(&self, column: &str) -> Result<T, Failure> {
        self.value::<String>(column).map(Into::into)
    }

    /// A text, where there is one.
    fn text_if<T: From<String>>(&self, column: &str) -> Result<Option<T>, Failure> {
        Ok(self.value::<Option<String>>(column)?.map(Into::into))
    }
}

impl Columns for Row {
    fn value<'r, T: FromSql<'r>>(&'r self, column: &str) -> Result<T, Failure> {
        Ok(self.try_get(column).map_err(|error| damaged(format_args!("column {column}: {error}")))?)
    }
}

fn word<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, Failure> {
    let read = T::deserialize(text.into_deserializer());
    Ok(read.map_err(|error: WordError| damaged(format_args!("column {column}: {error}")))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through<T: ToSql + for<'a> FromSql<'a>>(value: &T, ty: &Type) -> (Vec<u8>, T) {
        let mut out = BytesMut::new();
        value.to_sql(ty, &mut out).unwrap();
        let back = T::from_sql(ty, &out).unwrap();
        (out.to_vec(), back)
    }

    #[test]
    fn times_come_back_to_the_microsecond() {
        for text in ["2000-01-01T00:00:00Z", "2026-03-05T01:30:00.123456Z", "1999-12-31T23:59:59.999999Z"] {
            let time = Time(text.parse().unwrap());
            assert_eq!(through(&time, &Type::TIMESTAMPTZ).1, time);
        }
        let (zero, _) = through(&Time("2000-01-01T00:00:00Z".parse().unwrap()), &Type::TIMESTAMPTZ);
        assert_eq!(zero, 0_i64.to_be_bytes());
    }

    #[test]
    fn days_come_back_as_they_went() {
        for text in ["2000-01-01", "2026-03-05", "1999-12-31", "2000-02-29"] {
            let day = Day(text.parse().unwrap());
            assert_eq!(through(&day, &Type::DATE).1, day);
        }
        let (second, _) = through(&Day("2000-01-02".parse().unwrap()), &Type::DATE);
        assert_eq!(second, 1_i32.to_be_bytes());
    }

    #[test]
    fn a_nul_in_a_text_is_replaced_and_nothing_else() {
        assert_eq!(clean("安\0康"), "安\u{FFFD}康");
        assert!(matches!(clean("安康"), Cow::Borrowed("安康")));
    }
}
