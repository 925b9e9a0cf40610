//! 统一社会信用代码 by GB 32100-2015: 18 characters, the last one a check character modulo 31.
//!
//! The division digits inside are deliberately not offered: they say where a body was registered once,
//! never where it is or at which level, and nothing may be routed by them.

use super::reader::{self, Alphabet};
use super::{Fault, Kind, OrganisationCode, Problem};

/// Characters by value: the index is what a character counts. I, O, S, V and Z are never used.
const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";

/// 3^(i-1) modulo 31, the weight of position i.
const WEIGHTS: [usize; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];

const CODE: Alphabet =
    Alphabet { words: "0-9 and A-Z without I, O, S, V, Z", holds: |c| ALPHABET.contains(c) };

/// A 统一社会信用代码 whose form and check character are right.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uscc(pub(super) String);

impl Uscc {
    /// Characters of a code.
    pub const LENGTH: usize = 18;

    /// Reads a code exactly as the standard writes it: 18 characters, capital letters, no blanks.
    pub fn parse(value: &str) -> Result<Self, Fault> {
        sound(value).map_err(|problem| reader::fault(Kind::Uscc, value, problem))?;
        Ok(Self(value.to_owned()))
    }

    /// Completes the first 17 characters with their check character.
    pub fn complete(body: &str) -> Result<Self, Fault> {
        Ok(Self(format!("{body}{}", Self::check_character(body)?)))
    }

    /// The check character that belongs behind these 17 characters.
    pub fn check_character(body: &str) -> Result<char, Fault> {
        reader::length(body, Self::LENGTH - 1)
            .and_then(|()| reader::characters(body, 1, CODE))
            .and_then(|()| registration_digits(body))
            .map_err(|problem| reader::fault(Kind::Uscc, body, problem))?;
        Ok(weigh(body))
    }

    /// The 主体标识码 at positions 9 to 17, which is the body's 组织机构代码.
    ///
    /// The check of GB 32100 does not vouch for it: it is checked by its own standard here.
    pub fn organisation_code(&self) -> Result<OrganisationCode, Fault> {
        OrganisationCode::parse(self.0.get(8..17).unwrap_or_default())
    }
}

fn sound(code: &str) -> Result<(), Problem> {
    reader::length(code, Uscc::LENGTH)?;
    reader::characters(code, 1, CODE)?;
    let (body, check) = code.split_at(Uscc::LENGTH - 1);
    registration_digits(body)?;
    check.chars().try_for_each(|found| reader::check_character(weigh(body), found))
}

/// Positions 3 to 8 hold the division of the registration authority, which has digits only.
fn registration_digits(body: &str) -> Result<(), Problem> {
    reader::characters(body.get(2..8).unwrap_or_default(), 3, reader::DIGITS)
}

/// The check character of 17 characters of the alphabet.
fn weigh(body: &str) -> char {
    let sum: usize =
        body.chars().zip(WEIGHTS).map(|(c, weight)| ALPHABET.find(c).unwrap_or_default() * weight).sum();
    char::from(ALPHABET.as_bytes()[(31 - sum % 31) % 31])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_of_real_bodies_are_read() {
        for code in [
            "91110000101623741K",
            "911101066976941872",
            "91350100M000100Y43",
            "9135010026017703XW",
            "12330227419611791H",
            "11230500001755309F",
            "91230500MA1B3N1N2M",
            "11110000000021135M",
        ] {
            assert_eq!(Uscc::parse(code).expect(code).as_str(), code);
        }
    }

    #[test]
    fn invented_codes_of_ankang_are_valid_by_arithmetic() {
        for code in [
            "116109000160200060",
            "91610902MA70T3X14T",
            "92610981MA6TEXT13W",
            "93610929MA70ABCD7U",
            "52610924MJY1234582",
        ] {
            assert_eq!(Uscc::complete(&code[..17]).expect(code).as_str(), code);
        }
    }

    #[test]
    fn a_real_code_with_a_wrong_check_character_is_told_apart_from_a_malformed_one() {
        for (code, expected, found) in [
            ("91350211M0000XUF46", 'R', '6'),
            ("91310115MA1H8R7C6D", '7', 'D'),
            ("00000000000000000X", '0', 'X'),
        ] {
            let problem = Uscc::parse(code).expect_err(code).problem;
            assert_eq!(problem, Problem::CheckCharacter { expected, found });
            assert!(problem.is_check_character());
        }
        let malformed = Uscc::parse("9111000010162374").expect_err("16 characters").problem;
        assert!(!malformed.is_check_character());
    }

    #[test]
    fn letters_the_standard_left_out_are_refused_where_they_stand() {
        for (position, letter) in [(1, 'I'), (2, 'O'), (9, 'S'), (17, 'V'), (18, 'Z')] {
            let mut code: Vec<char> = "91110000101623741K".chars().collect();
            code[position - 1] = letter;
            let fault = Uscc::parse(&code.iter().collect::<String>()).expect_err("no such letter");
            assert!(
                matches!(fault.problem, Problem::Character { position: p, found, .. } if p == position && found == letter)
            );
        }
    }

    #[test]
    fn the_registration_authority_has_digits_only() {
        let fault = Uscc::parse("91A10000101623741K").expect_err("a letter at position 3");
        assert!(matches!(fault.problem, Problem::Character { position: 3, found: 'A', .. }));
    }

    #[test]
    fn a_wide_character_is_a_fault_and_not_a_crash() {
        let fault = Uscc::parse("9111000010162374１K").expect_err("a full-width digit");
        assert!(matches!(fault.problem, Problem::Character { position: 17, found: '１', .. }));
        assert!(Uscc::complete("汉滨区汉滨区汉滨区汉滨区汉滨区汉滨").is_err());
    }

    #[test]
    fn the_organisation_code_inside_is_checked_by_its_own_standard() {
        let sound = Uscc::parse("91110000101623741K").expect("a sound code");
        assert_eq!(sound.organisation_code().expect("a sound part").as_str(), "101623741");
        let odd = Uscc::complete("91110000101623742").expect("17 characters of the alphabet");
        assert!(odd.organisation_code().expect_err("GB 11714 disagrees").problem.is_check_character());
    }

    proptest! {
        #[test]
        fn one_changed_character_is_always_found(
            body in "[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{9}", at in 0..18_usize, by in 1..31_usize,
        ) {
            let code = Uscc::complete(&body).expect("a body of the alphabet");
            prop_assert!(Uscc::parse(code.as_str()).is_ok());
            let mut slip: Vec<char> = code.as_str().chars().collect();
            let value = ALPHABET.find(slip[at]).expect("of the alphabet");
            slip[at] = char::from(ALPHABET.as_bytes()[(value + by) % 31]);
            prop_assert!(Uscc::parse(&slip.iter().collect::<String>()).is_err());
        }
    }
}
