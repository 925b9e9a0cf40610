//! Inclusion paths out of a log that streams past: one pass over the leaves, memory for the paths and the right edge.
//!
//! Promises the same paths as a whole tree in memory, for a log that is read from its beginning or from where its
//! entries were archived with their frontier. Leaves reading the log to the caller.

use std::{collections::HashMap, ops::Range};

use super::{Error, Frontier, Hash, inclusion_ranges, node_hash};

/// A finished subtree: first leaf, leaves, root.
#[derive(Debug, Clone, Copy)]
struct Node {
    start: u64,
    width: u64,
    root: Hash,
}

/// Gathers the paths of some leaves in the tree of one size.
#[derive(Debug)]
pub struct Gather {
    size: u64,
    edge: Vec<Node>,
    wanted: HashMap<Range<u64>, Option<Hash>>,
}

impl Gather {
    /// Begins at `frontier`, which stands for all leaves before its size.
    pub fn new(indices: &[u64], size: u64, frontier: &Frontier) -> Result<Self, Error> {
        let mut wanted = HashMap::new();
        for index in indices {
            wanted.extend(inclusion_ranges(*index, size)?.into_iter().map(|range| (range, None)));
        }
        let mut gather = Self { size, edge: Vec::new(), wanted };
        let mut start = 0;
        for (width, root) in frontier.subtrees() {
            gather.finish(Node { start, width, root });
            start += width;
        }
        Ok(gather)
    }

    /// Leaves taken so far.
    pub fn taken(&self) -> u64 {
        self.edge.last().map_or(0, |node| node.start + node.width)
    }

    /// Takes the next leaf.
    pub fn leaf(&mut self, leaf: Hash) {
        let mut grown = Node { start: self.taken(), width: 1, root: leaf };
        self.note(&grown);
        while let Some(left) = self.edge.pop_if(|left| left.width == grown.width) {
            let root = node_hash(&left.root, &grown.root);
            grown = Node { start: left.start, width: left.width + grown.width, root };
            self.note(&grown);
        }
        self.edge.push(grown);
    }

    /// The root over all that was taken, and the path of a leaf; none while leaves are missing, or of one that lies
    /// among those which the frontier stood for.
    pub fn path(&self, index: u64) -> Option<Vec<Hash>> {
        let ranges = inclusion_ranges(index, self.size).ok().filter(|_| self.taken() == self.size)?;
        let known = |range: Range<u64>| match self.wanted.get(&range) {
            Some(Some(root)) => Some(*root),
            // Only what ends at the right edge is no perfect subtree.
            Some(None) if range.end == self.size => self.right_of(range.start),
            _ => None,
        };
        ranges.into_iter().map(known).collect()
    }

    fn right_of(&self, start: u64) -> Option<Hash> {
        let from = self.edge.iter().position(|node| node.start == start)?;
        let from_the_right = self.edge[from..].iter().rev().map(|node| node.root);
        from_the_right.reduce(|right, left| node_hash(&left, &right))
    }

    fn finish(&mut self, node: Node) {
        self.note(&node);
        self.edge.push(node);
    }

    fn note(&mut self, node: &Node) {
        if let Some(place) = self.wanted.get_mut(&(node.start..node.start + node.width)) {
            *place = Some(node.root);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::tree::{Tree, tests::numbered_leaves};

    proptest! {
        #[test]
        fn paths_of_a_stream_are_those_of_the_whole_tree(size in 1..200_u64, archived: u64, picks in prop::collection::vec(any::<u64>(), 1..6)) {
            let leaves = numbered_leaves(size);
            let tree = Tree::new(leaves.clone());
            let archived = archived % size;
            let online = size - archived;
            let indices: Vec<_> = picks.iter().map(|pick| archived + pick % online).collect();
            let split = usize::try_from(archived).unwrap();
            let frontier: Frontier = leaves[..split].iter().copied().collect();
            let mut gather = Gather::new(&indices, size, &frontier).unwrap();
            prop_assert_eq!(gather.taken(), archived);
            for leaf in &leaves[split..] {
                gather.leaf(*leaf);
            }
            for index in indices {
                prop_assert_eq!(gather.path(index), Some(tree.inclusion_path(index).unwrap()));
            }
        }
    }

    #[test]
    fn a_log_that_is_not_whole_gives_no_path() {
        let mut gather = Gather::new(&[1], 3, &Frontier::new()).unwrap();
        for leaf in numbered_leaves(2) {
            gather.leaf(leaf);
        }
        assert_eq!(gather.path(1), None);
        assert!(Gather::new(&[3], 3, &Frontier::new()).is_err());
    }
}
