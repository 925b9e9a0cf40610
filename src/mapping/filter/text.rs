//! Text: the everyday filters, with absent values kept apart from wrong ones.

use minijinja::{Error, State, Value};

use super::{refuse, shape, text_of, with_text};

/// Without white space at both ends.
pub(super) fn trim(value: &Value) -> Result<Value, Error> {
    with_text(value, |text| Ok(Value::from(text)))
}

/// In capitals.
pub(super) fn upper(value: &Value) -> Result<Value, Error> {
    with_text(value, |text| Ok(Value::from(text.to_uppercase())))
}

/// The parts between separators, trimmed, without blank ones.
pub(super) fn split(value: &Value, separator: &str) -> Result<Value, Error> {
    if separator.is_empty() {
        return Err(refuse("split needs a separator"));
    }
    with_text(value, |text| {
        let parts = text.split(separator).map(str::trim).filter(|part| !part.is_empty());
        Ok(Value::from(parts.map(Value::from).collect::<Vec<_>>()))
    })
}

/// The present elements of a list, with the separator between them; undefined when there is none.
pub(super) fn join(state: &State<'_, '_>, value: &Value, separator: Option<&str>) -> Result<Value, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(Value::UNDEFINED);
    }
    let mut joined = String::new();
    let mut absent = true;
    for element in value.try_iter()? {
        state.consume_fuel(1)?;
        let Some(text) = text_of(&element)? else { continue };
        if !std::mem::take(&mut absent) {
            joined.push_str(separator.unwrap_or_default());
        }
        joined.push_str(&text);
    }
    Ok(if absent { Value::UNDEFINED } else { Value::from(joined) })
}

/// Only the digits 0 to 9.
pub(super) fn digits(value: &Value) -> Result<Value, Error> {
    with_text(value, |text| Ok(Value::from(text.chars().filter(char::is_ascii_digit).collect::<String>())))
}

/// Without a prefix, if it has it.
pub(super) fn strip_prefix(value: &Value, prefix: &str) -> Result<Value, Error> {
    with_text(value, |text| Ok(Value::from(text.strip_prefix(prefix).unwrap_or(text))))
}

/// A whole number of 64 bits.
pub(super) fn int(value: &Value) -> Result<Value, Error> {
    with_text(value, |text| {
        let whole = text.strip_suffix(".0").filter(|_| value.is_number()).unwrap_or(text);
        let number = whole.parse::<i64>();
        number
            .map(Value::from)
            .map_err(|_| refuse(format!("not a whole number: a text like '{}'", shape(text))))
    })
}

/// The value itself if it is present: blank text and null become undefined.
pub(super) fn present(value: &Value) -> Value {
    if is_absent(value) { Value::UNDEFINED } else { value.clone() }
}

/// Another value where this is absent.
pub(super) fn default(value: &Value, other: &Value) -> Value {
    if is_absent(value) { other.clone() } else { value.clone() }
}

/// The value; where it is absent, the mapping fails with this message.
pub(super) fn required(value: &Value, message: String) -> Result<Value, Error> {
    if is_absent(value) { Err(refuse(message)) } else { Ok(value.clone()) }
}

fn is_absent(value: &Value) -> bool {
    value.is_undefined() || value.is_none() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use minijinja::Value;

    use super::super::tests::{eval, text};

    #[test]
    fn text_is_cleaned() {
        assert_eq!(text("v | trim", "\u{3000}安康 "), "安康");
        assert_eq!(text("v | upper", "ma70u"), "MA70U");
        assert_eq!(text("v | digits", "0915-321 2345"), "09153212345");
        assert_eq!(text("v | strip_prefix('陕')", "陕A"), "A");
        assert_eq!(text("v | strip_prefix('川')", "陕A"), "陕A");
    }

    #[test]
    fn lists_are_split_and_joined() {
        assert_eq!(text("v | split('、') | join(',')", "a、 b、、c"), "a,b,c");
        assert_eq!(text("[v, none, '', x, 1] | join('-')", "a"), "a-1");
        assert!(eval("[none, ''] | join(',')", 0).unwrap().is_undefined());
        assert!(eval("v | split('')", "a").is_err());
        assert!(eval("[[1]] | join(',')", 0).is_err());
    }

    #[test]
    fn numbers_are_whole_or_refused() {
        assert_eq!(eval("v | int", " 12 ").unwrap(), Value::from(12));
        assert_eq!(eval("v | int", 3.0).unwrap(), Value::from(3));
        for wrong in ["1.5", "1.0", "x", "99999999999999999999"] {
            assert!(eval("v | int", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn absent_values_are_replaced_or_demanded() {
        for absent in [Value::UNDEFINED, Value::from(()), Value::from(" ")] {
            assert_eq!(text("v | default('x')", absent.clone()), "x");
            assert_eq!(eval("v | required('no name')", absent).unwrap_err(), "no name");
        }
        assert_eq!(text("v | default('x')", "y"), "y");
        assert_eq!(text("v | required('no name')", "y"), "y");
        assert_eq!(eval("v | default('x')", 0).unwrap(), Value::from(0));
    }
}
