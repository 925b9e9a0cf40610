//! What can be wrong with an identifier, told without giving the identifier away.

use super::Kind;
use thiserror::Error;

/// An identifier that its standard does not allow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind} {masked}: {problem}")]
pub struct Fault {
    /// What the value was read as.
    pub kind: Kind,
    /// What is wrong with it.
    pub problem: Problem,
    /// The value with at most its first four and last two characters legible, bounded in length.
    pub masked: String,
}

/// What is wrong with an identifier. Positions count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// Not the number of characters the standard fixes.
    #[error("has {found} characters instead of {expected}")]
    Length {
        /// Characters the standard asks for.
        expected: usize,
        /// Characters found.
        found: usize,
    },
    /// Outside the number of characters allowed where the length varies.
    #[error("has {found} characters, {min} to {max} are allowed")]
    LengthRange {
        /// Fewest characters allowed.
        min: usize,
        /// Most characters allowed.
        max: usize,
        /// Characters found.
        found: usize,
    },
    /// A character that cannot stand at this position.
    #[error("character {position} is {found:?}, allowed are {allowed}")]
    Character {
        /// Position of the first such character.
        position: usize,
        /// The character.
        found: char,
        /// The characters allowed there, in words.
        allowed: &'static str,
    },
    /// The check character does not fit the others: a slip of the pen, or a code that never was.
    #[error("check character is {found:?}, by the others it should be {expected:?}")]
    CheckCharacter {
        /// Computed from the other characters.
        expected: char,
        /// Found in its place.
        found: char,
    },
    /// Eight digits that are no day of the calendar.
    #[error("characters {first} to {last} are no date that exists")]
    Date {
        /// Position of the first digit of the year.
        first: usize,
        /// Position of the last digit of the day.
        last: usize,
    },
    /// Not the dotted structure of an object identifier of this kind.
    #[error("lacks the structure {expected}")]
    Structure {
        /// The structure expected.
        expected: &'static str,
    },
    /// A code within the code is wrong; its positions count within that part.
    #[error("in its {part}: {problem}")]
    Part {
        /// What the part is.
        part: Kind,
        /// What is wrong with the part.
        problem: Box<Problem>,
    },
}

impl Problem {
    /// Whether nothing but a check character is wrong, here or in a part.
    ///
    /// Such codes exist for real in upper systems; the form is right, so they can be carried with a warning.
    pub fn is_check_character(&self) -> bool {
        match self {
            Self::CheckCharacter { .. } => true,
            Self::Part { problem, .. } => problem.is_check_character(),
            _ => false,
        }
    }
}

/// The value with its middle hidden: a quarter of it shows in front, four characters at most, and an
/// eighth at the end, two at most. Never longer than 22 characters; what is not plain ASCII shows as `?`.
pub(super) fn mask(value: &str) -> String {
    const STARS: usize = 16;
    let length = value.chars().count();
    let (front, back) = ((length / 4).min(4), (length / 8).min(2));
    let legible = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '?' };
    value
        .chars()
        .take(front)
        .map(legible)
        .chain(std::iter::repeat_n('*', (length - front - back).min(STARS)))
        .chain(value.chars().skip(length - back).map(legible))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_middle_of_a_value_is_hidden() {
        assert_eq!(mask("61090219900307001X"), "6109************1X");
        assert_eq!(mask("13991512345"), "13********5");
        assert_eq!(mask("101623741"), "10******1");
        assert_eq!(mask("123"), "***");
        assert_eq!(mask(""), "");
    }

    #[test]
    fn a_masked_value_cannot_forge_log_lines() {
        assert_eq!(mask("a\nERROR all is lost!\u{1b}[0m\n\r"), "a?ER****************??");
    }

    #[test]
    fn a_fault_reads_as_one_sentence_about_one_value() {
        let fault = Fault {
            kind: Kind::CaseCode,
            problem: Problem::Part {
                part: Kind::Uscc,
                problem: Box::new(Problem::CheckCharacter { expected: 'M', found: 'X' }),
            },
            masked: mask("61090219900307001X"),
        };
        assert_eq!(
            fault.to_string(),
            "case_code 6109************1X: in its uscc: check character is 'X', by the others it should be 'M'"
        );
        assert!(fault.problem.is_check_character());
    }

    proptest! {
        #[test]
        fn a_masked_value_is_short_and_shows_at_most_six_characters(value in "\\PC{0,200}") {
            let masked = mask(&value);
            prop_assert!(masked.chars().count() <= 22);
            prop_assert!(masked.chars().filter(|c| *c != '*').count() <= 6);
        }
    }
}
