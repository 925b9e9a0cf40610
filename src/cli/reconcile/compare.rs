//! A counterpart's list held against ours: what is missing there, missing here, different.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::BOM;
use crate::cli::{Error, output::text};

/// What is compared, where a list has it.
const COMPARED: [&str; 6] = ["sender", "recipient", "kind", "business_key", "revision", "sent_sha256"];

/// A line of a list by the names of its columns.
pub(super) type Row = BTreeMap<String, String>;

/// A counterpart's list.
#[derive(Debug)]
pub(super) struct Theirs {
    /// Its lines by delivery.
    pub(super) rows: BTreeMap<String, Row>,
    /// SHA-256 of the file, in hex.
    pub(super) sha256: String,
}

impl Theirs {
    /// Reads it; a byte order mark is no part of it.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let bytes = fs::read(path)
            .map_err(|source| Error::Unreadable { path: path.display().to_string(), source })?;
        let malformed = |why: String| {
            let path = path.display();
            Error::said(format!("{path} 不是对账清单：{why}"), format!("{path} is no list to compare: {why}"))
        };
        let list = std::str::from_utf8(&bytes).map_err(|error| malformed(error.to_string()))?;
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(list.strip_prefix(BOM).unwrap_or(list).as_bytes());
        let mut rows = BTreeMap::new();
        for row in reader.deserialize::<Row>() {
            let row = row.map_err(|error| malformed(error.to_string()))?;
            let id =
                row.get("delivery").cloned().ok_or_else(|| malformed("no column 'delivery'".to_owned()))?;
            if rows.insert(id.clone(), row).is_some() {
                return Err(malformed(format!("delivery {id} stands there twice")));
            }
        }
        Ok(Self { rows, sha256: hex::encode(Sha256::digest(&bytes)) })
    }
}

/// What both lists say of each other.
#[derive(Debug, Default)]
pub(super) struct Comparison<'l> {
    /// Ours that the counterpart does not have, in order of acceptance.
    pub(super) missing_there: Vec<&'l Value>,
    /// Theirs that are not among ours.
    pub(super) missing_here: Vec<(&'l str, &'l Row)>,
    /// Of both, with the columns that differ.
    pub(super) different: Vec<(&'l Value, Vec<&'static str>)>,
    /// How many are the same.
    pub(super) same: u64,
}

impl<'l> Comparison<'l> {
    /// Compares by delivery, and only in what both say.
    pub(super) fn of(ours: &'l [Value], theirs: &'l BTreeMap<String, Row>) -> Self {
        let mut all = Self::default();
        let mut known = Vec::with_capacity(ours.len());
        for row in ours {
            let id = text(row, "delivery");
            match theirs.get(&id) {
                None => all.missing_there.push(row),
                Some(their) => {
                    let differs = |name: &&str| {
                        their.get(*name).is_some_and(|cell| !cell.is_empty() && *cell != text(row, name))
                    };
                    // Of what is erased here no digest is known any more.
                    let is_known = |name: &&str| row["erased"] != true || *name != "sent_sha256";
                    let columns: Vec<_> = COMPARED.into_iter().filter(is_known).filter(differs).collect();
                    if columns.is_empty() { all.same += 1 } else { all.different.push((row, columns)) }
                }
            }
            known.push(id);
        }
        known.sort();
        let strange = theirs.iter().filter(|(id, _)| known.binary_search(id).is_err());
        all.missing_here = strange.map(|(id, row)| (id.as_str(), row)).collect();
        all
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_compared_by_delivery_and_only_in_what_both_say() {
        let ours = [
            json!({ "delivery": "a", "kind": "approval.result", "sent_sha256": "1", "state": "delivered" }),
            json!({ "delivery": "b", "kind": "approval.result", "sent_sha256": "2", "state": "parked" }),
            json!({ "delivery": "c", "kind": "approval.result", "sent_sha256": "3", "state": "delivered" }),
            json!({ "delivery": "e", "kind": "approval.result", "sent_sha256": null, "erased": true }),
        ];
        let row = |digest: &str| Row::from([("sent_sha256".to_owned(), digest.to_owned())]);
        let theirs = BTreeMap::from([
            ("a".to_owned(), row("1")),
            ("c".to_owned(), row("9")),
            ("d".to_owned(), row("")),
            ("e".to_owned(), row("5")),
        ]);
        let found = Comparison::of(&ours, &theirs);
        assert_eq!((found.missing_there.as_slice(), found.same), ([&ours[1]].as_slice(), 2));
        assert_eq!(found.missing_here.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ["d"]);
        assert_eq!(found.different, [(&ours[2], vec!["sent_sha256"])]);
    }
}
