//! Values to XML 1.0, the inverse of [`super::xml`].
//!
//! Keys `@name` become attributes, `#text` the element's own text (before its children), arrays repeated elements, null an
//! empty element. Promises: everything is escaped, line ends included, so that a conforming reader gets the same text back;
//! what XML cannot hold (control characters, invalid names, arrays in arrays) is refused with its JSON pointer.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::xml::is_xml_char;
use super::{Encoding, Error, Limits, XmlOptions, scalar_text};

pub(super) fn encode(
    value: &Value,
    encoding: Encoding,
    options: &XmlOptions,
    limits: &Limits,
) -> Result<String, Error> {
    let Some(root) = &options.root else {
        return Err(Error::unfit("", "xml.root must name the root element to write"));
    };
    let mut writer = Writer { out: String::with_capacity(1024), pointer: String::new(), limits, depth: 0 };
    writer.out.push_str("<?xml version=\"1.0\" encoding=\"");
    writer.out.push_str(encoding.name());
    writer.out.push_str("\"?>\n");
    writer.element(root, value)?;
    Ok(writer.out)
}

struct Writer<'a> {
    out: String,
    /// JSON pointer of the value being written.
    pointer: String,
    limits: &'a Limits,
    depth: usize,
}

impl Writer<'_> {
    fn element(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        if !is_name(name) {
            return Err(self.unfit("its key is not an xml name"));
        }
        if self.depth >= self.limits.max_depth {
            return Err(self.unfit("it is nested deeper than max_depth"));
        }
        self.depth += 1;
        self.out.push('<');
        self.out.push_str(name);
        let empty = match value {
            Value::Object(fields) => self.content(fields)?,
            Value::Array(_) => return Err(self.unfit("an array cannot stand in an array or at the root")),
            scalar => self.leaf(scalar)?,
        };
        if empty {
            self.out.push_str("/>");
        } else {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
        self.depth -= 1;
        Ok(())
    }

    /// Writes from behind the element's name to before its end tag; true when the element is empty and its tag still open.
    fn content(&mut self, fields: &Map<String, Value>) -> Result<bool, Error> {
        for (key, value) in fields {
            if let Some(name) = key.strip_prefix('@') {
                self.within(key, |writer| writer.attribute(name, value))?;
            }
        }
        let mut empty = true;
        if let Some(text) = fields.get("#text") {
            empty = self.within("#text", |writer| writer.leaf(text))?;
        }
        for (key, value) in fields.iter().filter(|(key, _)| !key.starts_with('@') && *key != "#text") {
            let children = match value {
                Value::Array(values) => values.as_slice(),
                one => std::slice::from_ref(one),
            };
            for (index, child) in children.iter().enumerate() {
                if std::mem::take(&mut empty) {
                    self.out.push('>');
                }
                let step = if value.is_array() { format!("{key}/{index}") } else { key.clone() };
                self.within(&step, |writer| writer.element(key, child))?;
            }
        }
        Ok(empty)
    }

    fn leaf(&mut self, value: &Value) -> Result<bool, Error> {
        let text = scalar_text(value, &self.pointer)?.unwrap_or_default();
        if text.is_empty() {
            return Ok(true);
        }
        self.out.push('>');
        self.escape(&text, "\r")?;
        Ok(false)
    }

    fn attribute(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        if !is_name(name) {
            return Err(self.unfit("its key is not an xml name"));
        }
        let text = scalar_text(value, &self.pointer)?.unwrap_or_default();
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        self.escape(&text, "\r\n\t\"")?;
        self.out.push('"');
        Ok(())
    }

    /// Markup by name, and the characters of `numbered`, which a reader would change, by number.
    fn escape(&mut self, text: &str, numbered: &str) -> Result<(), Error> {
        for character in text.chars() {
            match character {
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '&' => self.out.push_str("&amp;"),
                _ if !is_xml_char(character) => {
                    return Err(self.unfit("it has a character that xml does not allow"));
                }
                _ if numbered.contains(character) => {
                    // Writing to a String cannot fail.
                    write!(self.out, "&#{};", u32::from(character)).unwrap_or_default();
                }
                _ => self.out.push(character),
            }
        }
        Ok(())
    }

    fn within<T>(
        &mut self,
        step: &str,
        write: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(step);
        let written = write(self)?;
        self.pointer.truncate(length);
        Ok(written)
    }

    fn unfit(&self, reason: &'static str) -> Error {
        Error::unfit(&self.pointer, reason)
    }
}

