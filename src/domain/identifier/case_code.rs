//! 办件编号: 实施编码 (31), the day (8 digits) and a sequence of that day (4 digits).

use super::reader::{self, ALPHANUMERIC, DIGITS};
use super::{Fault, ImplementationCode, Kind};
use jiff::civil::Date;

const DAY: usize = ImplementationCode::LENGTH;
const SEQUENCE: usize = DAY + 8;

/// The number of one approval case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CaseCode(pub(super) String);

impl CaseCode {
    /// Characters of a code.
    pub const LENGTH: usize = SEQUENCE + 4;

    /// Reads a code; the day must exist, the item's code inside must be sound.
    pub fn parse(value: &str) -> Result<Self, Fault> {
        let sound = || {
            reader::length(value, Self::LENGTH)?;
            reader::characters(value, 1, ALPHANUMERIC)?;
            ImplementationCode::parse(&value[..DAY]).map_err(reader::part)?;
            reader::characters(&value[DAY..], DAY + 1, DIGITS)?;
            reader::date(&value[DAY..SEQUENCE], DAY + 1).map(drop)
        };
        sound().map_err(|problem| reader::fault(Kind::CaseCode, value, problem))?;
        Ok(Self(value.to_owned()))
    }

    /// Puts a code together; `sequence` is 0 to 9999.
    pub fn compose(item: &ImplementationCode, day: Date, sequence: u16) -> Result<Self, Fault> {
        Self::parse(&format!("{item}{:04}{:02}{:02}{sequence:04}", day.year(), day.month(), day.day()))
    }

    /// The item the case is about.
    pub fn implementation(&self) -> ImplementationCode {
        ImplementationCode(self.0[..DAY].to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Problem;
    use super::*;
    use jiff::civil::date;

    const PUBLISHED: &str = "11440232MB2D06811W4000117051000202010200008";

    #[test]
    fn the_published_case_comes_apart_and_together_again() {
        let case = CaseCode::parse(PUBLISHED).expect("a published code");
        assert_eq!(case.implementation().as_str(), "11440232MB2D06811W4000117051000");
        assert_eq!(CaseCode::compose(&case.implementation(), date(2020, 10, 20), 8), Ok(case));
    }

    #[test]
    fn a_day_that_never_was_is_refused() {
        let fault = CaseCode::parse("11440232MB2D06811W4000117051000202002300008").expect_err("30 February");
        assert_eq!(fault.problem, Problem::Date { first: 32, last: 39 });
    }

    #[test]
    fn a_sequence_of_five_digits_does_not_fit() {
        let item = CaseCode::parse(PUBLISHED).expect("a published code").implementation();
        assert!(CaseCode::compose(&item, date(2020, 10, 20), 9999).is_ok());
        let fault = CaseCode::compose(&item, date(2020, 10, 20), 10_000).expect_err("44 characters");
        assert_eq!(fault.problem, Problem::Length { expected: 43, found: 44 });
    }

    #[test]
    fn a_letter_in_the_sequence_is_named_by_its_position() {
        let fault = CaseCode::parse("11440232MB2D06811W400011705100020201020000A").expect_err("a letter");
        assert!(matches!(fault.problem, Problem::Character { position: 43, found: 'A', .. }));
    }

    #[test]
    fn a_wrong_check_character_two_codes_deep_is_still_told_as_such() {
        let fault = CaseCode::parse("11440232MB2D06811X4000117051000202010200008").expect_err("W is right");
        assert!(fault.problem.is_check_character());
    }
}
