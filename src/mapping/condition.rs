//! Single expressions beside the mappings: conditions over an answer, the selector of a kind, parameters
//! of a question. Jinja expression syntax, as in mappings, with fuel so that nothing runs away.

use minijinja::{Environment, UndefinedBehavior, value::Serde};
use serde_json::{Map, Value};

/// What one evaluation may use.
const FUEL: u64 = 20_000;

/// The one template of a condition: an expression compiled once borrows its environment, a template does not.
const TEMPLATE: &str = "condition";
/// Assigned by it. Nothing that comes from outside has this name.
const RESULT: &str = "_liandong_result";

/// An expression known to compile and to read nothing but what it is given.
pub struct Condition {
    environment: Environment<'static>,
    source: String,
}

/// Why an expression cannot be used, or gives nothing. Texts hold no values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not an expression.
    #[error("not an expression: {0}")]
    Syntax(String),
    /// It reads a name that nobody gives it.
    #[error("unknown variable '{name}', known are {known}")]
    Unknown {
        /// The name.
        name: String,
        /// What it may read.
        known: String,
    },
    /// It cannot be evaluated with these values.
    #[error("cannot be evaluated: {0}")]
    Unanswered(minijinja::ErrorKind),
    /// What it reads is not there.
    #[error("what it reads is not there")]
    Undefined,
}

/// How a condition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Yes,
    No,
    CannotTell,
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Condition").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Condition {
    /// Compiles an expression that may read `variables`.
    pub fn compile(source: &str, variables: &[&str]) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        let names = environment
            .compile_expression(source)
            .map_err(|error| Error::Syntax(error.detail().unwrap_or("malformed").to_owned()))?
            .undeclared_variables(false);
        let known = |name: &String| variables.contains(&name.as_str());
        let foreign = names.into_iter().find(|name| !known(name) && !is_global(&environment, name));
        if let Some(name) = foreign {
            return Err(Error::Unknown { name, known: variables.join(", ") });
        }
        let text = format!("{{% set {RESULT} = ({source}) %}}");
        let kept = environment.add_template_owned(TEMPLATE, text);
        kept.map_err(|error| Error::Syntax(error.detail().unwrap_or("malformed").to_owned()))?;
        Ok(Self { environment, source: source.to_owned() })
    }

    /// Its value with these names.
    pub fn value(&self, names: &Map<String, Value>) -> Result<Value, Error> {
        let unanswered = |error: minijinja::Error| Error::Unanswered(error.kind());
        let template = self.environment.get_template(TEMPLATE).map_err(unanswered)?;
        let names = minijinja::Value::from(Serde(names));
        let captured = template.render_captured(names).map_err(unanswered)?;
        let value = captured.state().lookup(RESULT).filter(|value| !value.is_undefined());
        let value = value.ok_or(Error::Undefined)?;
        serde_json::to_value(&value).map_err(|_| Error::Unanswered(minijinja::ErrorKind::BadSerialization))
    }

    /// Whether it holds. Anything but yes or no, and anything it cannot read, is no answer.
    pub fn holds(&self, names: &Map<String, Value>) -> Holds {
        match self.value(names) {
            Ok(Value::Bool(true)) => Holds::Yes,
            Ok(Value::Bool(false)) => Holds::No,
            Ok(_) | Err(_) => Holds::CannotTell,
        }
    }
}

fn is_global(environment: &Environment<'_>, name: &str) -> bool {
    environment.globals().any(|(global, _)| global == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(source: &str, names: &Value) -> Holds {
        Condition::compile(source, &["status", "answer"]).unwrap().holds(names.as_object().unwrap())
    }

    #[test]
    fn a_condition_is_yes_no_or_no_answer() {
        let names = json!({"status": 200, "answer": {"code": "0"}});
        assert_eq!(holds("status == 200 and answer.code == '0'", &names), Holds::Yes);
        assert_eq!(holds("answer.code == 0", &names), Holds::No);
        assert_eq!(holds("answer.data.ok", &names), Holds::CannotTell);
        assert_eq!(holds("answer.code", &names), Holds::CannotTell);
        assert_eq!(holds("answer.code == '0'", &json!({"status": 200})), Holds::CannotTell);
    }

    #[test]
    fn an_expression_that_cannot_work_is_refused_when_it_is_loaded() {
        let error = |source| Condition::compile(source, &["status"]).unwrap_err().to_string();
        assert!(error("status ==").starts_with("not an expression"));
        assert_eq!(error("stauts == 200"), "unknown variable 'stauts', known are status");
    }

    #[test]
    fn a_runaway_ends_without_an_answer() {
        let names = json!({"status": 200});
        assert_eq!(
            holds("(range(10000) | map('string') | list | length) * 0 == 0", &names),
            Holds::CannotTell
        );
    }
}
