//! Reads the source tree as text, for the tests that keep the house tidy.
//!
//! A small scanner, no compiler: it blanks comments and literals, cuts off unit tests, and expands the
//! paths of imports. It is as exact as the rules of the house need, and tested below.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One text file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the root of the repository, with slashes.
    pub(crate) path: String,
    /// As it stands.
    pub(crate) text: String,
    /// Whether it is compiled into tests only.
    for_tests: bool,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` whose name ends in `ending`, in order of path; none when there is no folder.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    walk(&root().join(folder), &mut |path| {
        if path.to_string_lossy().ends_with(ending) {
            found.push(read(path));
        }
    });
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}

/// Every Rust file of the package.
pub(crate) fn rust() -> Vec<Source> {
    let mut all = files("src", ".rs");
    all.extend(files("tests", ".rs"));
    all.push(open("build.rs"));
    all
}

/// One file, by its path from the root.
pub(crate) fn open(path: &str) -> Source {
    read(&root().join(path))
}

fn read(path: &Path) -> Source {
    let relative = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
    let (parent, file) = (path.parent().unwrap(), path.file_stem().unwrap().to_string_lossy());
    let declared = fs::read_to_string(parent.join("mod.rs")).unwrap_or_default();
    let for_tests = !relative.starts_with("src/") || declared.contains(&format!("#[cfg(test)]\nmod {file};"));
    Source { path: relative, text: fs::read_to_string(path).unwrap(), for_tests }
}

/// Calls `seen` for every file below `folder`.
pub(crate) fn walk(folder: &Path, seen: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.map(Result::unwrap) {
        let path = entry.path();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => walk(&path, seen),
            kind if kind.is_file() => seen(&path),
            _ => {}
        }
    }
}

impl Source {
    /// The text without comments and literals, line for line.
    pub(crate) fn code(&self) -> String {
        blank(&self.text)
    }

    /// The code that is no unit test: nothing for a file that its parent declares for tests only.
    pub(crate) fn shipped(&self) -> String {
        let code = self.code();
        if self.for_tests || self.path.ends_with("_tests.rs") {
            return String::new();
        }
        let tests = self.text.match_indices("#[cfg(test)]").find(|(at, _)| opens_module(&self.text[*at..]));
        // Blanked, a text has fewer bytes where it has Chinese in it, and as many lines.
        let lines = tests.map(|(at, _)| line_of(&self.text, at) - 1);
        lines.map_or_else(|| code.clone(), |lines| code.split_inclusive('\n').take(lines).collect())
    }

    /// The room: the first folder below `src`; none for the files beside the rooms.
    pub(crate) fn room(&self) -> Option<&str> {
        let inner = self.path.strip_prefix("src/")?;
        inner.split_once('/').map(|(room, _)| room)
    }

    /// Paths from the root of the library that the shipped code names, with their lines: `crate::…`,
    /// `liandong::…` and `super::…` that climbs to the root.
    pub(crate) fn paths(&self) -> Vec<(usize, String)> {
        let code = self.shipped();
        let climb = "super::".repeat(self.depth());
        let mut found = Vec::new();
        for prefix in ["crate::", "liandong::", climb.as_str()].into_iter().filter(|text| !text.is_empty()) {
            for (at, _) in code.match_indices(prefix).filter(|(at, _)| starts_word(&code, *at)) {
                let mut paths = Vec::new();
                expand(&code[at + prefix.len()..], "", &mut paths);
                found.extend(paths.into_iter().map(|path| (line_of(&code, at), path)));
            }
        }
        found
    }

    /// Lines of `code` in which `word` begins a word.
    pub(crate) fn lines_with(code: &str, word: &str) -> Vec<usize> {
        let hits = code.match_indices(word).filter(|(at, _)| starts_word(code, *at));
        hits.map(|(at, _)| line_of(code, at)).collect()
    }

    fn depth(&self) -> usize {
        let parts = self.path.split('/').count() - 1;
        if self.path.ends_with("/mod.rs") { parts - 1 } else { parts }
    }
}

/// The line of a byte offset, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn opens_module(code: &str) -> bool {
    let line = code.lines().skip(1).find(|line| !line.starts_with("#["));
    line.is_some_and(|line| line.contains("mod tests") && line.ends_with('{'))
}

fn starts_word(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
}

/// Expands the tree of one import; returns what follows it.
fn expand<'t>(text: &'t str, prefix: &str, paths: &mut Vec<String>) -> &'t str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start();
            match rest.chars().next() {
                Some('}') => return &rest[1..],
                Some(',') => rest = &rest[1..],
                Some(c) if c.is_alphabetic() || "_{*".contains(c) => rest = expand(rest, prefix, paths),
                _ => return rest,
            }
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = if text.starts_with('*') { text.split_at(1) } else { text.split_at(end) };
    let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
    match rest.strip_prefix("::") {
        Some(inner) if inner.starts_with(|c: char| c.is_alphabetic() || "_{*".contains(c)) => {
            expand(inner, &path, paths)
        }
        _ => {
            paths.push(path);
            let renamed = rest.trim_start().strip_prefix("as ");
            renamed.map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'))
        }
    }
}

/// Replaces comments and the contents of literals by spaces; line ends stay.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = literal(rest, out.chars().next_back());
        let (part, after) = rest.split_at(if length == 0 { first.len_utf8() } else { length });
        if length == 0 {
            out.push_str(part);
        } else {
            out.extend(part.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = after;
    }
    out
}

/// Length of the comment or literal that begins here; 0 for code.
fn literal(rest: &str, before: Option<char>) -> usize {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |at| at + 2);
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    if rest.starts_with('r') && !in_word {
        let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
        if rest[1 + hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let begin = 2 + hashes;
            return rest[begin..].find(&end).map_or(rest.len(), |at| begin + at + end.len());
        }
    }
    if rest.starts_with('\'') && !in_word {
        let mut chars = rest[1..].chars();
        let (first, second) = (chars.next(), chars.next());
        if first == Some('\\') || second == Some('\'') {
            return quoted(rest, '\'');
        }
    }
    0
}

/// Length of a quoted literal with escapes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into(), for_tests: false }
    }

    fn paths(path: &str, text: &str) -> Vec<String> {
        source(path, text).paths().into_iter().map(|(_, path)| path).collect()
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let code = blank("a(\"x // y\", 'q', '\\'', r#\"z\"z\"#); // b\nfn c<'d>() {} /* e\n */ f");
        assert_eq!(code.split_whitespace().collect::<String>(), "a(,,,);fnc<'d>(){}f");
        assert_eq!(code.lines().count(), 3);
    }

    #[test]
    fn an_import_is_expanded_into_every_path_it_names() {
        let text =
            "use crate::{\n    domain::{id::{A, B as C}, kind},\n    port::*,\n};\nlet x = crate::task::y();";
        let found = paths("src/engine/mod.rs", text);
        assert_eq!(found, ["domain::id::A", "domain::id::B", "domain::kind", "port::*", "task::y"]);
    }

    #[test]
    fn climbing_to_the_root_is_seen() {
        assert_eq!(paths("src/port/bus.rs", "use super::super::store::sqlite;"), ["store::sqlite"]);
        assert_eq!(paths("src/port/mod.rs", "use super::engine::x;"), ["engine::x"]);
        assert!(paths("src/port/bus.rs", "use super::store::Error;").is_empty());
    }

    #[test]
    fn unit_tests_are_not_shipped() {
        let text = "use crate::a::B;\n#[cfg(test)]\nmod tests {\n    use crate::c::D;\n}\n";
        assert_eq!(paths("src/engine/x.rs", text), ["a::B"]);
        let file = Source { for_tests: true, ..source("src/engine/tests.rs", "use crate::c::D;") };
        assert!(file.paths().is_empty());
        let declared = "#[cfg(test)]\nmod tests;\nuse crate::a::B;";
        assert_eq!(paths("src/engine/x.rs", declared), ["a::B"]);
    }

    #[test]
    fn lines_are_counted_from_one() {
        assert_eq!(Source::lines_with("a\nrusqlite::x\nnot_rusqlite::y", "rusqlite::"), [2]);
    }
}
