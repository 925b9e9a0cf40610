//! The right edge of a growing tree: all that is needed to append to a log of any length.
//!
//! Promises at most 63 hashes in memory and on disk, one or two hashes of work an append on average, and the same root
//! as the whole tree. Leaves to the sealer to check, after reading one back, that its root is the one last signed.

use std::ops::Range;

use super::{Error, Hash, MAX_SIZE, empty_root, node_hash};

/// The roots of the perfect subtrees of a tree, largest and leftmost first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// One for each bit set in `size`.
    roots: Vec<Hash>,
}

impl Frontier {
    /// The frontier of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves so far; also the position the next leaf gets.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf at position [`size`](Self::size).
    pub fn append(&mut self, leaf: Hash) {
        let mut grown = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.roots.pop().expect("a frontier holds one root for each bit of its size");
            grown = node_hash(&left, &grown);
        }
        self.roots.push(grown);
        self.size += 1;
    }

    /// Root of the tree over all leaves so far.
    pub fn root(&self) -> Hash {
        let from_the_right = self.roots.iter().rev().copied();
        from_the_right.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
    }

    /// The perfect subtrees it is made of, leftmost first: which leaves each covers, and its root.
    pub fn ranges(&self) -> impl Iterator<Item = (Range<u64>, Hash)> {
        let mut start = 0;
        let widths = (0..u64::BITS).rev().map(|bit| 1 << bit).filter(|width| self.size & width != 0);
        widths.zip(&self.roots).map(move |(width, root): (u64, _)| {
            let range = start..start + width;
            start += width;
            (range, *root)
        })
    }

    /// The perfect subtrees, largest and leftmost first: how many leaves each has, and its root.
    pub(super) fn subtrees(&self) -> impl Iterator<Item = (u64, Hash)> {
        let widths = (0..u64::BITS).rev().map(|bit| 1 << bit).filter(|width| self.size & width != 0);
        widths.zip(self.roots.iter().copied())
    }

    /// The form to store: the size as 8 big-endian bytes, then 32 bytes a root.
    pub fn to_bytes(&self) -> Vec<u8> {
        let roots = self.roots.iter().flat_map(|root| root.0);
        self.size.to_be_bytes().into_iter().chain(roots).collect()
    }

    /// Reads the stored form. The bytes prove nothing by themselves: compare [`root`](Self::root) with a checkpoint.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let malformed = Error::Frontier { found: bytes.len() };
        let Some((head, tail)) = bytes.split_first_chunk::<8>() else { return Err(malformed) };
        let size = u64::from_be_bytes(*head);
        let (chunks, rest) = tail.as_chunks::<32>();
        if size > MAX_SIZE || !rest.is_empty() || chunks.len() != size.count_ones() as usize {
            return Err(malformed);
        }
        Ok(Self { size, roots: chunks.iter().copied().map(Hash).collect() })
    }
}

impl Extend<Hash> for Frontier {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        leaves.into_iter().for_each(|leaf| self.append(leaf));
    }
}

impl FromIterator<Hash> for Frontier {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
        let mut frontier = Self::new();
        frontier.extend(leaves);
        frontier
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::tree::tests::{numbered_leaves, root_by_definition};
    use crate::evidence::tree::{consistency_ranges, inclusion_ranges, proof};

    #[test]
    fn a_log_grown_over_restarts_has_the_root_of_the_whole() {
        let leaves = numbered_leaves(70);
        let mut stored = Frontier::new().to_bytes();
        for (count, leaf) in leaves.iter().enumerate() {
            let mut frontier = Frontier::from_bytes(&stored).unwrap();
            assert_eq!(frontier.size(), count as u64);
            assert_eq!(frontier.root(), root_by_definition(&leaves[..count]));
            frontier.append(*leaf);
            stored = frontier.to_bytes();
        }
    }

    #[test]
    fn stored_bytes_that_do_not_fit_are_refused() {
        let whole = numbered_leaves(11).into_iter().collect::<Frontier>().to_bytes();
        assert_eq!(whole.len(), 8 + 3 * 32);
        for cut in 0..whole.len() {
            assert_eq!(
                Frontier::from_bytes(&whole[..cut]),
                Err(Error::Frontier { found: cut }),
                "{cut} bytes"
            );
        }
        let mut other_size = whole.clone();
        other_size[7] = 12;
        assert!(Frontier::from_bytes(&other_size).is_err(), "12 has two bits, three roots are stored");
        assert!(Frontier::from_bytes(&[whole, vec![0; 32]].concat()).is_err());
        let beyond = [(MAX_SIZE + 1).to_be_bytes().as_slice(), &[0; 32]].concat();
        assert!(Frontier::from_bytes(&beyond).is_err(), "sizes beyond i64 are refused");
    }

    proptest! {
        #[test]
        fn proofs_for_a_log_in_a_database_need_only_their_ranges(size in 1..300_u64, a: u64, b: u64) {
            let leaves = numbered_leaves(size);
            let root_of = |range: Range<u64>| {
                leaves[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
                    .iter().copied().collect::<Frontier>().root()
            };
            let (index, first) = (a % size, b % size + 1);
            let path: Vec<_> = inclusion_ranges(index, size).unwrap().into_iter().map(root_of).collect();
            let leaf = leaves[usize::try_from(index).unwrap()];
            prop_assert_eq!(proof::verify_inclusion(&leaf, index, size, &path, &root_of(0..size)), Ok(()));
            let path: Vec<_> = consistency_ranges(first, size).unwrap().into_iter().map(root_of).collect();
            let (before, after) = ((first, root_of(0..first)), (size, root_of(0..size)));
            prop_assert_eq!(proof::verify_consistency(before, after, &path), Ok(()));
        }
    }
}
