//! Lays the default file, a given file and the environment over each other, key by key.
//!
//! What comes out has every key of the default file, each of the default's type, and knows for each where it
//! was said. What does not fit (syntax, unknown sections and keys, wrong types) is a fault; the value below it
//! stays, so that one reading finds all of them.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize as _;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::raw::Raw;
use crate::config::{
    environment::{Environment, PREFIX},
    fault::{Fault, Faults},
};

/// One text with keys in it, and what people call it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

/// Where something was said.
#[derive(Clone, Debug)]
struct Place {
    /// Byte position over all sources laid end to end: unique, and in the order of reading.
    position: usize,
    /// File or variable.
    origin: String,
    /// Line in the file.
    line: Option<usize>,
}

/// The layers laid so far.
///
/// The span of each value is its position over all sources, which is enough to find its place again after
/// deserialisation.
#[derive(Debug)]
pub(super) struct Layers<'a> {
    table: DeTable<'a>,
    found: Found,
    /// Bytes of the sources laid before.
    base: usize,
    /// Name of the default file.
    defaults: &'a str,
}

/// The outcome: the raw structs, and what did not fit so far.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) raw: Raw,
    pub(super) found: Found,
}

/// Found found, and where each value was said that may yet prove faulty.
#[derive(Debug, Default)]
pub(super) struct Found {
    found: Vec<(usize, Fault)>,
    /// Place and `section.key` of the values, by position.
    said: BTreeMap<usize, (Place, String)>,
}

impl Found {
    /// This value is not right.
    pub(super) fn of<T>(&mut self, value: &Spanned<T>, text: impl fmt::Display) {
        if let Some((place, key)) = self.said.get(&value.span().start).cloned() {
            self.at(place, &key, text);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// All of them, in the order of reading.
    pub(super) fn into_faults(mut self) -> Faults {
        self.found.sort_by_key(|(position, _)| *position);
        Faults(self.found.into_iter().map(|(_, fault)| fault).collect())
    }

    fn at(&mut self, place: Place, key: &str, text: impl fmt::Display) {
        let Place { position, origin, line } = place;
        let fault = Fault { file: origin.into(), line, key: key.to_owned(), text: text.to_string() };
        self.found.push((position, fault));
    }
}

impl<'a> Layers<'a> {
    /// Begins with the default file, which says what keys there are.
    pub(super) fn new(defaults: Source<'a>) -> Self {
        let mut layers =
            Self { table: DeTable::new(), found: Found::default(), base: 0, defaults: defaults.name };
        for (section, keys) in layers.parse(defaults) {
            let DeValue::Table(keys) = keys.into_inner() else { continue };
            layers.table.insert(section.clone(), Spanned::new(0..0, DeValue::Table(DeTable::new())));
            for (key, value) in keys {
                let place = layers.place(defaults, key.span().start);
                layers.put(section.get_ref(), key.get_ref(), value.into_inner(), place);
            }
        }
        layers.base += defaults.text.len();
        layers
    }

    /// Lays a file over it.
    pub(super) fn file(mut self, source: Source<'a>) -> Self {
        for (section, keys) in self.parse(source) {
            let place = self.place(source, section.span().start);
            let DeValue::Table(keys) = keys.into_inner() else {
                self.found.at(place, section.get_ref(), "must be a section");
                continue;
            };
            if !self.table.contains_key(section.get_ref().as_ref()) {
                self.unknown(place, Unknown::Section, section.get_ref());
                continue;
            }
            for (key, value) in keys {
                let place = self.place(source, key.span().start);
                self.set(section.get_ref(), key.get_ref(), value.into_inner(), place);
            }
        }
        self.base += source.text.len();
        self
    }

    /// Lays the environment over it.
    pub(super) fn environment(mut self, environment: &'a Environment) -> Self {
        for (index, (variable, text)) in environment.settings().enumerate() {
            let place = Place { position: self.base + index, origin: variable.to_owned(), line: None };
            let path = variable[PREFIX.len()..].to_lowercase().replace("__", ".");
            let (section, key) = path.split_once('.').unwrap_or((&path, ""));
            let Some(text) = text else {
                self.found.at(place, &path, "is not utf-8");
                continue;
            };
            let value = match self.value(section, key) {
                Some(DeValue::String(_)) => DeValue::String(text.into()),
                _ => DeValue::parse(text).map_or_else(|_| DeValue::String(text.into()), Spanned::into_inner),
            };
            self.set(section, key, value, place);
        }
        self
    }

    /// Ends the laying.
    pub(super) fn finish(mut self) -> Result<Merged, Faults> {
        match Raw::deserialize(toml::Deserializer::from(Spanned::new(0..0, self.table))) {
            Ok(raw) => Ok(Merged { raw, found: self.found }),
            Err(error) => {
                let place = Place { position: 0, origin: self.defaults.to_owned(), line: None };
                self.found.at(place, "", error.message());
                Err(self.found.into_faults())
            }
        }
    }

    fn parse(&mut self, source: Source<'a>) -> DeTable<'a> {
        let (table, errors) = DeTable::parse_recoverable(source.text);
        for error in errors {
            let place = self.place(source, error.span().map_or(0, |span| span.start));
            self.found.at(place, "", error.message());
        }
        table.into_inner()
    }

    fn place(&self, source: Source<'_>, offset: usize) -> Place {
        let line = source.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
        Place { position: self.base + offset, origin: source.name.to_owned(), line: Some(line) }
    }

    fn value(&self, section: &str, key: &str) -> Option<&DeValue<'a>> {
        Some(self.table.get(section)?.get_ref().as_table()?.get(key)?.get_ref())
    }

    fn set(&mut self, section: &str, key: &str, value: DeValue<'a>, place: Place) {
        let path = format!("{section}.{key}");
        let Some(default) = self.value(section, key) else {
            return self.unknown(place, Unknown::Key, &path);
        };
        if default.same_type(&value) && in_range(&value) {
            self.put(section, key, value, place);
        } else {
            let text = format!("must be {}, found {}", default.type_str(), shown(&value));
            self.found.at(place, &path, text);
        }
    }

    fn put(&mut self, section: &str, key: &str, value: DeValue<'a>, place: Place) {
        let span = place.position..place.position + 1;
        if let Some(DeValue::Table(keys)) = self.table.get_mut(section).map(Spanned::get_mut) {
            keys.remove(key);
            keys.insert(Spanned::new(span.clone(), key.to_owned().into()), Spanned::new(span, value));
        }
        self.found.said.insert(place.position, (place, format!("{section}.{key}")));
    }

    fn unknown(&mut self, place: Place, what: Unknown, path: &str) {
        let known = self.table.iter().flat_map(|(section, keys)| {
            let section = section.get_ref();
            let keys = keys.get_ref().as_table().into_iter().flatten();
            keys.map(move |(key, _)| match what {
                Unknown::Section => section.to_string(),
                Unknown::Key => format!("{section}.{}", key.get_ref()),
            })
        });
        let nearest = known.min_by_key(|known| strsim::damerau_levenshtein(known, path)).unwrap_or_default();
        let text = format!("unknown {what}; the nearest known one is {nearest}");
        self.found.at(place, path, text);
    }
}

/// What is not known.
#[derive(Clone, Copy, Debug)]
enum Unknown {
    Section,
    Key,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Section => "section",
            Self::Key => "key",
        })
    }
}

fn in_range(value: &DeValue<'_>) -> bool {
    value.as_integer().is_none_or(|number| i64::from_str_radix(number.as_str(), number.radix()).is_ok())
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Integer(number) => format!("{number}, which has more than 64 bits"),
        other => other.type_str().to_owned(),
    }
}
