//! The rules' folder: one file a kind or family, `[[rule]]` tables, read in the order of the file names.
//!
//! Every fault of every file comes at once, with file, line and rule.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    fault::{Fault, Faults},
    rows::{Located, Source},
};
use crate::domain::{
    decision::Part,
    id::RuleId,
    kind::Kind,
    rule::{Audience, Crossing, IfEmpty, Owed, Rule, Rules, Standing, When},
};

/// A `[[rule]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: RuleId,
    kind: Kind,
    basis: Box<str>,
    #[serde(default)]
    standing: Standing,
    #[serde(default)]
    when: When,
    audience: Audience,
    part: Option<Part>,
    share: Option<Box<str>>,
    #[serde(default)]
    owes: Vec<Owed>,
    #[serde(default)]
    may_cross: Vec<Crossing>,
    #[serde(default)]
    if_empty: IfEmpty,
}

impl From<Row> for Rule {
    fn from(row: Row) -> Self {
        let Row { id, kind, basis, standing, when, audience, part, share, owes, may_cross, if_empty } = row;
        Self { id, kind, basis, standing, when, audience, part, share, owes, may_cross, if_empty }
    }
}

/// Loads every `*.toml` of the folder.
///
/// # Errors
/// Every fault of every file: what is unreadable, and each rule that could never match.
pub fn load(folder: &Path, version: u64) -> Result<Rules, Faults> {
    let mut faults = Vec::new();
    let mut rules = Vec::new();
    let mut places: HashMap<RuleId, (PathBuf, usize)> = HashMap::new();
    for path in files(folder, &mut faults) {
        let mut source = Source::read(&path);
        for Located { row, line } in source.tables::<Row>("rule") {
            places.insert(row.id.clone(), (path.clone(), line));
            rules.push(Rule::from(row));
        }
        faults.append(&mut source.into_faults());
    }
    match Rules::build(rules, version) {
        Ok(rules) if faults.is_empty() => Ok(rules),
        Ok(_) => Err(Faults(faults)),
        Err(wrong) => {
            faults.extend(wrong.into_iter().map(|fault| {
                let place = places.get(&fault.rule).cloned();
                let (file, line) = place.map_or((folder.to_owned(), None), |(file, line)| (file, Some(line)));
                Fault { file, line, key: fault.rule.to_string(), text: fault.problem.to_string() }
            }));
            Err(Faults(faults))
        }
    }
}

fn files(folder: &Path, faults: &mut Vec<Fault>) -> Vec<PathBuf> {
    let mut fault = |text: String| {
        faults.push(Fault { file: folder.to_owned(), line: None, key: String::new(), text });
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            fault(format!("cannot be read: {error}"));
            return Vec::new();
        }
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    if files.is_empty() {
        fault("holds no .toml file with rules".to_owned());
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    const GOOD: &str =
        "[[rule]]\nid = 'a'\nkind = 'approval.result'\nbasis = '任务6'\naudience = 'supervisors'\n";

    #[test]
    fn files_are_read_in_the_order_of_their_names() {
        let other = GOOD.replace("'a'", "'b'");
        let folder = folder(&[("20.toml", GOOD), ("10.toml", &other)]);
        let rules = load(folder.path(), 7).unwrap();
        let ids: Vec<_> = rules.of(Kind::ApprovalResult).iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(ids, ["b", "a"]);
        assert_eq!(rules.version(), 7);
    }

    #[test]
    fn every_fault_of_every_file_is_told_with_its_line() {
        let never = "\n[[rule]]\nid = 'x'\nkind = 'risk.warning'\nbasis = '任务18'\naudience = 'superiors'\n\
                     when = { outcome = ['granted'] }\n";
        let unknown = format!("{GOOD}colour = 'red'\n");
        let folder = folder(&[("a.toml", never), ("b.toml", &unknown)]);
        let text = load(folder.path(), 1).unwrap_err().to_string();
        assert!(text.contains("a.toml:2: x: it can never match: risk.warning carries no outcome"), "{text}");
        assert!(text.contains("risk.warning has no audience superiors"), "{text}");
        assert!(text.contains("b.toml:6: rule: unknown field `colour`"), "{text}");
    }

    #[test]
    fn an_empty_folder_is_a_fault() {
        let text = load(folder(&[]).path(), 1).unwrap_err().to_string();
        assert!(text.contains("holds no .toml file"), "{text}");
    }
}
