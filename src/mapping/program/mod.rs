//! A mapping file, compiled: one `target = expression` a field, `let` names, repetition by `for_each`.
//!
//! Promises: everything wrong with the file is told at load, each with its line; running ends, whatever
//! the record; everything wrong with a record is told at once. Pure once loaded.

mod run;

use std::{collections::BTreeMap, fs, ops::Range, path::Path, sync::Arc};

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

use self::run::Run;
use super::{
    expression::{Engine, Expression},
    fault::{Cause, Error, Fault, Faults},
    path::Path as Source,
    scope::Scope,
    table::Tables,
    target::Target,
};

/// Work one expression may do, unless the file says otherwise.
const FUEL_PER_EXPRESSION: u64 = 50_000;

/// Work all expressions of one record may do, unless the file says otherwise.
const FUEL_PER_RECORD: u64 = 1_000_000;

/// Fields one record may make, unless the file says otherwise.
const MAX_VALUES: usize = 10_000;

/// Names that whoever runs a mapping gives.
pub(super) const INPUT: [&str; 3] = ["record", "delivery", "kind"];

/// A compiled mapping.
#[derive(Debug)]
pub struct Mapping {
    name: String,
    file: String,
    engine: Engine,
    fuel_per_record: u64,
    max_values: usize,
    lets: Vec<(Arc<str>, Field)>,
    fields: Vec<(Target, Field)>,
    repetitions: Vec<Repetition>,
}

/// One expression with its place and its conditions.
#[derive(Debug)]
struct Field {
    line: usize,
    expression: Expression,
    when: Option<Expression>,
    need: Need,
}

