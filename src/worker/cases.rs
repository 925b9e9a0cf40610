//! The mapping tests (映射用例) of an adapter: files in its folder `tests/`, which department and office can
//! read together. No system is contacted.
//!
//! - `in-<kind>.<ext>` is a body as the system sends it, `in-<kind>.expected.json` the message it becomes (an
//!   array for a body of several records).
//! - `out-<kind>.json` holds a `delivery` and its `record`, `out-<kind>.expected.<ext>` the body that the system
//!   must get. Bodies are compared as records, since white space and order of fields say nothing.
//!
//! `<ext>` is that of the codec: `json`, `xml`, `csv`; `txt` for a form, which stands as one `NAME=value` a line.

use std::{
    collections::BTreeSet,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Adapter,
    difference::{Difference, differences},
};
use crate::{
    domain::{fault::Fault, kind::Kind},
    mapping::codec::{self, Codec},
    port::intake::Refusal,
};

/// Folder of the tests inside an adapter's folder.
const FOLDER: &str = "tests";

/// Which way a test goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From the system to the hub.
    In,
    /// From the hub to the system.
    Out,
}

impl Way {
    /// What the names of its files begin with, before the hyphen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// The tests that an adapter has, and those that it lacks.
#[derive(Debug, Default)]
pub struct Cases {
    /// Tests, in order of name.
    pub cases: Vec<Case>,
    /// Mappings without a test, as `in-<kind>`, `out-<kind>` or `out-*`.
    pub untested: Vec<String>,
    /// Files that belong to no test: a wrong name, or a kind that the adapter does not map.
    pub stray: Vec<PathBuf>,
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// Which way.
    pub way: Way,
    /// Which kind.
    pub kind: Kind,
    /// What is given.
    pub given: PathBuf,
    /// What must come of it.
    pub expected: PathBuf,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.way.as_str(), self.kind)
    }
}

/// Why a test failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The mapping made something else.
    #[error("{} fields differ from what is expected", .0.len())]
    Differs(Vec<Difference>),
    /// The adapter does not take the body.
    #[error("the body is refused: {0}")]
    Refused(Refusal),
    /// The message cannot be put into the system's form.
    #[error("the message cannot be mapped")]
    Unmapped(Vec<Fault>),
    /// The mapping made a message of another kind.
    #[error("'select' takes it for {0}")]
    OtherKind(Kind),
    /// A file of the test cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of the test is not what it should be.
    #[error("{}: {text}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        text: String,
    },
}

/// What `out-<kind>.json` holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    delivery: Value,
    record: Value,
}

impl Cases {
    /// Looks into the adapter's folder. A missing folder holds no tests.
    pub fn of(adapter: &Adapter) -> io::Result<Self> {
        let folder = adapter.config().folder.join(FOLDER);
        let mut found = Self::default();
        let mut expected = BTreeSet::new();
        for path in files(&folder)? {
            match Name::of(adapter, &path) {
                Some(Name::Given(way, kind, answer)) => {
                    found.cases.push(Case { way, kind, given: path, expected: folder.join(answer) });
                }
                Some(Name::Expected) => drop(expected.insert(path)),
                None => found.stray.push(path),
            }
        }
        found.cases.sort();
        let asked: BTreeSet<_> = found.cases.iter().map(|case| &case.expected).collect();
        found.stray.extend(expected.iter().filter(|path| !asked.contains(path)).cloned());
        found.untested = untested(adapter, &found.cases);
        Ok(found)
    }
}

/// What a file of the folder is, by its name.
enum Name {
    /// The given file of a test, with the name of its answer.
    Given(Way, Kind, String),
    Expected,
}

impl Name {
    fn of(adapter: &Adapter, path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (way, rest) = name.split_once('-')?;
        let (way, given, answer) = match way {
            "in" => (Way::In, adapter.codec_in()?.written_extension(), "json"),
            "out" => (Way::Out, "json", adapter.codec_out()?.written_extension()),
            _ => return None,
        };
        let kind = |end: &str| rest.strip_suffix(end).and_then(|kind| kind.parse::<Kind>().ok());
        if let Some(kind) = kind(&format!(".expected.{answer}")) {
            return adapter.maps(way, kind).then_some(Self::Expected);
        }
        let kind = kind(&format!(".{given}")).filter(|kind| adapter.maps(way, *kind))?;
        Some(Self::Given(way, kind, format!("{}-{kind}.expected.{answer}", way.as_str())))
    }
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files: Vec<_> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    Ok(files)
}

