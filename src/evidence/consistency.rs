//! Proofs that one checkpoint of a log continues another: nothing of what the earlier one covers was changed, removed
//! or reordered on the way to the later one (RFC 6962, section 2.1.2).
//!
//! [`Prover`] makes one from the leaves in a single pass, holding hashes of the path alone, so that a log of any length
//! is proved in constant memory. [`Proof`] is a file that carries both checkpoints and the path: who has it and the
//! public keys needs neither the store nor the network. Leaves reading the leaves to the caller.

use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};

use super::{
    checkpoint::{self, SignedCheckpoint},
    signer::PublicKeys,
    tree::{self, Frontier, Hash, consistency_ranges, proof},
};

/// Names the form of a proof.
pub const FORMAT: &str = "liandong/consistency-proof/v1";

/// Why there is no proof, or why one proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not of this form.
    #[error("the file is no proof of the form {FORMAT}")]
    Form(#[source] Option<serde_json::Error>),
    /// A checkpoint that is none, or that no trusted key signed.
    #[error("the {which} checkpoint does not count")]
    Checkpoint {
        /// Which of the two.
        which: Which,
        /// Why.
        #[source]
        source: checkpoint::Error,
    },
    /// Checkpoints of two logs.
    #[error("the checkpoints are of two logs, {old} and {new}")]
    OtherLog {
        /// Log of the earlier one.
        old: String,
        /// Log of the later one.
        new: String,
    },
    /// The leaves that the earlier checkpoint ends with are not at hand.
    #[error(
        "the earlier checkpoint covers {size} entries, but those before {begin} are archived; its archive proves it"
    )]
    Archived {
        /// Entries that the earlier checkpoint covers.
        size: u64,
        /// Where what is at hand begins.
        begin: u64,
    },
    /// The leaves end before the later checkpoint.
    #[error(
        "the log has {found} entries, but the {which} checkpoint covers {size}: it was cut or rolled back"
    )]
    Short {
        /// Which of the two.
        which: Which,
        /// Entries that it covers.
        size: u64,
        /// Entries found.
        found: u64,
    },
    /// The leaves do not lead to a checkpoint.
    #[error("the entries lead to root {computed}, not to that of the {which} checkpoint, {expected}")]
    Root {
        /// Which of the two.
        which: Which,
        /// The root that was signed.
        expected: Hash,
        /// The root the leaves have.
        computed: Hash,
    },
    /// The path does not fit the checkpoints.
    #[error("the later checkpoint does not continue the earlier one")]
    Path(#[from] tree::Error),
}

/// One of the two checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The earlier one.
    Old,
    /// The later one.
    New,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Old => "earlier",
            Self::New => "later",
        })
    }
}

/// A proof as a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    format: String,
    /// The earlier checkpoint, verbatim.
    old: String,
    /// The later checkpoint, verbatim.
    new: String,
    /// Roots of the subtrees that [`consistency_ranges`] names, in its order.
    path: Vec<Hash>,
}

impl Proof {
    /// Reads one without trusting it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let proof: Self = serde_json::from_str(text).map_err(|error| Error::Form(Some(error)))?;
        if proof.format == FORMAT { Ok(proof) } else { Err(Error::Form(None)) }
    }

    /// Checks that trusted keys signed both checkpoints of one log, and that the later continues the earlier; the
    /// sizes of both.
    pub fn verify(&self, keys: &PublicKeys) -> Result<(u64, u64), Error> {
        let (old, new) = (read(&self.old, Which::Old)?, read(&self.new, Which::New)?);
        same_log(&old, &new)?;
        for (signed, which) in [(&old, Which::Old), (&new, Which::New)] {
            let origin = signed.checkpoint().origin();
            signed.verify(origin, keys).map_err(|source| Error::Checkpoint { which, source })?;
        }
        let (old, new) = (old.checkpoint(), new.checkpoint());
        proof::verify_consistency((old.size(), old.root()), (new.size(), new.root()), &self.path)?;
        Ok((old.size(), new.size()))
    }

    /// Name of the log that the later checkpoint is of.
    pub fn origin(&self) -> Result<String, Error> {
        Ok(read(&self.new, Which::New)?.checkpoint().origin().to_string())
    }
}

fn read(note: &str, which: Which) -> Result<SignedCheckpoint, Error> {
    SignedCheckpoint::parse(note).map_err(|source| Error::Checkpoint { which, source })
}

fn same_log(old: &SignedCheckpoint, new: &SignedCheckpoint) -> Result<(), Error> {
    let (old, new) = (old.checkpoint().origin(), new.checkpoint().origin());
    if old == new {
        return Ok(());
    }
    Err(Error::OtherLog { old: old.to_string(), new: new.to_string() })
}

