//! A single expression beside a mapping: a condition over an answer, a selector, a query parameter.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    expression::{Engine, Expression},
    fault::Cause,
    scope::Scope,
    table::Tables,
};

/// What one evaluation may use.
const FUEL: u64 = 20_000;

/// A compiled expression with the engine it belongs to.
#[derive(Debug)]
pub struct Question {
    engine: Engine,
    expression: Expression,
}

impl Question {
    /// Compiles an expression that may read `variables`; everything wrong with it otherwise.
    pub fn compile(source: &str, variables: &[&str], tables: Arc<Tables>) -> Result<Self, Vec<Cause>> {
        let mut engine = Engine::new(tables, FUEL);
        let variables: Vec<Arc<str>> = variables.iter().map(|name| Arc::from(*name)).collect();
        let expression = engine.compile(source, &variables)?;
        Ok(Self { engine, expression })
    }

    /// Evaluates it with these names. An undefined result is an error.
    pub fn ask(&self, names: &Map<String, Value>) -> Result<Value, Cause> {
        let scope = Arc::new(Scope::of(names));
        let value = self.engine.evaluate(&self.expression, &scope)?.value;
        if value.is_undefined() {
            return Err(Engine::undefined(&self.expression, &scope));
        }
        serde_json::to_value(&value).map_err(|_| Cause::NoJson { kind: value.kind().to_string() })
    }
}
