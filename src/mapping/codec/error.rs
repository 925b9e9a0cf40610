//! What can be wrong with bytes or with a value to be written.
//!
//! Texts name places and names, never values: values may be personal data. Nothing here is worth a retry; the same bytes
//! fail again.

/// A file cannot be read, or a value cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file exceeds `max_bytes`.
    #[error("the file has {found_bytes} bytes, the limit is {limit_bytes}; split it or raise max_bytes")]
    TooLarge {
        /// The configured limit.
        limit_bytes: usize,
        /// What came.
        found_bytes: usize,
    },
    /// The bytes are not text in the configured character set.
    #[error("byte {offset} is not {encoding}; correct the encoding of the codec or of the sender")]
    WrongEncoding {
        /// The configured character set.
        encoding: &'static str,
        /// The first byte that does not fit, counted from 0.
        offset: usize,
    },
    /// A character does not exist in the character set of the target.
    #[error("character U+{code_point:04X} does not exist in {encoding}")]
    Unmappable {
        /// The configured character set.
        encoding: &'static str,
        /// The character's number.
        code_point: u32,
    },
    /// The XML declaration names another character set than the codec.
    #[error("the document declares encoding {declared}, the codec is set to {configured}")]
    DeclaredEncoding {
        /// What the document says.
        declared: String,
        /// What the codec says.
        configured: &'static str,
    },
    /// Nesting exceeds `max_depth`.
    #[error("line {line}: nesting is deeper than the limit of {limit}")]
    TooDeep {
        /// The configured limit.
        limit: usize,
        /// Where it was exceeded.
        line: usize,
    },
    /// The file holds more values than `max_elements`.
    #[error("line {line}: more values than the limit of {limit}; split the file or raise max_elements")]
    TooManyElements {
        /// The configured limit.
        limit: usize,
        /// Where it was exceeded.
        line: usize,
    },
    /// An element has more attributes than `max_attributes`.
    #[error("line {line}: element '{element}' has more attributes than the limit of {limit}")]
    TooManyAttributes {
        /// The configured limit.
        limit: usize,
        /// The element.
        element: String,
        /// Where it stands.
        line: usize,
    },
    /// A name that must be unique came twice: a JSON key, an XML attribute, a CSV column.
    #[error("line {line}: '{name}' is given twice")]
    Duplicate {
        /// The name.
        name: String,
        /// Where the second one stands.
        line: usize,
    },
    /// Not JSON.
    #[error("malformed json: {source}")]
    Json {
        /// Says line and column.
        #[source]
        source: serde_json::Error,
    },
    /// Not well-formed XML, as the reader says.
    #[error("line {line}: malformed xml: {source}")]
    Xml {
        /// Where.
        line: usize,
        /// What.
        #[source]
        source: quick_xml::Error,
    },
    /// Well-formed tokens that do not make a document.
    #[error("line {line}: malformed {format}: {reason}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// Where.
        line: usize,
        /// What.
        reason: &'static str,
    },
    /// A document type could define entities that grow or that read files; none is accepted.
    #[error("line {line}: a document type (DOCTYPE) is not accepted")]
    Doctype {
        /// Where.
        line: usize,
    },
    /// An entity that XML does not predefine.
    #[error("line {line}: unknown entity '&{name};'")]
    UnknownEntity {
        /// Its name.
        name: String,
        /// Where.
        line: usize,
    },
    /// The document does not have the configured shape, so that an empty result would hide a change at the sender.
    #[error("no element '{path}', under which the records should stand; correct xml.record")]
    NoRecordParent {
        /// The path looked for.
        path: String,
    },
    /// A JSON record is not an object.
    #[error("record {number} is not an object")]
    NotAnObject {
        /// Counted from 1.
        number: usize,
    },
    /// A CSV file without its header row.
    #[error("no header row")]
    NoHeader,
    /// A CSV column without a name.
    #[error("column {column} of the header row has no name")]
    UnnamedColumn {
        /// Counted from 1.
        column: usize,
    },
    /// A CSV row with more or fewer cells than the header.
    #[error("line {line}: {found} cells, the header has {expected}")]
    Ragged {
        /// Where the row starts.
        line: usize,
        /// Cells in the header.
        expected: u64,
        /// Cells in the row.
        found: u64,
    },
    /// The format cannot hold the value.
    #[error("value at '{pointer}' cannot be written: {reason}")]
    Unfit {
        /// JSON pointer (RFC 6901) of the value.
        pointer: String,
        /// What the format needs.
        reason: &'static str,
    },
}

impl Error {
    pub(super) fn unfit(pointer: &str, reason: &'static str) -> Self {
        Self::Unfit { pointer: pointer.to_owned(), reason }
    }
}
