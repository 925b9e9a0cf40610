//! Evidence: digests, the Merkle tree of the trail, signatures, signed statements and the check of a sealed store.
//!
//! Promises: everything here is synchronous and, but for key files and archives, pure: the same bytes give the same answer on any
//! machine, so that a third party can repeat each step offline. Every error names the step that failed.
//! Leaves to others: where entries, salts and statements are kept (the stores), when a checkpoint is made (the sealer),
//! and what time it is (the caller passes times in as text).

pub mod archive;
pub mod attempt;
mod bytes32;
pub mod canonical;
pub mod checkpoint;
pub mod consistency;
pub mod digest;
pub mod file;
pub mod note;
pub mod seal;
pub mod signer;
pub mod slip;
pub mod statement;
pub mod succession;
pub mod timestamp;
pub mod tree;
