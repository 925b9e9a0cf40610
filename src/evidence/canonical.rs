//! Canonical JSON (RFC 8785): one byte sequence for one JSON value, whatever its blanks and key order were.
//!
//! Promises that equal bytes mean an equal value. RFC 8785 writes every number as a double, so two different large
//! integers could share one form; a number a double cannot tell from its neighbour is therefore refused, not rounded.
//! Leaves parsing, and what to do with a value that has no canonical form, to the caller.

use std::{cell::RefCell, cmp::Ordering, io};

use serde::Serialize;
use serde_json::{
    Serializer, Value,
    ser::{CompactFormatter, Formatter},
};

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

/// The canonical bytes of whatever writes itself as JSON, in UTF-8.
///
/// The serialiser writes members as they come; an object that ends out of order is put in order where it
/// stands. So nothing is built but the bytes, of a value as of a structure that names its own fields.
pub fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    let draft = RefCell::new(Draft { bytes: Vec::with_capacity(USUAL_BYTES), ..Draft::default() });
    let mut serializer = Serializer::with_formatter(Pen(&draft), InOrder { draft: &draft, depth: 0 });
    match value.serialize(&mut serializer) {
        Ok(()) => Ok(draft.into_inner().bytes),
        Err(error) => Err(explained(value, error)),
    }
}

/// Room for most of what is written; more is found as it is needed.
const USUAL_BYTES: usize = 1024;

/// What is written so far, and where the members of the objects that are still open begin and end.
#[derive(Default)]
struct Draft {
    bytes: Vec<u8>,
    objects: Vec<Object>,
    members: Vec<Member>,
    scratch: Vec<u8>,
}

/// An open object: where its first member begins, in the bytes and among the members.
struct Object {
    start: usize,
    members: usize,
}

/// `"key":value`, from its first quote to the end of the value.
#[derive(Default)]
struct Member {
    start: usize,
    key_end: usize,
    end: usize,
}

impl Draft {
    fn close(&mut self) {
        let Some(Object { start, members }) = self.objects.pop() else { return };
        let bytes = &self.bytes;
        let key = |member: &Member| &bytes[member.start + 1..member.key_end - 1];
        let in_order = |one: &Member, other: &Member| by_utf16(key(one), key(other));
        let own = &mut self.members[members..];
        if !own.is_sorted_by(|one, other| in_order(one, other).is_le()) {
            own.sort_by(in_order);
            self.scratch.clear();
            for member in own {
                if !self.scratch.is_empty() {
                    self.scratch.push(b',');
                }
                self.scratch.extend_from_slice(&bytes[member.start..member.end]);
            }
            self.bytes.truncate(start);
            self.bytes.extend_from_slice(&self.scratch);
        }
        self.members.truncate(members);
    }
}

/// Writes at the end of the draft.
struct Pen<'d>(&'d RefCell<Draft>);

impl io::Write for Pen<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Notes where members are, and refuses numbers and nesting that have no canonical form. The escapes of
/// RFC 8785, section 3.2.2.2, are those that the serialiser has anyway.
struct InOrder<'d> {
    draft: &'d RefCell<Draft>,
    depth: usize,
}

impl InOrder<'_> {
    fn descend(&self) -> io::Result<()> {
        if self.depth > MAX_DEPTH { Err(io::Error::other("nested too deep")) } else { Ok(()) }
    }
}

fn integer(magnitude: u128) -> io::Result<()> {
    if magnitude > u128::from(MAX_EXACT_INTEGER) {
        return Err(io::Error::other("a number that is not exact"));
    }
    Ok(())
}

impl Formatter for InOrder<'_> {
    fn write_i64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        integer(value.unsigned_abs().into())?;
        CompactFormatter.write_i64(writer, value)
    }

    fn write_u64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        integer(value.into())?;
        CompactFormatter.write_u64(writer, value)
    }

    fn write_i128<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: i128) -> io::Result<()> {
        integer(value.unsigned_abs())?;
        CompactFormatter.write_i128(writer, value)
    }

    fn write_u128<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u128) -> io::Result<()> {
        integer(value)?;
        CompactFormatter.write_u128(writer, value)
    }

    fn write_f32<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        self.write_f64(writer, value.into())
    }

    /// As ECMAScript writes a double.
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        if value.abs() > MAX_EXACT_DOUBLE {
            return Err(io::Error::other("a number that is not exact"));
        }
        writer.write_all(&serde_json_canonicalizer::to_vec(&value)?)
    }

    /// Text that somebody else wrote cannot be put in order here.
    fn write_raw_fragment<W: ?Sized + io::Write>(&mut self, _: &mut W, _: &str) -> io::Result<()> {
        Err(io::Error::other("raw JSON has no canonical form"))
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        CompactFormatter.begin_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.descend()?;
        CompactFormatter.begin_array_value(writer, first)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        CompactFormatter.end_array(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        CompactFormatter.begin_object(writer)?;
        let mut draft = self.draft.borrow_mut();
        let object = Object { start: draft.bytes.len(), members: draft.members.len() };
        draft.objects.push(object);
        Ok(())
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.descend()?;
        CompactFormatter.begin_object_key(writer, first)?;
        let mut draft = self.draft.borrow_mut();
        let start = draft.bytes.len();
        draft.members.push(Member { start, ..Member::default() });
        Ok(())
    }

    fn end_object_key<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        let mut draft = self.draft.borrow_mut();
        let here = draft.bytes.len();
        if let Some(member) = draft.members.last_mut() {
            member.key_end = here;
        }
        Ok(())
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        let mut draft = self.draft.borrow_mut();
        let here = draft.bytes.len();
        if let Some(member) = draft.members.last_mut() {
            member.end = here;
        }
        Ok(())
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        self.draft.borrow_mut().close();
        CompactFormatter.end_object(writer)
    }
}

