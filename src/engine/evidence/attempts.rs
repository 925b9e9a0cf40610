//! What opens the commitments about attempts: put into a file, and held against its entries.

use std::collections::BTreeMap;

use super::{Line, verify::Because};
use crate::{
    engine::{attempt, trail::ATTEMPTED},
    evidence::{
        attempt::Exchanged,
        digest::Digest,
        file::{Attempt, File, Said},
    },
    port::store::AttemptRow,
};

/// What opens the entry of an attempt, and its words, out of the rows of its delivery; neither where they were erased.
pub(super) fn of_line(line: &Line, rows: &[AttemptRow]) -> (Option<Attempt>, Option<Said>) {
    let words = |row: &AttemptRow| Said { entry: line.position, words: row.detail.clone() };
    let Some(sealed) = attempt::commitments(&line.data) else {
        // Entries of earlier versions hold the digests.
        let kept = |row: &&AttemptRow| line.data["said"] == serde_json::json!(digest(&row.detail));
        return (None, rows.iter().find(kept).map(words));
    };
    let opens = |row: &AttemptRow| {
        let (salt, exchanged) = attempt::opening(row)?;
        let is_it = exchanged.commit(&salt) == sealed;
        is_it.then(|| (Attempt { entry: line.position, exchanged, salt }, words(row)))
    };
    rows.iter().find_map(opens).unzip()
}

/// What was exchanged in each attempt that the file opens.
pub(super) fn opened(file: &File, lines: &[Line]) -> Result<BTreeMap<u64, Exchanged>, Because> {
    let mut opened = BTreeMap::new();
    for Attempt { entry, exchanged, salt } in &file.attempts {
        let sealed = attempted(lines, *entry).and_then(|line| attempt::commitments(&line.data));
        if sealed.is_none_or(|sealed| exchanged.commit(salt) != sealed) {
            return Err(Because::Unfit(format!(
                "the digests of what was sent and answered at position {entry} are not those that the sealed entry commits to"
            )));
        }
        if opened.last_key_value().is_some_and(|(last, _)| last >= entry) {
            return Err(Because::Unfit(format!(
                "what opens the attempt at position {entry} stands out of order"
            )));
        }
        opened.insert(*entry, exchanged.clone());
    }
    Ok(opened)
}

/// Whether words are those of the attempt at a position, as it is opened or, in entries of earlier versions, stands there.
pub(super) fn are_words(lines: &[Line], opened: &BTreeMap<u64, Exchanged>, said: &Said) -> bool {
    let own = digest(&said.words);
    attempted(lines, said.entry).is_some_and(|line| match attempt::commitments(&line.data) {
        Some(_) => opened.get(&said.entry).is_some_and(|exchanged| exchanged.said == own),
        None => line.data["said"] == serde_json::json!(own),
    })
}

fn attempted(lines: &[Line], position: u64) -> Option<&Line> {
    let found = lines.binary_search_by_key(&position, |line| line.position).ok()?;
    Some(&lines[found]).filter(|line| line.event == ATTEMPTED)
}

fn digest(words: &str) -> Digest {
    Digest::of(words.as_bytes())
}
