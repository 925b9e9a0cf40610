//! Checks of inclusion and consistency, with nothing but sizes, hashes and a path in hand.
//!
//! Promises that a proof with one bit changed, one hash more or one less fails, and that no input makes it panic.
//! Leaves to the caller to get roots and sizes from somewhere signed: a proof is worth as much as the root it ends in.

use super::{Error, Hash, empty_root, node_hash};

/// Checks that `leaf` stands at `index` (from 0) in the tree of `size` leaves with this root.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> Result<(), Error> {
    reached(&root_of_path(leaf, index, size, path)?, root)
}

/// The root that a leaf and its path lead to.
pub fn root_of_path(leaf: &Hash, index: u64, size: u64, path: &[Hash]) -> Result<Hash, Error> {
    if index >= size {
        return Err(Error::Index { index, size });
    }
    let (inner, border) = shape(index, size);
    let (inner_path, border_path) = split(path, inner, border)?;
    Ok(climb_border(climb(*leaf, index, inner_path), border_path))
}

/// Checks that the tree `first` (size, root) is the beginning of the tree `second`.
pub fn verify_consistency(first: (u64, Hash), second: (u64, Hash), path: &[Hash]) -> Result<(), Error> {
    let ((first_size, first_root), (second_size, second_root)) = (first, second);
    if first_size > second_size {
        return Err(Error::Sizes { first: first_size, second: second_size });
    }
    if first_size == 0 || first_size == second_size {
        split(path, 0, 0)?;
        let expected = if first_size == 0 { empty_root() } else { second_root };
        return reached(&first_root, &expected);
    }
    // The climb starts at the last perfect subtree of the first tree; when that is the whole of it, its root is known
    // and the path leaves it out.
    let height = first_size.trailing_zeros();
    let (inner, border) = shape(first_size - 1, second_size);
    let inner = inner - height as usize;
    let (seed, path) = match path.split_first() {
        _ if first_size.is_power_of_two() => (first_root, path),
        Some((seed, rest)) => (*seed, rest),
        None => return Err(Error::PathLength { expected: 1 + inner + border, found: 0 }),
    };
    let (inner_path, border_path) = split(path, inner, border)?;
    let index = (first_size - 1) >> height;
    let computed_first = climb_border(climb_left(seed, index, inner_path), border_path);
    reached(&computed_first, &first_root)?;
    let computed_second = climb_border(climb(seed, index, inner_path), border_path);
    reached(&computed_second, &second_root)
}

/// How the path of a leaf divides: hashes below the point where it meets the tree's right edge, and hashes above it,
/// all of which stand to the left.
fn shape(index: u64, size: u64) -> (usize, usize) {
    let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
    let border = index.checked_shr(inner).unwrap_or(0).count_ones();
    (inner as usize, border as usize)
}

fn split(path: &[Hash], inner: usize, border: usize) -> Result<(&[Hash], &[Hash]), Error> {
    let length = Error::PathLength { expected: inner + border, found: path.len() };
    if path.len() == inner + border { Ok(path.split_at(inner)) } else { Err(length) }
}

/// Climbs with siblings on the side that the bits of the index say.
fn climb(seed: Hash, index: u64, path: &[Hash]) -> Hash {
    path.iter().enumerate().fold(seed, |hash, (height, sibling)| {
        if index >> height & 1 == 0 { node_hash(&hash, sibling) } else { node_hash(sibling, &hash) }
    })
}

/// Climbs with the left siblings only: the earlier tree did not have the others.
fn climb_left(seed: Hash, index: u64, path: &[Hash]) -> Hash {
    let left = path.iter().enumerate().filter(|(height, _)| index >> height & 1 == 1);
    left.fold(seed, |hash, (_, sibling)| node_hash(sibling, &hash))
}

fn climb_border(seed: Hash, path: &[Hash]) -> Hash {
    path.iter().fold(seed, |hash, sibling| node_hash(sibling, &hash))
}

