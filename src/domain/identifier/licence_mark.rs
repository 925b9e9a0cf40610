//! 电子证照标识 by GB/T 36904: `1.2.156.3005.2.<type>.<issuer>.<serial>.<version>.<check>`.
//!
//! The check character is ISO 7064 MOD 37,36 (GB/T 17710) over type, issuer, serial and version, without
//! dots and without the root. Codes inside are taken by form only, because the mark has its own check;
//! [`LicenceMark::issuer`] checks the issuer's code.

use super::reader::{self, ALPHANUMERIC, DIGITS};
use super::{Fault, Kind, Problem, Uscc};

const ROOT: &str = "1.2.156.3005.2.";
const STRUCTURE: &str = "1.2.156.3005.2.<type>.<issuer>.<serial>.<version>.<check>";
const TYPE_LENGTH: usize = 21;
const VERSION_LENGTH: usize = 3;
const SERIAL_LENGTH_MAX: usize = 64;
const CHARACTERS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// A 电子证照标识 whose form and check character are right.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LicenceMark(pub(super) String);

impl LicenceMark {
    /// Reads a mark with its root and dots.
    pub fn parse(value: &str) -> Result<Self, Fault> {
        sound(value).map_err(|problem| reader::fault(Kind::LicenceMark, value, problem))?;
        Ok(Self(value.to_owned()))
    }

    /// Completes `<type>.<issuer>.<serial>.<version>` with the root and the check character.
    pub fn complete(body: &str) -> Result<Self, Fault> {
        Ok(Self(format!("{ROOT}{body}.{}", Self::check_character(body)?)))
    }

    /// The check character that belongs behind `<type>.<issuer>.<serial>.<version>`.
    pub fn check_character(body: &str) -> Result<char, Fault> {
        let checked = Parts::of(body).and_then(|parts| parts.sound());
        checked.map_err(|problem| reader::fault(Kind::LicenceMark, body, problem))?;
        Ok(mod_37_36(body))
    }

    /// The 证照类型代码: the code of the body that set the type, and three digits.
    pub fn type_code(&self) -> &str {
        self.part(0)
    }

    /// The 颁发机构代码, checked by GB 32100.
    pub fn issuer(&self) -> Result<Uscc, Fault> {
        Uscc::parse(self.part(1))
    }

    /// The 流水号.
    pub fn serial(&self) -> &str {
        self.part(2)
    }

    /// The 版本号, three digits: it rises when the licence is reissued.
    pub fn version(&self) -> &str {
        self.part(3)
    }

    fn part(&self, index: usize) -> &str {
        self.0.get(ROOT.len()..).and_then(|rest| rest.split('.').nth(index)).unwrap_or_default()
    }
}

/// The four parts before the check character.
struct Parts<'a> {
    type_code: &'a str,
    issuer: &'a str,
    serial: &'a str,
    version: &'a str,
}

impl<'a> Parts<'a> {
    fn of(body: &'a str) -> Result<Self, Problem> {
        let parts: Vec<&str> = body.splitn(5, '.').collect();
        match parts[..] {
            [type_code, issuer, serial, version] => Ok(Self { type_code, issuer, serial, version }),
            _ => Err(Problem::Structure { expected: STRUCTURE }),
        }
    }

    fn sound(&self) -> Result<(), Problem> {
        reader::length(self.type_code, TYPE_LENGTH)?;
        reader::length(self.issuer, Uscc::LENGTH)?;
        reader::length_range(self.serial, 1, SERIAL_LENGTH_MAX)?;
        reader::length(self.version, VERSION_LENGTH)?;
        let issuer_at = ROOT.len() + TYPE_LENGTH + 2;
        let serial_at = issuer_at + Uscc::LENGTH + 1;
        reader::characters(self.type_code, ROOT.len() + 1, ALPHANUMERIC)?;
        reader::characters(self.issuer, issuer_at, ALPHANUMERIC)?;
        reader::characters(self.serial, serial_at, ALPHANUMERIC)?;
        reader::characters(self.version, serial_at + self.serial.len() + 1, DIGITS)
    }
}

