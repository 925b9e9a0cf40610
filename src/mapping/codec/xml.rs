//! XML 1.0 to values.
//!
//! An element with nothing but text is a string; otherwise an object with its attributes as `@name`, its children by
//! local name and its own text as `#text`. Children of one name become an array. Text is trimmed.
//!
//! Promises: a document type is refused outright, so no entity can grow or read a file; depth, elements and attributes are
//! bounded while reading; namespaces are matched by local name. Comments and processing instructions carry no data and are
//! passed over. Left to others: the order between text and children of mixed content.

use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use serde::Deserialize;
use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::{Encoding, Error, Limits, Origin, Record};

/// What XML cannot say by itself. Paths are local names from the document's root element, joined by `/`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct XmlOptions {
    /// The element that is one record, such as `Envelope/Body/row`. Absent: the root element is the record.
    pub record: Option<String>,
    /// Elements that are arrays even when only one comes.
    pub repeated: Vec<String>,
    /// Name of the root element that is written; needed for output only.
    pub root: Option<String>,
}

pub(super) fn decode(
    text: &str,
    encoding: Encoding,
    options: &XmlOptions,
    limits: &Limits,
) -> Result<Vec<Record>, Error> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut document = Document::new(encoding, options, limits);
    let mut lines = Lines { text, position: 0, line: 1 };
    loop {
        document.line = lines.at(reader.buffer_position());
        let event = reader
            .read_event()
            .map_err(|source| Error::Xml { line: lines.at(reader.error_position()), source })?;
        if let Event::Eof = event {
            return document.finish();
        }
        document.read(event)?;
    }
}

/// Counts lines as reading goes on; positions only grow.
struct Lines<'a> {
    text: &'a str,
    position: usize,
    line: usize,
}

impl Lines<'_> {
    fn at(&mut self, position: u64) -> usize {
        let end = usize::try_from(position).unwrap_or(usize::MAX).min(self.text.len());
        if let Some(passed) = self.text.as_bytes().get(self.position..end) {
            self.line += passed.split(|byte| *byte == b'\n').count() - 1;
            self.position = end;
        }
        self.line
    }
}

/// The state of reading one document.
struct Document<'a> {
    encoding: Encoding,
    options: &'a XmlOptions,
    limits: &'a Limits,
    /// Line on which the current event starts.
    line: usize,
    /// Local names from the root to the open element, joined by `/`, and where each begins.
    path: String,
    starts: Vec<usize>,
    /// The open elements inside the current record; the first is the record itself.
    open: Vec<Element>,
    record_line: usize,
    elements: usize,
    root_seen: bool,
    parent_seen: bool,
    records: Vec<Record>,
}

/// An element whose end is still to come.
#[derive(Default)]
struct Element {
    fields: Map<String, Value>,
    text: String,
}

impl Element {
    fn into_value(mut self) -> Value {
        let text = self.text.trim_matches(is_space);
        if self.fields.is_empty() {
            return Value::String(if text.len() == self.text.len() { self.text } else { text.to_owned() });
        }
        if !text.is_empty() {
            self.fields.insert("#text".to_owned(), text.into());
        }
        Value::Object(self.fields)
    }

    /// Adds a child. An element's own value is never an array, so an array here holds children of the same name.
    fn add(&mut self, name: &str, value: Value, repeated: bool) {
        match self.fields.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(if repeated { Value::Array(vec![value]) } else { value });
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Value::Array(values) => values.push(value),
                first => *first = Value::Array(vec![first.take(), value]),
            },
        }
    }
}

impl<'a> Document<'a> {
    fn new(encoding: Encoding, options: &'a XmlOptions, limits: &'a Limits) -> Self {
        Self {
            encoding,
            options,
            limits,
            line: 1,
            path: String::new(),
            starts: Vec::new(),
            open: Vec::new(),
            record_line: 1,
            elements: 0,
            root_seen: false,
            parent_seen: false,
            records: Vec::new(),
        }
    }

