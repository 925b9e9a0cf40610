//! The Merkle tree of RFC 6962 (same hashing in RFC 9162): leaves, roots and the shape of its proofs.
//!
//! Promises that a leaf can never pass for a node (prefixes 0x00 and 0x01) and that a root binds content, order and
//! number of the leaves. [`Frontier`] grows a log of any length, [`Tree`] holds one batch, [`proof`] checks. Which
//! subtrees a proof needs is said by [`inclusion_ranges`] and [`consistency_ranges`], so that a log kept in a database
//! can read just these. Leaves storage and signatures to others.

mod frontier;
mod gather;
pub mod proof;

use std::ops::Range;

use sha2::{Digest as _, Sha256};

pub use self::{frontier::Frontier, gather::Gather};
use super::bytes32::{bytes32, bytes32_serde};

/// The largest tree: positions are stored as signed 64-bit integers.
pub const MAX_SIZE: u64 = i64::MAX as u64;

bytes32! {
    /// A hash in the tree: of a leaf, of a node, or the root. As text 64 hex digits.
    Hash
}
bytes32_serde!(Hash, "");

/// What does not hold in a tree or a proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A leaf index outside the tree.
    #[error("leaf {index} is outside a tree of {size} leaves, which counts from 0")]
    Index {
        /// The index asked for.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// An earlier tree larger than the later one.
    #[error("a tree of {first} leaves cannot be the beginning of one with {second}")]
    Sizes {
        /// Leaves of the earlier tree.
        first: u64,
        /// Leaves of the later tree.
        second: u64,
    },
    /// A path with too few or too many hashes.
    #[error("the path has {found} hashes, {expected} are needed; it was cut or belongs to another tree")]
    PathLength {
        /// Hashes the sizes demand.
        expected: usize,
        /// Hashes found.
        found: usize,
    },
    /// The path leads elsewhere.
    #[error("the path leads to root {computed}, not to {expected}; leaf, position or path was changed")]
    Root {
        /// The root that was to be reached.
        expected: Hash,
        /// The root the path leads to.
        computed: Hash,
    },
    /// A frontier whose bytes do not fit its size.
    #[error(
        "a stored frontier has {found} bytes, which is not what its size demands; rebuild it from the entries"
    )]
    Frontier {
        /// Bytes found.
        found: usize,
    },
}

/// Hash of one entry: SHA-256(0x00 || entry).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
}

/// Hash of two subtrees: SHA-256(0x01 || left || right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// Root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hash(Sha256::digest(b"").into())
}

/// Root over these leaves, in their order.
pub fn root(leaves: impl IntoIterator<Item = Hash>) -> Hash {
    leaves.into_iter().collect::<Frontier>().root()
}

/// The subtrees whose roots, in this order, are the audit path of a leaf (RFC 6962, section 2.1.1).
pub fn inclusion_ranges(index: u64, size: u64) -> Result<Vec<Range<u64>>, Error> {
    if index >= size {
        return Err(Error::Index { index, size });
    }
    Ok(siblings(index..index + 1, size))
}

/// The subtrees whose roots, in this order, prove that the tree of `first` leaves is the beginning of the tree of
/// `second` (RFC 6962, section 2.1.2). Empty if either tree says nothing new: `first` is 0 or equals `second`.
pub fn consistency_ranges(first: u64, second: u64) -> Result<Vec<Range<u64>>, Error> {
    if first > second {
        return Err(Error::Sizes { first, second });
    }
    if first == 0 || first == second {
        return Ok(Vec::new());
    }
    let last_perfect = first - (1 << first.trailing_zeros())..first;
    let mut ranges = siblings(last_perfect.clone(), second);
    if last_perfect.start > 0 {
        ranges.insert(0, last_perfect);
    }
    Ok(ranges)
}

/// The siblings met on the way from a subtree up to the root, nearest first.
fn siblings(target: Range<u64>, size: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    let mut within = 0..size;
    while within != target {
        let middle = within.start + left_width(within.end - within.start);
        let (left, right) = (within.start..middle, middle..within.end);
        if target.start < middle {
            ranges.push(right);
            within = left;
        } else {
            ranges.push(left);
            within = right;
        }
    }
    ranges.reverse();
    ranges
}

