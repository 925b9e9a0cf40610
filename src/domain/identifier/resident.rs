//! 居民身份证号码 by GB 11643: 17 digits and a check character modulo 11.
//!
//! The first six digits are not compared with today's divisions: whoever was registered in Ankang
//! before 2000 carries 6124xx for life. The number is personal data: it has no `Display`, its `Debug` is
//! masked, and [`ResidentId::reveal`] is the one door.

use super::fault::mask;
use super::reader::{self, Alphabet, DIGITS};
use super::{Fault, Kind, Problem};
use jiff::civil::Date;
use std::fmt;

const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/// The check character by the weighted sum modulo 11.
const CHECK_CHARACTERS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];

const CHECK: Alphabet = Alphabet { words: "0-9 and X", holds: |c| c.is_ascii_digit() || c == 'X' };

/// Where the year of birth starts.
const BIRTH: usize = 7;

/// A person's sex, as the number states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sex {
    /// 女: the 17th digit is even.
    Female,
    /// 男: the 17th digit is odd.
    Male,
}

/// An 18-character 居民身份证号码 with a birth date that exists and the right check character.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ResidentId {
    number: String,
    birth_date: Date,
}

impl ResidentId {
    /// Characters of a number.
    pub const LENGTH: usize = 18;

    /// Reads a number of 18 characters; the check character X is a capital.
    pub fn parse(value: &str) -> Result<Self, Fault> {
        let birth_date = sound(value).map_err(|problem| reader::fault(Kind::ResidentId, value, problem))?;
        Ok(Self { number: value.to_owned(), birth_date })
    }

    /// Completes 17 digits with their check character.
    pub fn complete(body: &str) -> Result<Self, Fault> {
        let check = Self::check_character(body)?;
        Self::parse(&format!("{body}{check}"))
    }

    /// The check character that belongs behind these 17 digits.
    pub fn check_character(body: &str) -> Result<char, Fault> {
        reader::length(body, Self::LENGTH - 1)
            .and_then(|()| birth_date(body))
            .map_err(|problem| reader::fault(Kind::ResidentId, body, problem))?;
        Ok(weigh(body))
    }

    /// Turns a number of the first generation (15 digits, born 19xx) into the one of 18 characters.
    pub fn upgrade(old: &str) -> Result<Self, Fault> {
        reader::length(old, 15)
            .and_then(|()| reader::characters(old, 1, DIGITS))
            .map_err(|problem| reader::fault(Kind::ResidentId, old, problem))?;
        let (place, rest) = old.split_at(6);
        Self::complete(&format!("{place}19{rest}"))
    }

    /// The day of birth. Whether it lies in the future is for those to say who have a clock.
    pub fn birth_date(&self) -> Date {
        self.birth_date
    }

    /// The sex the number states.
    pub fn sex(&self) -> Sex {
        let odd = matches!(self.number.as_bytes().get(16), Some(b'1' | b'3' | b'5' | b'7' | b'9'));
        if odd { Sex::Male } else { Sex::Female }
    }

    /// The number itself, for targets that are owed it. Never for logs, metrics or errors.
    pub fn reveal(&self) -> &str {
        &self.number
    }

    /// The number with its middle hidden.
    pub fn masked(&self) -> String {
        mask(&self.number)
    }
}

impl fmt::Debug for ResidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResidentId").field(&self.masked()).finish()
    }
}

/// Checks a whole number, and gives the day of birth in it.
fn sound(number: &str) -> Result<Date, Problem> {
    reader::length(number, ResidentId::LENGTH)?;
    reader::characters(number, 1, CHECK)?;
    let (body, check) = number.split_at(ResidentId::LENGTH - 1);
    let birth_date = birth_date(body)?;
    check.chars().try_for_each(|found| reader::check_character(weigh(body), found))?;
    Ok(birth_date)
}

/// Checks that the body has digits only, and gives the day of birth in it.
fn birth_date(body: &str) -> Result<Date, Problem> {
    reader::characters(body, 1, DIGITS)?;
    reader::date(body.get(BIRTH - 1..BIRTH + 7).unwrap_or_default(), BIRTH)
}

/// The check character of 17 digits.
fn weigh(body: &str) -> char {
    let sum: u32 = body.chars().zip(WEIGHTS).map(|(c, weight)| reader::value36(c) * weight).sum();
    CHECK_CHARACTERS[sum as usize % CHECK_CHARACTERS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_standard_are_read() {
        let woman = ResidentId::parse("11010519491231002X").expect("printed in GB 11643");
        assert_eq!((woman.birth_date(), woman.sex()), (date(1949, 12, 31), Sex::Female));
        let man = ResidentId::parse("440524188001010014").expect("printed in GB 11643");
        assert_eq!((man.birth_date(), man.sex()), (date(1880, 1, 1), Sex::Male));
    }

    #[test]
    fn invented_numbers_of_old_and_new_divisions_of_ankang_are_valid() {
        for number in ["61090219900307001X", "610981198512310027", "610929200002299993", "612424197901011234"]
        {
            assert_eq!(ResidentId::complete(&number[..17]).expect(number).reveal(), number);
        }
    }

    #[test]
    fn a_day_of_birth_that_never_was_is_refused() {
        for body in ["61092919000229999", "61092919990229999", "61092920001301999", "61092920000010999"] {
            let fault = ResidentId::complete(body).expect_err(body);
            assert_eq!(fault.problem, Problem::Date { first: 7, last: 14 });
        }
    }

    #[test]
    fn a_wrong_check_character_is_named_with_the_right_one() {
        let fault = ResidentId::parse("610902199003070011").expect_err("the check character is X");
        assert_eq!(fault.problem, Problem::CheckCharacter { expected: 'X', found: '1' });
    }

    #[test]
    fn a_small_x_a_letter_inside_or_a_short_number_is_refused() {
        for number in
            ["61090219900307001x", "6109O219900307001X", "610902900307001", "61090219900307001Y", ""]
        {
            assert!(ResidentId::parse(number).is_err(), "{number}");
        }
    }

    #[test]
    fn a_number_of_the_first_generation_grows_to_eighteen() {
        let upgraded = ResidentId::upgrade("612424790101123").expect("15 digits with a real date");
        assert_eq!(upgraded.reveal(), "612424197901011234");
        assert!(ResidentId::upgrade("612424790230123").is_err());
        assert!(ResidentId::upgrade("612424197901011234").is_err());
        assert!(ResidentId::upgrade("61242479010112X").is_err());
    }

    #[test]
    fn neither_debug_nor_a_fault_shows_the_number() {
        let number = "61090219900307001X";
        let shown = format!("{:?}", ResidentId::parse(number).expect("a sound number"));
        assert_eq!(shown, "ResidentId(\"6109************1X\")");
        let fault = ResidentId::parse("610902199003070011").expect_err("a wrong check character");
        assert!(!format!("{fault} {fault:?}").contains("19900307"));
    }

    proptest! {
        #[test]
        fn every_changed_digit_is_found(serial in 0..1000_u32, at in 0..17_usize, by in 1..10_u32) {
            let sound = ResidentId::complete(&format!("61090219900307{serial:03}")).expect("a real date");
            let mut slip: Vec<char> = sound.reveal().chars().collect();
            let digit = slip[at].to_digit(10).expect("a digit");
            slip[at] = char::from_digit((digit + by) % 10, 10).expect("a digit");
            prop_assert!(ResidentId::parse(&slip.iter().collect::<String>()).is_err());
        }
    }
}
