//! 组织机构代码 by GB 11714: eight characters and a check character modulo 11.

use super::reader::{self, ALPHANUMERIC, Alphabet};
use super::{Fault, Kind, Problem};

const WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

const CHECK: Alphabet = Alphabet { words: "0-9 and X", holds: |c| c.is_ascii_digit() || c == 'X' };

/// A 组织机构代码 whose form and check character are right, kept without the hyphen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrganisationCode(pub(super) String);

impl OrganisationCode {
    /// Characters of a code without the hyphen.
    pub const LENGTH: usize = 9;

    /// Reads the stored form (`101623741`) or the printed one of the standard (`10162374-1`).
    pub fn parse(value: &str) -> Result<Self, Fault> {
        let code = match value.split_once('-') {
            Some((body, check)) if body.len() == 8 => format!("{body}{check}"),
            _ => value.to_owned(),
        };
        sound(&code).map_err(|problem| reader::fault(Kind::OrganisationCode, value, problem))?;
        Ok(Self(code))
    }

    /// Completes the first eight characters with their check character.
    pub fn complete(body: &str) -> Result<Self, Fault> {
        Ok(Self(format!("{body}{}", Self::check_character(body)?)))
    }

    /// The check character that belongs behind these eight characters.
    pub fn check_character(body: &str) -> Result<char, Fault> {
        reader::length(body, Self::LENGTH - 1)
            .and_then(|()| reader::characters(body, 1, ALPHANUMERIC))
            .map_err(|problem| reader::fault(Kind::OrganisationCode, body, problem))?;
        Ok(weigh(body))
    }

    /// The code as printed on paper, with a hyphen before the check character.
    pub fn printed(&self) -> String {
        let (body, check) = self.0.split_at(Self::LENGTH - 1);
        format!("{body}-{check}")
    }
}

fn sound(code: &str) -> Result<(), Problem> {
    reader::length(code, OrganisationCode::LENGTH)?;
    reader::characters(code, 1, ALPHANUMERIC)?;
    let (body, check) = code.split_at(OrganisationCode::LENGTH - 1);
    reader::characters(check, OrganisationCode::LENGTH, CHECK)?;
    check.chars().try_for_each(|found| reader::check_character(weigh(body), found))
}

/// The check character of eight digits or capital letters.
fn weigh(body: &str) -> char {
    let sum: u32 = body.chars().zip(WEIGHTS).map(|(c, weight)| reader::value36(c) * weight).sum();
    match 11 - sum % 11 {
        10 => 'X',
        11 => '0',
        digit => char::from_digit(digit, 10).unwrap_or('0'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_of_real_bodies_are_read_as_printed_and_as_stored() {
        for printed in
            ["10162374-1", "69769418-7", "00175530-9", "MA1B3N1N-2", "26017703-X", "06660466-7", "41961179-1"]
        {
            let code = OrganisationCode::parse(printed).expect(printed);
            assert_eq!(code.printed(), printed);
            assert_eq!(OrganisationCode::parse(&printed.replace('-', "")), Ok(code));
        }
    }

    #[test]
    fn a_wrong_check_character_is_named_with_the_right_one() {
        let fault = OrganisationCode::parse("10162374-2").expect_err("the check digit is 1");
        assert_eq!(fault.problem, Problem::CheckCharacter { expected: '1', found: '2' });
    }

    #[test]
    fn a_hyphen_stands_before_the_check_character_or_nowhere() {
        for value in ["1016237-41", "-101623741", "101623741-", "10162374--1", "1016-2374-1"] {
            assert!(OrganisationCode::parse(value).is_err(), "{value}");
        }
    }

    #[test]
    fn no_letter_but_x_is_a_check_character() {
        let fault = OrganisationCode::parse("10162374A").expect_err("A is none");
        assert!(matches!(fault.problem, Problem::Character { position: 9, found: 'A', .. }));
    }

    proptest! {
        #[test]
        fn what_is_completed_is_valid(body in "[0-9A-Z]{8}") {
            let code = OrganisationCode::complete(&body).expect("eight characters of the alphabet");
            prop_assert_eq!(OrganisationCode::parse(&code.printed()), Ok(code));
        }
    }
}
