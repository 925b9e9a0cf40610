//! JSON (RFC 8259): an object is one record, an array of objects is many.
//!
//! Promises: duplicate keys are refused (readers differ in which one counts), and so are whole numbers beyond 64 bits, which
//! would be rounded in silence; nesting and number of values are bounded while reading.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use super::{Error, Limits, Origin, Record};

/// The first magnitude at which a whole number no longer fits 64 bits.
const BEYOND_64_BITS: f64 = 18_446_744_073_709_551_616.0;

/// Reads one value of any shape, within the usual limits.
pub fn parse(text: &str) -> Result<Value, Error> {
    parse_within(text, &Limits::default())
}

fn parse_within(text: &str, limits: &Limits) -> Result<Value, Error> {
    let budget = Budget { limits, elements: Cell::new(0), fault: RefCell::new(None) };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Node { budget: &budget, depth: 1 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|source| budget.explain(source))
}

pub(super) fn decode(text: &str, limits: &Limits) -> Result<Vec<Record>, Error> {
    let records = match parse_within(text, limits)? {
        Value::Array(values) => values,
        other => vec![other],
    };
    records.into_iter().enumerate().map(|(index, value)| record(index + 1, value)).collect()
}

pub(super) fn encode(value: &Value, limits: &Limits) -> Result<String, Error> {
    check_depth(value, limits.max_depth)?;
    serde_json::to_string(value).map_err(|source| Error::Json { source })
}

fn record(number: usize, value: Value) -> Result<Record, Error> {
    if value.is_object() {
        Ok(Record { value, origin: Origin { number, line: None } })
    } else {
        Err(Error::NotAnObject { number })
    }
}

fn check_depth(value: &Value, depth_left: usize) -> Result<(), Error> {
    if !value.is_array() && !value.is_object() {
        return Ok(());
    }
    let Some(depth_left) = depth_left.checked_sub(1) else {
        return Err(Error::unfit("", "it is nested deeper than max_depth"));
    };
    match value {
        Value::Array(values) => values.iter().try_for_each(|child| check_depth(child, depth_left)),
        Value::Object(fields) => fields.values().try_for_each(|child| check_depth(child, depth_left)),
        _ => Ok(()),
    }
}

/// What may still be read, and why reading stopped when that was our own decision.
struct Budget<'a> {
    limits: &'a Limits,
    elements: Cell<usize>,
    fault: RefCell<Option<Fault>>,
}

enum Fault {
    TooDeep,
    TooManyElements,
    Duplicate(String),
}

impl Budget<'_> {
    fn take(&self, depth: usize) -> Result<(), Fault> {
        self.elements.set(self.elements.get() + 1);
        if depth > self.limits.max_depth {
            Err(Fault::TooDeep)
        } else if self.elements.get() > self.limits.max_elements {
            Err(Fault::TooManyElements)
        } else {
            Ok(())
        }
    }

    /// Keeps the fault beside the reader's error, which can carry text only.
    fn refuse<E: serde::de::Error>(&self, fault: Fault) -> E {
        *self.fault.borrow_mut() = Some(fault);
        E::custom("refused")
    }

    fn explain(&self, source: serde_json::Error) -> Error {
        let line = source.line();
        match self.fault.take() {
            None => Error::Json { source },
            Some(Fault::TooDeep) => Error::TooDeep { limit: self.limits.max_depth, line },
            Some(Fault::TooManyElements) => Error::TooManyElements { limit: self.limits.max_elements, line },
            Some(Fault::Duplicate(name)) => Error::Duplicate { name, line },
        }
    }
}

