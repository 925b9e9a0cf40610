//! Progress of long work, on standard error and only where a person watches: one line that is written over.

use std::{
    io::{self, IsTerminal as _, Write},
    time::{Duration, Instant},
};

use super::language::Language;

/// Time between two lines.
const EVERY: Duration = Duration::from_millis(200);

/// Shows how far work has come.
pub(super) struct Progress<'w> {
    out: Option<Box<dyn Write + 'w>>,
    what: &'static str,
    total: u64,
    shown: Option<Instant>,
}

impl<'w> Progress<'w> {
    /// On standard error when it is a terminal, else nowhere.
    pub(super) fn of_work(
        language: Language,
        chinese: &'static str,
        english: &'static str,
        total: u64,
    ) -> Self {
        let stderr = io::stderr();
        let out = stderr.is_terminal().then(|| Box::new(stderr) as Box<dyn Write + 'w>);
        Self { out, what: if language == Language::Zh { chinese } else { english }, total, shown: None }
    }

    /// So much is done.
    pub(super) fn done(&mut self, count: u64) {
        if self.out.is_none() || self.shown.is_some_and(|shown| shown.elapsed() < EVERY) {
            return;
        }
        self.shown = Some(Instant::now());
        let percent = (count.min(self.total) * 100).checked_div(self.total).unwrap_or(100);
        let line = format!("\r\x1b[K{} {count}/{} {percent}%", self.what, self.total);
        self.write(&line);
    }

    /// Takes the line away.
    pub(super) fn end(mut self) {
        if self.shown.is_some() {
            self.write("\r\x1b[K");
        }
    }

    /// What cannot be shown is not shown: progress fails no work.
    fn write(&mut self, text: &str) {
        if let Some(out) = &mut self.out
            && out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err()
        {
            self.out = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_over_and_taken_away() {
        let mut written = Vec::new();
        let mut progress =
            Progress { out: Some(Box::new(&mut written)), what: "entries", total: 200, shown: None };
        progress.done(50);
        progress.done(51);
        progress.end();
        let text = String::from_utf8(written).unwrap();
        assert_eq!(text, "\r\x1b[Kentries 50/200 25%\r\x1b[K");
    }

    #[test]
    fn without_a_terminal_nothing_is_written() {
        let mut progress = Progress { out: None, what: "entries", total: 0, shown: None };
        progress.done(1);
        assert!(progress.shown.is_none());
        progress.end();
    }
}
