//! What is written for people stays true: paths exist, links lead somewhere, tables are whole.

use std::collections::BTreeSet;

use liandong::domain::kind::Kind;

use crate::source::{self, Source, files, root};

/// Folders whose paths, when a paper names them, must exist.
const FOLDERS: [&str; 7] = ["src/", "tests/", "config/", "docs/", "deploy/", "proto/", ".ci/"];

fn papers() -> Vec<Source> {
    let mut all = files("docs", ".md");
    for name in
        ["README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
    {
        all.push(source::open(name));
    }
    all
}

fn paper(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Words of a paper that look like a path of ours.
fn paths(text: &str) -> BTreeSet<&str> {
    let words = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || "/._-".contains(c)))
        .map(|word| word.trim_end_matches(['.', '/']));
    words
        .filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder) && word.len() > folder.len()))
        .collect()
}

#[test]
fn every_path_that_a_paper_names_exists() {
    let mut missing = Vec::new();
    for paper in papers() {
        for path in paths(&paper.text) {
            if !root().join(path).exists() {
                missing.push(format!("{}: {path}", paper.path));
            }
        }
    }
    assert!(missing.is_empty(), "paths that do not exist:\n  {}", missing.join("\n  "));
}

#[test]
fn every_link_of_a_paper_leads_somewhere() {
    let mut broken = Vec::new();
    for paper in papers() {
        let folder = root().join(&paper.path);
        for target in paper.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if !target.starts_with("http") && !folder.parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {target}", paper.path));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n  {}", broken.join("\n  "));
}

#[test]
fn every_test_that_a_trap_names_is_there() {
    let table = paper("docs/traps.md");
    let code: Vec<_> = table.split('`').skip(1).step_by(2).collect();
    let tests: Vec<_> = code.windows(2).filter(|pair| pair[0].contains('/')).collect();
    let rows = table.lines().filter(|line| line.starts_with("| ")).count() - 1;
    assert!(rows >= 14 && tests.len() >= rows, "{} tests in {rows} rows", tests.len());
    for pair in tests {
        let (file, name) = (paper(pair[0]), format!("fn {}()", pair[1]));
        assert!(file.contains(&name), "{} has no {name}", pair[0]);
    }
}

#[test]
fn every_kind_stands_in_the_table_of_kinds() {
    let table = paper("docs/kinds.md");
    for kind in Kind::all() {
        let row = kind.row();
        let begins = format!("| `{}` | {} | `{}` |", row.id, row.chinese, row.payload_field);
        let line = table.lines().find(|line| line.starts_with(&begins));
        let line = line.unwrap_or_else(|| panic!("docs/kinds.md has no row that begins '{begins}'"));
        assert!(line.ends_with(&format!("| {} |", row.basis)), "'{line}' does not end with {}", row.basis);
    }
}

/// Words that a file gives in the form `=> "word"`, from `begin` to the next line that is a closing brace.
fn words(path: &str, begin: &str) -> Vec<String> {
    let text = paper(path);
    let (_, after) = text.split_once(begin).unwrap();
    let (body, _) = after.split_once("\n    }\n").unwrap();
    body.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

#[test]
fn every_refusal_and_reason_for_parking_is_explained() {
    let explained = paper("docs/errors.md");
    let mut words = words("src/port/intake.rs", "The word in data and metrics.");
    words.extend(self::words("src/domain/decision.rs", "impl ParkReason {\n    /// The word in data."));
    assert!(words.len() > 20, "{words:?}");
    for word in words {
        assert!(explained.contains(&format!("\n| `{word}` | ")), "docs/errors.md does not explain {word}");
    }
}

#[test]
fn the_papers_of_both_languages_name_the_same_commands() {
    let commands = |path: &str| -> Vec<String> {
        let text = paper(path);
        let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
        let lines = blocks.flat_map(str::lines).map(|line| line.split('#').next().unwrap_or_default());
        let ascii = lines.map(|line| line.chars().filter(char::is_ascii).collect::<String>());
        ascii.map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(commands("README.md"), commands("README.zh-CN.md"));
}