/// Makes one proof. Feed the leaves from [`Prover::wanted`] on, in order, until [`Prover::is_done`].
#[derive(Debug)]
pub struct Prover {
    old: SignedCheckpoint,
    new: SignedCheckpoint,
    frontier: Frontier,
    /// The frontier at the size of the earlier checkpoint: the left siblings of its path are roots of it.
    at_old: Option<Frontier>,
    /// The right siblings, growing.
    right: Vec<(Range<u64>, Frontier)>,
}

impl Prover {
    /// A proof that `new` continues `old`, from leaves that begin where `begin` ends: the empty frontier, or that of
    /// what is archived.
    pub fn new(old: &str, new: &str, begin: Frontier) -> Result<Self, Error> {
        let (old, new) = (read(old, Which::Old)?, read(new, Which::New)?);
        same_log(&old, &new)?;
        let (first, second) = (old.checkpoint().size(), new.checkpoint().size());
        if first < begin.size() {
            return Err(Error::Archived { size: first, begin: begin.size() });
        }
        let ranges = consistency_ranges(first, second)?.into_iter().filter(|range| range.start >= first);
        let right = ranges.map(|range| (range, Frontier::new())).collect();
        let mut prover = Self { old, new, frontier: begin, at_old: None, right };
        prover.meet()?;
        Ok(prover)
    }

    /// Position of the leaf that is wanted next.
    pub fn wanted(&self) -> u64 {
        self.frontier.size()
    }

    /// Leaves that the later checkpoint covers.
    pub fn size(&self) -> u64 {
        self.new.checkpoint().size()
    }

    /// Whether no more leaves are wanted.
    pub fn is_done(&self) -> bool {
        self.wanted() >= self.size()
    }

    /// Takes the next leaf. Where the earlier checkpoint does not bear out what came so far, there is no proof.
    pub fn leaf(&mut self, leaf: Hash) -> Result<(), Error> {
        let position = self.frontier.size();
        self.frontier.append(leaf);
        if let Some((_, sibling)) = self.right.iter_mut().find(|(range, _)| range.contains(&position)) {
            sibling.append(leaf);
        }
        self.meet()
    }

    /// The proof, when all leaves came.
    pub fn finish(self) -> Result<Proof, Error> {
        let found = self.frontier.size();
        let short = |which, size| Error::Short { which, size, found };
        let (first, second) = (self.old.checkpoint().size(), self.new.checkpoint().size());
        let at_old = self.at_old.as_ref().ok_or_else(|| short(Which::Old, first))?;
        if found != second {
            return Err(short(Which::New, second));
        }
        holds(&self.new, Which::New, self.frontier.root())?;
        let known: Vec<_> = at_old
            .ranges()
            .chain(self.right.iter().map(|(range, sibling)| (range.clone(), sibling.root())))
            .collect();
        let ranges = consistency_ranges(first, second)?;
        let roots = ranges.iter().filter_map(|wanted| known.iter().find(|(range, _)| range == wanted));
        let path: Vec<_> = roots.map(|(_, root)| *root).collect();
        let (old, new) = (self.old.checkpoint(), self.new.checkpoint());
        proof::verify_consistency((first, old.root()), (second, new.root()), &path)?;
        Ok(Proof { format: FORMAT.to_owned(), old: self.old.to_string(), new: self.new.to_string(), path })
    }

    fn meet(&mut self) -> Result<(), Error> {
        if self.frontier.size() == self.old.checkpoint().size() {
            holds(&self.old, Which::Old, self.frontier.root())?;
            self.at_old = Some(self.frontier.clone());
        }
        Ok(())
    }
}

