//! Archives: months that left the store, as files that prove themselves.
//!
//! Promises that the same content gives the same bytes, whenever it is written: one canonical JSON value a line, files
//! with their digests in a manifest, each manifest naming the one before. What is personal (payload and salt) has a
//! file of its own with all that opens commitments, so that it can be erased without harm to the proof. Leaves to the writer what goes in, and to the
//! checker to hold it against checkpoints and keys.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, BufWriter, Write as _},
    path::Path,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    canonical,
    digest::{Digest, Digester},
};

/// Names the form of an archive.
pub const FORMAT: &str = "liandong/archive/v1";
/// The file that names the others.
pub const MANIFEST: &str = "manifest.json";
/// Sealed entries of the trail, by position; no personal value.
pub const TRAIL: &str = "trail.jsonl";
/// The signed checkpoints over them.
pub const CHECKPOINTS: &str = "checkpoints.jsonl";
/// Deliveries with their attempts, without what opens the entries about these.
pub const DELIVERIES: &str = "deliveries.jsonl";
/// Messages: what was received, with its salt, and what opens the entries about attempts (digests of what was sent and
/// answered, the words of answers, the salt). Personal; the one file that may be erased.
pub const MESSAGES: &str = "messages.jsonl";
/// Longest line that is read.
const LINE_LIMIT: u64 = 1 << 30;

/// Why an archive cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: Box<str>,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line that is not what it should be.
    #[error("{path} line {line}: {why}")]
    Line {
        /// Which file.
        path: Box<str>,
        /// Which line, from 1.
        line: u64,
        /// What is wrong.
        why: Box<str>,
    },
    /// A value that has no canonical form.
    #[error("a value has no canonical form: {0}")]
    Value(#[from] canonical::Error),
}

impl Error {
    /// Of a file.
    pub fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.display().to_string().into(), source }
    }
}

/// Where the tree stands at one end of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// Entries before it.
    pub size: u64,
    /// The tree's frontier, hex; empty at the beginning of the log.
    pub frontier: String,
    /// The checkpoint of that size; none at the beginning of the log.
    pub checkpoint: Option<String>,
}

/// One file of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Lines in it.
    pub lines: u64,
    /// Bytes in it.
    pub bytes: u64,
    /// SHA-256 of them.
    pub digest: Digest,
}

/// What an archive holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// Name of the log.
    pub origin: String,
    /// The month, as 2026-03.
    pub month: String,
    /// Everything from before is in this archive or in one before it.
    pub until: Timestamp,
    /// Digest of the manifest of the archive before; none of the first.
    pub previous: Option<Digest>,
    /// The tree before its first entry.
    pub before: Edge,
    /// The tree after its last entry.
    pub after: Edge,
    /// Its files.
    pub parts: Vec<Part>,
}

impl Manifest {
    /// Its exact bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let value = serde_json::to_value(self).unwrap_or_default();
        let mut bytes = canonical::to_bytes(&value)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads one, with the digest of its bytes.
    pub fn read(folder: &Path) -> Result<(Self, Digest), Error> {
        let path = folder.join(MANIFEST);
        let bytes = fs::read(&path).map_err(Error::file(&path))?;
        let manifest =
            serde_json::from_slice(&bytes).map_err(|error| malformed(&path, 1, error.to_string()))?;
        Ok((manifest, Digest::of(&bytes)))
    }
}

/// Writes one file of an archive.
#[derive(Debug)]
pub struct PartWriter {
    path: Box<Path>,
    file: BufWriter<File>,
    digester: Digester,
    part: Part,
}

impl PartWriter {
    /// Makes the file.
    pub fn create(folder: &Path, name: &str) -> Result<Self, Error> {
        let path = folder.join(name);
        let file = File::create(&path).map_err(Error::file(&path))?;
        let part = Part { name: name.to_owned(), lines: 0, bytes: 0, digest: Digest::of(&[]) };
        Ok(Self { path: path.into(), file: BufWriter::new(file), digester: Digester::new(), part })
    }

    /// Adds a line.
    pub fn line(&mut self, value: &Value) -> Result<(), Error> {
        let mut bytes = canonical::to_bytes(value)?;
        bytes.push(b'\n');
        self.file.write_all(&bytes).map_err(Error::file(&self.path))?;
        self.digester.update(&bytes);
        self.part.bytes += bytes.len() as u64;
        self.part.lines += 1;
        Ok(())
    }

    /// Makes it durable; what it is.
    pub fn finish(self) -> Result<Part, Error> {
        let Self { path, file, digester, part } = self;
        let file = file.into_inner().map_err(|error| Error::file(&path)(error.into_error()))?;
        file.sync_all().map_err(Error::file(&path))?;
        Ok(Part { digest: digester.finish(), ..part })
    }
}

/// Reads one file of an archive line by line; what it is, by what was read.
pub fn read_part(
    folder: &Path,
    name: &str,
    mut take: impl FnMut(Value) -> Result<(), String>,
) -> Result<Part, Error> {
    let path = folder.join(name);
    let mut file = BufReader::new(File::open(&path).map_err(Error::file(&path))?);
    let (mut digester, mut line) = (Digester::new(), Vec::new());
    let mut part = Part { name: name.to_owned(), lines: 0, bytes: 0, digest: Digest::of(&[]) };
    loop {
        line.clear();
        let read = io::Read::take(&mut file, LINE_LIMIT).read_until(b'\n', &mut line);
        let bytes = read.map_err(Error::file(&path))?;
        if bytes == 0 {
            return Ok(Part { digest: digester.finish(), ..part });
        }
        digester.update(&line);
        part.bytes += bytes as u64;
        part.lines += 1;
        let value = serde_json::from_slice(&line).map_err(|error| error.to_string());
        value.and_then(&mut take).map_err(|why| malformed(&path, part.lines, why))?;
    }
}

fn malformed(path: &Path, line: u64, why: String) -> Error {
    Error::Line { path: path.display().to_string().into(), line, why: why.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_part_is_what_was_written_and_the_same_content_is_the_same_part() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, value: &Value| {
            let mut writer = PartWriter::create(folder.path(), name).unwrap();
            writer.line(value).unwrap();
            writer.line(&json!(2)).unwrap();
            writer.finish().unwrap()
        };
        let one = write("one", &json!({ "b": 1, "a": "市" }));
        let other = write("other", &json!({ "a": "市", "b": 1 }));
        assert_eq!((one.digest, one.lines), (other.digest, 2));
        let mut lines = Vec::new();
        let read = read_part(folder.path(), "one", |value| {
            lines.push(value);
            Ok(())
        });
        assert_eq!(read.unwrap(), one);
        assert_eq!(lines, [json!({ "a": "市", "b": 1 }), json!(2)]);
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x"), "{}\n{\n").unwrap();
        let error = read_part(folder.path(), "x", |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("x line 2"), "{error}");
    }
}