fn sound(value: &str) -> Result<(), Problem> {
    let structure = || Problem::Structure { expected: STRUCTURE };
    let (body, check) =
        value.strip_prefix(ROOT).and_then(|rest| rest.rsplit_once('.')).ok_or_else(structure)?;
    Parts::of(body)?.sound()?;
    reader::length(check, 1)?;
    reader::characters(check, value.chars().count(), ALPHANUMERIC)?;
    check.chars().try_for_each(|found| reader::check_character(mod_37_36(body), found))
}

/// ISO 7064 MOD 37,36 (hybrid system) over the digits and letters of `text`.
fn mod_37_36(text: &str) -> char {
    let product =
        text.chars().filter(|c| *c != '.').fold(36, |product, c| match (product + reader::value36(c)) % 36 {
            0 => 72 % 37,
            sum => sum * 2 % 37,
        });
    char::from(CHARACTERS[(37 - product) as usize % 36])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BUSINESS: &str = "1.2.156.3005.2.11100000000013338W011.11110000000021135M.20230329701.003.Y";
    const LOCAL: &str = "1.2.156.3005.2.11100000000013338W009.11330105002500287C.2025052201.002.0";

    #[test]
    fn published_marks_are_read() {
        let mark = LicenceMark::parse(BUSINESS).expect("a published mark");
        assert_eq!(mark.type_code(), "11100000000013338W011");
        assert_eq!(mark.issuer().expect("a sound code").as_str(), "11110000000021135M");
        assert_eq!((mark.serial(), mark.version()), ("20230329701", "003"));
        assert_eq!(LicenceMark::parse(LOCAL).expect("a published mark").to_string(), LOCAL);
    }

    #[test]
    fn a_wrong_check_character_is_named_with_the_right_one() {
        let fault = LicenceMark::parse(&BUSINESS.replace(".003.Y", ".003.Z")).expect_err("the check is Y");
        assert_eq!(fault.problem, Problem::CheckCharacter { expected: 'Y', found: 'Z' });
    }

    #[test]
    fn another_root_or_another_number_of_parts_is_no_licence_mark() {
        for value in [
            "1.2.156.3005.1.11100000000013338W011.11110000000021135M.20230329701.003.Y",
            "11100000000013338W011.11110000000021135M.20230329701.003.Y",
            "1.2.156.3005.2.11100000000013338W011.11110000000021135M.20230329701003.Y",
            "1.2.156.3005.2.11100000000013338W011.11110000000021135M.2023.0329701.003.Y",
            "1.2.156.3005.2.",
        ] {
            let fault = LicenceMark::parse(value).expect_err(value);
            assert!(matches!(fault.problem, Problem::Structure { .. }), "{fault}");
        }
    }

    #[test]
    fn a_wrong_character_is_named_by_its_position_in_the_whole_mark() {
        for (position, wrong) in [(16, 'w'), (39, '-'), (58, ' '), (69, 'A'), (73, '汉')] {
            let mut mark: Vec<char> = BUSINESS.chars().collect();
            mark[position - 1] = wrong;
            let fault = LicenceMark::parse(&mark.iter().collect::<String>()).expect_err("a wrong character");
            assert!(
                matches!(fault.problem, Problem::Character { position: p, found, .. } if p == position && found == wrong),
                "{fault}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_completed_is_valid_and_a_wrong_digit_is_found(
            serial in "[0-9A-Z]{0,29}[0-9]", version in "[0-9]{3}", by in 1..10_u32,
        ) {
            let body = format!("11100000000013338W011.116109000160200060.{serial}.{version}");
            let mark = LicenceMark::complete(&body).expect("a sound body");
            prop_assert_eq!(LicenceMark::parse(mark.as_str()), Ok(mark.clone()));
            let mut slip: Vec<char> = mark.as_str().chars().collect();
            let at = slip.len() - 7;
            let digit = slip[at].to_digit(10).expect("the serial ends in a digit");
            slip[at] = char::from_digit((digit + by) % 10, 10).expect("a digit");
            prop_assert!(LicenceMark::parse(&slip.iter().collect::<String>()).is_err());
        }
    }
}
