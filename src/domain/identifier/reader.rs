//! Reading a code character by character, so that every fault is told the same way.

use super::fault::mask;
use super::{Fault, Kind, Problem};
use jiff::civil::Date;

/// A set of characters and its name in errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alphabet {
    /// The set in words.
    pub(super) words: &'static str,
    /// Whether a character belongs to it.
    pub(super) holds: fn(char) -> bool,
}

/// `0` to `9`.
pub(super) const DIGITS: Alphabet = Alphabet { words: "0-9", holds: |c| c.is_ascii_digit() };

/// `0` to `9` and `A` to `Z`.
pub(super) const ALPHANUMERIC: Alphabet =
    Alphabet { words: "0-9 and A-Z", holds: |c| c.is_ascii_digit() || c.is_ascii_uppercase() };

/// Turns a problem with `value`, read as `kind`, into the fault that shows it masked.
pub(super) fn fault(kind: Kind, value: &str, problem: Problem) -> Fault {
    Fault { kind, problem, masked: mask(value) }
}

/// Wraps a fault of a part into the problem of the whole.
pub(super) fn part(fault: Fault) -> Problem {
    Problem::Part { part: fault.kind, problem: Box::new(fault.problem) }
}

/// Exactly `expected` characters.
pub(super) fn length(text: &str, expected: usize) -> Result<(), Problem> {
    let found = text.chars().count();
    if found == expected { Ok(()) } else { Err(Problem::Length { expected, found }) }
}

/// From `min` to `max` characters.
pub(super) fn length_range(text: &str, min: usize, max: usize) -> Result<(), Problem> {
    let found = text.chars().count();
    if (min..=max).contains(&found) { Ok(()) } else { Err(Problem::LengthRange { min, max, found }) }
}

/// Every character of `text`, which starts at position `first` of the value, belongs to `alphabet`.
pub(super) fn characters(text: &str, first: usize, alphabet: Alphabet) -> Result<(), Problem> {
    match text.chars().enumerate().find(|(_, c)| !(alphabet.holds)(*c)) {
        None => Ok(()),
        Some((offset, found)) => {
            Err(Problem::Character { position: first + offset, found, allowed: alphabet.words })
        }
    }
}

/// The check character is the one expected.
pub(super) fn check_character(expected: char, found: char) -> Result<(), Problem> {
    if expected == found { Ok(()) } else { Err(Problem::CheckCharacter { expected, found }) }
}

/// The day written as eight digits at position `first` of the value.
pub(super) fn date(digits: &str, first: usize) -> Result<Date, Problem> {
    let problem = || Problem::Date { first, last: first + 7 };
    let year = digits.get(..4).and_then(|y| y.parse().ok()).ok_or_else(problem)?;
    let month = digits.get(4..6).and_then(|m| m.parse().ok()).ok_or_else(problem)?;
    let day = digits.get(6..8).and_then(|d| d.parse().ok()).ok_or_else(problem)?;
    Date::new(year, month, day).map_err(|_| problem())
}

/// The value of a digit or letter: `0`-`9` count 0 to 9, `A`-`Z` count 10 to 35.
///
/// Only for characters whose alphabet was checked before.
pub(super) fn value36(c: char) -> u32 {
    c.to_digit(36).unwrap_or_default()
}
