//! Plain paths such as `record.items[0].code`: most fields of most mappings are copied from one, and that
//! needs no engine.

use std::sync::Arc;

use serde_json::{Map, Value};

/// A path into the record or the context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    name: Box<str>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(Box<str>),
    Index(usize),
}

impl Path {
    /// Reads a path; none when the text is anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (key, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
            if !is_name(key) {
                return None;
            }
            steps.push(Step::Key(key.into()));
            for index in indices.split_inclusive(']') {
                let digits = index.strip_prefix('[')?.strip_suffix(']')?;
                let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
                steps.push(Step::Index(digits.parse().ok().filter(|_| is_number)?));
            }
        }
        match steps.remove(0) {
            Step::Key(name) => Some(Self { name, steps }),
            Step::Index(_) => None,
        }
    }

    /// Whether it begins with a name that the caller gives and that nothing inside the mapping hides.
    pub(crate) fn is_of_the_input(&self, names: &[Arc<str>]) -> bool {
        let given = super::program::INPUT.contains(&&*self.name);
        given && names.iter().filter(|name| ***name == *self.name).count() == 1
    }

    /// What stands there.
    pub(crate) fn find<'v>(&self, record: &'v Value, context: &'v Map<String, Value>) -> Option<&'v Value> {
        let mut value = if &*self.name == "record" { record } else { context.get(&*self.name)? };
        for step in &self.steps {
            value = match step {
                Step::Key(key) => value.get(&**key)?,
                Step::Index(index) => value.get(index)?,
            };
        }
        Some(value)
    }
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_to_a_value_or_nowhere() {
        let (record, context) = (json!({"items": [{"code": "x"}], "a": null}), Map::new());
        let find = |text: &str| Path::parse(text).unwrap().find(&record, &context).cloned();
        assert_eq!(find("record.items[0].code"), Some(json!("x")));
        assert_eq!(find("record.a"), Some(Value::Null));
        for nowhere in ["record.a.b", "record.items[1]", "record.items.code", "record.a[0]", "delivery.id"] {
            assert_eq!(find(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn anything_else_is_no_path() {
        for text in
            ["", ".", "a.", "a..b", "a[", "a[]", "a[x]", "a[-1]", "a[+1]", "a[0]b", "a b", "1", "a|b", "a.0"]
        {
            assert_eq!(Path::parse(text), None, "{text}");
        }
    }
}