/// Reads one value at a depth; containers are one deeper than what holds them.
#[derive(Clone, Copy)]
struct Node<'a> {
    budget: &'a Budget<'a>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Node<'_> {
    fn inner(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }

    fn take<E: serde::de::Error>(self, depth: usize) -> Result<(), E> {
        self.budget.take(depth).map_err(|fault| self.budget.refuse(fault))
    }

    fn scalar<E: serde::de::Error>(self, value: Value) -> Result<Value, E> {
        self.take(0).map(|()| value)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a json value")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.scalar(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.scalar(value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.scalar(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        if value.abs() >= BEYOND_64_BITS {
            return Err(E::custom("number beyond 64 bits would be rounded, send it as text"));
        }
        let number = Number::from_f64(value).ok_or_else(|| E::custom("number out of range"))?;
        self.scalar(Value::Number(number))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.scalar(value.into())
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        self.scalar(Value::String(value))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.scalar(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.take(self.depth)?;
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(self.inner())? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.take(self.depth)?;
        let mut fields = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            match fields.entry(name) {
                Entry::Occupied(entry) => {
                    return Err(self.budget.refuse(Fault::Duplicate(entry.key().clone())));
                }
                Entry::Vacant(entry) => entry.insert(access.next_value_seed(self.inner())?),
            };
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Result<Value, Error> {
        decode(text, &Limits::default()).map(|mut records| records.remove(0).value)
    }

    #[test]
    fn an_array_of_objects_is_many_records_in_order() {
        let records = decode(r#"[{"a":1},{"a":2}]"#, &Limits::default()).unwrap();
        assert_eq!(records.iter().map(|r| r.origin.number).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(records[1].value, json!({"a": 2}));
    }

    #[test]
    fn keys_keep_their_order() {
        let value = one(r#"{"z":1,"a":2,"m":3}"#).unwrap();
        assert_eq!(value.as_object().unwrap().keys().collect::<Vec<_>>(), ["z", "a", "m"]);
    }

    #[test]
    fn malformed_json_is_refused_with_line_and_column() {
        for text in ["", "{", "{\"a\":}", "{\"a\":1}x", "{'a':1}", "[1,]", "NaN", "{\"a\":\"\\ud800\"}"] {
            assert!(matches!(one(text), Err(Error::Json { .. })), "{text}");
        }
        let error = one("{\n  \"a\": 1,\n  ?\n}").unwrap_err();
        assert!(error.to_string().contains("at line 3 column"), "{error}");
    }

    #[test]
    fn a_key_given_twice_is_refused_at_any_depth() {
        let error = one("{\"a\":{\n\"b\":1,\n\"b\":2}}").unwrap_err();
        assert!(matches!(&error, Error::Duplicate { name, line: 3 } if name == "b"), "{error}");
    }

    #[test]
    fn a_depth_bomb_is_refused() {
        let error = one(&"[".repeat(100_000)).unwrap_err();
        assert!(matches!(error, Error::TooDeep { limit: 32, line: 1 }), "{error}");
    }

    #[test]
    fn too_many_values_are_refused() {
        let limits = Limits { max_elements: 3, ..Limits::default() };
        let error = decode("{\"a\":[1,2]}", &limits).unwrap_err();
        assert!(matches!(error, Error::TooManyElements { limit: 3, .. }), "{error}");
        decode("{\"a\":[1]}", &limits).unwrap();
    }

    #[test]
    fn a_number_that_would_be_rounded_is_refused() {
        assert!(
            one(r#"{"id": 123456789012345678901234}"#).unwrap_err().to_string().contains("send it as text")
        );
        assert_eq!(one(r#"{"id": 18446744073709551615}"#).unwrap(), json!({"id": u64::MAX}));
    }

    #[test]
    fn a_record_must_be_an_object() {
        assert!(matches!(one("[{},1]"), Err(Error::NotAnObject { number: 2 })));
        assert!(matches!(one("\"text\""), Err(Error::NotAnObject { number: 1 })));
    }

    #[test]
    fn a_value_deeper_than_the_limit_is_not_written() {
        let deep = (0..40).fold(json!(1), |value, _| json!([value]));
        assert!(matches!(encode(&deep, &Limits::default()), Err(Error::Unfit { .. })));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e15..1e15_f64).prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::hash_map(".{0,6}", inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in any_value()) {
            let record = json!({ "v": value });
            let text = encode(&record, &Limits::default()).unwrap();
            prop_assert_eq!(one(&text).unwrap(), record);
        }
    }
}
