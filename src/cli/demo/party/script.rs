//! The script (剧本) of one party: a TOML file that says how its system speaks and what it does with what
//! it receives.
//!
//! Expressions and bodies are in Jinja syntax over `got` (the record received, as the codec reads it),
//! `number` (a running number of the party), `today` and `now` (China time). They are the party's own
//! program and know nothing of the hub's mappings.

use std::{collections::BTreeMap, path::Path};

use minijinja::{Environment, UndefinedBehavior, Value, value::Serde};
use serde::Deserialize;

use super::{
    super::file,
    fault::{Fault, Refused},
};
use crate::{
    domain::id::{DeliveryId, EndpointId},
    mapping::codec::{Codec, Encoding},
};

/// A party's script.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The endpoint it stands at.
    pub endpoint: EndpointId,
    /// How it is called on the screen.
    pub name: Name,
    /// How it takes deliveries; none for a party that only sends.
    pub receives: Option<Receives>,
    /// How it sends; none for a party that only receives.
    pub sends: Option<Sends>,
    /// What it does with a record it took, in order.
    #[serde(default, rename = "answer")]
    pub answers: Vec<Answer>,
    /// Faults of its system.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
}

/// A name in both languages of the screen.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// How a party takes deliveries.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receives {
    /// Over which channel.
    pub by: Channel,
    /// How its system reads bytes.
    pub codec: Codec,
    /// Where the delivery id stands: an expression.
    pub delivery: String,
    /// What names the fact: an expression. The same fact under two delivery ids is a double delivery.
    pub fact: String,
    /// What must hold of every record, each an expression.
    #[serde(default)]
    pub checks: Vec<String>,
    /// Bodies of its answers to a request; only for HTTP.
    #[serde(default)]
    pub replies: Replies,
}

/// Bodies that an HTTP party answers with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replies {
    /// It has the record.
    #[serde(default)]
    pub taken: String,
    /// It is out of order for now.
    #[serde(default)]
    pub busy: String,
    /// It will never take this record.
    #[serde(default)]
    pub refused: String,
}

/// How a party sends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sends {
    /// Over which channel.
    pub by: Channel,
    /// Media type of its bodies.
    pub media_type: String,
    /// Character set of what it writes.
    #[serde(default)]
    pub encoding: Encoding,
    /// Extension of its files, without the dot.
    pub extension: String,
}

/// A channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// HTTP.
    Http,
    /// Files in a folder.
    Folder,
}

/// One thing a party does with a record it took.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// What it is, for people: 签收, 反馈.
    pub name: String,
    /// For which records: an expression.
    pub when: String,
    /// The message it sends.
    pub body: String,
}

/// Why a script does not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An expression does not hold for the record.
    #[error("expression `{expression}` of party {endpoint} fails")]
    Expression {
        /// Whose.
        endpoint: EndpointId,
        /// Which.
        expression: String,
        /// Why.
        #[source]
        source: Box<minijinja::Error>,
    },
    /// The record names no delivery.
    #[error("record at {endpoint} has no delivery id where `{expression}` looks for it")]
    NoDelivery {
        /// Where.
        endpoint: EndpointId,
        /// The place.
        expression: String,
    },
    /// A check fails.
    #[error("record at {endpoint} fails the check `{expression}`")]
    Check {
        /// Where.
        endpoint: EndpointId,
        /// Which.
        expression: String,
    },
}

impl Script {
    /// Reads a script.
    pub fn read(path: &Path) -> Result<Self, file::Error> {
        file::read(path)
    }
}

/// Runs the expressions of one script.
#[derive(Debug)]
pub struct Program {
    endpoint: EndpointId,
    engine: Environment<'static>,
}

/// What an expression or body may read.
#[derive(Clone, Debug)]
pub struct Scene(Value);

impl Scene {
    /// A record on the table, at `now` in China time (`YYYY-MM-DD HH:MM:SS`).
    pub fn new(got: &serde_json::Value, number: u32, now: &str) -> Self {
        Self(Value::from(BTreeMap::from([
            ("got", Value::from(Serde(got))),
            ("number", Value::from(number)),
            ("now", Value::from(now)),
            ("today", Value::from(now.split(' ').next().unwrap_or_default())),
        ])))
    }

    /// The same with another running number.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        let read = |name| self.0.get_attr(name).unwrap_or_default();
        Self(Value::from(BTreeMap::from([
            ("got", read("got")),
            ("number", Value::from(number)),
            ("now", read("now")),
            ("today", read("today")),
        ])))
    }
}

impl Program {
    /// The program of the party at `endpoint`.
    pub fn new(endpoint: EndpointId) -> Self {
        let mut engine = Environment::new();
        engine.set_undefined_behavior(UndefinedBehavior::Chainable);
        engine.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        Self { endpoint, engine }
    }

    /// The text of an expression; empty where it comes to nothing.
    pub fn text(&self, expression: &str, scene: &Scene) -> Result<String, Error> {
        let value = self.evaluate(expression, scene)?;
        Ok(if value.is_undefined() || value.is_none() { String::new() } else { value.to_string() })
    }

    /// Whether an expression holds.
    pub fn holds(&self, expression: &str, scene: &Scene) -> Result<bool, Error> {
        self.evaluate(expression, scene).map(|value| value.is_true())
    }

    /// A body filled in.
    pub fn fill(&self, body: &str, scene: &Scene) -> Result<String, Error> {
        self.engine
            .render_str(body, scene.0.clone())
            .map_err(|source| self.failed(body.lines().next().unwrap_or_default(), source))
    }

    /// The delivery id of a record, its fact checked.
    pub fn identify(&self, receives: &Receives, scene: &Scene) -> Result<(DeliveryId, String), Error> {
        let delivery = self.text(&receives.delivery, scene)?.trim().parse().map_err(|_| {
            Error::NoDelivery { endpoint: self.endpoint.clone(), expression: receives.delivery.clone() }
        })?;
        for check in &receives.checks {
            if !self.holds(check, scene)? {
                return Err(Error::Check { endpoint: self.endpoint.clone(), expression: check.clone() });
            }
        }
        Ok((delivery, self.text(&receives.fact, scene)?))
    }

    /// Whether one of the faults refuses the record for good.
    pub fn refuses(&self, faults: &[Fault], scene: &Scene) -> Result<Refused, Error> {
        for fault in faults {
            if let Fault::Refuse { when } = fault
                && self.holds(when, scene)?
            {
                return Ok(Refused::Yes);
            }
        }
        Ok(Refused::No)
    }

    fn evaluate(&self, expression: &str, scene: &Scene) -> Result<Value, Error> {
        self.engine
            .compile_expression(expression)
            .and_then(|compiled| compiled.eval(scene.0.clone()))
            .map_err(|source| self.failed(expression, source))
    }

    fn failed(&self, expression: &str, source: minijinja::Error) -> Error {
        Error::Expression {
            endpoint: self.endpoint.clone(),
            expression: expression.to_owned(),
            source: Box::new(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expressions_read_the_record_the_number_and_the_day() {
        let program = Program::new("a".into());
        let scene = Scene::new(&json!({"head": {"no": "7"}}), 3, "2026-03-05 09:30:00");
        assert_eq!(program.text("got.head.no ~ number ~ today", &scene).unwrap(), "732026-03-05");
        assert_eq!(program.text("got.none.at_all", &scene).unwrap(), "");
        assert_eq!(program.text("number", &scene.numbered(9)).unwrap(), "9");
        assert!(program.holds("got.head.no in ['7']", &scene.numbered(4)).unwrap());
    }
}
