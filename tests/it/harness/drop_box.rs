//! A department's system that puts files into a folder, and finds what became of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::sender::Files;

/// A folder that a hub picks files up from.
#[derive(Debug)]
pub(crate) struct DropBox {
    folder: tempfile::TempDir,
}

impl DropBox {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The adapter of an endpoint that drops files of canonical messages here. `codec` is its codec table,
    /// `more` is TOML: further sections.
    pub(crate) fn adapter(&self, endpoint: &str, organisations: &[&str], codec: &str, more: &str) -> Files {
        let adapter = format!(
            r#"
endpoint = "{endpoint}"
name = "{endpoint}"
organisations = {organisations:?}
[inbound]
file = {{ folder = "{folder}", poll_ms = 20, receipts = "write" }}
codec = {codec}
mappings = {{ "approval.result" = "in.toml" }}
{more}
"#,
            folder = self.folder.path().display(),
        );
        vec![("adapter.toml", adapter), ("in.toml", RESULT.to_owned())]
    }

    /// The folder of code tables that goes with it.
    pub(crate) fn tables() -> (&'static str, Files) {
        ("tables", vec![("outcome.toml", OUTCOME.to_owned())])
    }

    /// Puts a file down as writers should: under another name first.
    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let unfinished = self.folder.path().join(format!("{name}.tmp"));
        fs::write(&unfinished, bytes).unwrap();
        fs::rename(unfinished, self.folder.path().join(name)).unwrap();
    }

    /// Whether the hub has taken it, one way or the other.
    pub(crate) fn is_gone(&self, name: &str) -> bool {
        !self.folder.path().join(name).exists()
    }

    /// A file below the folder.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Why a file was refused.
    pub(crate) fn explanation(&self, name: &str) -> String {
        fs::read_to_string(self.path(format!("failed/{name}.error.txt"))).unwrap()
    }
}

/// A flat record, of whatever format, to a result.
pub(crate) const RESULT: &str = r#"
name = "result"
[fields]
"businessKey" = "record.no"
"decidedAt" = "record.time | datetime"
"items[0].family" = "'ITEM_FAMILY_APPROVAL'"
"items[0].code" = "record.item"
"subject.type" = "'SUBJECT_TYPE_LEGAL_PERSON'"
"subject.name" = "record.name"
"subject.identifiers[0].type" = "'IDENTIFIER_TYPE_USCC'"
"subject.identifiers[0].number" = "record.code"
"publicity.level" = "'PUBLICITY_LEVEL_NOT_PUBLIC'"
"publicity.reason" = "'涉及商业秘密'"
"classified" = { expr = "record.secret == '1'", when = "record.secret is defined" }
"approvalResult.caseNo" = "record.no"
"approvalResult.handling" = "'HANDLING_TYPE_NEW'"
"approvalResult.outcome" = "record.outcome | code('outcome')"
"approvalResult.procedure" = "'PROCEDURE_ORDINARY'"
"#;

/// The code table that the mapping reads.
pub(crate) const OUTCOME: &str = r#"
name = "outcome"
source = "of the tests"
[codes]
"准予" = "OUTCOME_GRANTED"
"不予" = "OUTCOME_REFUSED"
"#;
