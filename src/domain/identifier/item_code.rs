//! Codes of items: 基本编码, 实施编码 and 业务办理项编码 of approval items, 监管事项目录编码 and
//! 监管事项检查实施清单编码 of supervision items.
//!
//! Only the joints between parts are checked. What stands inside a 基本编码 or a 监管事项目录编码 is
//! opaque: it is compared, never taken apart.

use super::reader::{self, ALPHANUMERIC, Alphabet, DIGITS};
use super::{Fault, Kind, Problem, Uscc};

/// 行使层级 in a 实施编码: 1 国家, 2 省, 3 市, 4 县, 5 乡镇, 6 村.
const APPROVAL_LEVEL: Alphabet = Alphabet { words: "1-6", holds: |c| ('1'..='6').contains(&c) };

/// 层级 in a 检查实施清单编码, which ends at 乡镇.
const SUPERVISION_LEVEL: Alphabet = Alphabet { words: "1-5", holds: |c| ('1'..='5').contains(&c) };

const OPAQUE: Alphabet = Alphabet {
    words: "0-9, A-Z and the hyphen",
    holds: |c| c.is_ascii_digit() || c.is_ascii_uppercase() || c == '-',
};

/// Where the level digit stands, behind the implementing body's code.
const LEVEL: usize = Uscc::LENGTH + 1;

/// The 基本编码 of an approval item: 12 characters, the same all over the country or province.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BasicCode(pub(super) String);

impl BasicCode {
    /// Characters of a code.
    pub const LENGTH: usize = 12;

    /// Reads a code of 12 digits or capital letters.
    pub fn parse(value: &str) -> Result<Self, Fault> {
        reader::length(value, Self::LENGTH)
            .and_then(|()| reader::characters(value, 1, ALPHANUMERIC))
            .map_err(|problem| reader::fault(Kind::BasicCode, value, problem))?;
        Ok(Self(value.to_owned()))
    }
}

/// The 实施编码 of an approval item: the body that carries it out (18), its level (1), 基本编码 (12).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImplementationCode(pub(super) String);

impl ImplementationCode {
    /// Characters of a code.
    pub const LENGTH: usize = LEVEL + BasicCode::LENGTH;

    /// Reads a code; the body's code inside is checked by GB 32100.
    pub fn parse(value: &str) -> Result<Self, Fault> {
        implementation(value).map_err(|problem| reader::fault(Kind::ImplementationCode, value, problem))?;
        Ok(Self(value.to_owned()))
    }

    /// Puts a code together; `level_digit` is 1 to 6.
    pub fn compose(body: &Uscc, level_digit: u8, basic: &BasicCode) -> Result<Self, Fault> {
        Self::parse(&format!("{body}{level_digit}{basic}"))
    }

    /// The body that carries the item out.
    pub fn body(&self) -> Uscc {
        Uscc(self.0[..Uscc::LENGTH].to_owned())
    }

    /// The 行使层级 digit, 1 国家 to 6 村.
    pub fn level_digit(&self) -> u8 {
        self.0.as_bytes()[Uscc::LENGTH] - b'0'
    }

    /// The 基本编码 the item carries out.
    pub fn basic(&self) -> BasicCode {
        BasicCode(self.0[LEVEL..].to_owned())
    }
}

/// The 业务办理项编码 of an approval item: 实施编码 (31) and two more characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandlingCode(pub(super) String);

impl HandlingCode {
    /// Characters of a code.
    pub const LENGTH: usize = ImplementationCode::LENGTH + 2;

    /// Reads a code with the 实施编码 inside.
    pub fn parse(value: &str) -> Result<Self, Fault> {
        let sound = || {
            reader::length(value, Self::LENGTH)?;
            reader::characters(value, 1, ALPHANUMERIC)?;
            let (item, _) = value.split_at(ImplementationCode::LENGTH);
            ImplementationCode::parse(item).map_err(reader::part)
        };
        sound().map_err(|problem| reader::fault(Kind::HandlingCode, value, problem))?;
        Ok(Self(value.to_owned()))
    }

    /// The item this is a way of handling of.
    pub fn implementation(&self) -> ImplementationCode {
        ImplementationCode(self.0[..ImplementationCode::LENGTH].to_owned())
    }
}

/// The 监管事项目录编码: 14 digits whose inner split no published text gives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SupervisionCode(pub(super) String);

impl SupervisionCode {
    /// Characters of a code.
    pub const LENGTH: usize = 14;

    /// Reads a code of 14 digits.
    pub fn parse(value: &str) -> Result<Self, Fault> {
        reader::length(value, Self::LENGTH)
            .and_then(|()| reader::characters(value, 1, DIGITS))
            .map_err(|problem| reader::fault(Kind::SupervisionCode, value, problem))?;
        Ok(Self(value.to_owned()))
    }
}

/// The 监管事项检查实施清单编码: the implementing body (18), its level 1 to 5, and an opaque rest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InspectionListCode(pub(super) String);

impl InspectionListCode {
    /// Fewest characters: body, level and at least one more.
    pub const LENGTH_MIN: usize = LEVEL + 1;

    /// Most characters: the width of the national column.
    pub const LENGTH_MAX: usize = 800;

