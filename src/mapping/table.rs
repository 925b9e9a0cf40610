//! Code tables: the dictionary between one system's codes and ours.
//!
//! A table is a TOML file with `name`, `source` (where the dictionary was published, for whoever checks it) and `[codes]`
//! from their code to ours. Where several of their codes mean the same, `[back]` says which one is written for it.
//! Promises: a code that is not in the table is an error naming the table, never passed through.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::domain::personal;

/// A dictionary in both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    name: String,
    source: String,
    codes: HashMap<String, String>,
    back: HashMap<String, Back>,
}

/// The way back from a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Back {
    One(String),
    Several,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTable {
    name: String,
    source: String,
    codes: BTreeMap<String, String>,
    #[serde(default)]
    back: BTreeMap<String, String>,
}

/// A table cannot be loaded, or does not know a code.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a table file; the source says line and column.
    #[error("{file}: {source}")]
    Malformed {
        /// The file.
        file: String,
        /// What and where.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A field that must say something is empty.
    #[error("{file}: '{key}' is empty")]
    Empty {
        /// The file.
        file: String,
        /// The field.
        key: &'static str,
    },
    /// `[back]` names a code that does not have this meaning.
    #[error("{file}: [back] gives '{code}' for '{meaning}', but [codes] does not map it there")]
    WrongBack {
        /// The file.
        file: String,
        /// Our code.
        meaning: String,
        /// Their code.
        code: String,
    },
    /// Two tables of one name.
    #[error("code table '{0}' is defined twice")]
    Duplicate(String),
    /// The code is not in the table.
    #[error("code table '{table}' has no code '{code}'")]
    UnknownCode {
        /// The table.
        table: String,
        /// The code, or its shape where it is no plain code: it may be personal.
        code: String,
    },
    /// Several codes have the meaning and `[back]` does not choose.
    #[error("code table '{table}' has several codes for '{meaning}'; choose one under [back]")]
    Ambiguous {
        /// The table.
        table: String,
        /// Our code.
        meaning: String,
    },
    /// No table of that name is loaded.
    #[error("no code table '{0}'")]
    UnknownTable(String),
    /// The folder or a file in it cannot be read.
    #[error("cannot read {path}")]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

impl Table {
    /// Reads a table from the text of a file; `file` is for messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let raw: RawTable = toml::from_str(text)
            .map_err(|source| Error::Malformed { file: file.to_owned(), source: Box::new(source) })?;
        let filled = [
            ("name", raw.name.is_empty()),
            ("source", raw.source.is_empty()),
            ("codes", raw.codes.is_empty()),
        ];
        if let Some((key, _)) = filled.into_iter().find(|(_, empty)| *empty) {
            return Err(Error::Empty { file: file.to_owned(), key });
        }
        let mut back = HashMap::new();
        for (code, meaning) in &raw.codes {
            back.entry(meaning.clone())
                .and_modify(|way| *way = Back::Several)
                .or_insert_with(|| Back::One(code.clone()));
        }
        for (meaning, code) in raw.back {
            if raw.codes.get(&code) != Some(&meaning) {
                return Err(Error::WrongBack { file: file.to_owned(), meaning, code });
            }
            back.insert(meaning, Back::One(code));
        }
        Ok(Self { name: raw.name, source: raw.source, codes: raw.codes.into_iter().collect(), back })
    }

    /// The name by which mappings call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the dictionary was published.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Our code for theirs.
    pub fn code(&self, code: &str) -> Result<&str, Error> {
        self.codes.get(code).map(String::as_str).ok_or_else(|| self.unknown(code))
    }

    /// Their code for ours.
    pub fn code_back(&self, meaning: &str) -> Result<&str, Error> {
        match self.back.get(meaning) {
            Some(Back::One(code)) => Ok(code),
            Some(Back::Several) => {
                Err(Error::Ambiguous { table: self.name.clone(), meaning: meaning.to_owned() })
            }
            None => Err(self.unknown(meaning)),
        }
    }

    fn unknown(&self, code: &str) -> Error {
        Error::UnknownCode { table: self.name.clone(), code: personal::shown(code) }
    }
}

