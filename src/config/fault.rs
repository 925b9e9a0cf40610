//! Faults of configuration files: all of a file at once, each with file, line and key, so that an
//! integrator repairs a file in one pass. Texts never hold a secret.

use std::{fmt, ops::Range, path::PathBuf};

use toml::de::{DeTable, DeValue};

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// File as it was named to the loader.
    pub file: PathBuf,
    /// Line from 1; none when the fault has no place, such as a file that cannot be read.
    pub line: Option<usize>,
    /// Dotted key; empty for the file as a whole.
    pub key: String,
    /// What is wrong and what to do.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.text)
    }
}

/// Every fault found, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

/// Collects the faults of one TOML file while it is checked.
#[derive(Debug)]
pub struct Collector<'t> {
    file: PathBuf,
    text: &'t str,
    faults: Vec<Fault>,
}

impl<'t> Collector<'t> {
    /// A collector without faults.
    pub fn new(file: impl Into<PathBuf>, text: &'t str) -> Self {
        Self { file: file.into(), text, faults: Vec::new() }
    }

    /// Notes a fault at a key, given as its path; the line is that of the deepest part found.
    pub fn fault(&mut self, path: &[&str], text: impl Into<String>) {
        let line = self.line_of(path);
        self.faults.push(Fault { file: self.file.clone(), line, key: dotted(path), text: text.into() });
    }

    /// Notes what the TOML reader found.
    pub fn unreadable(&mut self, error: &toml::de::Error) {
        let line = error.span().map(|span| self.line_at(&span));
        let text = error.message().to_owned();
        self.faults.push(Fault { file: self.file.clone(), line, key: String::new(), text });
    }

    /// The value, if nothing was found.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Faults> {
        match value {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(Faults(self.faults)),
        }
    }

    fn line_at(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().iter().take(span.start);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    fn line_of(&self, path: &[&str]) -> Option<usize> {
        let document = DeTable::parse(self.text).ok()?;
        let mut table = document.get_ref();
        let mut found = None;
        for part in path {
            let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == part) else { break };
            found = Some(self.line_at(&key.span()));
            let DeValue::Table(inner) = value.get_ref() else { break };
            table = inner;
        }
        found
    }
}

fn dotted(path: &[&str]) -> String {
    let quoted = |part: &&str| {
        if part.contains(['.', '*', ' ']) { format!("\"{part}\"") } else { (*part).to_owned() }
    };
    path.iter().map(quoted).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = 'x'\n[outbound]\n[outbound.mappings]\n\"approval.result\" = 'a.toml'\n";

    #[test]
    fn a_fault_names_the_line_of_its_key() {
        let mut collector = Collector::new("a/adapter.toml", TEXT);
        collector.fault(&["outbound", "mappings", "approval.result"], "no such file");
        let Err(faults) = collector.finish(Some(())) else { panic!("a fault was noted") };
        assert_eq!(
            faults.to_string(),
            "a/adapter.toml:4: outbound.mappings.\"approval.result\": no such file"
        );
    }

    #[test]
    fn a_missing_key_is_placed_at_its_table() {
        let mut collector = Collector::new("adapter.toml", TEXT);
        collector.fault(&["outbound", "codec"], "is missing");
        let Err(faults) = collector.finish(Some(())) else { panic!("a fault was noted") };
        assert_eq!(faults.0[0].line, Some(2));
    }

    #[test]
    fn several_faults_come_together() {
        let mut collector = Collector::new("adapter.toml", TEXT);
        collector.fault(&["name"], "a");
        collector.fault(&["other"], "b");
        assert_eq!(
            collector.finish(Some(())),
            Err(Faults(vec![
                Fault { file: "adapter.toml".into(), line: Some(1), key: "name".into(), text: "a".into() },
                Fault { file: "adapter.toml".into(), line: None, key: "other".into(), text: "b".into() },
            ]))
        );
    }
}
