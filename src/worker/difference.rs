//! Where two JSON values differ, field by field, so that a person sees what a mapping did wrong.

use serde::Serialize;
use serde_json::Value;

/// One field in which two values differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Path of the field, as `items[0].code`; empty for the value as a whole.
    pub path: String,
    /// What should stand there; none when the field should not be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// What stands there; none when the field is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got: Option<Value>,
}

/// Every difference, in the order of the expected value's fields, then of those it lacks.
pub fn differences(expected: &Value, got: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), Some(expected), Some(got), &mut found);
    found
}

fn compare(path: String, expected: Option<&Value>, got: Option<&Value>, found: &mut Vec<Difference>) {
    match (expected, got) {
        (Some(Value::Object(ours)), Some(Value::Object(theirs))) => {
            let further = theirs.keys().filter(|name| !ours.contains_key(*name));
            for name in ours.keys().chain(further) {
                let dot = if path.is_empty() { "" } else { "." };
                compare(format!("{path}{dot}{name}"), ours.get(name), theirs.get(name), found);
            }
        }
        (Some(Value::Array(ours)), Some(Value::Array(theirs))) => {
            for index in 0..ours.len().max(theirs.len()) {
                compare(format!("{path}[{index}]"), ours.get(index), theirs.get(index), found);
            }
        }
        (expected, got) if expected == got => {}
        (expected, got) => {
            found.push(Difference { path, expected: expected.cloned(), got: got.cloned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_field_that_differs_is_named_by_its_path() {
        let expected = json!({"a": 1, "b": {"c": [1, {"d": "x"}]}, "gone": true});
        let got = json!({"a": "1", "b": {"c": [1, {"d": "y"}, 3]}, "new": null});
        let found = differences(&expected, &got);
        let paths: Vec<_> = found.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["a", "b.c[1].d", "b.c[2]", "gone", "new"]);
        assert_eq!((&found[3].expected, &found[3].got), (&Some(json!(true)), &None));
        assert_eq!((&found[4].expected, &found[4].got), (&None, &Some(json!(null))));
    }

    #[test]
    fn equal_values_do_not_differ() {
        assert!(differences(&json!({"a": [1, 2]}), &json!({"a": [1, 2]})).is_empty());
        assert_eq!(differences(&json!([]), &json!({})).len(), 1);
    }
}
