//! Statements: facts with id and time in canonical JSON, signed once a batch.
//!
//! A batch of statements becomes the leaves of a Merkle tree; its root and size are signed as a text of their own
//! ([`signed_text`]); each statement then carries the path from itself to that root, so that one costs a few hashes
//! and still stands alone. Promises that a statement is serialised once: the bytes made here are stored and returned
//! verbatim. Leaves ids, times and the meaning of the data to the caller.

mod verify;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::verify::{Invalid, Proven, is_as_written, verify};
use super::canonical;
use super::signer::{self, Algorithm, KeyId, Signature, Signer};
use super::tree::{self, Hash, Tree};

/// First line of the text that is signed for a batch; it keeps batches apart from all else the key signs.
pub const DOMAIN: &str = "liandong/statement-batch/v1";

/// Beginning of this and later forms of [`DOMAIN`]. Nothing else that a key signs may begin so.
pub const RESERVED_PREFIX: &str = "liandong/statement-batch/";

/// The members every statement has, each a string that is not empty.
pub const REQUIRED: [&str; 3] = ["type", "id", "issued_at"];

/// Why a batch could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A statement that lacks a required member.
    #[error("statement {index} of the batch has no {member:?}; it must be a string that is not empty")]
    Member {
        /// Place in the batch, counted from 0.
        index: usize,
        /// The member.
        member: &'static str,
    },
    /// A statement that has no canonical form.
    #[error("statement {index} of the batch has no canonical form")]
    Canonical {
        /// Place in the batch, counted from 0.
        index: usize,
        /// Why not.
        #[source]
        source: canonical::Error,
    },
    /// The key could not sign.
    #[error("the batch of {size} statements could not be signed")]
    Sign {
        /// Statements in the batch.
        size: usize,
        /// What the signer said.
        #[source]
        source: signer::Error,
    },
    /// A proof could not be written as JSON.
    #[error("the proof of statement {index} of the batch could not be written")]
    Write {
        /// Place in the batch, counted from 0.
        index: usize,
        /// What the serialiser said.
        #[source]
        source: serde_json::Error,
    },
}

/// What follows a statement in its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    algorithm: Algorithm,
    key_id: KeyId,
    batch_size: u64,
    /// Place in the batch, counted from 0.
    index: u64,
    path: Vec<Hash>,
    root: Hash,
    signature: Signature,
}

/// The text that is signed for a batch: domain, size and base64 root, a line each.
pub fn signed_text(batch_size: u64, root: &Hash) -> String {
    format!("{DOMAIN}\n{batch_size}\n{}\n", STANDARD.encode(root.as_bytes()))
}

/// Signs a batch with one signature. Gives an envelope for each statement, in their order: JSON bytes
/// `{"statement":…,"proof":…}` to be kept and returned as they are. A batch of none costs nothing and gives none.
pub fn sign_batch<S: Serialize>(statements: &[S], signer: &dyn Signer) -> Result<Vec<Vec<u8>>, Error> {
    if statements.is_empty() {
        return Ok(Vec::new());
    }
    let bodies = statements.iter().enumerate().map(body).collect::<Result<Vec<_>, _>>()?;
    let tree = Tree::new(bodies.iter().map(|body| tree::leaf_hash(body)).collect());
    let signature = signer
        .sign(signed_text(tree.size(), &tree.root()).as_bytes())
        .map_err(|source| Error::Sign { size: bodies.len(), source })?;
    let mut proof = Proof {
        algorithm: signer.algorithm(),
        key_id: signer.key_id(),
        batch_size: tree.size(),
        index: 0,
        path: Vec::new(),
        root: tree.root(),
        signature,
    };
    bodies
        .iter()
        .enumerate()
        .map(|(index, body)| {
            proof.index = index as u64;
            proof.path = tree.inclusion_path(proof.index).expect("every leaf of a tree has a path");
            envelope(body, &proof).map_err(|source| Error::Write { index, source })
        })
        .collect()
}

/// The canonical bytes of a statement that has all its members.
fn body<S: Serialize>((index, statement): (usize, &S)) -> Result<Vec<u8>, Error> {
    let body = canonical::to_bytes(statement).map_err(|source| Error::Canonical { index, source })?;
    match missing_member(&body) {
        Some(member) => Err(Error::Member { index, member }),
        None => Ok(body),
    }
}

/// The members that every statement has, as they are written.
#[derive(Deserialize)]
struct Required<'b> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'b RawValue>,
    #[serde(borrow)]
    id: Option<&'b RawValue>,
    #[serde(borrow)]
    issued_at: Option<&'b RawValue>,
}

fn missing_member(body: &[u8]) -> Option<&'static str> {
    let Ok(Required { kind, id, issued_at }) = serde_json::from_slice(body) else { return Some(REQUIRED[0]) };
    let says = |member: Option<&RawValue>| {
        member.is_some_and(|raw| raw.get().starts_with('"') && raw.get() != "\"\"")
    };
    REQUIRED.into_iter().zip([kind, id, issued_at]).find(|(_, member)| !says(*member)).map(|(name, _)| name)
}

