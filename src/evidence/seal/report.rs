//! What the check of a sealed store found, in figures and in words.
//!
//! Promises that the words name the step that failed and the positions concerned, and never show an entry's content.

use std::error::Error;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::evidence::checkpoint;
use crate::evidence::note;
use crate::evidence::tree::Hash;

/// Which signed root a finding speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// A checkpoint of the store, by its number.
    Checkpoint(u64),
    /// A checkpoint that was kept elsewhere.
    Anchor,
    /// The checkpoint that the sealer continues from.
    Latest,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint(number) => write!(f, "checkpoint {number}"),
            Self::Anchor => f.write_str("the anchor"),
            Self::Latest => f.write_str("the checkpoint that the sealer continues from"),
        }
    }
}

/// The first thing that does not fit.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// A gap in the positions.
    #[error("position check: the entry at {expected} is missing, the next one found is at {found}")]
    MissingPosition {
        /// Position due.
        expected: u64,
        /// Position found.
        found: u64,
    },
    /// A position that came before.
    #[error("position check: {found} comes where {expected} is due; entries are doubled or out of order")]
    RepeatedPosition {
        /// Position due.
        expected: u64,
        /// Position found.
        found: u64,
    },
    /// Fewer entries than were sealed.
    #[error("size check: {mark} covers {size} entries, the store has {found}; the log was cut")]
    EntriesMissing {
        /// The signed root.
        mark: Mark,
        /// Entries it covers.
        size: u64,
        /// Entries found.
        found: u64,
    },
    /// A later checkpoint that covers less.
    #[error(
        "size check: {mark} covers {size} entries, the one before it covers {previous}; a log only grows"
    )]
    Backwards {
        /// The signed root.
        mark: Mark,
        /// Entries it covers.
        size: u64,
        /// Entries the one before covers.
        previous: u64,
    },
    /// Fed, or stored, after entries that it does not cover.
    #[error(
        "order check: {mark} covers {size} entries but came after {found}; feed it before the entry at {size}"
    )]
    TooLate {
        /// The signed root.
        mark: Mark,
        /// Entries it covers.
        size: u64,
        /// Entries already taken.
        found: u64,
    },
    /// Entries that have a position, and no checkpoint that covers them.
    #[error(
        "size check: the entry at {found} was sealed, but the last checkpoint covers {size}; a checkpoint was removed"
    )]
    Uncovered {
        /// Entries that the last checkpoint covers.
        size: u64,
        /// Position found.
        found: u64,
    },
    /// Entries other than those sealed.
    #[error("root check: {}, so {mark} does not hold: it says {expected}, the entries give {computed}", changed(*from, *size))]
    Root {
        /// The signed root.
        mark: Mark,
        /// First position not covered by the last checkpoint that held.
        from: u64,
        /// Entries the root covers.
        size: u64,
        /// The root signed.
        expected: Hash,
        /// The root of the entries found.
        computed: Hash,
    },
    /// No checkpoint at all.
    #[error("reading {mark}: it is not a signed checkpoint")]
    Unreadable {
        /// The signed root.
        mark: Mark,
        /// What is wrong with it.
        #[source]
        source: Box<checkpoint::Error>,
    },
    /// A checkpoint of another log.
    #[error("origin check: {mark} belongs to another log")]
    OtherLog {
        /// The signed root.
        mark: Mark,
        /// Which log.
        #[source]
        source: Box<checkpoint::Error>,
    },
    /// A checkpoint that no trusted key signed.
    #[error("signature check: {mark} is not signed by a trusted key")]
    UnknownKey {
        /// The signed root.
        mark: Mark,
        /// Who signed.
        #[source]
        source: Box<checkpoint::Error>,
    },
    /// A checkpoint changed after it was signed.
    #[error("signature check: {mark} was changed after it was signed, or its signature is forged")]
    BadSignature {
        /// The signed root.
        mark: Mark,
        /// What the check said.
        #[source]
        source: Box<checkpoint::Error>,
    },
}

impl Mismatch {
    pub(super) fn untrusted(mark: Mark, source: checkpoint::Error) -> Self {
        let source = Box::new(source);
        match *source {
            checkpoint::Error::OtherLog { .. } => Self::OtherLog { mark, source },
            checkpoint::Error::Note(note::Error::UnknownKey { .. }) | checkpoint::Error::Term(_) => {
                Self::UnknownKey { mark, source }
            }
            checkpoint::Error::Note(note::Error::BadSignature { .. }) => Self::BadSignature { mark, source },
            _ => Self::Unreadable { mark, source },
        }
    }
}

impl Mark {
    fn chinese(self) -> String {
        match self {
            Self::Checkpoint(number) => format!("第 {number} 号检查点"),
            Self::Anchor => "留存的检查点".to_owned(),
            Self::Latest => "封存进程所续的检查点".to_owned(),
        }
    }
}