    /// Reads a code; the body's code inside is checked by GB 32100.
    pub fn parse(value: &str) -> Result<Self, Fault> {
        let sound = || {
            reader::length_range(value, Self::LENGTH_MIN, Self::LENGTH_MAX)?;
            reader::characters(value, 1, OPAQUE)?;
            body_and_level(value, SUPERVISION_LEVEL)
        };
        sound().map_err(|problem| reader::fault(Kind::InspectionListCode, value, problem))?;
        Ok(Self(value.to_owned()))
    }

    /// The body that carries the inspection out.
    pub fn body(&self) -> Uscc {
        Uscc(self.0[..Uscc::LENGTH].to_owned())
    }

    /// The level digit, 1 国家 to 5 乡镇.
    pub fn level_digit(&self) -> u8 {
        self.0.as_bytes()[Uscc::LENGTH] - b'0'
    }
}

fn implementation(value: &str) -> Result<(), Problem> {
    reader::length(value, ImplementationCode::LENGTH)?;
    reader::characters(value, 1, ALPHANUMERIC)?;
    body_and_level(value, APPROVAL_LEVEL)
}

/// Checks the joint that both families share: a body's code, then a level digit. ASCII was checked before.
fn body_and_level(value: &str, levels: Alphabet) -> Result<(), Problem> {
    Uscc::parse(&value[..Uscc::LENGTH]).map_err(reader::part)?;
    reader::characters(&value[Uscc::LENGTH..LEVEL], LEVEL, levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRE_SAFETY_REVIEW: &str = "11440232MB2D06811W4000117051000";

    #[test]
    fn the_code_of_a_county_bodys_item_comes_apart_into_body_level_and_basic_code() {
        let item = ImplementationCode::parse(FIRE_SAFETY_REVIEW).expect("a published code");
        assert_eq!(item.body().as_str(), "11440232MB2D06811W");
        assert_eq!(item.level_digit(), 4);
        assert_eq!(item.basic().as_str(), "000117051000");
        assert_eq!(ImplementationCode::compose(&item.body(), 4, &item.basic()), Ok(item));
    }

    #[test]
    fn a_level_outside_the_six_is_refused() {
        let item = ImplementationCode::parse(FIRE_SAFETY_REVIEW).expect("a published code");
        for level in [0, 7, 9] {
            let fault =
                ImplementationCode::compose(&item.body(), level, &item.basic()).expect_err("no level");
            assert!(matches!(fault.problem, Problem::Character { position: 19, .. }), "{fault}");
        }
        assert!(ImplementationCode::compose(&item.body(), 10, &item.basic()).is_err());
    }

    #[test]
    fn a_wrong_check_character_of_the_body_is_told_as_such() {
        let fault = ImplementationCode::parse("11440232MB2D06811X4000117051000").expect_err("W is right");
        assert!(fault.problem.is_check_character());
        assert_eq!(fault.kind, Kind::ImplementationCode);
        assert!(matches!(fault.problem, Problem::Part { part: Kind::Uscc, .. }));
    }

    #[test]
    fn a_way_of_handling_names_its_item() {
        let handling = HandlingCode::parse("11440232MB2D06811W400011705100001").expect("31 and 2");
        assert_eq!(handling.implementation().as_str(), FIRE_SAFETY_REVIEW);
        assert!(HandlingCode::parse(FIRE_SAFETY_REVIEW).is_err());
        let nested = HandlingCode::parse("11440232MB2D06811X400011705100001").expect_err("a wrong check");
        assert!(nested.problem.is_check_character());
    }

    #[test]
    fn a_basic_code_has_twelve_characters() {
        assert!(BasicCode::parse("000117051000").is_ok());
        for value in ["00011705100", "0001170510000", "00011705100a", "000117 51000", "０00117051000"] {
            assert!(BasicCode::parse(value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_supervision_code_has_exactly_fourteen_digits() {
        assert!(SupervisionCode::parse("01010100100001").is_ok());
        for value in ["0101010010000", "010101001000011", "0101010010000A", ""] {
            assert!(SupervisionCode::parse(value).is_err(), "{value}");
        }
    }

    #[test]
    fn an_inspection_list_code_has_a_body_a_level_of_five_and_a_rest() {
        for level in 1..=5_u8 {
            let code = InspectionListCode::parse(&format!("116109000160200060{level}01010100100001"));
            assert_eq!(code.expect("a level of supervision").level_digit(), level);
        }
        for level in [0, 6] {
            let fault = InspectionListCode::parse(&format!("116109000160200060{level}01010100100001"));
            let problem = fault.expect_err("no level of supervision").problem;
            assert!(matches!(problem, Problem::Character { position: 19, .. }));
        }
        assert!(InspectionListCode::parse("1161090001602000603").is_err());
        assert!(InspectionListCode::parse(&format!("1161090001602000603{}", "0".repeat(782))).is_err());
    }

    #[test]
    fn a_character_of_several_bytes_at_a_joint_is_a_fault_and_not_a_crash() {
        let wide = "1144 0232MB2D0681汉4000117051000";
        assert!(ImplementationCode::parse(wide).is_err());
        assert!(InspectionListCode::parse("1161090001602000汉汉汉").is_err());
        assert!(HandlingCode::parse("11440232MB2D06811W40001170510001汉").is_err());
    }
}