fn reached(computed: &Hash, expected: &Hash) -> Result<(), Error> {
    if computed == expected {
        return Ok(());
    }
    Err(Error::Root { expected: *expected, computed: *computed })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::tree::tests::{known_leaves, numbered_leaves};
    use crate::evidence::tree::{Tree, root};

    fn flipped(hash: &Hash, bit: usize) -> Hash {
        let mut bytes = *hash.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        Hash::from_bytes(bytes)
    }

    /// Every path with one bit flipped, one hash missing, one doubled, or two neighbours swapped.
    fn altered(path: &[Hash], bit: usize) -> Vec<Vec<Hash>> {
        let mut all = vec![[path, &[root(None)]].concat()];
        for at in 0..path.len() {
            let mut other = path.to_vec();
            other[at] = flipped(&path[at], bit);
            all.push(other);
            all.push([&path[..at], &path[at + 1..]].concat());
            all.push([&path[..=at], &path[at..]].concat());
            if at > 0 {
                let mut other = path.to_vec();
                other.swap(at - 1, at);
                all.push(other);
            }
        }
        all
    }

    #[test]
    fn all_proofs_of_the_known_tree_verify() {
        for size in 1..=8 {
            let tree = Tree::new(known_leaves(size));
            for (index, leaf) in known_leaves(size).iter().enumerate() {
                let path = tree.inclusion_path(index as u64).unwrap();
                assert_eq!(verify_inclusion(leaf, index as u64, size as u64, &path, &tree.root()), Ok(()));
            }
            for first in 0..=size {
                let path = tree.consistency_path(first as u64).unwrap();
                let (before, after) = ((first as u64, root(known_leaves(first))), (size as u64, tree.root()));
                assert_eq!(verify_consistency(before, after, &path), Ok(()), "{first} to {size}");
            }
        }
    }

    #[test]
    fn a_path_says_how_long_it_should_have_been() {
        let tree = Tree::new(numbered_leaves(6));
        let leaf = numbered_leaves(1)[0];
        let path = tree.inclusion_path(0).unwrap();
        let cut = verify_inclusion(&leaf, 0, 6, &path[..2], &tree.root());
        assert_eq!(cut, Err(Error::PathLength { expected: 3, found: 2 }));
        assert_eq!(
            verify_inclusion(&leaf, 6, 6, &path, &tree.root()),
            Err(Error::Index { index: 6, size: 6 })
        );
        assert_eq!(
            verify_inclusion(&leaf, 0, 0, &path, &tree.root()),
            Err(Error::Index { index: 0, size: 0 })
        );
    }

    #[test]
    fn consistency_without_a_path_still_compares_the_roots() {
        let (five, other) = (root(numbered_leaves(5)), root(numbered_leaves(4)));
        assert_eq!(verify_consistency((5, five), (5, five), &[]), Ok(()));
        assert!(verify_consistency((5, other), (5, five), &[]).is_err(), "same size, other root: a fork");
        assert_eq!(verify_consistency((0, empty_root()), (5, five), &[]), Ok(()));
        assert!(verify_consistency((0, other), (5, five), &[]).is_err(), "the empty tree has one root");
        assert!(verify_consistency((5, five), (5, five), &[other]).is_err(), "nothing to prove, so no path");
        let shrunk = verify_consistency((5, five), (4, other), &[]);
        assert_eq!(shrunk, Err(Error::Sizes { first: 5, second: 4 }));
    }

    proptest! {
        #[test]
        fn an_altered_inclusion_proof_fails(size in 1..200_u64, pick: u64, other: u64, bit in 0..256_usize) {
            let leaves = numbered_leaves(size);
            let index = pick % size;
            let leaf = leaves[usize::try_from(index).unwrap()];
            let tree = Tree::new(leaves);
            let (path, top) = (tree.inclusion_path(index).unwrap(), tree.root());
            prop_assert_eq!(verify_inclusion(&leaf, index, size, &path, &top), Ok(()));
            for changed in altered(&path, bit) {
                prop_assert!(verify_inclusion(&leaf, index, size, &changed, &top).is_err());
            }
            prop_assert!(verify_inclusion(&flipped(&leaf, bit), index, size, &path, &top).is_err());
            prop_assert!(verify_inclusion(&leaf, index, size, &path, &flipped(&top, bit)).is_err());
            if other % size != index {
                prop_assert!(verify_inclusion(&leaf, other % size, size, &path, &top).is_err());
            }
        }

        #[test]
        fn an_altered_consistency_proof_fails(second in 2..200_u64, pick: u64, bit in 0..256_usize) {
            let leaves = numbered_leaves(second);
            let first = pick % (second - 1) + 1;
            let before = (first, root(leaves[..usize::try_from(first).unwrap()].iter().copied()));
            let tree = Tree::new(leaves);
            let (path, after) = (tree.consistency_path(first).unwrap(), (second, tree.root()));
            prop_assert_eq!(verify_consistency(before, after, &path), Ok(()));
            for changed in altered(&path, bit) {
                prop_assert!(verify_consistency(before, after, &changed).is_err());
            }
            prop_assert!(verify_consistency((first, flipped(&before.1, bit)), after, &path).is_err());
            prop_assert!(verify_consistency(before, (second, flipped(&after.1, bit)), &path).is_err());
        }

        #[test]
        fn no_input_makes_the_checks_panic(a: u64, b: u64, length in 0..70_usize) {
            let path = vec![empty_root(); length];
            let hash = empty_root();
            prop_assert!(verify_inclusion(&hash, a, b, &path, &hash).is_err() || (a, b, length) == (0, 1, 0));
            let outcome = verify_consistency((a, hash), (b, hash), &path);
            prop_assert!(outcome.is_err() || ((a == 0 || a == b) && length == 0));
        }
    }
}
