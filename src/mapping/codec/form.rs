//! `application/x-www-form-urlencoded`: flat fields, percent-encoded in the codec's character set.
//!
//! A name given several times is an array. Promises: a broken escape is refused, not passed through.

use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::{Encoding, Error, Limits, Origin, Record, scalar_text};

pub(super) fn decode(bytes: &[u8], encoding: Encoding, limits: &Limits) -> Result<Vec<Record>, Error> {
    let mut fields = Map::new();
    let parts = bytes.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
    for (index, part) in parts.enumerate() {
        if index >= limits.max_elements {
            return Err(Error::TooManyElements { limit: limits.max_elements, line: 1 });
        }
        let equals = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
        let name = unescape(&part[..equals], encoding)?;
        let value = Value::String(unescape(part.get(equals + 1..).unwrap_or_default(), encoding)?);
        match fields.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Value::Array(values) => values.push(value),
                first => *first = Value::Array(vec![first.take(), value]),
            },
        }
    }
    Ok(vec![Record { value: Value::Object(fields), origin: Origin { number: 1, line: Some(1) } }])
}

pub(super) fn encode(value: &Value, encoding: Encoding, limits: &Limits) -> Result<Vec<u8>, Error> {
    let Some(fields) = value.as_object() else {
        return Err(Error::unfit("", "a form must be an object"));
    };
    let mut out = Vec::new();
    let mut written = 0;
    for (name, value) in fields {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        written += values.len();
        if written > limits.max_elements {
            return Err(Error::unfit("", "it has more fields than max_elements"));
        }
        for value in values {
            let text = scalar_text(value, &format!("/{name}"))?.unwrap_or_default();
            if !out.is_empty() {
                out.push(b'&');
            }
            escape(&encoding.encode(name)?, &mut out);
            out.push(b'=');
            escape(&encoding.encode(&text)?, &mut out);
        }
    }
    Ok(out)
}

/// A form that stands as one `NAME=value` a line, in UTF-8. Blank lines say nothing.
pub(super) fn from_lines(written: &[u8], encoding: Encoding) -> Result<Vec<u8>, Error> {
    let text = Encoding::Utf8.decode(written)?;
    let mut out = Vec::new();
    for (line, field) in (1..).zip(text.lines()).filter(|(_, field)| !field.trim().is_empty()) {
        let reason = "the line is not NAME=value";
        let (name, value) = field.split_once('=').ok_or(Error::Malformed { format: "form", line, reason })?;
        if !out.is_empty() {
            out.push(b'&');
        }
        escape(&encoding.encode(name)?, &mut out);
        out.push(b'=');
        escape(&encoding.encode(value)?, &mut out);
    }
    Ok(out)
}

fn unescape(part: &[u8], encoding: Encoding) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                if let (Some(high), Some(low)) =
                    (rest.next().and_then(hex_digit), rest.next().and_then(hex_digit))
                {
                    high * 16 + low
                } else {
                    let reason = "'%' without two hexadecimal digits";
                    return Err(Error::Malformed { format: "form", line: 1, reason });
                }
            }
            other => other,
        });
    }
    Ok(encoding.decode(&bytes)?.into_owned())
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The byte serialiser of the WHATWG URL standard, section 5.2.
fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        match byte {
            b' ' => out.push(b'+'),
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(byte),
            _ => out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_written_by_hand_is_the_form_that_is_sent() {
        let written = "A=1 2\n\n名=旬=阳\n".as_bytes();
        for encoding in [Encoding::Utf8, Encoding::Gb18030] {
            let sent = from_lines(written, encoding).unwrap();
            assert_eq!(read(&sent, encoding).unwrap(), json!({"A": "1 2", "名": "旬=阳"}));
        }
        let error = from_lines(b"A=1\nB", Encoding::Utf8).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }

    fn read(bytes: &[u8], encoding: Encoding) -> Result<Value, Error> {
        decode(bytes, encoding, &Limits::default()).map(|mut records| records.remove(0).value)
    }

    #[test]
    fn fields_are_read_in_either_character_set() {
        let expected = json!({"名": "安康 1", "b": "", "c": ["1", "2"]});
        let utf8 = b"%E5%90%8D=%E5%AE%89%E5%BA%B7+1&b&c=1&c=2";
        assert_eq!(read(utf8, Encoding::Utf8).unwrap(), expected);
        assert_eq!(read(b"%C3%FB=%B0%B2%BF%B5+1&b=&c=1&c=2", Encoding::Gb18030).unwrap(), expected);
    }

    #[test]
    fn broken_escapes_and_other_character_sets_are_refused() {
        for bytes in [b"a=%".as_slice(), b"a=%4", b"a=%zz", b"%x1=1"] {
            assert!(matches!(read(bytes, Encoding::Utf8), Err(Error::Malformed { .. })));
        }
        assert!(matches!(read(b"a=%B0%B2", Encoding::Utf8), Err(Error::WrongEncoding { .. })));
    }

    #[test]
    fn too_many_fields_are_refused() {
        let limits = Limits { max_elements: 2, ..Limits::default() };
        assert!(matches!(
            decode(b"a=1&a=2&a=3", Encoding::Utf8, &limits),
            Err(Error::TooManyElements { .. })
        ));
    }

    #[test]
    fn nested_values_are_refused_with_their_place() {
        let error = encode(&json!({"a": {"b": 1}}), Encoding::Utf8, &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("'/a'"), "{error}");
        assert!(encode(&json!(["a"]), Encoding::Utf8, &Limits::default()).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(a in "[\u{4e00}-\u{9fa5} -~]{0,12}", b in "[&=%+# ]{0,4}") {
            for encoding in [Encoding::Utf8, Encoding::Gb18030] {
                let value = json!({ "甲&": a, "b": [b, "x"] });
                let bytes = encode(&value, encoding, &Limits::default()).unwrap();
                prop_assert_eq!(read(&bytes, encoding).unwrap(), value);
            }
        }
    }
}
