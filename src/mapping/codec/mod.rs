//! Codecs: bytes of a departmental system to records, and a mapped value back to bytes.
//!
//! Promises: nothing is guessed. A file that is malformed, ambiguous, in another character set, or beyond its limits is
//! refused with the place of the fault; nothing is replaced, cut or skipped. Errors name places, element and field
//! names, never values, so that no personal data reaches a log.
//! Left to others: which connector fetched the bytes, and what the records mean (the mapping program).

mod charset;
mod csv;
mod error;
mod form;
pub mod json;
mod xml;
mod xml_writer;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

pub use charset::Encoding;
pub use csv::{CsvOptions, Delimiter};
pub use error::Error;
pub use xml::XmlOptions;

/// How one system's bytes are read and written: a format in a character set, with limits.
///
/// Deserialises from the `[codec]` table of an adapter; only `format` is required.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Codec {
    /// The syntax of the bytes.
    pub format: Format,
    /// The character set of the bytes. Default UTF-8.
    #[serde(default)]
    pub encoding: Encoding,
    /// Bounds on what is read and written.
    #[serde(default)]
    pub limits: Limits,
    /// What XML needs to be told; ignored by the other formats.
    #[serde(default)]
    pub xml: XmlOptions,
    /// What CSV needs to be told; ignored by the other formats.
    #[serde(default)]
    pub csv: CsvOptions,
}

/// The syntaxes that departmental systems speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// RFC 8259. An object is one record, an array of objects is many.
    Json,
    /// XML 1.0 without a document type. One record, or one for each element at `xml.record`.
    Xml,
    /// RFC 4180 with a header row. One record a row.
    Csv,
    /// `application/x-www-form-urlencoded`, percent-encoded in the codec's character set. One record.
    Form,
}

impl Format {
    /// The file extension of the format, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Xml => "xml",
            Self::Csv => "csv",
            Self::Form => "form",
        }
    }
}

/// Bounds that hold for one file, read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Longest file, in bytes.
    pub max_bytes: usize,
    /// Deepest nesting of elements, objects and arrays. JSON cannot go beyond 127.
    pub max_depth: usize,
    /// Most values in a file: elements, JSON values, CSV cells, form fields.
    pub max_elements: usize,
    /// Most attributes on one XML element.
    pub max_attributes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 4 * 1024 * 1024, max_depth: 32, max_elements: 100_000, max_attributes: 64 }
    }
}

/// One record of a file, and where it stood.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The content in the one shape all mappings read.
    pub value: Value,
    /// Its place in the file, for the trail and for error messages.
    pub origin: Origin,
}

/// The place of a record in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Counted from 1: the first record of the file is 1.
    pub number: usize,
    /// The line on which it starts, counted from 1. JSON does not tell lines of the records of an array.
    pub line: Option<usize>,
}

impl Codec {
    /// A codec with default limits and options.
    pub fn new(format: Format, encoding: Encoding) -> Self {
        Self {
            format,
            encoding,
            limits: Limits::default(),
            xml: XmlOptions::default(),
            csv: CsvOptions::default(),
        }
    }

    /// Reads all records of a file, in their order. A well-formed file without records gives none.
    pub fn decode(&self, bytes: &[u8]) -> Result<Vec<Record>, Error> {
        self.check_size(bytes.len())?;
        if self.format == Format::Form {
            return form::decode(bytes, self.encoding, &self.limits);
        }
        let text = self.encoding.decode(bytes)?;
        match self.format {
            Format::Json => json::decode(&text, &self.limits),
            Format::Xml => xml::decode(&text, self.encoding, &self.xml, &self.limits),
            Format::Csv | Format::Form => csv::decode(&text, &self.csv, &self.limits),
        }
    }

    /// Writes one value (for CSV: one row, or an array of rows) as a complete file.
    ///
    /// What the format cannot hold is refused with the JSON pointer of the value.
    pub fn encode(&self, value: &Value) -> Result<Vec<u8>, Error> {
        let bytes = match self.format {
            Format::Json => self.encoding.encode(&json::encode(value, &self.limits)?)?,
            Format::Xml => {
                self.encoding.encode(&xml_writer::encode(value, self.encoding, &self.xml, &self.limits)?)?
            }
            Format::Csv => self.encoding.encode(&csv::encode(value, &self.csv, &self.limits)?)?,
            Format::Form => form::encode(value, self.encoding, &self.limits)?,
        };
        self.check_size(bytes.len())?;
        Ok(bytes)
    }