impl Mismatch {
    /// The same for a screen, with every cause.
    fn chinese(&self) -> String {
        let cause = || self.source().map_or_else(String::new, |cause| format!("（{}）", causes(cause)));
        match self {
            Self::MissingPosition { expected, found } => {
                format!("序号不连续：缺少第 {expected} 条，其后是第 {found} 条")
            }
            Self::RepeatedPosition { expected, found } => {
                format!("序号重复或错位：应为第 {expected} 条，实为第 {found} 条")
            }
            Self::EntriesMissing { mark, size, found } => {
                format!("条数不足：{}覆盖 {size} 条，现有 {found} 条，留痕被截断", mark.chinese())
            }
            Self::Backwards { mark, size, previous } => {
                format!("条数倒退：{}覆盖 {size} 条，其前一个覆盖 {previous} 条", mark.chinese())
            }
            Self::TooLate { mark, size, found } => {
                format!("次序不对：{}覆盖 {size} 条，却排在第 {found} 条之后", mark.chinese())
            }
            Self::Uncovered { size, found } => {
                format!("第 {found} 条已封存，而最后的检查点只覆盖 {size} 条，有检查点被删除")
            }
            Self::Root { mark, from, size, expected, computed } => {
                let place = match size.saturating_sub(*from) {
                    0 => "其间没有新封存的留痕".to_owned(),
                    1 => format!("第 {from} 条被改动"),
                    _ => format!("第 {from} 至 {} 条中有被改动、调换或替换的", size - 1),
                };
                format!(
                    "内容不符：{place}，{}不成立：所载根值 {expected}，按现有留痕算得 {computed}",
                    mark.chinese()
                )
            }
            Self::Unreadable { mark, .. } => format!("{}不是签名的检查点{}", mark.chinese(), cause()),
            Self::OtherLog { mark, .. } => format!("{}属于另一套留痕{}", mark.chinese(), cause()),
            Self::UnknownKey { mark, .. } => format!("{}不是可信密钥所签{}", mark.chinese(), cause()),
            Self::BadSignature { mark, .. } => {
                format!("{}在签名后被改动，或签名系伪造{}", mark.chinese(), cause())
            }
        }
    }
}

/// As text, with every cause.
impl Serialize for Mismatch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&causes(self))
    }
}

/// The positions among which something was changed, in words.
fn changed(from: u64, size: u64) -> String {
    match size.saturating_sub(from) {
        0 => "no new entry was sealed".to_owned(),
        1 => format!("the entry at position {from} was changed"),
        _ => format!("an entry at positions {from} to {} was changed, swapped or replaced", size - 1),
    }
}

/// The outcome of a check.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Entries taken up to the end or the first mismatch.
    pub entries: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Checkpoints that held.
    pub checkpoints: u64,
    /// Anchors that held.
    pub anchors: u64,
    /// Entries that the last checkpoint which held covers, counted from the beginning of the log.
    pub sealed: u64,
    /// Entries taken that no checkpoint covers, and entries that have no position yet.
    pub unsealed: u64,
    /// What does not fit.
    pub mismatch: Option<Mismatch>,
}

impl Report {
    /// Whether everything fitted. An intact store may still have an unsealed tail: see [`unsealed`](Self::unsealed).
    pub fn is_intact(&self) -> bool {
        self.mismatch.is_none()
    }

    /// The report for a screen.
    pub fn chinese(&self) -> String {
        let Self { entries, checkpoints, anchors, sealed, unsealed, mismatch, .. } = self;
        let checked =
            format!("已核验留痕 {entries} 条、检查点 {checkpoints} 个、留存的检查点 {anchors} 个：");
        match mismatch {
            None => format!("{checked}完好，已封存至第 {sealed} 条，尚未封存 {unsealed} 条"),
            Some(mismatch) => format!("{checked}{}", mismatch.chinese()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, checkpoints, anchors, sealed, unsealed, mismatch, .. } = self;
        write!(f, "{entries} entries, {checkpoints} checkpoints and {anchors} anchors checked: ")?;
        match mismatch {
            None => write!(f, "intact, sealed up to {sealed}, {unsealed} not sealed yet"),
            Some(mismatch) => f.write_str(&causes(mismatch)),
        }
    }
}

fn causes(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_it_covers() {
        let report = Report { entries: 10, checkpoints: 3, sealed: 9, unsealed: 1, ..Report::default() };
        let expected =
            "10 entries, 3 checkpoints and 0 anchors checked: intact, sealed up to 9, 1 not sealed yet";
        assert_eq!(report.to_string(), expected);
        assert!(report.chinese().contains("留痕 10 条") && report.chinese().ends_with("尚未封存 1 条"));
        assert!(serde_json::to_string(&report).unwrap().ends_with("\"unsealed\":1,\"mismatch\":null}"));
    }

    #[test]
    fn a_report_of_a_mismatch_carries_every_cause() {
        let source =
            checkpoint::Error::Note(note::Error::UnknownKey { signers: "hub+00".to_owned(), known: 1 });
        let mismatch = Some(Mismatch::untrusted(Mark::Checkpoint(7), source));
        let report = Report { mismatch, ..Report::default() };
        let text = report.to_string();
        for part in ["signature check: checkpoint 7 is not signed", "no trusted key signed", "hub+00"] {
            assert!(text.contains(part), "{part}: {text}");
            assert!(serde_json::to_string(&report).unwrap().contains(part), "{part}");
        }
        assert!(
            report.chinese().contains("第 7 号检查点不是可信密钥所签") && report.chinese().contains("hub+00")
        );
        assert!(!report.is_intact());
    }

    #[test]
    fn the_words_fit_the_number_of_positions() {
        assert_eq!(changed(4, 5), "the entry at position 4 was changed");
        assert!(changed(4, 7).contains("positions 4 to 6"));
        assert!(changed(4, 4).contains("no new entry"));
    }
}
