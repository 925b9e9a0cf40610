//! What changed between two snapshots of a configuration folder, by the ids of its rows: never by what stands in them,
//! since rows may name people.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Serialize;

/// Names of one sort at most; there are as many more as the counts say.
const NAMED: usize = 200;

/// A column or key that names a row, the first that is there.
const NAMES: [&str; 5] = ["id", "code", "organisation", "number", "endpoint"];

/// What changed, each as `file id`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Files of which something changed, if only a remark.
    pub files: BTreeSet<String>,
    /// Rows that are new.
    pub added: Named,
    /// Rows that are gone.
    pub removed: Named,
    /// Rows that say something else.
    pub changed: Named,
}

/// Some rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Named {
    /// How many.
    pub count: usize,
    /// Their names, cut where there are very many.
    pub names: Vec<String>,
}

impl Named {
    fn add(&mut self, name: String) {
        self.count += 1;
        if self.names.len() < NAMED {
            self.names.push(name);
        }
    }
}

/// Compares two snapshots: JSON objects of file names and texts.
pub fn between(before: &[u8], after: &[u8]) -> Difference {
    let read = |bytes: &[u8]| serde_json::from_slice::<BTreeMap<String, String>>(bytes).unwrap_or_default();
    let (before, after) = (read(before), read(after));
    let mut difference = Difference::default();
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (old, new) = (before.get(name), after.get(name));
        if old == new {
            continue;
        }
        difference.files.insert(name.clone());
        let rows = |text: Option<&String>| rows(name, text.map(String::as_str).unwrap_or_default());
        compare(name, &rows(old), &rows(new), &mut difference);
    }
    difference
}

type Rows = BTreeMap<String, Vec<String>>;

fn compare(file: &str, old: &Rows, new: &Rows, difference: &mut Difference) {
    let ids: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for id in ids {
        let name = format!("{file} {id}");
        match (old.get(id), new.get(id)) {
            (None, Some(_)) => difference.added.add(name),
            (Some(_), None) => difference.removed.add(name),
            (Some(old), Some(new)) if old != new => difference.changed.add(name),
            _ => {}
        }
    }
}

/// The rows of a file by their names; several may have one.
fn rows(file: &str, text: &str) -> Rows {
    let is_table = Path::new(file).extension().is_some_and(|extension| extension == "csv");
    let mut rows = if is_table { of_table(text) } else { of_document(text) };
    for same in rows.values_mut() {
        same.sort();
    }
    rows
}

/// Rows of a CSV are named by their first column; where that is of a cross-walk, by both sides.
fn of_table(text: &str) -> Rows {
    let mut rows = Rows::new();
    let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let head = lines.next().unwrap_or_default();
    let columns = if head.starts_with("approval,supervision") { 2 } else { 1 };
    for line in lines {
        let name = line.split(',').take(columns).collect::<Vec<_>>().join(" ");
        rows.entry(name).or_default().push(line.to_owned());
    }
    rows
}

/// Rows of a TOML document are the tables in its lists; what stands beside them is one row.
fn of_document(text: &str) -> Rows {
    let Ok(document) = text.parse::<toml::Table>() else { return Rows::new() };
    let mut rows = Rows::new();
    for (key, value) in &document {
        let Some(list) = value.as_array() else {
            rows.entry(key.clone()).or_default().push(value.to_string());
            continue;
        };
        for row in list {
            let name = NAMES.iter().find_map(|name| row.get(name).and_then(toml::Value::as_str));
            rows.entry(name.unwrap_or(key).to_owned()).or_default().push(row.to_string());
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_named_and_what_they_say_is_not_repeated() {
        let before = json!({
            "rules.toml": "[[rule]]\nid = \"a\"\nbasis = \"x\"\n[[rule]]\nid = \"b\"\nbasis = \"x\"\n",
            "cross_walk.csv": "# 对应\napproval,supervision,from,to\n1,2,,\n1,3,,\n",
            "contacts.toml": "[[contact]]\norganisation = \"o\"\nperson = \"某某\"\n",
            "same.csv": "code,name\n1,x\n",
        });
        let after = json!({
            "rules.toml": "[[rule]]\nid = \"b\"\nbasis = \"y\"\n[[rule]]\nid = \"c\"\nbasis = \"x\"\n",
            "cross_walk.csv": "# 另一说明\napproval,supervision,from,to\n1,2,,\n1,4,,\n",
            "contacts.toml": "[[contact]]\norganisation = \"o\"\nperson = \"别人\"\n",
            "same.csv": "code,name\n1,x\n",
        });
        let found = between(before.to_string().as_bytes(), after.to_string().as_bytes());
        assert_eq!(found.added.names, ["cross_walk.csv 1 4", "rules.toml c"]);
        assert_eq!(found.removed.names, ["cross_walk.csv 1 3", "rules.toml a"]);
        assert_eq!(found.changed.names, ["contacts.toml o", "rules.toml b"]);
        assert_eq!(found.files.len(), 3);
        let said = serde_json::to_string(&found).unwrap();
        assert!(!said.contains("某") && !said.contains("别"), "{said}");
    }

    #[test]
    fn very_many_are_counted_and_some_named() {
        let table = |count: usize| {
            let rows = (0..count).fold("code,name\n".to_owned(), |text, row| format!("{text}{row},x\n"));
            json!({ "divisions.csv": rows }).to_string()
        };
        let found = between(table(0).as_bytes(), table(1_000).as_bytes());
        assert_eq!((found.added.count, found.added.names.len()), (1_000, NAMED));
        assert_eq!(between(b"", table(1).as_bytes()).added.count, 1);
    }
}
