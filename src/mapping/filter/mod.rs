//! What expressions can call beyond the engine's own filters: codes, dates, amounts, identifiers, text.
//!
//! Promises: a value that is absent (undefined, null or blank text) goes through every filter as undefined, so that a field
//! either needs it and says so, or is optional and is left out; a value that is present but wrong is refused. Refusals
//! describe a value by its shape, never by its content, which may be personal.

mod amount;
mod date;
mod identity;
mod text;

use std::borrow::Cow;
use std::sync::Arc;

use minijinja::{Environment, Error, ErrorKind, Value};

use super::table::Tables;
use crate::domain::personal::shape;

/// Registers all filters and tests, and takes away what has no place in a mapping.
pub(super) fn register(environment: &mut Environment<'static>, tables: Arc<Tables>) {
    for name in ["pprint", "safe", "escape", "e"] {
        environment.remove_filter(name);
    }
    for name in ["debug", "namespace"] {
        environment.remove_global(name);
    }
    register_codes(environment, tables);
    environment.add_filter("date", date::date);
    environment.add_filter("datetime", date::datetime);
    environment.add_filter("date_format", date::date_format);
    environment.add_test("long_term", date::is_long_term);
    environment.add_filter("yuan_from_wan", amount::yuan_from_wan);
    environment.add_filter("wan_from_yuan", amount::wan_from_yuan);
    environment.add_filter("uscc_org_code", identity::uscc_org_code);
    environment.add_filter("id15to18", identity::id15to18);
    environment.add_filter("mask_id", identity::mask_id);
    environment.add_filter("mask_phone", identity::mask_phone);
    environment.add_filter("mask_name", identity::mask_name);
    environment.add_filter("trim", text::trim);
    environment.add_filter("upper", text::upper);
    environment.add_filter("split", text::split);
    environment.add_filter("join", text::join);
    environment.add_filter("digits", text::digits);
    environment.add_filter("strip_prefix", text::strip_prefix);
    environment.add_filter("int", text::int);
    environment.add_filter("present", text::present);
    environment.add_filter("default", text::default);
    environment.add_filter("d", text::default);
    environment.add_filter("required", text::required);
}

fn register_codes(environment: &mut Environment<'static>, tables: Arc<Tables>) {
    let back = Arc::clone(&tables);
    environment.add_filter("code", move |value: &Value, table: &str| -> Result<Value, Error> {
        with_text(value, |code| {
            tables
                .get(table)
                .and_then(|table| table.code(code))
                .map(Value::from)
                .map_err(|e| refuse(e.to_string()))
        })
    });
    environment.add_filter("code_back", move |value: &Value, table: &str| -> Result<Value, Error> {
        with_text(value, |code| {
            back.get(table)
                .and_then(|table| table.code_back(code))
                .map(Value::from)
                .map_err(|e| refuse(e.to_string()))
        })
    });
}

/// Applies `f` to the trimmed text of a value that is present.
fn with_text(value: &Value, f: impl FnOnce(&str) -> Result<Value, Error>) -> Result<Value, Error> {
    match text_of(value)? {
        Some(text) => f(text.trim()),
        None => Ok(Value::UNDEFINED),
    }
}

/// The text of a scalar; `None` when it is absent.
fn text_of(value: &Value) -> Result<Option<Cow<'_, str>>, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(None);
    }
    let text = match value.as_str() {
        Some(text) => Cow::Borrowed(text),
        None if value.is_number() || matches!(value.kind(), minijinja::value::ValueKind::Bool) => {
            Cow::Owned(value.to_string())
        }
        None => return Err(refuse(format!("text is needed, this is a {}", value.kind()))),
    };
    Ok(if text.trim().is_empty() { None } else { Some(text) })
}

fn refuse(reason: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}

#[cfg(test)]
mod tests {
    use super::super::table::Table;
    use super::*;

    /// Evaluates an expression over `v`.
    pub(super) fn eval(expression: &str, v: impl Into<Value>) -> Result<Value, String> {
        let mut tables = Tables::default();
        let text = "name = 't'\nsource = 's'\n[codes]\n1 = 'GRANTED'\n2 = 'REFUSED'\n";
        tables.add(Table::parse("t.toml", text).unwrap()).unwrap();
        let mut environment = Environment::new();
        register(&mut environment, Arc::new(tables));
        let expression = environment.compile_expression(expression).unwrap();
        let context = Value::from_pairs([("v", v.into())]);
        expression.eval(context).map_err(|error| error.detail().unwrap_or_default().to_owned())
    }

    /// The text of a result that must be one.
    pub(super) fn text(expression: &str, v: impl Into<Value>) -> String {
        eval(expression, v).unwrap().as_str().unwrap().to_owned()
    }

    #[test]
    fn absent_values_pass_every_filter_as_undefined() {
        for filter in [
            "code('t')",
            "code_back('t')",
            "date",
            "datetime",
            "date_format('%Y')",
            "yuan_from_wan",
            "wan_from_yuan",
            "uscc_org_code",
            "id15to18",
            "mask_id",
            "mask_phone",
            "mask_name",
            "trim",
            "upper",
            "split(',')",
            "digits",
            "strip_prefix('x')",
            "int",
            "present",
        ] {
            for absent in [Value::UNDEFINED, Value::from(()), Value::from(" \u{3000}")] {
                let result = eval(&format!("v | {filter}"), absent).unwrap();
                assert!(result.is_undefined(), "{filter}: {result}");
            }
        }
    }

    #[test]
    fn codes_are_translated_both_ways_and_never_passed_through() {
        assert_eq!(text("v | code('t')", " 1 "), "GRANTED");
        assert_eq!(text("v | code('t')", 1), "GRANTED");
        assert_eq!(text("v | code_back('t')", "REFUSED"), "2");
        assert_eq!(eval("v | code('t')", "9").unwrap_err(), "code table 't' has no code '9'");
        assert_eq!(eval("v | code_back('t')", "9").unwrap_err(), "code table 't' has no code '9'");
        assert_eq!(eval("v | code('u')", "1").unwrap_err(), "no code table 'u'");
    }

    #[test]
    fn a_refusal_tells_the_shape_and_not_the_value() {
        let unknown = eval("v | code('t')", "张三 61090219900307001X").unwrap_err();
        assert_eq!(unknown, "code table 't' has no code '字字 99999999999999999a'");
        let error = eval("v | date", "61090219900307001X").unwrap_err();
        assert!(error.contains("99999999999999999a") && !error.contains("6109"), "{error}");
    }

    #[test]
    fn lists_are_no_text() {
        assert!(eval("v | date", vec!["a"]).unwrap_err().contains("sequence"));
    }
}