fn holds(signed: &SignedCheckpoint, which: Which, computed: Hash) -> Result<(), Error> {
    let expected = signed.checkpoint().root();
    if computed == expected { Ok(()) } else { Err(Error::Root { which, expected, computed }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::{
        checkpoint::{Checkpoint, Origin},
        signer::{Ed25519, Signer as _},
        tree::tests::{known_leaves, numbered_leaves},
    };

    fn note(leaves: &[Hash], origin: &str, seed: u8) -> String {
        let frontier = leaves.iter().copied().collect();
        let checkpoint = Checkpoint::of(Origin::new(origin).unwrap(), &frontier);
        checkpoint.sign(&Ed25519::from_seed(&[seed; 32])).unwrap().to_string()
    }

    fn keys() -> PublicKeys {
        [Ed25519::from_seed(&[1; 32]).public_key().clone()].into_iter().collect()
    }

    fn prove(old: &str, new: &str, begin: usize, leaves: &[Hash]) -> Result<Proof, Error> {
        let mut prover = Prover::new(old, new, leaves[..begin].iter().copied().collect())?;
        while !prover.is_done() {
            let Some(leaf) = leaves.get(usize::try_from(prover.wanted()).unwrap()) else { break };
            prover.leaf(*leaf)?;
        }
        prover.finish()
    }

    /// The consistency proofs that the Certificate Transparency project publishes for its test tree.
    #[test]
    fn the_known_proofs_of_certificate_transparency_come_out() {
        let leaves = known_leaves(8);
        let known: [(usize, usize, &[&str]); 4] = [
            (1, 1, &[]),
            (
                1,
                8,
                &[
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ],
            ),
            (
                6,
                8,
                &[
                    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ],
            ),
            (
                2,
                5,
                &[
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                ],
            ),
        ];
        for (first, second, expected) in known {
            let (old, new) = (note(&leaves[..first], "log", 1), note(&leaves[..second], "log", 1));
            let proof = prove(&old, &new, 0, &leaves).unwrap();
            let path: Vec<_> = proof.path.iter().map(ToString::to_string).collect();
            assert_eq!(path, expected, "{first} to {second}");
            let text = serde_json::to_string(&proof).unwrap();
            let sizes = Proof::parse(&text).unwrap().verify(&keys()).unwrap();
            assert_eq!(sizes, (first as u64, second as u64));
        }
    }

    #[test]
    fn what_does_not_continue_is_not_proved() {
        let leaves = numbered_leaves(20);
        let mut forged = leaves.clone();
        forged[3] = forged[4];
        let (old, new) = (note(&leaves[..7], "log", 1), note(&leaves, "log", 1));
        let found = prove(&old, &new, 0, &forged).unwrap_err();
        assert!(matches!(found, Error::Root { which: Which::Old, .. }), "{found}");
        let found = prove(&old, &note(&forged, "log", 1), 0, &leaves).unwrap_err();
        assert!(matches!(found, Error::Root { which: Which::New, .. }), "{found}");
        let found = prove(&old, &new, 0, &leaves[..19]).unwrap_err();
        assert!(matches!(found, Error::Short { which: Which::New, size: 20, found: 19 }), "{found}");
        let found = prove(&old, &new, 8, &leaves).unwrap_err();
        assert!(matches!(found, Error::Archived { size: 7, begin: 8 }), "{found}");
        let found = prove(&old, &note(&leaves, "other", 1), 0, &leaves).unwrap_err();
        assert!(matches!(found, Error::OtherLog { .. }), "{found}");
        assert!(matches!(prove(&new, &old, 0, &leaves), Err(Error::Path(tree::Error::Sizes { .. }))));
    }

    #[test]
    fn a_proof_counts_only_with_both_checkpoints_signed_by_a_trusted_key() {
        let leaves = numbered_leaves(9);
        let whole = prove(&note(&leaves[..4], "log", 1), &note(&leaves, "log", 1), 0, &leaves).unwrap();
        assert_eq!(whole.verify(&keys()).unwrap(), (4, 9));
        let old = Proof { old: note(&leaves[..4], "log", 2), ..whole.clone() };
        assert!(matches!(old.verify(&keys()), Err(Error::Checkpoint { which: Which::Old, .. })));
        let new = Proof { new: note(&leaves, "log", 2), ..whole.clone() };
        assert!(matches!(new.verify(&keys()), Err(Error::Checkpoint { which: Which::New, .. })));
        let mut bent = whole.clone();
        bent.path[0] = bent.path[0].clone_flipped();
        assert!(matches!(bent.verify(&keys()), Err(Error::Path(tree::Error::Root { .. }))));
        assert!(Proof::parse("{}").is_err() && Proof::parse("liandong").is_err());
        let other = serde_json::to_string(&Proof { format: "v2".to_owned(), ..whole }).unwrap();
        assert!(matches!(Proof::parse(&other), Err(Error::Form(None))));
    }

    trait Flipped {
        fn clone_flipped(&self) -> Self;
    }

    impl Flipped for Hash {
        fn clone_flipped(&self) -> Self {
            let mut bytes = *self.as_bytes();
            bytes[0] ^= 1;
            Self::from_bytes(bytes)
        }
    }

    proptest! {
        #[test]
        fn any_two_sizes_are_proved_from_wherever_the_leaves_begin(
            second in 1..150_usize, a: usize, b: usize,
        ) {
            let leaves = numbered_leaves(second as u64);
            let first = a % (second + 1);
            let begin = b % (first + 1);
            let (old, new) = (note(&leaves[..first], "log", 1), note(&leaves, "log", 1));
            let proof = prove(&old, &new, begin, &leaves).unwrap();
            prop_assert_eq!(proof.verify(&keys()).unwrap(), (first as u64, second as u64));
        }
    }
}