/// The statement stands in its envelope byte for byte as it was hashed.
fn envelope(body: &[u8], proof: &Proof) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(body.len() + 512 + proof.path.len() * 67);
    bytes.extend_from_slice(b"{\"statement\":");
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(b",\"proof\":");
    serde_json::to_writer(&mut bytes, proof)?;
    bytes.push(b'}');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::signer::{Ed25519, PublicKey};

    /// Counts what a batch costs where it is dear: in signatures.
    #[derive(Debug)]
    struct Counting(Ed25519, AtomicUsize);

    impl Signer for Counting {
        fn public_key(&self) -> &PublicKey {
            self.0.public_key()
        }

        fn sign(&self, message: &[u8]) -> Result<Signature, signer::Error> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.sign(message)
        }
    }

    fn counting() -> Counting {
        Counting(Ed25519::from_seed(&[1; 32]), AtomicUsize::new(0))
    }

    fn receipt(n: usize) -> Value {
        json!({
            "type": "receipt.accepted",
            "id": format!("rcpt-{n:06}"),
            "issued_at": "2026-03-01T08:00:00.123+08:00",
            "data": {
                "message": format!("018f9c1e-0000-7000-8000-{n:012}"),
                "source": "org-hanbin-approval",
                "business_key": format!("HB-2026-{n:06}"),
                "revision": 1,
                "digest": super::super::digest::Digest::of(&n.to_be_bytes()),
                "registry_version": 42,
            }
        })
    }

    #[test]
    fn a_batch_of_500_costs_one_signature_and_short_paths() {
        let signer = counting();
        let statements: Vec<_> = (0..500).map(receipt).collect();
        let started = Instant::now();
        let envelopes = sign_batch(&statements, &signer).unwrap();
        let took = started.elapsed();
        let bytes: usize = envelopes.iter().map(Vec::len).sum();
        report(&format!("batch of 500: {took:?}, {} bytes a statement on average", bytes / 500));
        assert_eq!(signer.1.load(Ordering::Relaxed), 1);
        for envelope in &envelopes {
            let envelope: Value = serde_json::from_slice(envelope).unwrap();
            assert!(envelope["proof"]["path"].as_array().unwrap().len() <= 9, "500 leaves make 9 levels");
        }
    }

    #[expect(clippy::print_stdout, reason = "the figure is for who runs the test with --nocapture")]
    fn report(figure: &str) {
        println!("{figure}");
    }

    #[test]
    fn an_envelope_holds_the_canonical_statement_and_then_the_proof() {
        let signer = counting();
        let envelopes = sign_batch(&[receipt(1), receipt(2)], &signer).unwrap();
        let text = String::from_utf8(envelopes[0].clone()).unwrap();
        let canonical = String::from_utf8(canonical::to_bytes(&receipt(1)).unwrap()).unwrap();
        let start =
            format!("{{\"statement\":{canonical},\"proof\":{{\"algorithm\":\"ed25519\",\"key_id\":\"");
        assert!(text.starts_with(&start), "{text}");
        assert!(text.contains("\"batch_size\":2,\"index\":0,\"path\":[\""), "{text}");
    }

    #[test]
    fn no_statements_need_no_signature() {
        let signer = counting();
        assert!(sign_batch::<Value>(&[], &signer).unwrap().is_empty());
        assert_eq!(signer.1.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_signed_text_is_separated_and_complete() {
        let text = signed_text(500, &Hash::from_bytes([0; 32]));
        assert_eq!(text, format!("liandong/statement-batch/v1\n500\n{}=\n", "A".repeat(43)));
        assert!(DOMAIN.starts_with(RESERVED_PREFIX));
    }

    #[test]
    fn a_statement_without_its_members_is_refused_by_its_place() {
        for member in REQUIRED {
            for wrong in [Value::Null, json!(""), json!(7)] {
                let mut statement = receipt(2);
                statement[member] = wrong;
                let error = sign_batch(&[receipt(1), statement], &counting()).unwrap_err();
                assert!(
                    matches!(error, Error::Member { index: 1, member: found } if found == member),
                    "{error}"
                );
            }
        }
        assert!(matches!(sign_batch(&[json!([])], &counting()), Err(Error::Member { index: 0, .. })));
    }

    #[test]
    fn a_statement_that_json_would_round_is_refused() {
        let mut statement = receipt(1);
        statement["data"]["revision"] = json!(u64::MAX);
        let error = sign_batch(&[statement], &counting()).unwrap_err();
        assert!(
            matches!(error, Error::Canonical { index: 0, source: canonical::Error::Inexact { .. } }),
            "{error}"
        );
    }
}
