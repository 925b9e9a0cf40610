//! Target paths: where in the result a field goes, such as `subject.identifiers[0].number`.
//!
//! Promises: setting never overwrites; array elements are filled from 0 without gaps.

use std::fmt;

use serde_json::map::Entry;
use serde_json::{Map, Value};

/// A checked path into a JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step {
    Key(String),
    Index(usize),
}

/// Why a path is not one, or why nothing can be set at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("not a target path; write names joined by dots, with [0] for an array element")]
    Syntax,
    #[error("array index above 999")]
    IndexTooHigh,
    #[error("the elements before it are not set; array elements are set in order, from 0")]
    Gap,
    #[error("something is set there already, by this field or by one it would be inside of")]
    Taken,
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Target {
    /// Reads `a.b[0].c`. Names may hold anything but dots and brackets.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (name, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
            if name.trim().is_empty() || name.contains(']') {
                return Err(Fault::Syntax);
            }
            steps.push(Step::Key(name.to_owned()));
            for index in indices.split_terminator(']') {
                let index: usize =
                    index.strip_prefix('[').and_then(|digits| digits.parse().ok()).ok_or(Fault::Syntax)?;
                if index > 999 {
                    return Err(Fault::IndexTooHigh);
                }
                steps.push(Step::Index(index));
            }
            if !indices.is_empty() && !indices.ends_with(']') {
                return Err(Fault::Syntax);
            }
        }
        Ok(Self { text: text.to_owned(), steps })
    }

    /// Whether one of the two is the other or lies inside it, so that both cannot be set.
    pub(crate) fn collides(&self, other: &Self) -> bool {
        self.steps.iter().zip(&other.steps).all(|(own, others)| own == others)
    }

    /// Sets `value` at this path of `object`, making the objects and arrays on the way.
    pub(crate) fn set(&self, object: &mut Map<String, Value>, value: Value) -> Result<(), Fault> {
        let Some((Step::Key(first), rest)) = self.steps.split_first() else { return Err(Fault::Syntax) };
        let mut place = object.entry(first.as_str()).or_insert(Value::Null);
        for step in rest {
            place = descend(place, step)?;
        }
        if place.is_null() {
            *place = value;
            Ok(())
        } else {
            Err(Fault::Taken)
        }
    }
}

fn descend<'a>(place: &'a mut Value, step: &Step) -> Result<&'a mut Value, Fault> {
    match step {
        Step::Key(key) => {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            let object = place.as_object_mut().ok_or(Fault::Taken)?;
            Ok(match object.entry(key.as_str()) {
                Entry::Vacant(entry) => entry.insert(Value::Null),
                Entry::Occupied(entry) => entry.into_mut(),
            })
        }
        Step::Index(index) => {
            if place.is_null() {
                *place = Value::Array(Vec::new());
            }
            let array = place.as_array_mut().ok_or(Fault::Taken)?;
            if *index == array.len() {
                array.push(Value::Null);
            }
            array.get_mut(*index).ok_or(Fault::Gap)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn build(fields: &[(&str, Value)]) -> Result<Value, Fault> {
        let mut object = Map::new();
        for (path, value) in fields {
            Target::parse(path)?.set(&mut object, value.clone())?;
        }
        Ok(Value::Object(object))
    }

    #[test]
    fn objects_and_arrays_are_made_on_the_way() {
        let built = build(&[
            ("b", json!(1)),
            ("a.名称", json!("x")),
            ("a.l[0].n", json!(1)),
            ("a.l[0].m", json!(2)),
            ("a.l[1].n", json!(3)),
            ("g[0][0]", json!(4)),
            ("@xmlns:s", json!("urn:s")),
        ]);
        let expected = json!({"b": 1, "a": {"名称": "x", "l": [{"n": 1, "m": 2}, {"n": 3}]}, "g": [[4]], "@xmlns:s": "urn:s"});
        assert_eq!(built.unwrap(), expected);
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        for text in [
            "", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a[-1]", "[0]", "a]", "a[0]b", "a[0", "a[0]]",
            " ",
        ] {
            assert_eq!(Target::parse(text), Err(Fault::Syntax), "{text}");
        }
        assert_eq!(Target::parse("a[1000]"), Err(Fault::IndexTooHigh));
    }

    #[test]
    fn arrays_have_no_gaps_and_nothing_is_overwritten() {
        assert_eq!(build(&[("a[1]", json!(1))]), Err(Fault::Gap));
        assert_eq!(build(&[("a", json!(1)), ("a.b", json!(2))]), Err(Fault::Taken));
        assert_eq!(build(&[("a.b", json!(1)), ("a", json!(2))]), Err(Fault::Taken));
        assert_eq!(build(&[("a.b", json!(1)), ("a[0]", json!(2))]), Err(Fault::Taken));
    }

    #[test]
    fn paths_collide_when_one_is_inside_the_other() {
        let collide = |a, b| Target::parse(a).unwrap().collides(&Target::parse(b).unwrap());
        assert!(collide("a.b", "a") && collide("a", "a.b") && collide("a[0]", "a[0]"));
        assert!(!collide("a.b", "a.c") && !collide("a[0].x", "a[1].x") && !collide("ab", "a"));
    }
}