/// All tables a set of mappings may use, by name.
#[derive(Debug, Clone, Default)]
pub struct Tables(BTreeMap<String, Table>);

impl Tables {
    /// Reads every `.toml` file of a folder, in the order of names.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let io = |path: &Path, source| Error::Io { path: path.to_owned(), source };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|source| io(folder, source))? {
            let path = entry.map_err(|source| io(folder, source))?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                files.push(path);
            }
        }
        files.sort();
        let mut tables = Self::default();
        for path in files {
            let text = std::fs::read_to_string(&path).map_err(|source| io(&path, source))?;
            tables.add(Table::parse(&path.display().to_string(), &text)?)?;
        }
        Ok(tables)
    }

    /// Adds a table; a name is given once.
    pub fn add(&mut self, table: Table) -> Result<(), Error> {
        if self.0.contains_key(table.name()) {
            return Err(Error::Duplicate(table.name));
        }
        self.0.insert(table.name.clone(), table);
        Ok(())
    }

    /// The table of that name.
    pub fn get(&self, name: &str) -> Result<&Table, Error> {
        self.0.get(name).ok_or_else(|| Error::UnknownTable(name.to_owned()))
    }

    /// All tables, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Table> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "name = 'result'\nsource = 'circular 1'\n[codes]\n1 = 'GRANTED'\n01 = 'GRANTED'\n2 = 'REFUSED'\n";

    #[test]
    fn codes_are_found_both_ways() {
        let table = Table::parse("t.toml", &format!("{TEXT}[back]\nGRANTED = '1'\n")).unwrap();
        assert_eq!((table.name(), table.source()), ("result", "circular 1"));
        assert_eq!(table.code("01").unwrap(), "GRANTED");
        assert_eq!(table.code_back("GRANTED").unwrap(), "1");
        assert_eq!(table.code_back("REFUSED").unwrap(), "2");
    }

    #[test]
    fn an_unknown_code_is_an_error_with_the_name_of_the_table() {
        let table = Table::parse("t.toml", TEXT).unwrap();
        assert_eq!(table.code("3").unwrap_err().to_string(), "code table 'result' has no code '3'");
        assert_eq!(
            table.code("GRANTED").unwrap_err().to_string(),
            "code table 'result' has no code 'GRANTED'"
        );
        assert!(matches!(table.code_back("1"), Err(Error::UnknownCode { .. })));
    }

    #[test]
    fn an_ambiguous_way_back_is_not_guessed() {
        let table = Table::parse("t.toml", TEXT).unwrap();
        assert!(matches!(table.code_back("GRANTED"), Err(Error::Ambiguous { .. })));
    }

    #[test]
    fn faulty_files_are_refused() {
        for (text, part) in [
            ("name = 'a'\nsource = 's'\n", "codes"),
            ("name = 'a'\nsource = ''\n[codes]\n1 = 'x'", "'source' is empty"),
            ("name = 'a'\nsource = 's'\n[codes]\n", "'codes' is empty"),
            ("name = 'a'\nsource = 's'\nkind = 1\n[codes]\n1 = 'x'", "kind"),
            ("name = 'a'\nsource = 's'\n[codes]\n1 = 'x'\n1 = 'y'", "duplicate key"),
            ("name = 'a'\nsource = 's'\n[codes]\n1 = 'x'\n[back]\nx = '2'", "[back] gives '2'"),
        ] {
            let error = Table::parse("t.toml", text).unwrap_err().to_string();
            assert!(error.starts_with("t.toml: ") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_folder_of_tables_is_read_and_names_are_unique() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.toml"), TEXT).unwrap();
        std::fs::write(folder.path().join("readme.txt"), "not a table").unwrap();
        let tables = Tables::read(folder.path()).unwrap();
        assert_eq!(tables.iter().map(Table::name).collect::<Vec<_>>(), ["result"]);
        assert!(matches!(tables.get("other"), Err(Error::UnknownTable(name)) if name == "other"));
        std::fs::write(folder.path().join("b.toml"), TEXT).unwrap();
        assert!(matches!(Tables::read(folder.path()), Err(Error::Duplicate(name)) if name == "result"));
    }
}