/// The largest power of two below a width of at least 2.
fn left_width(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

/// A whole tree in memory, for one batch: n leaves cost n - 1 node hashes, and then every path is only looked up.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Leaves first; a node without a sibling moves up as it is.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Builds the tree over the leaves, in their order.
    pub fn new(leaves: Vec<Hash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let above = below.chunks(2).map(|pair| match pair {
                [left, right] => node_hash(left, right),
                lone => lone[0],
            });
            levels.push(above.collect());
        }
        Self { levels }
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.levels[0].len() as u64
    }

    /// The root.
    pub fn root(&self) -> Hash {
        self.levels.last().and_then(|top| top.first()).copied().unwrap_or_else(empty_root)
    }

    /// The audit path of a leaf.
    pub fn inclusion_path(&self, index: u64) -> Result<Vec<Hash>, Error> {
        Ok(self.roots_of(inclusion_ranges(index, self.size())?))
    }

    /// The proof that the first leaves alone were once the whole tree.
    pub fn consistency_path(&self, first: u64) -> Result<Vec<Hash>, Error> {
        Ok(self.roots_of(consistency_ranges(first, self.size())?))
    }

    /// Ranges of proofs are aligned subtrees, so the root of each stands in a level.
    fn roots_of(&self, ranges: Vec<Range<u64>>) -> Vec<Hash> {
        let root_of = |range: Range<u64>| {
            let height = (range.end - range.start).next_power_of_two().ilog2();
            let index = usize::try_from(range.start >> height)
                .expect("an index below the length of a Vec is a usize");
            self.levels[height as usize][index]
        };
        ranges.into_iter().map(root_of).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The test tree of the Certificate Transparency project.
    pub(crate) const ENTRIES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    pub(crate) fn known_leaves(size: usize) -> Vec<Hash> {
        ENTRIES[..size].iter().map(|entry| leaf_hash(&hex::decode(entry).unwrap())).collect()
    }

    pub(crate) fn numbered_leaves(size: u64) -> Vec<Hash> {
        (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    /// The definition of RFC 6962, section 2.1, word for word.
    pub(crate) fn root_by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            more => {
                let (left, right) = more.split_at(usize::try_from(left_width(more.len() as u64)).unwrap());
                node_hash(&root_by_definition(left), &root_by_definition(right))
            }
        }
    }

    /// PATH(m, D[n]) of RFC 6962, section 2.1.1, word for word.
    fn path_by_definition(m: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() < 2 {
            return Vec::new();
        }
        let k = usize::try_from(left_width(leaves.len() as u64)).unwrap();
        let (left, right) = leaves.split_at(k);
        let (mut path, sibling) = if m < k {
            (path_by_definition(m, left), root_by_definition(right))
        } else {
            (path_by_definition(m - k, right), root_by_definition(left))
        };
        path.push(sibling);
        path
    }

    /// SUBPROOF(m, D[n], b) of RFC 6962, section 2.1.2, word for word; `known` is b.
    fn subproof_by_definition(m: usize, leaves: &[Hash], known: Option<()>) -> Vec<Hash> {
        if m == leaves.len() {
            return if known.is_some() { Vec::new() } else { vec![root_by_definition(leaves)] };
        }
        let k = usize::try_from(left_width(leaves.len() as u64)).unwrap();
        let (left, right) = leaves.split_at(k);
        let (mut path, sibling) = if m <= k {
            (subproof_by_definition(m, left, known), root_by_definition(right))
        } else {
            (subproof_by_definition(m - k, right, None), root_by_definition(left))
        };
        path.push(sibling);
        path
    }

    fn hashes(hex: &[&str]) -> Vec<Hash> {
        hex.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn roots_are_those_of_certificate_transparency() {
        for (size, expected) in ROOTS.iter().enumerate() {
            assert_eq!(root(known_leaves(size)).to_string(), *expected, "{size} leaves, grown");
            assert_eq!(Tree::new(known_leaves(size)).root().to_string(), *expected, "{size} leaves, built");
        }
    }

    #[test]
    fn inclusion_paths_are_those_of_certificate_transparency() {
        let path = |index, size| Tree::new(known_leaves(size)).inclusion_path(index).unwrap();
        assert_eq!(path(0, 1), []);
        let of_first = hashes(&[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]);
        assert_eq!(path(0, 8), of_first);
        let of_sixth = hashes(&[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]);
        assert_eq!(path(5, 8), of_sixth);
        assert_eq!(path(2, 3), hashes(&[ROOTS[2]]));
    }

    #[test]
    fn consistency_paths_are_those_of_certificate_transparency() {
        let path = |first, second| Tree::new(known_leaves(second)).consistency_path(first).unwrap();
        assert_eq!(path(1, 1), []);
        let six_to_eight = hashes(&[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]);
        assert_eq!(path(6, 8), six_to_eight);
        let two_to_five = hashes(&[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ]);
        assert_eq!(path(2, 5), two_to_five);
    }

    #[test]
    fn every_path_of_every_small_tree_is_as_defined() {
        for size in 0..=33_u64 {
            let leaves = numbered_leaves(size);
            let tree = Tree::new(leaves.clone());
            assert_eq!(tree.root(), root_by_definition(&leaves), "{size} leaves");
            for index in 0..size {
                let defined = path_by_definition(usize::try_from(index).unwrap(), &leaves);
                assert_eq!(tree.inclusion_path(index).unwrap(), defined, "leaf {index} of {size}");
            }
            for first in 1..=size {
                let defined = subproof_by_definition(usize::try_from(first).unwrap(), &leaves, Some(()));
                assert_eq!(tree.consistency_path(first).unwrap(), defined, "{first} to {size}");
            }
        }
    }

    #[test]
    fn what_lies_outside_the_tree_is_refused() {
        let tree = Tree::new(numbered_leaves(5));
        assert_eq!(tree.inclusion_path(5), Err(Error::Index { index: 5, size: 5 }));
        assert_eq!(tree.consistency_path(6), Err(Error::Sizes { first: 6, second: 5 }));
        assert_eq!(Tree::new(Vec::new()).inclusion_path(0), Err(Error::Index { index: 0, size: 0 }));
        assert_eq!(tree.consistency_path(0), Ok(Vec::new()));
    }

    #[test]
    fn a_leaf_cannot_pass_for_a_node() {
        let (left, right) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let forged = [left.as_bytes().as_slice(), right.as_bytes()].concat();
        assert_ne!(leaf_hash(&forged), node_hash(&left, &right));
    }

    proptest! {
        #[test]
        fn ranges_of_the_largest_trees_are_found(index in 0..MAX_SIZE, size in 1..=MAX_SIZE) {
            prop_assume!(index < size);
            let ranges = inclusion_ranges(index, size).unwrap();
            let covered: u64 = ranges.iter().map(|range| range.end - range.start).sum();
            prop_assert_eq!(covered, size - 1);
            prop_assert!(ranges.len() <= 63);
            prop_assert!(consistency_ranges(index, size).unwrap().len() <= 64);
        }
    }
}
