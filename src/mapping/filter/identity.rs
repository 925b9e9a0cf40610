//! Identifiers of subjects: parts, the old form of the resident number, and masks.
//!
//! Masks follow the field's practice: resident number first six and last four, phone first three and last four, name first
//! character. What is too short for that is masked whole.

use jiff::civil::Date;
use minijinja::{Error, Value};

use super::{refuse, shape, with_text};

/// GB 11643: weights of the 17 digits, and the check characters by remainder.
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECKS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];

/// The organisation code (GB 11714) inside a 统一社会信用代码: characters 9 to 17.
pub(super) fn uscc_org_code(value: &Value) -> Result<Value, Error> {
    with_text(value, |text| {
        let shaped = text.len() == 18 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match text.get(8..17) {
            Some(code) if shaped => Ok(Value::from(code.to_ascii_uppercase())),
            _ => {
                Err(refuse(format!("not a 统一社会信用代码 of 18 characters: a text like '{}'", shape(text))))
            }
        }
    })
}

/// A resident number of 15 digits in the form of 18 (GB 11643); one of 18 with its X in capitals.
pub(super) fn id15to18(value: &Value) -> Result<Value, Error> {
    with_text(value, |text| {
        extended(text).map(Value::from).ok_or_else(|| {
            refuse(format!("not a resident number of 15 or 18: a text like '{}'", shape(text)))
        })
    })
}

fn extended(text: &str) -> Option<String> {
    let full = match text.len() {
        15 => [text.get(..6)?, "19", text.get(6..)?].concat(),
        18 => text.get(..17)?.to_owned(),
        _ => return None,
    };
    let digits: Vec<u32> = full.chars().map(|character| character.to_digit(10)).collect::<Option<_>>()?;
    let part = |from: usize, to: usize| full.get(from..to)?.parse::<i16>().ok();
    let small = |from: usize, to: usize| i8::try_from(part(from, to)?).ok();
    Date::new(part(6, 10)?, small(10, 12)?, small(12, 14)?).ok()?;
    if text.len() == 18 {
        let last = text.chars().last()?;
        return (last.is_ascii_digit() || matches!(last, 'x' | 'X')).then(|| text.to_ascii_uppercase());
    }
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    let check = CHECKS.get(usize::try_from(sum % 11).ok()?)?;
    Some(format!("{full}{check}"))
}

/// `610902********001X`.
pub(super) fn mask_id(value: &Value) -> Result<Value, Error> {
    with_text(value, |text| Ok(Value::from(masked(text, 6, 4))))
}

/// `138****8000`.
pub(super) fn mask_phone(value: &Value) -> Result<Value, Error> {
    with_text(value, |text| Ok(Value::from(masked(text, 3, 4))))
}

/// `张*`, `欧***`.
pub(super) fn mask_name(value: &Value) -> Result<Value, Error> {
    with_text(value, |text| Ok(Value::from(masked(text, 1, 0))))
}

/// Keeps `first` and `last` characters; all stars when less than a third of the text would be hidden or nothing at all.
fn masked(text: &str, first: usize, last: usize) -> String {
    let length = text.chars().count();
    let hidden = length.saturating_sub(first + last);
    let kept = |at: usize| hidden * 3 >= length && (at < first || at >= length - last);
    text.chars().enumerate().map(|(at, character)| if kept(at) { character } else { '*' }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{eval, text};

    #[test]
    fn the_organisation_code_is_taken_from_the_credit_code() {
        assert_eq!(text("v | uscc_org_code", "91610900ma70u0dx5k"), "MA70U0DX5");
        for wrong in ["9161090", "91610900MA70U0DX5K1", "统一社会信用代码统一社会信用代码统一"]
        {
            assert!(eval("v | uscc_org_code", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn old_resident_numbers_get_their_century_and_check_character() {
        assert_eq!(text("v | id15to18", "440524800101001"), "440524198001010013");
        assert_eq!(text("v | id15to18", "110105491231002"), "11010519491231002X");
        assert_eq!(text("v | id15to18", "61090219900307001x"), "61090219900307001X");
    }

    #[test]
    fn what_is_no_resident_number_is_refused() {
        for wrong in [
            "11010549123100",
            "110105491331002",
            "11010549123100A",
            "61090219900230001X",
            "6109021990030700Y1",
        ] {
            assert!(eval("v | id15to18", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn masks_keep_what_practice_keeps() {
        assert_eq!(text("v | mask_id", "61090219900307001X"), "610902********001X");
        assert_eq!(text("v | mask_id", "440524800101001"), "440524*****1001");
        assert_eq!(text("v | mask_phone", "13800138000"), "138****8000");
        assert_eq!(text("v | mask_name", "张三"), "张*");
        assert_eq!(text("v | mask_name", "欧阳明月"), "欧***");
    }

    #[test]
    fn what_is_too_short_is_masked_whole() {
        assert_eq!(text("v | mask_id", "1234567890"), "**********");
        assert_eq!(text("v | mask_id", "12345678901"), "***********");
        assert_eq!(text("v | mask_phone", "1380013"), "*******");
        assert_eq!(text("v | mask_name", "张"), "*");
    }
}