/// Names as of XML 1.0, production 5, with every letter beyond ASCII allowed; a colon is the namespace prefix's.
fn is_name(name: &str) -> bool {
    let starts = |c: char| c.is_alphabetic() || c == '_';
    name.split(':').count() <= 2
        && name.split(':').all(|part| {
            part.starts_with(starts) && part.chars().all(|c| starts(c) || c.is_numeric() || ".-·".contains(c))
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::xml;
    use super::*;

    fn write(value: &Value) -> Result<String, Error> {
        let options = XmlOptions { root: Some("R".to_owned()), ..XmlOptions::default() };
        encode(value, Encoding::Utf8, &options, &Limits::default())
    }

    fn body(value: &Value) -> String {
        let text = write(value).unwrap();
        text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").unwrap().to_owned()
    }

    #[test]
    fn attributes_text_and_children_are_written() {
        let value = json!({"b": [1, {"c": null}], "@id": "7", "#text": "t", "名称": true});
        assert_eq!(body(&value), r#"<R id="7">t<b>1</b><b><c/></b><名称>true</名称></R>"#);
    }

    #[test]
    fn markup_in_values_is_escaped() {
        let value = json!({"@a": "\"<&>\n", "t": "</t>&\r\n"});
        assert_eq!(body(&value), "<R a=\"&#34;&lt;&amp;&gt;&#10;\"><t>&lt;/t&gt;&amp;&#13;\n</t></R>");
    }

    #[test]
    fn the_declaration_names_the_character_set() {
        let options = XmlOptions { root: Some("R".to_owned()), ..XmlOptions::default() };
        let text = encode(&json!("a"), Encoding::Gb18030, &options, &Limits::default()).unwrap();
        assert_eq!(text, "<?xml version=\"1.0\" encoding=\"GB18030\"?>\n<R>a</R>");
    }

    #[test]
    fn what_xml_cannot_hold_is_refused_with_its_place() {
        for (value, place) in [
            (json!({"a": {"b>": 1}}), "/a/b>"),
            (json!({"a": ["x", ["y"]]}), "/a/1"),
            (json!({"a": "\u{0}"}), "/a"),
            (json!({"@a": {"b": 1}}), "/@a"),
            (json!({"a": {"#text": []}}), "/a/#text"),
            (json!([1]), ""),
        ] {
            match write(&value) {
                Err(Error::Unfit { pointer, .. }) => assert_eq!(pointer, place),
                other => panic!("{value}: {other:?}"),
            }
        }
        let no_root = encode(&json!({}), Encoding::Utf8, &XmlOptions::default(), &Limits::default());
        assert!(no_root.unwrap_err().to_string().contains("xml.root"));
    }

    #[test]
    fn a_value_deeper_than_the_limit_is_not_written() {
        let deep = (0..40).fold(json!("x"), |value, _| json!({ "a": value }));
        assert!(write(&deep).unwrap_err().to_string().contains("max_depth"));
    }

    fn text() -> impl Strategy<Value = Value> {
        "([a-z<>&'\"中]|[^\u{0}-\u{20}\u{fffe}\u{ffff}])(.?[a-z\r\n\t 文]{0,6}]{0,3}[a-z&>])?"
            .prop_filter("xml cannot hold it", |text| text.chars().all(is_xml_char))
            .prop_map(Value::from)
    }

    /// Values that XML can hold: no empty objects or arrays, no arrays of one, no text at the edge of a space.
    fn element() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!("")), text()];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let child =
                prop_oneof![inner.clone(), proptest::collection::vec(inner, 2..4).prop_map(Value::from),];
            let fields = proptest::collection::hash_map("[a-zA-Z_名称][a-z0-9_.项-]{0,4}", child, 1..4);
            let attributes = proptest::collection::hash_map("@[a-z]{1,4}", text(), 0..3);
            (attributes, fields, proptest::option::of(text())).prop_map(|(attributes, fields, text)| {
                let mut object: Map<String, Value> = attributes.into_iter().collect();
                object.extend(fields);
                object.extend(text.map(|text| ("#text".to_owned(), text)));
                Value::Object(object)
            })
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in element()) {
            let text = write(&value).unwrap();
            let limits = Limits::default();
            let records = xml::decode(&text, Encoding::Utf8, &XmlOptions::default(), &limits).unwrap();
            prop_assert_eq!(&records[0].value, &value);
        }
    }
}
