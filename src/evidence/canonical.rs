//! Canonical JSON (RFC 8785): one byte sequence for one JSON value, whatever its blanks and key order were.
//!
//! Promises that equal bytes mean an equal value. RFC 8785 writes every number as a double, so two different large
//! integers could share one form; a number a double cannot tell from its neighbour is therefore refused, not rounded.
//! Leaves parsing, and what to do with a value that has no canonical form, to the caller.

use std::cmp::Ordering;

use serde_json::{Map, Value};

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
    let mut writer = Writer { bytes: Vec::with_capacity(USUAL_BYTES), path: Vec::new() };
    writer.write(value)?;
    Ok(writer.bytes)
}

/// Room for most of what is written; more is found as it is needed.
const USUAL_BYTES: usize = 1024;

/// One step down into a document; kept unformatted, because the pointer is needed only when something is wrong.
enum Step<'v> {
    Key(&'v str),
    Index(usize),
}

/// Writes in one pass; what is wrong is found on the way.
struct Writer<'v> {
    bytes: Vec<u8>,
    path: Vec<Step<'v>>,
}

impl<'v> Writer<'v> {
    fn write(&mut self, value: &'v Value) -> Result<(), Error> {
        if self.path.len() > MAX_DEPTH {
            return Err(Error::TooDeep { pointer: pointer(&self.path) });
        }
        match value {
            Value::Null => self.bytes.extend_from_slice(b"null"),
            Value::Bool(true) => self.bytes.extend_from_slice(b"true"),
            Value::Bool(false) => self.bytes.extend_from_slice(b"false"),
            Value::Number(number) if !is_exact(number) => {
                return Err(Error::Inexact { pointer: pointer(&self.path) });
            }
            Value::Number(number) => self.number(number)?,
            Value::String(text) => self.text(text)?,
            Value::Array(items) => self.array(items)?,
            Value::Object(members) => self.object(members)?,
        }
        Ok(())
    }

    /// Integers are what their digits say; all else as ECMAScript writes a double.
    fn number(&mut self, number: &serde_json::Number) -> Result<(), Error> {
        if number.is_f64() {
            let written = serde_json_canonicalizer::to_vec(number).map_err(Error::Serialise)?;
            self.bytes.extend_from_slice(&written);
            return Ok(());
        }
        serde_json::to_writer(&mut self.bytes, number).map_err(Error::Serialise)
    }

    /// The escapes of RFC 8785, section 3.2.2.2, are those that the serialiser has anyway.
    fn text(&mut self, text: &str) -> Result<(), Error> {
        serde_json::to_writer(&mut self.bytes, text).map_err(Error::Serialise)
    }

    fn array(&mut self, items: &'v [Value]) -> Result<(), Error> {
        self.bytes.push(b'[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.bytes.push(b',');
            }
            self.descend(Step::Index(index), item)?;
        }
        self.bytes.push(b']');
        Ok(())
    }

    fn object(&mut self, members: &'v Map<String, Value>) -> Result<(), Error> {
        let mut sorted: Vec<(&str, &Value)> = members.iter().map(|(key, value)| (&**key, value)).collect();
        sorted.sort_unstable_by(|(one, _), (other, _)| by_utf16(one, other));
        self.bytes.push(b'{');
        for (index, (key, member)) in sorted.into_iter().enumerate() {
            if index > 0 {
                self.bytes.push(b',');
            }
            self.text(key)?;
            self.bytes.push(b':');
            self.descend(Step::Key(key), member)?;
        }
        self.bytes.push(b'}');
        Ok(())
    }

    fn descend(&mut self, step: Step<'v>, value: &'v Value) -> Result<(), Error> {
        self.path.push(step);
        self.write(value)?;
        self.path.pop();
        Ok(())
    }
}

/// Order of keys (RFC 8785, section 3.2.3); ASCII sorts by bytes just so.
fn by_utf16(one: &str, other: &str) -> Ordering {
    if one.is_ascii() && other.is_ascii() {
        return one.cmp(other);
    }
    one.encode_utf16().cmp(other.encode_utf16())
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
    fn it_writes_what_the_reference_writes() {
        let mut every_character = String::new();
        every_character.extend((0..0x3000).filter_map(char::from_u32));
        let value = json!({
            "": [[], {}, [{}]], "é": every_character, "a\u{1f600}": -0.0, "a\u{fffd}": 1e-7, "a\n": 123_456_789.5,
            "numbers": [0, -1, 9_007_199_254_740_991_u64, -9_007_199_254_740_991_i64, 1.0, 5e-324, 0.1, 1e15],
        });
        let reference = serde_json_canonicalizer::to_vec(&value).unwrap();
        assert_eq!(String::from_utf8(to_bytes(&value).unwrap()), String::from_utf8(reference));
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |levels: usize| (0..levels).fold(json!(0), |inner, _| json!([inner]));
        assert!(to_bytes(&nested(MAX_DEPTH)).is_ok());
        assert!(matches!(to_bytes(&nested(MAX_DEPTH + 1)), Err(Error::TooDeep { .. })));
    }
}
