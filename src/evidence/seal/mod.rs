//! The check of a sealed store: are the entries those that were sealed, all of them, in their order?
//!
//! Fed entry by entry, it holds a [`Frontier`] and never the leaves, so a store of any size is checked in constant
//! memory. Promises to name the first thing that does not fit, and the step that found it. What it cannot see: a store
//! rolled back together with its checkpoints, unless an anchor kept elsewhere is given; and entries after the last
//! checkpoint, which it counts. Leaves reading the store, and judging how long a tail is normal, to the caller.

mod report;

use std::collections::BTreeSet;

pub use self::report::{Mark, Mismatch, Report};
use super::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use super::signer::PublicKeys;
use super::tree::{Frontier, Hash, leaf_hash};

/// A check under way. Feed anchors first; then entries from position 0 on, each checkpoint after the last entry that
/// it covers. After the first mismatch the rest is passed over.
#[derive(Debug)]
pub struct SealCheck {
    origin: Origin,
    keys: PublicKeys,
    frontier: Frontier,
    /// Anchors not reached yet.
    anchors: BTreeSet<(u64, Hash, Mark)>,
    report: Report,
}

impl SealCheck {
    /// A check from the first entry on.
    pub fn new(origin: Origin, keys: PublicKeys) -> Self {
        let report = Report::default();
        Self { origin, keys, frontier: Frontier::new(), anchors: BTreeSet::new(), report }
    }

    /// A check that starts after entries which were archived: `frontier` as stored with their last checkpoint, which
    /// must bear it out.
    pub fn resume(origin: Origin, keys: PublicKeys, frontier: Frontier, number: u64, note: &str) -> Self {
        let mut check = Self { frontier, ..Self::new(origin, keys) };
        check.checkpoint(number, note);
        check
    }

    /// Requires the store to contain what a checkpoint kept elsewhere says.
    pub fn anchor(&mut self, note: &str) {
        self.expect(Mark::Anchor, note);
    }

    /// Requires the store to contain what the sealer continues from, so that nobody cuts the log behind its back.
    pub fn latest(&mut self, note: &str) {
        self.expect(Mark::Latest, note);
    }

    fn expect(&mut self, mark: Mark, note: &str) {
        self.step(|check| {
            let anchor = check.trusted(mark, note)?;
            check.not_passed(mark, anchor.size())?;
            check.anchors.insert((anchor.size(), anchor.root(), mark));
            check.meet_anchors()
        });
    }

    /// Takes the next entry: its position, counted from 0, and its bytes as they were sealed.
    pub fn entry(&mut self, position: u64, bytes: &[u8]) {
        self.step(|check| {
            let expected = check.frontier.size();
            if position > expected {
                return Err(Mismatch::MissingPosition { expected, found: position });
            }
            if position < expected {
                return Err(Mismatch::RepeatedPosition { expected, found: position });
            }
            check.frontier.append(leaf_hash(bytes));
            check.report.entries += 1;
            check.report.bytes += bytes.len() as u64;
            check.meet_anchors()
        });
    }

    /// Takes the next checkpoint: the number under which the store keeps it, and the note.
    pub fn checkpoint(&mut self, number: u64, note: &str) {
        self.step(|check| {
            let mark = Mark::Checkpoint(number);
            let checkpoint = check.trusted(mark, note)?;
            let (size, previous) = (checkpoint.size(), check.report.sealed);
            if size < previous {
                return Err(Mismatch::Backwards { mark, size, previous });
            }
            check.not_passed(mark, size)?;
            if size > check.frontier.size() {
                return Err(Mismatch::EntriesMissing { mark, size, found: check.frontier.size() });
            }
            check.compare(mark, checkpoint.root())?;
            check.report.sealed = size;
            check.report.checkpoints += 1;
            Ok(())
        });
    }

    /// Takes an entry that no checkpoint covers though the store has no further one: sealing writes both at once.
    pub fn uncovered(&mut self, position: u64) {
        self.step(|check| Err(Mismatch::Uncovered { size: check.report.sealed, found: position }));
    }

    /// Whether a mismatch was found; the caller may then stop feeding.
    pub fn is_broken(&self) -> bool {
        self.report.mismatch.is_some()
    }

    /// Ends the check. `unsealed` says how many entries have no position yet.
    pub fn finish(mut self, unsealed: u64) -> Report {
        self.step(|check| match check.anchors.first() {
            Some(&(size, _, mark)) => {
                Err(Mismatch::EntriesMissing { mark, size, found: check.frontier.size() })
            }
            None => Ok(()),
        });
        self.report.unsealed = self.frontier.size().saturating_sub(self.report.sealed) + unsealed;
        self.report
    }

