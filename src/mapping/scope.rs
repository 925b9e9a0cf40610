//! The names an expression sees: the record, what the caller gives, `let` names and the element of a repetition.
//!
//! Inner scopes point to outer ones, so that a repetition copies nothing.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, Serde};

/// A set of names, inside another.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    names: Vec<(Arc<str>, Value)>,
    outer: Option<Arc<Scope>>,
}

impl Scope {
    /// The outermost scope: the record, and one name for each entry of the context.
    pub(crate) fn outermost(
        record: &serde_json::Value,
        context: &serde_json::Map<String, serde_json::Value>,
    ) -> Self {
        let mut scope = Self::default();
        scope.bind("record", Value::from(Serde(record)));
        for (name, value) in context {
            scope.bind(name.as_str(), Value::from(Serde(value)));
        }
        scope
    }

    /// A scope inside this one.
    pub(crate) fn inner(self: &Arc<Self>, name: &Arc<str>, value: Value) -> Self {
        Self { names: vec![(Arc::clone(name), value)], outer: Some(Arc::clone(self)) }
    }

    /// Adds a name; the latest of a name counts.
    pub(crate) fn bind(&mut self, name: impl Into<Arc<str>>, value: Value) {
        self.names.push((name.into(), value));
    }

    /// The value at a path such as `record.items[0].code`; `None` when a step leads nowhere.
    pub(crate) fn find(&self, path: &str) -> Option<Value> {
        let mut steps = path.split('.').flat_map(|part| part.split('['));
        let mut value = self.get(steps.next()?)?;
        for step in steps {
            value = match step.strip_suffix(']').and_then(|index| index.parse().ok()) {
                Some(index) => value.get_item_by_index(index),
                None => value.get_attr(step),
            }
            .ok()?;
        }
        (!value.is_undefined()).then_some(value)
    }

    fn get(&self, name: &str) -> Option<Value> {
        let own = self.names.iter().rev().find(|(known, _)| &**known == name);
        own.map(|(_, value)| value.clone()).or_else(|| self.outer.as_ref()?.get(name))
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.get(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn inner_names_hide_outer_ones() {
        let context = json!({"now": "t", "it": "outer"});
        let outer = Arc::new(Scope::outermost(&json!({"a": 1}), context.as_object().unwrap()));
        let inner = outer.inner(&Arc::from("it"), Value::from("inner"));
        assert_eq!(inner.find("it"), Some(Value::from("inner")));
        assert_eq!(inner.find("now"), Some(Value::from("t")));
        assert_eq!(outer.find("it"), Some(Value::from("outer")));
    }

    #[test]
    fn paths_lead_to_values_or_nowhere() {
        let scope = Scope::outermost(&json!({"items": [{"code": "x"}]}), &serde_json::Map::new());
        assert_eq!(scope.find("record.items[0].code"), Some(Value::from("x")));
        for nowhere in ["record.items[1].code", "record.items[0].name", "record.none.x", "other"] {
            assert_eq!(scope.find(nowhere), None, "{nowhere}");
        }
    }
}
