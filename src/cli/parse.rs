//! Values of arguments that people write, and what to tell them when one is not right.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::{Error, help::usage::Wrong};
use crate::domain::{
    delivery::Transport,
    id::{DeliveryId, MessageId},
    kind::Kind,
};

/// Most rows that may be asked for.
const ROWS: usize = 1_000_000;

pub(super) fn delivery(text: &str) -> Result<DeliveryId, Wrong> {
    text.parse().map_err(|_| {
        Wrong::new(
            format!("“{text}”不是推送编号；形如 0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a，见 deliveries list"),
            format!(
                "'{text}' is no delivery id; one looks like 0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a, see 'deliveries list'"
            ),
        )
    })
}

pub(super) fn message(text: &str) -> Result<MessageId, Wrong> {
    text.parse().map_err(|_| {
        Wrong::new(
            format!("“{text}”不是消息编号；形如 0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a，见回执"),
            format!(
                "'{text}' is no message id; one looks like 0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a, see the receipt"
            ),
        )
    })
}

/// A state by its word in data or on a screen.
pub(super) fn state() -> impl TypedValueParser<Value = Transport> {
    worded(Transport::ALL.map(|state| (state, state.as_str(), state.chinese())))
}

/// A kind by its id or its Chinese name.
pub(super) fn kind() -> impl TypedValueParser<Value = Kind> {
    worded(Kind::all().map(|kind| (kind, kind.as_str(), kind.row().chinese)))
}

/// One of some values, each with its word in data and in Chinese.
fn worded<T: Copy + Send + Sync + 'static>(
    values: impl IntoIterator<Item = (T, &'static str, &'static str)>,
) -> impl TypedValueParser<Value = T> {
    let values: Vec<_> = values.into_iter().collect();
    let possible = values.iter().map(|(_, word, chinese)| PossibleValue::new(*word).alias(*chinese));
    PossibleValuesParser::new(possible.collect::<Vec<_>>()).try_map(move |text| {
        let found = values.iter().find(|(_, word, chinese)| *word == text || *chinese == text);
        found.map(|(value, ..)| *value).ok_or_else(|| Wrong::new("没有这个值", "there is no such value"))
    })
}

pub(super) fn not_blank(text: &str) -> Result<String, Wrong> {
    match text.trim() {
        "" => Err(Wrong::new("不能空白", "it must not be blank")),
        text => Ok(text.to_owned()),
    }
}

pub(super) fn count(text: &str) -> Result<usize, Wrong> {
    text.parse().ok().filter(|count| (1..=ROWS).contains(count)).ok_or_else(|| {
        Wrong::new(format!("须为 1 到 {ROWS} 的整数"), format!("it is a whole number from 1 to {ROWS}"))
    })
}

pub(super) fn time(text: &str) -> Result<jiff::Timestamp, Wrong> {
    text.parse().map_err(|_| {
        Wrong::new(
            "时间写作 2026-03-05T09:30:00+08:00（RFC 3339）",
            "a time is written 2026-03-05T09:30:00+08:00 (RFC 3339)",
        )
    })
}

/// Whether `name` is among `known`; `what` it should be, in Chinese and English.
pub(super) fn one_of<'k>(
    name: &str,
    known: impl IntoIterator<Item = &'k str>,
    what: (&str, &str),
) -> Result<(), Error> {
    let known: Vec<_> = known.into_iter().collect();
    if known.contains(&name) {
        return Ok(());
    }
    let nearest = known.iter().min_by_key(|one| strsim::damerau_levenshtein(one, name));
    let (chinese, english) = match nearest {
        Some(nearest) => (format!("；最接近的是“{nearest}”"), format!("; the nearest is '{nearest}'")),
        None => ("；一个也没有配置".to_owned(), "; none is configured".to_owned()),
    };
    Err(Error::said(
        format!("没有名为“{name}”的{}{chinese}", what.0),
        format!("there is no {} '{name}'{english}", what.1),
    ))
}