    /// Runs one step, unless an earlier one failed.
    fn step(&mut self, step: impl FnOnce(&mut Self) -> Result<(), Mismatch>) {
        if self.report.mismatch.is_none() {
            self.report.mismatch = step(self).err();
        }
    }

    fn trusted(&self, mark: Mark, note: &str) -> Result<Checkpoint, Mismatch> {
        let signed = SignedCheckpoint::parse(note).map_err(|source| Mismatch::untrusted(mark, source))?;
        signed.verify(&self.origin, &self.keys).map_err(|source| Mismatch::untrusted(mark, source))?;
        Ok(signed.checkpoint().clone())
    }

    /// The root at a size can be computed only until the next entry comes.
    fn not_passed(&self, mark: Mark, size: u64) -> Result<(), Mismatch> {
        let found = self.frontier.size();
        if size < found { Err(Mismatch::TooLate { mark, size, found }) } else { Ok(()) }
    }

    fn compare(&self, mark: Mark, expected: Hash) -> Result<(), Mismatch> {
        let computed = self.frontier.root();
        if computed == expected {
            return Ok(());
        }
        let (from, size) = (self.report.sealed, self.frontier.size());
        Err(Mismatch::Root { mark, from, size, expected, computed })
    }

    fn meet_anchors(&mut self) -> Result<(), Mismatch> {
        let reached = self.frontier.size();
        while let Some(&(size, root, mark)) = self.anchors.first().filter(|(size, ..)| *size == reached) {
            self.compare(mark, root)?;
            self.anchors.remove(&(size, root, mark));
            self.report.anchors += u64::from(mark == Mark::Anchor);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::checkpoint::TIME;
    use crate::evidence::signer::{Ed25519, Signer as _};

    /// A small log: entries by position, and checkpoints as (size, note) in the order they were made.
    #[derive(Clone)]
    struct Log {
        entries: Vec<(u64, Vec<u8>)>,
        checkpoints: Vec<(u64, String)>,
    }

    fn origin() -> Origin {
        Origin::new("hub.example.gov.cn/trail").unwrap()
    }

    fn signer(seed: u8) -> Ed25519 {
        Ed25519::from_seed(&[seed; 32])
    }

    fn keys() -> PublicKeys {
        [signer(1).public_key().clone()].into_iter().collect()
    }

    fn bytes(position: u64) -> Vec<u8> {
        format!("entry {position}").into_bytes()
    }

    fn frontier(size: u64) -> Frontier {
        (0..size).map(|position| leaf_hash(&bytes(position))).collect()
    }

    fn note_over(frontier: &Frontier, seed: u8) -> String {
        let checkpoint =
            Checkpoint::of(origin(), frontier).with_extension(TIME, "2026-03-01T08:00:00Z").unwrap();
        checkpoint.sign(&signer(seed)).unwrap().to_string()
    }

    fn note(size: u64) -> String {
        note_over(&frontier(size), 1)
    }

    /// Ten entries, checkpoints at 4, 7, 7 and 9: one entry is not sealed yet.
    fn log() -> Log {
        Log {
            entries: (0..10).map(|position| (position, bytes(position))).collect(),
            checkpoints: [4, 7, 7, 9].map(|size| (size, note(size))).to_vec(),
        }
    }

    /// Feeds as a store does: the entries up to each checkpoint's size, then the checkpoint, then the tail.
    fn feed(mut check: SealCheck, log: &Log) -> Report {
        let mut entries = log.entries.iter().peekable();
        for (number, (size, note)) in (1..).zip(&log.checkpoints) {
            while let Some((position, bytes)) = entries.next_if(|(position, _)| position < size) {
                check.entry(*position, bytes);
            }
            check.checkpoint(number, note);
        }
        entries.for_each(|(position, bytes)| check.entry(*position, bytes));
        check.finish(2)
    }

    fn check(log: &Log) -> Report {
        feed(SealCheck::new(origin(), keys()), log)
    }

    fn mismatch(log: &Log) -> Mismatch {
        check(log).mismatch.expect("the tampering must be found")
    }

    #[test]
    fn an_untouched_store_is_intact_and_its_tail_counted() {
        let report = check(&log());
        assert!(report.is_intact(), "{report}");
        assert_eq!((report.entries, report.checkpoints, report.sealed, report.unsealed), (10, 4, 9, 3));
    }

    #[test]
    fn an_empty_store_is_intact() {
        let report = SealCheck::new(origin(), keys()).finish(0);
        assert!(report.is_intact());
        assert_eq!(report.unsealed, 0);
        let sealed_empty = Log { entries: Vec::new(), checkpoints: vec![(0, note(0))] };
        assert!(check(&sealed_empty).is_intact());
    }

    #[test]
    fn a_changed_entry_is_found_by_the_next_checkpoint() {
        let mut log = log();
        log.entries[5].1 = b"entry five".to_vec();
        let found = mismatch(&log);
        assert!(
            matches!(found, Mismatch::Root { mark: Mark::Checkpoint(2), from: 4, size: 7, .. }),
            "{found}"
        );
        assert!(found.to_string().contains("positions 4 to 6"), "{found}");
    }

    #[test]
    fn a_removed_entry_is_found_by_its_position() {
        let mut log = log();
        log.entries.remove(5);
        let found = mismatch(&log);
        assert!(matches!(found, Mismatch::MissingPosition { expected: 5, found: 6 }), "{found}");
    }

    #[test]
    fn a_removed_entry_is_found_even_when_the_rest_is_renumbered() {
        let mut log = log();
        log.entries.remove(5);
        (0..).zip(&mut log.entries).for_each(|(position, entry)| entry.0 = position);
        let found = mismatch(&log);
        assert!(matches!(found, Mismatch::Root { mark: Mark::Checkpoint(2), .. }), "{found}");
    }

    #[test]
    fn an_entry_removed_before_its_checkpoint_is_found() {
        let mut log = log();
        log.entries.truncate(8);
        let found = mismatch(&log);
        let expected =
            matches!(found, Mismatch::EntriesMissing { mark: Mark::Checkpoint(4), size: 9, found: 8 });
        assert!(expected, "{found}");
    }

    #[test]
    fn swapped_entries_are_found() {
        let mut log = log();
        let (left, right) = log.entries.split_at_mut(2);
        std::mem::swap(&mut left[1].1, &mut right[0].1);
        assert!(matches!(mismatch(&log), Mismatch::Root { mark: Mark::Checkpoint(1), from: 0, size: 4, .. }));
    }

    #[test]
    fn a_doubled_or_inserted_entry_is_found() {
        let mut doubled = log();
        doubled.entries.insert(3, doubled.entries[2].clone());
        assert!(matches!(mismatch(&doubled), Mismatch::RepeatedPosition { expected: 3, found: 2 }));
        let mut inserted = log();
        inserted.entries.insert(3, (3, b"smuggled in".to_vec()));
        (0..).zip(&mut inserted.entries).for_each(|(position, entry)| entry.0 = position);
        assert!(matches!(mismatch(&inserted), Mismatch::Root { mark: Mark::Checkpoint(1), .. }));
    }

    #[test]
    fn a_store_that_starts_late_is_found() {
        let mut log = log();
        log.entries.remove(0);
        assert!(matches!(mismatch(&log), Mismatch::MissingPosition { expected: 0, found: 1 }));
    }

    #[test]
    fn a_forged_checkpoint_is_found() {
        let mut edited = log();
        edited.checkpoints[1].1 = edited.checkpoints[1].1.replace("08:00:00", "09:00:00");
        assert!(matches!(mismatch(&edited), Mismatch::BadSignature { mark: Mark::Checkpoint(2), .. }));
        let mut stranger = log();
        stranger.checkpoints[1].1 = note_over(&frontier(7), 2);
        assert!(matches!(mismatch(&stranger), Mismatch::UnknownKey { mark: Mark::Checkpoint(2), .. }));
        let mut broken = log();
        broken.checkpoints[1].1.truncate(40);
        assert!(matches!(mismatch(&broken), Mismatch::Unreadable { mark: Mark::Checkpoint(2), .. }));
    }

    #[test]
    fn entries_and_checkpoint_forged_together_lack_the_key() {
        let mut log = log();
        log.entries[8].1 = b"forged".to_vec();
        let forged = log.entries[..9].iter().map(|(_, bytes)| leaf_hash(bytes)).collect();
        log.checkpoints[3].1 = note_over(&forged, 2);
        assert!(matches!(mismatch(&log), Mismatch::UnknownKey { mark: Mark::Checkpoint(4), .. }));
    }

    #[test]
    fn the_checkpoint_of_another_log_is_found() {
        let mut log = log();
        let other = Origin::new("other.example/trail").unwrap();
        log.checkpoints[0].1 = Checkpoint::of(other, &frontier(4)).sign(&signer(1)).unwrap().to_string();
        assert!(matches!(mismatch(&log), Mismatch::OtherLog { mark: Mark::Checkpoint(1), .. }));
    }

    #[test]
    fn sizes_never_go_backwards() {
        let mut log = log();
        log.checkpoints.swap(0, 1);
        let found = mismatch(&log);
        assert!(
            matches!(found, Mismatch::Backwards { mark: Mark::Checkpoint(2), size: 4, previous: 7 }),
            "{found}"
        );
    }

    #[test]
    fn a_checkpoint_fed_after_later_entries_is_not_taken_on_trust() {
        let mut check = SealCheck::new(origin(), keys());
        (0..5).for_each(|position| check.entry(position, &bytes(position)));
        check.checkpoint(1, &note(4));
        assert!(check.is_broken());
        let found = check.finish(0).mismatch.unwrap();
        assert!(
            matches!(found, Mismatch::TooLate { mark: Mark::Checkpoint(1), size: 4, found: 5 }),
            "{found}"
        );
    }

    #[test]
    fn a_store_rolled_back_with_its_checkpoints_is_found_by_an_anchor() {
        let mut rolled_back = log();
        rolled_back.entries.truncate(7);
        rolled_back.checkpoints.truncate(3);
        assert!(check(&rolled_back).is_intact(), "alone, an earlier state looks whole");
        let mut anchored = SealCheck::new(origin(), keys());
        anchored.anchor(&note(9));
        let found = feed(anchored, &rolled_back).mismatch.unwrap();
        assert!(
            matches!(found, Mismatch::EntriesMissing { mark: Mark::Anchor, size: 9, found: 7 }),
            "{found}"
        );
    }

    #[test]
    fn a_tail_rewritten_with_the_real_key_is_found_by_an_anchor() {
        let mut rewritten = log();
        rewritten.entries[8].1 = b"rewritten".to_vec();
        let other = rewritten.entries[..9].iter().map(|(_, bytes)| leaf_hash(bytes)).collect();
        rewritten.checkpoints[3].1 = note_over(&other, 1);
        assert!(check(&rewritten).is_intact(), "alone, what the key signed counts");
        let mut anchored = SealCheck::new(origin(), keys());
        anchored.anchor(&note(9));
        let found = feed(anchored, &rewritten).mismatch.unwrap();
        assert!(matches!(found, Mismatch::Root { mark: Mark::Anchor, from: 7, size: 9, .. }), "{found}");
    }

    #[test]
    fn anchors_that_fit_are_counted_and_bad_ones_refused() {
        let mut anchored = SealCheck::new(origin(), keys());
        for size in [0, 5, 9, 9, 10] {
            anchored.anchor(&note(size));
        }
        let report = feed(anchored, &log());
        assert!(report.is_intact(), "{report}");
        assert_eq!(report.anchors, 4, "the same anchor twice is one");
        let mut forged = SealCheck::new(origin(), keys());
        forged.anchor(&note_over(&frontier(5), 2));
        let found = feed(forged, &log()).mismatch.unwrap();
        assert!(matches!(found, Mismatch::UnknownKey { mark: Mark::Anchor, .. }), "{found}");
    }

    #[test]
    fn a_check_resumes_where_archived_entries_end() {
        let mut rest = log();
        rest.entries.drain(..7);
        rest.checkpoints.drain(..3);
        let resumed = SealCheck::resume(origin(), keys(), frontier(7), 3, &note(7));
        let report = feed(resumed, &rest);
        assert!(report.is_intact(), "{report}");
        assert_eq!((report.entries, report.sealed, report.unsealed), (3, 9, 3));
        let forged = (0..7).map(|_| leaf_hash(b"x")).collect();
        let found = SealCheck::resume(origin(), keys(), forged, 3, &note(7)).finish(0).mismatch.unwrap();
        assert!(matches!(found, Mismatch::Root { mark: Mark::Checkpoint(3), .. }), "{found}");
        let other_size = SealCheck::resume(origin(), keys(), frontier(6), 3, &note(7)).finish(0);
        assert!(matches!(other_size.mismatch, Some(Mismatch::EntriesMissing { size: 7, found: 6, .. })));
    }

    #[test]
    fn the_first_mismatch_is_the_one_reported() {
        let mut log = log();
        log.entries[1].1 = b"first".to_vec();
        log.entries.remove(8);
        log.checkpoints[3].1.clear();
        let report = check(&log);
        assert!(matches!(report.mismatch, Some(Mismatch::Root { mark: Mark::Checkpoint(1), .. })));
        assert_eq!((report.entries, report.checkpoints, report.sealed), (4, 0, 0));
    }

    proptest! {
        #[test]
        fn no_changed_byte_of_a_sealed_entry_goes_unnoticed(place in 0..9_usize, at: prop::sample::Index, bit in 0..8_u8) {
            let mut log = log();
            let entry = &mut log.entries[place].1;
            let at = at.index(entry.len());
            entry[at] ^= 1 << bit;
            prop_assert!(!check(&log).is_intact());
        }
    }
}
