//! Dates and times as Chinese offices write them, to ISO 8601 and RFC 3339.
//!
//! A time without an offset is China time (+08:00), a date without a time its midnight there. Milliseconds since 1970 are
//! told by their 13 digits. Nothing else is guessed: `05/03/2026` is refused.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime;
use jiff::tz::{Offset, offset};
use minijinja::{Error, Value};

use super::{refuse, shape, text_of, with_text};

const CHINA: Offset = offset(8);

/// Words for "no end", beside the dates 2099-12-31 and 9999-12-31 that stand for it.
const LONG_TERM: [&str; 5] = ["长期", "长期有效", "永久", "永久有效", "无固定期限"];

/// ISO date in China of a date or time in any of the common forms.
pub(super) fn date(value: &Value) -> Result<Value, Error> {
    with_text(value, |text| Ok(Value::from(moment(text)?.date().to_string())))
}

/// RFC 3339 in China time.
pub(super) fn datetime(value: &Value) -> Result<Value, Error> {
    with_text(value, |text| {
        let timestamp = CHINA.to_timestamp(moment(text)?).map_err(|_| not_a_date(text))?;
        Ok(Value::from(timestamp.display_with_offset(CHINA).to_string()))
    })
}

/// A date or time written by a `strftime` format, such as `%Y年%m月%d日`.
pub(super) fn date_format(value: &Value, format: &str) -> Result<Value, Error> {
    with_text(value, |text| {
        let written = strtime::format(format, moment(text)?);
        written.map(Value::from).map_err(|error| refuse(format!("date format '{format}': {error}")))
    })
}

/// Whether a validity has no end. What is no date has one, as far as this can tell.
pub(super) fn is_long_term(value: &Value) -> Result<bool, Error> {
    let Some(text) = text_of(value)? else { return Ok(false) };
    let text = text.trim();
    let endless = |date: Date| matches!(date.year(), 2099 | 9999) && date.month() == 12 && date.day() == 31;
    Ok(LONG_TERM.contains(&text) || parse(text).is_some_and(|moment| endless(moment.date())))
}

fn moment(text: &str) -> Result<DateTime, Error> {
    parse(text).ok_or_else(|| not_a_date(text))
}

fn not_a_date(text: &str) -> Error {
    refuse(format!("not a date or time: a text like '{}'", shape(text)))
}

/// The moment on a clock in China.
fn parse(text: &str) -> Option<DateTime> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return compact(text);
    }
    let mut rest = Rest(text);
    let year = rest.number(4, 4)?;
    let separator = rest.one_of(&['-', '/', '.', '年'])?;
    let month = rest.number(1, 2)?;
    rest.one_of(&[if separator == '年' { '月' } else { separator }])?;
    let day = rest.number(1, 2)?;
    if separator == '年' {
        rest.one_of(&['日'])?;
    }
    let date =
        Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    if rest.0.is_empty() {
        return Some(date.to_datetime(Time::midnight()));
    }
    if rest.one_of(&['T', 't']).is_none() {
        rest.0 = rest.0.trim_start();
    }
    let moment = date.to_datetime(rest.time()?);
    match rest.offset()? {
        Some(given) => Some(CHINA.to_datetime(given.to_timestamp(moment).ok()?)),
        None => Some(moment),
    }
}

/// `yyyyMMdd`, `yyyyMMddHHmmss`, `yyyyMMddHHmmssSSS`, or milliseconds since 1970 in 13 digits.
fn compact(digits: &str) -> Option<DateTime> {
    if digits.len() == 13 {
        let timestamp = Timestamp::from_millisecond(digits.parse().ok()?).ok()?;
        return Some(CHINA.to_datetime(timestamp));
    }
    let part = |from: usize, to: usize| digits.get(from..to)?.parse::<i16>().ok();
    let small = |from: usize, to: usize| i8::try_from(part(from, to)?).ok();
    let date = Date::new(part(0, 4)?, small(4, 6)?, small(6, 8)?).ok()?;
    let time = match digits.len() {
        8 => Time::midnight(),
        14 => Time::new(small(8, 10)?, small(10, 12)?, small(12, 14)?, 0).ok()?,
        17 => {
            let nanosecond = i32::from(part(14, 17)?) * 1_000_000;
            Time::new(small(8, 10)?, small(10, 12)?, small(12, 14)?, nanosecond).ok()?
        }
        _ => return None,
    };
    Some(date.to_datetime(time))
}

