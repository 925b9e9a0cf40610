//! Expressions in Jinja syntax, compiled once and evaluated under a fuel limit.
//!
//! Promises: an expression that compiled knows its filters, tests, code tables and variables; evaluation ends, whatever the
//! input; it is `Send + Sync`. Left to others: what the result is for.
//!
//! The engine's own expressions borrow the environment they were compiled in. So that a mapping can own both, each
//! expression is kept as a one-line template that assigns it to a name; the fuel it used can be read there, too.

use std::sync::Arc;

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};

use super::fault::Cause;
use super::filter;
use super::path::Path;
use super::scan::{self, Words};
use super::scope::Scope;
use super::table::Tables;

/// Assigned by every template. Nothing that comes from outside has this name.
const RESULT: &str = "_liandong_result";

/// The compiled expressions of one mapping.
#[derive(Debug)]
pub(crate) struct Engine {
    environment: Environment<'static>,
    tables: Arc<Tables>,
    fuel: u64,
    count: usize,
}

/// An expression of an [`Engine`].
#[derive(Debug)]
pub(crate) struct Expression {
    template: String,
    paths: Vec<String>,
    plain: Option<Path>,
}

impl Expression {
    /// Its path, when it is nothing but one that begins with a name of the record or the context.
    pub(crate) fn plain(&self) -> Option<&Path> {
        self.plain.as_ref()
    }

    /// The paths it reads, from the outermost name it can see.
    pub(crate) fn paths(&self) -> &[String] {
        &self.paths
    }
}

/// What an evaluation came to.
#[derive(Debug)]
pub(crate) struct Evaluated {
    /// May be undefined.
    pub(crate) value: Value,
    /// What it used of the fuel.
    pub(crate) fuel: u64,
}

impl Engine {
    /// An engine whose expressions may use these tables and at most this fuel each.
    pub(crate) fn new(tables: Arc<Tables>, fuel: u64) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_debug(false);
        environment.set_recursion_limit(64);
        environment.set_fuel(Some(fuel));
        filter::register(&mut environment, Arc::clone(&tables));
        Self { environment, tables, fuel, count: 0 }
    }

    /// Compiles an expression that may read the given variables; all that is wrong with it otherwise.
    pub(crate) fn compile(&mut self, source: &str, variables: &[Arc<str>]) -> Result<Expression, Vec<Cause>> {
        let words = self.check(source, variables)?;
        let template = self.count.to_string();
        let text = format!("{{% set {RESULT} = ({source}) %}}");
        self.environment
            .add_template_owned(template.clone(), text)
            .map_err(|error| vec![Cause::Syntax(describe(&error))])?;
        self.count += 1;
        let plain = Path::parse(source.trim()).filter(|path| path.is_of_the_input(variables));
        Ok(Expression { template, paths: words.paths, plain })
    }

    fn check(&self, source: &str, variables: &[Arc<str>]) -> Result<Words, Vec<Cause>> {
        let compiled = self
            .environment
            .compile_expression_owned(source.to_owned())
            .map_err(|error| vec![Cause::Syntax(describe(&error))])?;
        let mut faults = Vec::new();
        let mut unknown = |what, name: &str| faults.push(Cause::Unknown { what, name: name.to_owned() });
        let mut names: Vec<String> = compiled.undeclared_variables(false).into_iter().collect();
        names.sort();
        for name in &names {
            let known = variables.iter().any(|variable| **variable == **name);
            if !known && !self.environment.globals().any(|(global, _)| global == name) {
                unknown("variable", name);
            }
        }
        let words = scan::words(source);
        for name in words.filters.iter().filter(|name| !self.has("filter", name)) {
            unknown("filter", name);
        }
        for name in words.tests.iter().filter(|name| !self.has("test", name)) {
            unknown("test", name);
        }
        for name in words.tables.iter().filter(|name| self.tables.get(name).is_err()) {
            unknown("code table", name);
        }
        if has_outside_strings(source, '*') {
            // Lists and texts are repeated by it without using fuel, so that nothing would bound the result.
            faults.push(Cause::Syntax(
                "operator '*' is not available; amounts are converted by filters".to_owned(),
            ));
        }
        if faults.is_empty() { Ok(words) } else { Err(faults) }
    }

    fn has(&self, what: &str, name: &str) -> bool {
        let question = self.environment.compile_expression_owned(format!("name is {what}"));
        question
            .and_then(|question| question.eval(Value::from_pairs([("name", name)])))
            .is_ok_and(|yes| yes.is_true())
    }

    /// Evaluates an expression of this engine.
    pub(crate) fn evaluate(&self, expression: &Expression, scope: &Arc<Scope>) -> Result<Evaluated, Cause> {
        let names = Value::from_dyn_object(Arc::clone(scope));
        let captured = self
            .environment
            .get_template(&expression.template)
            .and_then(|template| template.render_captured(names))
            .map_err(|error| self.explain(&error, expression, scope))?;
        let state = captured.state();
        let fuel = state.fuel_levels().map_or(0, |(used, _)| used);
        Ok(Evaluated { value: state.lookup(RESULT).unwrap_or_default(), fuel })
    }

    /// The undefined value of an expression, as the paths to blame.
    pub(crate) fn undefined(expression: &Expression, scope: &Scope) -> Cause {
        let absent =
            |path: &&String| scope.find(path).is_none_or(|value| value.is_none() || is_blank(&value));
        let mut paths: Vec<String> = expression.paths.iter().filter(absent).cloned().collect();
        if paths.is_empty() {
            paths.clone_from(&expression.paths);
        }
        Cause::Undefined { paths }
    }

    fn explain(&self, error: &minijinja::Error, expression: &Expression, scope: &Scope) -> Cause {
        match error.kind() {
            ErrorKind::OutOfFuel => Cause::OutOfFuel { limit: self.fuel, key: "fuel_per_expression" },
            ErrorKind::UndefinedError => Self::undefined(expression, scope),
            _ => Cause::Refused(describe(error)),
        }
    }
}