/// Order of keys (RFC 8785, section 3.2.3), as they stand between their quotes; ASCII without escapes sorts
/// by bytes just so.
fn by_utf16(one: &[u8], other: &[u8]) -> Ordering {
    let plain = |key: &[u8]| key.is_ascii() && !key.contains(&b'\\');
    if plain(one) && plain(other) {
        return one.cmp(other);
    }
    let units = |key: &[u8]| -> Vec<u16> {
        let quoted = [b"\"", key, b"\""].concat();
        let text: String = serde_json::from_slice(&quoted).unwrap_or_default();
        text.encode_utf16().collect()
    };
    units(one).cmp(&units(other))
}

/// What was wrong, and where: looked for only when something is.
fn explained<T: Serialize + ?Sized>(value: &T, error: serde_json::Error) -> Error {
    let fault = serde_json::to_value(value).ok().and_then(|value| fault(&value, &mut Vec::new()));
    fault.unwrap_or(Error::Serialise(error))
}

/// One step down into a document.
enum Step {
    Key(String),
    Index(usize),
}

fn fault(value: &Value, path: &mut Vec<Step>) -> Option<Error> {
    if path.len() > MAX_DEPTH {
        return Some(Error::TooDeep { pointer: pointer(path) });
    }
    let mut below = |step: Step, value: &Value| {
        path.push(step);
        let found = fault(value, path);
        path.pop();
        found
    };
    match value {
        Value::Number(number) if !is_exact(number) => Some(Error::Inexact { pointer: pointer(path) }),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| below(Step::Index(index), item))
        }
        Value::Object(members) => {
            members.iter().find_map(|(key, value)| below(Step::Key(key.clone()), value))
        }
        _ => None,
    }
}

/// The largest magnitude of a double below which every integer has one of its own.
const MAX_EXACT_DOUBLE: f64 = 9_007_199_254_740_991.0;

/// Integers too large for the parser arrive as doubles, so these are held to the same limit.
fn is_exact(number: &serde_json::Number) -> bool {
    match (number.as_u64(), number.as_i64()) {
        (Some(unsigned), _) => unsigned <= MAX_EXACT_INTEGER,
        (None, Some(signed)) => signed.unsigned_abs() <= MAX_EXACT_INTEGER,
        (None, None) => number.as_f64().is_some_and(|double| double.abs() <= MAX_EXACT_DOUBLE),
    }
}

fn pointer(path: &[Step]) -> String {
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
        String::from_utf8(to_bytes(&serde_json::from_str::<Value>(text).unwrap()).unwrap()).unwrap()
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
            let value: Value = serde_json::from_str(&format!("{{\"a/b\":[0,{giant}]}}")).unwrap();
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
    fn structures_are_written_as_the_value_they_mean() {
        #[derive(Serialize)]
        struct Inner {
            zulu: u8,
            alpha: Option<&'static str>,
        }
        #[derive(Serialize)]
        struct Outer {
            items: [Inner; 2],
            #[serde(rename = "a\"b")]
            quoted: i64,
            #[serde(rename = "a!")]
            bang: f64,
        }
        let inner = |zulu| Inner { zulu, alpha: Some("x") };
        let outer = Outer { items: [inner(1), Inner { alpha: None, ..inner(2) }], quoted: -5, bang: 0.5 };
        let bytes = to_bytes(&outer).unwrap();
        assert_eq!(
            String::from_utf8(bytes.clone()).unwrap(),
            r#"{"a!":0.5,"a\"b":-5,"items":[{"alpha":"x","zulu":1},{"alpha":null,"zulu":2}]}"#
        );
        assert_eq!(bytes, to_bytes(&serde_json::to_value(&outer).unwrap()).unwrap());
    }

    #[test]
    fn json_that_somebody_else_wrote_is_refused() {
        let raw = serde_json::value::RawValue::from_string("{\"b\":1,\"a\":2}".to_owned()).unwrap();
        assert!(matches!(to_bytes(&raw), Err(Error::Serialise(_))));
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |levels: usize| (0..levels).fold(json!(0), |inner, _| json!([inner]));
        assert!(to_bytes(&nested(MAX_DEPTH)).is_ok());
        assert!(matches!(to_bytes(&nested(MAX_DEPTH + 1)), Err(Error::TooDeep { .. })));
    }
}
