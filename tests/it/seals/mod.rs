//! Seals as their users meet them: their rhythm, checkpoints sent outside, proofs between checkpoints, and stores that
//! somebody changed, on both backends.

mod anchors;
mod rhythm;
mod tampered;