    /// The bytes on the wire of a file that a person wrote: a form stands as one `NAME=value` a line, which
    /// can be read and corrected, everything else as it is sent.
    pub fn from_written<'a>(&self, written: &'a [u8]) -> Result<Cow<'a, [u8]>, Error> {
        match self.format {
            Format::Form => form::from_lines(written, self.encoding).map(Cow::Owned),
            Format::Json | Format::Xml | Format::Csv => Ok(Cow::Borrowed(written)),
        }
    }

    /// The extension of a file that a person writes for [`Codec::from_written`], without a dot.
    pub fn written_extension(&self) -> &'static str {
        match self.format {
            Format::Form => "txt",
            other => other.extension(),
        }
    }

    /// The media type to announce for what `encode` wrote.
    pub fn media_type(&self) -> &'static str {
        match (self.format, self.encoding) {
            (Format::Json, Encoding::Utf8) => "application/json",
            (Format::Json, Encoding::Gb18030) => "application/json; charset=gb18030",
            (Format::Xml, Encoding::Utf8) => "application/xml; charset=utf-8",
            (Format::Xml, Encoding::Gb18030) => "application/xml; charset=gb18030",
            (Format::Csv, Encoding::Utf8) => "text/csv; charset=utf-8",
            (Format::Csv, Encoding::Gb18030) => "text/csv; charset=gb18030",
            (Format::Form, Encoding::Utf8) => "application/x-www-form-urlencoded",
            (Format::Form, Encoding::Gb18030) => "application/x-www-form-urlencoded; charset=gb18030",
        }
    }

    fn check_size(&self, found_bytes: usize) -> Result<(), Error> {
        let limit_bytes = self.limits.max_bytes;
        if found_bytes > limit_bytes { Err(Error::TooLarge { limit_bytes, found_bytes }) } else { Ok(()) }
    }
}

/// The text of a scalar, `None` for null; arrays and objects are refused at `pointer`.
fn scalar_text<'a>(value: &'a Value, pointer: &str) -> Result<Option<Cow<'a, str>>, Error> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(if *flag { "true" } else { "false" }.into())),
        Value::Number(number) => Ok(Some(number.to_string().into())),
        Value::String(text) => Ok(Some(text.as_str().into())),
        Value::Array(_) | Value::Object(_) => {
            Err(Error::unfit(pointer, "text, a number or a boolean is needed here"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_beyond_the_limit_is_refused_before_it_is_read() {
        for format in [Format::Json, Format::Xml, Format::Csv, Format::Form] {
            let mut codec = Codec::new(format, Encoding::Utf8);
            codec.limits.max_bytes = 10;
            let error = codec.decode(b"0123456789a").unwrap_err();
            assert!(matches!(error, Error::TooLarge { limit_bytes: 10, found_bytes: 11 }), "{error}");
        }
    }

    #[test]
    fn a_result_beyond_the_limit_is_not_sent() {
        let mut codec = Codec::new(Format::Json, Encoding::Utf8);
        codec.limits.max_bytes = 10;
        let error = codec.encode(&json!({"name": "0123456789"})).unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit_bytes: 10, .. }), "{error}");
    }

    #[test]
    fn bytes_of_another_character_set_are_refused_by_every_format() {
        let (gbk, _, _) = encoding_rs::GBK.encode("名称");
        for format in [Format::Json, Format::Xml, Format::Csv] {
            let error = Codec::new(format, Encoding::Utf8).decode(&gbk).unwrap_err();
            assert!(matches!(error, Error::WrongEncoding { offset: 0, .. }), "{error}");
        }
    }

    #[test]
    fn codec_settings_refuse_unknown_keys() {
        let codec: Codec = toml::from_str("format = 'xml'\nencoding = 'gb18030'\nxml.root = 'R'").unwrap();
        assert_eq!((codec.format, codec.encoding), (Format::Xml, Encoding::Gb18030));
        let error = toml::from_str::<Codec>("format = 'xml'\nrecords = 'R'").unwrap_err();
        assert!(error.message().contains("records"), "{error}");
    }
}