fn untested(adapter: &Adapter, cases: &[Case]) -> Vec<String> {
    let tested = |way, kind| cases.iter().any(|case| (case.way, case.kind) == (way, kind));
    let mut untested = Vec::new();
    if let Some(inbound) = &adapter.config().inbound {
        let kinds = inbound.mappings.keys().filter(|kind| !tested(Way::In, **kind));
        untested.extend(kinds.map(|kind| format!("in-{kind}")));
    }
    if let Some(outbound) = &adapter.config().outbound {
        let own = &outbound.mappings.kinds;
        let kinds = own.keys().filter(|kind| !tested(Way::Out, **kind));
        untested.extend(kinds.map(|kind| format!("out-{kind}")));
        let by_other = |case: &Case| case.way == Way::Out && !own.contains_key(&case.kind);
        if outbound.mappings.other.is_some() && !cases.iter().any(by_other) {
            untested.push("out-*".to_owned());
        }
    }
    untested
}

impl Case {
    /// Runs it: nothing is said when it passes.
    pub fn run(&self, adapter: &Adapter) -> Result<(), Failure> {
        let (expected, got) = match self.way {
            Way::In => self.inbound(adapter)?,
            Way::Out => self.outbound(adapter)?,
        };
        let found = differences(&expected, &got);
        if found.is_empty() { Ok(()) } else { Err(Failure::Differs(found)) }
    }

    fn inbound(&self, adapter: &Adapter) -> Result<(Value, Value), Failure> {
        let body = body(adapter.codec_in(), &self.given)?;
        let expected: Value = json_of(&self.expected)?;
        let submissions = adapter.inbound(&body).map_err(Failure::Refused)?;
        let mut messages = Vec::new();
        for submission in submissions {
            match submission.kind {
                Some(kind) if kind != self.kind => return Err(Failure::OtherKind(kind)),
                _ => messages.push(submission.message),
            }
        }
        Ok((expected, one_or_all(messages)))
    }

    fn outbound(&self, adapter: &Adapter) -> Result<(Value, Value), Failure> {
        let Given { delivery, record } = json_of(&self.given)?;
        let context =
            Map::from_iter([("kind".to_owned(), json!(self.kind)), ("delivery".to_owned(), delivery)]);
        let unmapped = |text: String| Failure::Unmapped(vec![Fault::new("", text)]);
        let made = adapter.rendered(self.kind, &record, &context).map_err(Failure::Unmapped)?;
        let codec = adapter.codec_out();
        let read = |bytes: &[u8]| codec.map(|codec| codec.decode(bytes)).transpose();
        let made = read(&made).map_err(|error| unmapped(error.to_string()))?;
        let expected = body(codec, &self.expected)?;
        let expected = read(&expected).map_err(|error| malformed(&self.expected, &error))?;
        let values = |records: Option<Vec<codec::Record>>| {
            one_or_all(records.into_iter().flatten().map(|record| record.value).collect())
        };
        Ok((values(expected), values(made)))
    }
}

fn body(codec: Option<&Codec>, path: &Path) -> Result<Vec<u8>, Failure> {
    let written = fs::read(path).map_err(|source| Failure::Unreadable { path: path.to_owned(), source })?;
    let Some(codec) = codec else { return Ok(written) };
    let body = codec.from_written(&written).map_err(|error| malformed(path, &error))?;
    Ok(body.into_owned())
}

fn malformed(path: &Path, error: &dyn fmt::Display) -> Failure {
    Failure::Malformed { path: path.to_owned(), text: error.to_string() }
}

fn json_of<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, Failure> {
    let text = fs::read(path).map_err(|source| Failure::Unreadable { path: path.to_owned(), source })?;
    serde_json::from_slice(&text).map_err(|error| malformed(path, &error))
}

fn one_or_all(mut values: Vec<Value>) -> Value {
    if values.len() == 1 { values.remove(0) } else { Value::Array(values) }
}
