//! One record going through a mapping: evaluates its fields, within its bounds, and collects every fault.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Field, Mapping, Need, Repetition};
use crate::mapping::{
    expression::{Engine, Expression},
    fault::{Cause, Fault},
    path::Path as Source,
    scope::Scope,
    target::Target,
};

/// One record being mapped.
pub(super) struct Run<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) record: &'a Value,
    pub(super) context: &'a Map<String, Value>,
    pub(super) faults: Vec<Fault>,
    pub(super) values: usize,
    pub(super) fuel: u64,
}

impl Run<'_> {
    pub(super) fn fill(
        &mut self,
        fields: &[(Target, Field)],
        scope: &Arc<Scope>,
        object: &mut Map<String, Value>,
        prefix: &str,
    ) {
        for (target, field) in fields {
            let name = format!("{prefix}{target}");
            let made = match field.source() {
                Some(source) => self.copy(field, source, scope, &name).map(Ok),
                None => self.evaluate(field, scope, &name).map(|value| to_json(&value)),
            };
            let Some(value) = made else { continue };
            let set = value.and_then(|value| target.set(object, value).map_err(Cause::from));
            if let Err(cause) = set {
                self.fault(&name, field.line, cause);
            }
        }
    }

    pub(super) fn repeat(
        &mut self,
        repetition: &Repetition,
        scope: &Arc<Scope>,
        object: &mut Map<String, Value>,
    ) {
        let name = repetition.target.to_string();
        let Some(elements) = self.evaluate(&repetition.elements, scope, &name) else { return };
        let mut array = Vec::new();
        for (index, element) in each(elements).into_iter().enumerate() {
            let inner = Arc::new(scope.inner(&repetition.name, element));
            let mut made = Map::new();
            self.fill(&repetition.fields, &inner, &mut made, &format!("{name}[{index}]."));
            array.push(Value::Object(made));
        }
        if let Err(fault) = repetition.target.set(object, Value::Array(array)) {
            self.fault(&name, repetition.elements.line, fault.into());
        }
    }

    /// What stands at a plain path, as the engine would give it; none when it is left out, or faulty and told.
    fn copy(&mut self, field: &Field, source: &Source, scope: &Scope, name: &str) -> Option<Value> {
        if !self.may_make_one_more(field, name) {
            return None;
        }
        match (source.find(self.record, self.context), field.need) {
            (None | Some(Value::Null), Need::Optional) => None,
            (None, Need::Required) => {
                self.fault(name, field.line, Engine::undefined(&field.expression, scope));
                None
            }
            (Some(value), _) => Some(value.clone()),
        }
    }

    fn may_make_one_more(&mut self, field: &Field, name: &str) -> bool {
        self.values += 1;
        let limit = self.mapping.max_values;
        if self.values == limit + 1 {
            self.fault(name, field.line, Cause::TooManyValues { limit });
        }
        self.values <= limit
    }

    /// The value of a field; none when it is left out, or faulty and told.
    pub(super) fn evaluate(
        &mut self,
        field: &Field,
        scope: &Arc<Scope>,
        name: &str,
    ) -> Option<minijinja::Value> {
        if !self.may_make_one_more(field, name) {
            return None;
        }
        match self.value(field, scope) {
            Ok(value) => value,
            Err(cause) => {
                self.fault(name, field.line, cause);
                None
            }
        }
    }

    fn value(&mut self, field: &Field, scope: &Arc<Scope>) -> Result<Option<minijinja::Value>, Cause> {
        if let Some(when) = &field.when
            && !self.work(when, scope)?.is_true()
        {
            return Ok(None);
        }
        let value = match (self.work(&field.expression, scope), field.need) {
            (Err(Cause::Undefined { .. }), Need::Optional) => return Ok(None),
            (value, _) => value?,
        };
        match field.need {
            Need::Optional if value.is_undefined() || value.is_none() => Ok(None),
            Need::Required if value.is_undefined() => Err(Engine::undefined(&field.expression, scope)),
            _ => Ok(Some(value)),
        }
    }

    /// Evaluates, and holds the record as a whole to its share of work.
    fn work(&mut self, expression: &Expression, scope: &Arc<Scope>) -> Result<minijinja::Value, Cause> {
        let limit = self.mapping.fuel_per_record;
        if self.fuel >= limit {
            return Err(Cause::OutOfFuel { limit, key: "fuel_per_record" });
        }
        let evaluated = self.mapping.engine.evaluate(expression, scope)?;
        self.fuel += evaluated.fuel;
        Ok(evaluated.value)
    }

    fn fault(&mut self, field: &str, line: usize, cause: Cause) {
        self.faults.push(Fault { field: field.to_owned(), line, cause });
    }
}

fn to_json(value: &minijinja::Value) -> Result<Value, Cause> {
    serde_json::to_value(value).map_err(|_| Cause::NoJson { kind: value.kind().to_string() })
}

/// The elements of a repetition: an XML element that stands once is a repetition of one.
fn each(value: minijinja::Value) -> Vec<minijinja::Value> {
    match value.kind() {
        minijinja::value::ValueKind::Seq => value.try_iter().map(Iterator::collect).unwrap_or_default(),
        _ => vec![value],
    }
}