fn has_outside_strings(source: &str, sought: char) -> bool {
    let mut quote = None;
    let mut escaped = false;
    source.chars().any(|character| {
        match (quote, character) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, _) => return character == sought,
        }
        false
    })
}

fn is_blank(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// The engine's words, except those in which it quotes operands.
fn describe(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) if detail.starts_with("unable to calculate") => "unable to calculate".to_owned(),
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::{Map, json};

    use super::*;

    fn run(source: &str, record: &serde_json::Value) -> Result<Evaluated, Cause> {
        let mut engine = Engine::new(Arc::new(Tables::default()), 50_000);
        let expression = engine.compile(source, &[Arc::from("record")]).unwrap();
        engine.evaluate(&expression, &Arc::new(Scope::outermost(record, &Map::new())))
    }

    fn compile(source: &str) -> Vec<String> {
        let mut engine = Engine::new(Arc::new(Tables::default()), 50_000);
        match engine.compile(source, &[Arc::from("record")]) {
            Ok(_) => Vec::new(),
            Err(causes) => causes.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn values_are_computed_from_the_record() {
        let record = json!({"items": [{"n": 2}, {"n": 3}], "名称": "x"});
        assert_eq!(run("record.items | sum(attribute='n')", &record).unwrap().value, Value::from(5));
        assert_eq!(
            run("record['名称'] ~ '-' ~ record.items[0].n", &record).unwrap().value,
            Value::from("x-2")
        );
        assert_eq!(
            run("record.items | map(attribute='n') | list", &record).unwrap().value,
            Value::from(vec![2, 3])
        );
    }

    #[test]
    fn missing_values_are_named() {
        let message = |source| run(source, &json!({"a": {"b": 1}, "e": " "})).unwrap_err().to_string();
        assert_eq!(message("record.a.x.y"), "undefined value record.a.x.y");
        assert_eq!(message("record.a.b ~ record.c"), "undefined value record.c");
        assert!(run("record.c", &json!({})).unwrap().value.is_undefined());
    }

    #[test]
    fn faulty_expressions_are_found_when_they_are_compiled() {
        for (source, fault) in [
            ("record.", "not an expression"),
            ("record.a }}", "not an expression"),
            ("record.a) %}{% set x = (1", "not an expression"),
            ("recrod.a", "unknown variable 'recrod'"),
            ("record.a | dat", "unknown filter 'dat'"),
            ("record.a is longterm", "unknown test 'longterm'"),
            ("record.a | code('t')", "unknown code table 't'"),
            ("debug()", "unknown variable 'debug'"),
        ] {
            let faults = compile(source);
            assert!(faults.len() == 1 && faults[0].contains(fault), "{source}: {faults:?}");
        }
        assert_eq!(compile("a | b").len(), 2);
        assert_eq!(compile("range(3) | list"), Vec::<String>::new());
    }

    #[test]
    fn whatever_an_expression_does_it_ends_soon() {
        let record = json!({"l": (0..100).collect::<Vec<_>>(), "s": "x".repeat(1000)});
        for source in [
            "range(100000) | map('upper') | list",
            "range(100000) | list | length",
            "(range(100000) | join(',')) ~ (range(100000) | join(','))",
            "range(100000) | sort | list | sort | reverse | list",
            "(range(99999) | batch(1) | list) | map('list') | list",
        ] {
            let started = Instant::now();
            let Err(error) = run(source, &record) else { panic!("{source} is not stopped") };
            assert!(matches!(error, Cause::OutOfFuel { limit: 50_000, .. }), "{source}: {error}");
            assert!(started.elapsed() < Duration::from_secs(1), "{source}: {:?}", started.elapsed());
        }
    }

    #[test]
    fn repetition_by_an_operator_is_refused_but_a_star_in_a_text_is_not() {
        for source in ["(range(10000) | list) * 10000", "record.s * 1000000", "'x' * 100000000", "2 ** 3"] {
            assert!(compile(source)[0].contains("'*' is not available"), "{source}");
        }
        assert!(compile("record.s ~ '*' ~ \"a\\\"*\"").is_empty());
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
        let source = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
        assert!(!compile(&source).is_empty());
    }

    #[test]
    fn operands_are_not_quoted_in_errors() {
        let secret = i64::MAX;
        let record = json!({"n": secret, "s": "13800138000"});
        for source in ["record.n + record.n", "record.s + 1", "record.s / 2", "-record.s", "record.s | abs"] {
            if let Err(cause) = run(source, &record) {
                let text = cause.to_string();
                assert!(!text.contains("922337") && !text.contains("138001"), "{text}");
            }
        }
    }

    #[test]
    fn only_paths_of_the_input_are_plain() {
        let mut engine = Engine::new(Arc::new(Tables::default()), 50_000);
        let names = ["record", "kind", "root", "kind"].map(Arc::from);
        let mut plain = |source| engine.compile(source, &names).unwrap().plain().is_some();
        assert!(plain("record.items[0].code") && plain(" record "));
        for source in
            ["root.a", "kind", "record.a|upper", "record['a']", "record.a.upper()", "'record'", "-1"]
        {
            assert!(!plain(source), "{source}");
        }
    }

    #[test]
    fn used_fuel_is_told() {
        let little = run("record.a", &json!({"a": 1})).unwrap().fuel;
        let much = run("record.a | list | length", &json!({"a": vec![1; 1000]})).unwrap().fuel;
        assert!(little < 20 && much > 100, "{little} {much}");
    }
}
