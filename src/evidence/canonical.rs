//! Canonical JSON (RFC 8785): one byte sequence for one JSON value, whatever its blanks and key order were.
//!
//! Promises that equal bytes mean an equal value. RFC 8785 writes every number as a double, so two different large
//! integers could share one form; a number a double cannot tell from its neighbour is therefore refused, not rounded.
//! Leaves parsing, and what to do with a value that has no canonical form, to the caller.

use serde_json::Value;

/// The largest magnitude below which every integer has a double of its own: 2^53 - 1 (RFC 7493, section 2.2).
pub const MAX_EXACT_INTEGER: u64 = (1 << 53) - 1;

/// The deepest nesting written; parsers in other languages stop not far above it.
pub const MAX_DEPTH: usize = 64;

/// Why a value has no canonical form.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A number beyond [`MAX_EXACT_INTEGER`]. It is not shown: an ID number sent as a number ends here.
    #[error(
        "the number at {pointer:?} is beyond {MAX_EXACT_INTEGER} that JSON carries exactly; send it as a string"
    )]
    Inexact {
        /// JSON pointer (RFC 6901) of the number.
        pointer: String,
    },
    /// Arrays and objects nested beyond [`MAX_DEPTH`].
    #[error("the value at {pointer:?} is nested deeper than {MAX_DEPTH} levels; send a flatter document")]
    TooDeep {
        /// JSON pointer (RFC 6901) of the first value too deep.
        pointer: String,
    },
    /// The serialiser refused.
    #[error("the value could not be written as canonical JSON")]
    Serialise(#[source] serde_json::Error),
}

/// The canonical bytes of a value, in UTF-8.
pub fn to_bytes(value: &Value) -> Result<Vec<u8>, Error> {
    check(value, &mut Vec::new())?;
    serde_json_canonicalizer::to_vec(value).map_err(Error::Serialise)
}

/// One step down into a document; kept unformatted, because the pointer is needed only when something is wrong.
enum Step<'v> {
    Key(&'v str),
    Index(usize),
}

fn check<'v>(value: &'v Value, path: &mut Vec<Step<'v>>) -> Result<(), Error> {
    if path.len() > MAX_DEPTH {
        return Err(Error::TooDeep { pointer: pointer(path) });
    }
    match value {
        Value::Number(number) if !is_exact(number) => Err(Error::Inexact { pointer: pointer(path) }),
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(index, item)| descend(Step::Index(index), item, path))
        }
        Value::Object(members) => {
            members.iter().try_for_each(|(key, member)| descend(Step::Key(key), member, path))
        }
        _ => Ok(()),
    }
}

fn descend<'v>(step: Step<'v>, value: &'v Value, path: &mut Vec<Step<'v>>) -> Result<(), Error> {
    path.push(step);
    check(value, path)?;
    path.pop();
    Ok(())
}

/// Integers too large for the parser arrive as doubles, so these are held to the same limit.
fn is_exact(number: &serde_json::Number) -> bool {
    const LIMIT: f64 = 9_007_199_254_740_991.0;
    match (number.as_u64(), number.as_i64()) {
        (Some(unsigned), _) => unsigned <= MAX_EXACT_INTEGER,
        (None, Some(signed)) => signed.unsigned_abs() <= MAX_EXACT_INTEGER,
        (None, None) => number.as_f64().is_some_and(|double| double.abs() <= LIMIT),
    }
}

fn pointer(path: &[Step<'_>]) -> String {
    path.iter().fold(String::new(), |mut text, step| {
        text.push('/');
        match step {
            Step::Key(key) => text.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Step::Index(index) => text.push_str(&index.to_string()),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn canonical(text: &str) -> String {
        String::from_utf8(to_bytes(&serde_json::from_str(text).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn blanks_and_key_order_do_not_matter() {
        assert_eq!(canonical("{ \"b\" : [1, 2.50],\n \"a\":null}"), "{\"a\":null,\"b\":[1,2.5]}");
        assert_eq!(canonical("{\"b\":[1,2.5],\"a\":null}"), canonical("{\"a\":null,\"b\":[1.0,25e-1]}"));
    }

    #[test]
    fn the_example_of_rfc_8785_comes_out_byte_for_byte() {
        let input = r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
            "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#;
        let without_the_giant = input.replace("1E30,", "");
        let expected = concat!(
            r#"{"literals":[null,true,false],"numbers":[333333333.3333333,4.5,0.002,1e-27],"#,
            r#""string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
        assert_eq!(canonical(&without_the_giant), expected);
    }

    #[test]
    fn keys_sort_by_utf16_units() {
        assert_eq!(
            canonical("{\"\u{fb33}\":1,\"\u{1f600}\":2,\"审\":3}"),
            "{\"审\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}"
        );
    }

    #[test]
    fn numbers_that_would_be_rounded_are_refused_with_their_place() {
        assert!(to_bytes(&json!([MAX_EXACT_INTEGER, -9_007_199_254_740_991_i64, 0.1, -0.0])).is_ok());
        for giant in ["9007199254740992", "-9007199254740993", "18446744073709551617", "1e30", "-1e300"] {
            let value = serde_json::from_str(&format!("{{\"a/b\":[0,{giant}]}}")).unwrap();
            let error = to_bytes(&value).unwrap_err();
            assert!(matches!(&error, Error::Inexact { pointer } if pointer == "/a~1b/1"), "{giant}: {error}");
            assert!(!error.to_string().contains(giant), "the number may be an ID number: {error}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |levels: usize| (0..levels).fold(json!(0), |inner, _| json!([inner]));
        assert!(to_bytes(&nested(MAX_DEPTH)).is_ok());
        assert!(matches!(to_bytes(&nested(MAX_DEPTH + 1)), Err(Error::TooDeep { .. })));
    }
}
