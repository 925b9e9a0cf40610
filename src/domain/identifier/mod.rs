//! National identifiers and case codes: their structure and check characters.
//!
//! A type of this room can only hold a value that its standard allows. A [`Fault`] says what is wrong
//! with any other value and shows it masked, because a value in the wrong field may well be somebody's
//! ID number. How severe a fault is, the caller decides: wrong check characters exist on real codes of
//! upper systems ([`Problem::is_check_character`]), while our own codes have no excuse.

mod case_code;
mod fault;
mod item_code;
mod licence_mark;
mod organisation_code;
mod reader;
mod resident;
mod uscc;

pub use case_code::CaseCode;
pub use fault::{Fault, Problem};
pub use item_code::{BasicCode, HandlingCode, ImplementationCode, InspectionListCode, SupervisionCode};
pub use licence_mark::LicenceMark;
pub use organisation_code::OrganisationCode;
pub use resident::{ResidentId, Sex};
pub use uscc::Uscc;

use std::fmt;

/// The identifiers this room knows, by standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// 统一社会信用代码, GB 32100.
    Uscc,
    /// 组织机构代码, GB 11714.
    OrganisationCode,
    /// 居民身份证号码, GB 11643.
    ResidentId,
    /// 电子证照标识, GB/T 36904.
    LicenceMark,
    /// 基本编码 of an approval item.
    BasicCode,
    /// 实施编码 of an approval item.
    ImplementationCode,
    /// 业务办理项编码 of an approval item.
    HandlingCode,
    /// 监管事项目录编码.
    SupervisionCode,
    /// 监管事项检查实施清单编码.
    InspectionListCode,
    /// 办件编号.
    CaseCode,
}

impl Kind {
    /// Every kind, in the order of the standards.
    pub const ALL: [Self; 10] = [
        Self::Uscc,
        Self::OrganisationCode,
        Self::ResidentId,
        Self::LicenceMark,
        Self::BasicCode,
        Self::ImplementationCode,
        Self::HandlingCode,
        Self::SupervisionCode,
        Self::InspectionListCode,
        Self::CaseCode,
    ];

    /// The name in configuration and in error texts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uscc => "uscc",
            Self::OrganisationCode => "organisation_code",
            Self::ResidentId => "resident_id",
            Self::LicenceMark => "licence_mark",
            Self::BasicCode => "basic_code",
            Self::ImplementationCode => "implementation_code",
            Self::HandlingCode => "handling_code",
            Self::SupervisionCode => "supervision_code",
            Self::InspectionListCode => "inspection_list_code",
            Self::CaseCode => "case_code",
        }
    }

    /// The name on screens.
    pub const fn chinese(self) -> &'static str {
        match self {
            Self::Uscc => "统一社会信用代码",
            Self::OrganisationCode => "组织机构代码",
            Self::ResidentId => "居民身份证号码",
            Self::LicenceMark => "电子证照标识",
            Self::BasicCode => "基本编码",
            Self::ImplementationCode => "实施编码",
            Self::HandlingCode => "业务办理项编码",
            Self::SupervisionCode => "监管事项目录编码",
            Self::InspectionListCode => "监管事项检查实施清单编码",
            Self::CaseCode => "办件编号",
        }
    }

    /// The kind that configuration calls `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is wrong with `value` as an identifier of this kind; `None` if nothing is.
///
/// For callers that choose between refusing and warning, and keep the text as it came.
pub fn check(kind: Kind, value: &str) -> Option<Fault> {
    match kind {
        Kind::Uscc => Uscc::parse(value).err(),
        Kind::OrganisationCode => OrganisationCode::parse(value).err(),
        Kind::ResidentId => ResidentId::parse(value).err(),
        Kind::LicenceMark => LicenceMark::parse(value).err(),
        Kind::BasicCode => BasicCode::parse(value).err(),
        Kind::ImplementationCode => ImplementationCode::parse(value).err(),
        Kind::HandlingCode => HandlingCode::parse(value).err(),
        Kind::SupervisionCode => SupervisionCode::parse(value).err(),
        Kind::InspectionListCode => InspectionListCode::parse(value).err(),
        Kind::CaseCode => CaseCode::parse(value).err(),
    }
}

/// What every code that names no natural person has in common: text in, text out.
macro_rules! as_text {
    ($($code:ty),+) => {$(
        impl $code {
            /// The code as text, without decoration.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $code {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $code {
            type Err = Fault;

            fn from_str(value: &str) -> Result<Self, Fault> {
                Self::parse(value)
            }
        }
    )+};
}

as_text!(Uscc, OrganisationCode, LicenceMark, BasicCode, ImplementationCode);
as_text!(HandlingCode, SupervisionCode, InspectionListCode, CaseCode);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOUND: [(Kind, &str); 10] = [
        (Kind::Uscc, "116109000160200060"),
        (Kind::OrganisationCode, "101623741"),
        (Kind::ResidentId, "61090219900307001X"),
        (Kind::LicenceMark, "1.2.156.3005.2.11100000000013338W011.11110000000021135M.20230329701.003.Y"),
        (Kind::BasicCode, "000117051000"),
        (Kind::ImplementationCode, "11440232MB2D06811W4000117051000"),
        (Kind::HandlingCode, "11440232MB2D06811W400011705100001"),
        (Kind::SupervisionCode, "01010100100001"),
        (Kind::InspectionListCode, "11440232MB2D06811W401010100100001"),
        (Kind::CaseCode, "11440232MB2D06811W4000117051000202010200008"),
    ];

    #[test]
    fn a_sound_value_of_every_kind_has_no_fault() {
        for (kind, value) in SOUND {
            assert_eq!(check(kind, value), None, "{kind}");
        }
    }

    #[test]
    fn a_fault_names_the_kind_it_was_checked_as() {
        for kind in Kind::ALL {
            let fault = check(kind, "汉").expect("one Chinese character is no code");
            assert_eq!(fault.kind, kind);
        }
    }

    #[test]
    fn every_kind_is_found_by_its_name_and_has_a_chinese_one_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
            let alike = Kind::ALL.iter().filter(|other| other.chinese() == kind.chinese());
            assert_eq!(alike.count(), 1);
        }
        assert_eq!(Kind::named("USCC"), None);
    }

    #[test]
    fn an_id_number_in_any_wrong_field_stays_unreadable_in_the_error() {
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::ResidentId) {
            let fault = check(kind, "61090219900307001X").expect("an ID number is no other code");
            let shown = format!("{fault} {fault:?}");
            assert!(!shown.contains("19900307") && !shown.contains("0307001"), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn no_text_whatever_makes_the_check_fall_over(value in "\\PC*") {
            for kind in Kind::ALL {
                prop_assert!(check(kind, &value).is_none_or(|fault| fault.kind == kind));
            }
        }

        #[test]
        fn lower_case_blanks_and_line_ends_are_not_tidied_away(index in 0..SOUND.len(), pad in "[ \t\n\u{3000}]") {
            let (kind, value) = SOUND[index];
            let padded = [format!("{value}{pad}"), format!("{pad}{value}")];
            let lower = Some(value.to_lowercase()).filter(|lower| lower != value);
            for untidy in padded.iter().chain(&lower) {
                prop_assert!(check(kind, untidy).is_some(), "{kind} {untidy}");
            }
        }
    }
}