    fn read(&mut self, event: Event<'_>) -> Result<(), Error> {
        match event {
            Event::Decl(declaration) => self.declaration(&declaration),
            Event::DocType(_) => Err(Error::Doctype { line: self.line }),
            Event::Start(start) | Event::Empty(start) => self.start(&start),
            Event::End(_) => {
                self.end();
                Ok(())
            }
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => self.reference(&reference),
            Event::Comment(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), Error> {
        let Some(declared) = declaration.encoding() else { return Ok(()) };
        let declared = declared.map_err(|source| self.malformed(source.into()))?;
        if self.encoding.admits(&declared) {
            return Ok(());
        }
        Err(Error::DeclaredEncoding { declared: declared.into_owned(), configured: self.encoding.name() })
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), Error> {
        if self.starts.is_empty() && self.root_seen {
            return Err(self.not_a_document("more than one root element"));
        }
        self.root_seen = true;
        self.elements += 1;
        if self.elements > self.limits.max_elements {
            return Err(Error::TooManyElements { limit: self.limits.max_elements, line: self.line });
        }
        if self.starts.len() >= self.limits.max_depth {
            return Err(Error::TooDeep { limit: self.limits.max_depth, line: self.line });
        }
        self.enter(start.local_name().as_ref());
        let fields = self.attributes(start)?;
        if !self.open.is_empty() {
            self.open.push(Element { fields, text: String::new() });
        } else if self.at_record() {
            self.record_line = self.line;
            self.open.push(Element { fields, text: String::new() });
        }
        Ok(())
    }

    fn enter(&mut self, name: &str) {
        self.starts.push(self.path.len());
        if !self.path.is_empty() {
            self.path.push('/');
        }
        self.path.push_str(name);
        if let Some((parent, _)) = self.options.record.as_deref().and_then(|path| path.rsplit_once('/')) {
            self.parent_seen |= self.path == parent;
        }
    }

    fn at_record(&self) -> bool {
        match &self.options.record {
            Some(path) => self.path == *path,
            None => self.starts.len() == 1,
        }
    }

    fn attributes(&self, start: &BytesStart<'_>) -> Result<Map<String, Value>, Error> {
        let mut fields = Map::new();
        for (index, attribute) in start.attributes().enumerate() {
            if index >= self.limits.max_attributes {
                return Err(Error::TooManyAttributes {
                    limit: self.limits.max_attributes,
                    element: start.local_name().as_ref().to_owned(),
                    line: self.line,
                });
            }
            let attribute = attribute.map_err(|source| self.malformed(source.into()))?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let value = attribute
                .normalized_value(XmlVersion::Explicit1_0)
                .map_err(|source| self.malformed(source))?;
            self.check_characters(&value)?;
            let name = format!("@{}", attribute.key.local_name().as_ref());
            match fields.entry(name) {
                Entry::Vacant(entry) => entry.insert(Value::String(value.into_owned())),
                Entry::Occupied(entry) => {
                    return Err(Error::Duplicate { name: entry.key().clone(), line: self.line });
                }
            };
        }
        Ok(fields)
    }

    fn end(&mut self) {
        if let Some(element) = self.open.pop() {
            let value = element.into_value();
            if let Some(parent) = self.open.last_mut() {
                let name = self.path.rsplit('/').next().unwrap_or_default();
                let repeated = self.options.repeated.contains(&self.path);
                parent.add(name, value, repeated);
            } else {
                let origin = Origin { number: self.records.len() + 1, line: Some(self.record_line) };
                self.records.push(Record { value, origin });
            }
        }
        if let Some(start) = self.starts.pop() {
            self.path.truncate(start);
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Error> {
        self.check_characters(text)?;
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
        } else if self.starts.is_empty() && !text.chars().all(is_space) {
            return Err(self.not_a_document("text outside the root element"));
        }
        Ok(())
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), Error> {
        let resolved = match reference.resolve_char_ref().map_err(|source| self.malformed(source))? {
            Some(character) => character,
            None => match &**reference {
                "lt" => '<',
                "gt" => '>',
                "amp" => '&',
                "apos" => '\'',
                "quot" => '"',
                name => return Err(Error::UnknownEntity { name: name.to_owned(), line: self.line }),
            },
        };
        if self.starts.is_empty() {
            return Err(self.not_a_document("text outside the root element"));
        }
        self.text(resolved.encode_utf8(&mut [0; 4]))
    }

    fn check_characters(&self, text: &str) -> Result<(), Error> {
        if text.chars().all(is_xml_char) {
            Ok(())
        } else {
            Err(self.not_a_document("a character that xml does not allow"))
        }
    }

    fn finish(self) -> Result<Vec<Record>, Error> {
        if !self.starts.is_empty() {
            return Err(self.not_a_document("the document ends inside an element"));
        }
        if !self.root_seen {
            return Err(self.not_a_document("no root element"));
        }
        match &self.options.record {
            Some(path) if self.records.is_empty() && !self.parent_seen => {
                let parent = path.rsplit_once('/').map_or(path.as_str(), |(parent, _)| parent);
                Err(Error::NoRecordParent { path: parent.to_owned() })
            }
            _ => Ok(self.records),
        }
    }

    fn malformed(&self, source: quick_xml::Error) -> Error {
        Error::Xml { line: self.line, source }
    }

    fn not_a_document(&self, reason: &'static str) -> Error {
        Error::Malformed { format: "xml", line: self.line, reason }
    }
}

/// The white space of XML 1.0, production 3.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// The characters of XML 1.0, production 2.
pub(super) fn is_xml_char(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;