impl Field {
    /// Where it is copied from, when that is all.
    fn source(&self) -> Option<&Source> {
        self.expression.plain().filter(|_| self.when.is_none())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

/// An array made of the elements of another.
#[derive(Debug)]
struct Repetition {
    target: Target,
    elements: Field,
    name: Arc<str>,
    fields: Vec<(Target, Field)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    #[serde(default)]
    #[expect(dead_code, reason = "tells the reader what the mapping is for")]
    kind: Option<String>,
    #[serde(default)]
    fuel_per_expression: Option<u64>,
    #[serde(default)]
    fuel_per_record: Option<u64>,
    #[serde(default)]
    max_values: Option<usize>,
    #[serde(default, rename = "let")]
    lets: RawFields,
    fields: RawFields,
    #[serde(default)]
    for_each: Vec<RawRepetition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRepetition {
    target: Spanned<String>,
    #[serde(rename = "in")]
    elements: Spanned<String>,
    #[serde(rename = "as")]
    name: String,
    #[serde(default)]
    optional: Optional,
    fields: RawFields,
}

type RawFields = BTreeMap<String, Spanned<toml::Value>>;

/// Whether nothing may stand for a value.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(transparent)]
struct Optional(bool);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawField {
    expr: String,
    when: Option<String>,
    #[serde(default)]
    optional: Optional,
}

impl Mapping {
    /// Reads and compiles a file.
    pub fn read(path: &Path, tables: &Arc<Tables>) -> Result<Self, Error> {
        let file = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            let cause = Cause::File(format!("cannot be read: {error}"));
            Error::File {
                file: file.clone(),
                faults: Faults(vec![Fault { field: String::new(), line: 0, cause }]),
            }
        })?;
        Self::parse(&file, &text, tables)
    }

    /// Compiles the text of a file.
    pub fn parse(file: &str, text: &str, tables: &Arc<Tables>) -> Result<Self, Error> {
        let failed = |faults| Error::File { file: file.to_owned(), faults: Faults(faults) };
        let raw: Raw = toml::from_str(text).map_err(|error| {
            let line = line_of(text, &error.span().unwrap_or_default());
            failed(vec![Fault { field: String::new(), line, cause: Cause::File(error.message().to_owned()) }])
        })?;
        let fuel = raw.fuel_per_expression.unwrap_or(FUEL_PER_EXPRESSION);
        let mut compiler =
            Compiler { text, engine: Engine::new(Arc::clone(tables), fuel), faults: Vec::new() };
        let mut names: Vec<Arc<str>> = INPUT.map(Arc::from).into();
        let lets = compiler.lets(raw.lets, &mut names);
        let fields = compiler.fields(raw.fields, &names);
        let repetitions = raw.for_each.into_iter().filter_map(|it| compiler.repetition(it, &names)).collect();
        if !compiler.faults.is_empty() {
            compiler.faults.sort_by_key(|fault| fault.line);
            return Err(failed(compiler.faults));
        }
        Ok(Self {
            name: raw.name,
            file: file.to_owned(),
            engine: compiler.engine,
            fuel_per_record: raw.fuel_per_record.unwrap_or(FUEL_PER_RECORD),
            max_values: raw.max_values.unwrap_or(MAX_VALUES),
            lets,
            fields,
            repetitions,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For each target the paths of the input it reads, in the order of the file.
    pub fn lineage(&self) -> Vec<(String, Vec<String>)> {
        let plain = self.fields.iter().map(|(target, field)| (target.to_string(), field));
        let repeated = self.repetitions.iter().flat_map(|repetition| {
            let within = |(target, field)| (format!("{}[].{target}", repetition.target), field);
            repetition.fields.iter().map(move |(target, field)| (target, field)).map(within)
        });
        plain.chain(repeated).map(|(target, field)| (target, field.expression.paths().to_vec())).collect()
    }

    /// Whether nothing needs the engine, so that nothing is converted for it.
    fn copies_only(&self) -> bool {
        let copies = |(_, field): &(Target, Field)| field.source().is_some();
        self.lets.is_empty() && self.repetitions.is_empty() && self.fields.iter().all(copies)
    }

    /// Maps one record; `context` gives further names.
    pub fn run(&self, record: &Value, context: &Map<String, Value>) -> Result<Value, Error> {
        let mut run = Run { mapping: self, record, context, faults: Vec::new(), values: 0, fuel: 0 };
        let mut scope = if self.copies_only() { Scope::default() } else { Scope::outermost(record, context) };
        for (name, field) in &self.lets {
            let outer = Arc::new(scope);
            let value = run.evaluate(field, &outer, name);
            scope = outer.inner(name, value.unwrap_or_default());
        }
        let scope = Arc::new(scope);
        let mut object = Map::new();
        run.fill(&self.fields, &scope, &mut object, "");
        for repetition in &self.repetitions {
            run.repeat(repetition, &scope, &mut object);
        }
        if run.faults.is_empty() {
            return Ok(Value::Object(object));
        }
        Err(Error::Record { mapping: self.name.clone(), file: self.file.clone(), faults: Faults(run.faults) })
    }
}

struct Compiler<'a> {
    text: &'a str,
    engine: Engine,
    faults: Vec<Fault>,
}

impl Compiler<'_> {
    fn lets(&mut self, raw: RawFields, names: &mut Vec<Arc<str>>) -> Vec<(Arc<str>, Field)> {
        let mut lets = Vec::new();
        for (name, value) in in_order(raw) {
            if let Some(field) = self.field(&name, value, names) {
                let name: Arc<str> = name.into();
                names.push(Arc::clone(&name));
                lets.push((name, field));
            }
        }
        lets
    }

    fn fields(&mut self, raw: RawFields, names: &[Arc<str>]) -> Vec<(Target, Field)> {
        let mut fields: Vec<(Target, Field)> = Vec::new();
        for (name, value) in in_order(raw) {
            let line = line_of(self.text, &value.span());
            let target = self.target(&name, line);
            let Some((target, field)) = target.zip(self.field(&name, value, names)) else { continue };
            if let Some((other, _)) = fields.iter().find(|(other, _)| other.collides(&target)) {
                let cause = Cause::Target(format!("collides with '{other}'"));
                self.faults.push(Fault { field: name, line, cause });
            }
            fields.push((target, field));
        }
        fields
    }

    fn repetition(&mut self, raw: RawRepetition, names: &[Arc<str>]) -> Option<Repetition> {
        let line = line_of(self.text, &raw.target.span());
        let need = need(raw.optional);
        let target = self.target(raw.target.as_ref(), line);
        let source = line_of(self.text, &raw.elements.span());
        let elements = self.expression(raw.target.as_ref(), source, raw.elements.as_ref(), names);
        let name: Arc<str> = raw.name.into();
        let names: Vec<_> = names.iter().cloned().chain([Arc::clone(&name)]).collect();
        let fields = self.fields(raw.fields, &names);
        let elements = Field { line: source, expression: elements?, when: None, need };
        Some(Repetition { target: target?, elements, name, fields })
    }

    fn target(&mut self, text: &str, line: usize) -> Option<Target> {
        let target = Target::parse(text);
        target
            .map_err(|fault| self.faults.push(Fault { field: text.to_owned(), line, cause: fault.into() }))
            .ok()
    }

    fn field(&mut self, name: &str, value: Spanned<toml::Value>, names: &[Arc<str>]) -> Option<Field> {
        let line = line_of(self.text, &value.span());
        let raw = match value.into_inner() {
            toml::Value::String(expr) => RawField { expr, when: None, optional: Optional(false) },
            other => match other.try_into::<RawField>() {
                Ok(raw) => raw,
                Err(error) => {
                    let cause = Cause::File(format!(
                        "is an expression or {{ expr, when, optional }}: {}",
                        error.message()
                    ));
                    self.faults.push(Fault { field: name.to_owned(), line, cause });
                    return None;
                }
            },
        };
        let expression = self.expression(name, line, &raw.expr, names);
        let when = match &raw.when {
            Some(when) => Some(self.expression(name, line, when, names)?),
            None => None,
        };
        Some(Field { line, expression: expression?, when, need: need(raw.optional) })
    }

    fn expression(
        &mut self,
        field: &str,
        line: usize,
        source: &str,
        names: &[Arc<str>],
    ) -> Option<Expression> {
        let fault = |cause| Fault { field: field.to_owned(), line, cause };
        let compiled = self.engine.compile(source, names);
        compiled.map_err(|causes| self.faults.extend(causes.into_iter().map(fault))).ok()
    }
}

fn need(optional: Optional) -> Need {
    if optional.0 { Need::Optional } else { Need::Required }
}

/// The fields in the order of the file.
fn in_order(raw: RawFields) -> Vec<(String, Spanned<toml::Value>)> {
    let mut fields: Vec<_> = raw.into_iter().collect();
    fields.sort_by_key(|(_, value)| value.span().start);
    fields
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FILE: &str = r#"
name = "sample"
kind = "approval.result"
[let]
root = "record.data"
[fields]
"businessKey" = "root.no"
"subject.name" = { expr = "root.name", optional = true }
"approvalResult.promise" = { expr = "root.promise", when = "root.commitment == '1'" }
[[for_each]]
target = "items"
in = "root.items"
as = "it"
[for_each.fields]
"code" = "it.code"
"family" = "'ITEM_FAMILY_APPROVAL'"
"#;

    fn parse(text: &str) -> Result<Mapping, Error> {
        Mapping::parse("sample.toml", text, &Arc::new(Tables::default()))
    }

    fn run(record: &Value) -> Result<Value, Error> {
        parse(FILE).unwrap().run(record, &Map::new())
    }

    #[test]
    fn fields_lets_conditions_and_repetitions_make_the_message() {
        let record =
            json!({"data": {"no": "A1", "commitment": "0", "items": [{"code": "x"}, {"code": "y"}]}});
        let expected = json!({
            "businessKey": "A1",
            "items": [{"code": "x", "family": "ITEM_FAMILY_APPROVAL"}, {"code": "y", "family": "ITEM_FAMILY_APPROVAL"}],
        });
        assert_eq!(run(&record).unwrap(), expected);
    }

    #[test]
    fn one_element_is_a_repetition_of_one() {
        let mapped = run(&json!({"data": {"no": "A1", "commitment": "0", "items": {"code": "x"}}})).unwrap();
        assert_eq!(mapped["items"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn every_fault_of_a_record_is_told_with_field_and_line() {
        let record = json!({"data": {"commitment": "1", "items": [{"code": "x"}, {}]}});
        let error = run(&record).unwrap_err();
        let told: Vec<_> = error.faults().iter().map(|fault| (fault.field.as_str(), fault.line)).collect();
        assert_eq!(told, [("businessKey", 7), ("approvalResult.promise", 9), ("items[1].code", 15)]);
        assert!(error.to_string().contains("undefined value root.no"), "{error}");
    }

    #[test]
    fn every_fault_of_a_file_is_told_with_its_line() {
        let text = FILE.replace("\"it.code\"", "\"that.code\"").replace("root.no\"", "root.no | nofilter\"");
        let error = parse(&text).unwrap_err();
        let lines: Vec<_> = error.faults().iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [7, 15], "{error}");
    }

    #[test]
    fn unknown_keys_and_colliding_targets_are_refused() {
        assert!(parse(&FILE.replace("kind =", "kinds =")).unwrap_err().to_string().contains("kinds"));
        let collides = FILE.replace("\"subject.name\" =", "\"businessKey.x\" =");
        assert!(parse(&collides).unwrap_err().to_string().contains("collides"));
    }

    #[test]
    fn lineage_names_the_paths_of_each_target() {
        let lineage = parse(FILE).unwrap().lineage();
        assert_eq!(lineage[0], ("businessKey".to_owned(), vec!["root.no".to_owned()]));
        assert!(
            lineage
                .iter()
                .any(|(target, paths)| target == "items[].code" && paths == &["it.code".to_owned()])
        );
    }
}