/// What is still to be read.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn number(&mut self, least: usize, most: usize) -> Option<i32> {
        let digits = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let number = self.0.get(..digits)?.parse().ok()?;
        self.0 = &self.0[digits..];
        (digits >= least).then_some(number)
    }

    fn one_of(&mut self, characters: &[char]) -> Option<char> {
        let first = self.0.chars().next().filter(|first| characters.contains(first))?;
        self.0 = &self.0[first.len_utf8()..];
        Some(first)
    }

    /// `HH:mm`, `HH:mm:ss`, `HH:mm:ss.fff`, `HH时mm分`, `HH时mm分ss秒`.
    fn time(&mut self) -> Option<Time> {
        let hour = i8::try_from(self.number(1, 2)?).ok()?;
        let chinese = self.one_of(&[':', '时', '：'])? == '时';
        let minute = i8::try_from(self.number(2, 2)?).ok()?;
        let more = if chinese {
            self.one_of(&['分'])?;
            !self.0.is_empty()
        } else {
            self.one_of(&[':', '：']).is_some()
        };
        let second = if more { i8::try_from(self.number(2, 2)?).ok()? } else { 0 };
        if chinese && more {
            self.one_of(&['秒'])?;
        }
        let nanosecond = if more && self.one_of(&['.', ',']).is_some() { self.fraction()? } else { 0 };
        Time::new(hour, minute, second, nanosecond).ok()
    }

    fn fraction(&mut self) -> Option<i32> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let number = self.number(1, 9)?;
        (digits <= 9).then(|| number * 10_i32.pow(u32::try_from(9 - digits).unwrap_or(0)))
    }

    /// The offset that ends the text; the outer `None` when something else stands there.
    #[expect(clippy::option_option, reason = "not an offset, none written, or one")]
    fn offset(&mut self) -> Option<Option<Offset>> {
        match self.0.trim() {
            "" => Some(None),
            "Z" | "z" => Some(Some(Offset::UTC)),
            text => {
                self.0 = text;
                let negative = self.one_of(&['+', '-'])? == '-';
                let hours = self.number(2, 2)?;
                let colon = self.one_of(&[':']).is_some();
                let minutes = if self.0.is_empty() && !colon { 0 } else { self.number(2, 2)? };
                let seconds = (hours * 60 + minutes) * 60;
                let offset = Offset::from_seconds(if negative { -seconds } else { seconds }).ok()?;
                (self.0.is_empty() && minutes < 60).then_some(Some(offset))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{eval, text};

    #[test]
    fn dates_in_every_common_form_become_iso() {
        for form in [
            "2026-03-05",
            "2026/03/05",
            "2026/3/5",
            "2026.03.05",
            "20260305",
            "2026年3月5日",
            "2026年03月05日",
            " 2026-03-05 ",
            "2026-03-05 23:59:59",
            "2026-03-05T23:59",
            "2026/3/5 8:05",
            "20260305235959",
            "20260305235959123",
            "2026年3月5日 8时05分",
            "2026-03-04T16:00:00Z",
            "2026-03-05T00:30:00+0830",
        ] {
            assert_eq!(text("v | date", form), "2026-03-05", "{form}");
        }
        assert_eq!(text("v | date", 1_772_640_000_000_i64), "2026-03-05");
        assert_eq!(text("v | date", "2099/12/31"), "2099-12-31");
        assert_eq!(text("v | date", "2024-02-29"), "2024-02-29");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for form in [
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "05/03/2026",
            "2026-03",
            "260305",
            "2026030",
            "2026/03-05",
            "2026年3月5",
            "20260305 1",
            "2026-03-05 25:00",
            "2026-03-05 12:60",
            "2026-03-05x",
            "2026-03-05T",
            "2026-03-05 12:00 +8",
            "2026-03-05 12:00+08:",
            "2026-03-05 12:00+08:60",
            "今天",
            "1772668800",
            "2026-03-05 12:00:00.",
            "2026-03-05 12:00:00.1234567890",
            "2026-3-5 1:2",
            "-",
            "9".repeat(40).as_str(),
        ] {
            assert!(eval("v | date", form).is_err(), "{form}");
        }
    }

    #[test]
    fn times_are_china_time_unless_an_offset_is_given() {
        for (form, expected) in [
            ("2026-03-05 14:30:00", "2026-03-05T14:30:00+08:00"),
            ("2026/3/5 9:05", "2026-03-05T09:05:00+08:00"),
            ("20260305143000", "2026-03-05T14:30:00+08:00"),
            ("2026-03-05T06:30:00Z", "2026-03-05T14:30:00+08:00"),
            ("2026-03-05T14:30:00.250+08:00", "2026-03-05T14:30:00.25+08:00"),
            ("2026-03-04T23:00:00-0730", "2026-03-05T14:30:00+08:00"),
            ("2026年3月5日14时30分05秒", "2026-03-05T14:30:05+08:00"),
            ("2026-03-05", "2026-03-05T00:00:00+08:00"),
            ("1772692200000", "2026-03-05T14:30:00+08:00"),
        ] {
            assert_eq!(text("v | datetime", form), expected, "{form}");
        }
    }

    #[test]
    fn dates_are_written_in_the_form_the_target_wants() {
        assert_eq!(text("v | date_format('%Y/%m/%d')", "2026-03-05"), "2026/03/05");
        assert_eq!(
            text("v | date_format('%Y年%-m月%-d日 %H:%M')", "2026-03-05T06:30:00Z"),
            "2026年3月5日 14:30"
        );
        assert!(eval("v | date_format('%Q')", "2026-03-05").is_err());
    }

    #[test]
    fn long_term_is_told_from_a_date() {
        for endless in ["长期", "2099/12/31", "2099-12-31", "9999-12-31", "20991231", "2099-12-31 00:00:00"]
        {
            assert!(eval("v is long_term", endless).unwrap().is_true(), "{endless}");
        }
        for ending in ["2099-12-30", "2026-12-31", "", "x"] {
            assert!(!eval("v is long_term", ending).unwrap().is_true(), "{ending}");
        }
    }
}
