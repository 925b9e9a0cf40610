//! The check of one signed statement, with nothing in hand but its bytes and the trusted keys.
//!
//! Promises to walk the same steps a third party walks with `openssl` (parse, find the key, climb the path, check the
//! signature) and to name the step that fails. Leaves it to the caller what the statement is good for.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Proof, missing_member, signed_text};
use crate::evidence::signer::{self, Algorithm, KeyId, PublicKeys};
use crate::evidence::tree::{self, Hash, proof};

/// The step that failed. The first four need no key.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// Reading: not an envelope.
    #[error("reading failed: the bytes are not a signed statement")]
    Envelope(#[source] serde_json::Error),
    /// Reading: an envelope around something that is no statement.
    #[error("reading failed: the statement has no {member:?}, or it is empty")]
    Member {
        /// The member.
        member: &'static str,
    },
    /// Climbing the path: the statement is not in the batch.
    #[error("inclusion failed: the statement is not the one at place {index} of the batch of {batch_size}")]
    Inclusion {
        /// Place claimed, counted from 0.
        index: u64,
        /// Batch size claimed.
        batch_size: u64,
        /// What the tree said.
        #[source]
        source: tree::Error,
    },
    /// Checking the signature of the batch.
    #[error("signature failed: the batch is not signed by a trusted key")]
    Signature(#[source] signer::Error),
}

/// What a valid statement proves: that this key's holder stated exactly this.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proven {
    /// Kind of statement, its member `type`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Id of the statement.
    pub id: String,
    /// Time the signer claims, as written.
    pub issued_at: String,
    /// Algorithm of the signature.
    pub algorithm: Algorithm,
    /// Key that signed.
    pub key_id: KeyId,
    /// Place in the batch, counted from 0.
    pub index: u64,
    /// Statements in the batch.
    pub batch_size: u64,
    /// Root of the batch, which is what was signed.
    pub root: Hash,
    /// The whole statement.
    pub statement: Value,
}

impl fmt::Display for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, id, issued_at, algorithm, key_id, index, batch_size, .. } = self;
        write!(
            f,
            "{kind} {id}, issued at {issued_at}, is signed by {algorithm} key {key_id} at place {index} in a batch of {batch_size}"
        )
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    statement: &'a RawValue,
    proof: Proof,
}

/// Whether an envelope is byte for byte as it was written, the proof with it: only then no byte can be changed unnoticed.
pub fn is_as_written(envelope: &[u8]) -> bool {
    let read = serde_json::from_slice::<Envelope<'_>>(envelope);
    let written =
        read.and_then(|Envelope { statement, proof }| super::envelope(statement.get().as_bytes(), &proof));
    written.is_ok_and(|written| written == envelope)
}

/// Checks a signed statement as it was stored. The statement's bytes count as they stand: reformatted ones fail.
pub fn verify(envelope: &[u8], keys: &PublicKeys) -> Result<Proven, Invalid> {
    let Envelope { statement: raw, proof } = serde_json::from_slice(envelope).map_err(Invalid::Envelope)?;
    let statement: Value = serde_json::from_str(raw.get()).map_err(Invalid::Envelope)?;
    if let Some(member) = missing_member(raw.get().as_bytes()) {
        return Err(Invalid::Member { member });
    }
    let Proof { algorithm, key_id, batch_size, index, path, root, signature } = proof;
    proof::verify_inclusion(&tree::leaf_hash(raw.get().as_bytes()), index, batch_size, &path, &root)
        .map_err(|source| Invalid::Inclusion { index, batch_size, source })?;
    let key = keys.get_at(key_id, statement["issued_at"].as_str()).map_err(Invalid::Signature)?;
    if key.algorithm() != algorithm {
        let expected = key.algorithm();
        return Err(Invalid::Signature(signer::Error::OtherAlgorithm { key_id, expected, found: algorithm }));
    }
    key.verify(signed_text(batch_size, &root).as_bytes(), &signature).map_err(Invalid::Signature)?;
    let text = |member: &str| statement[member].as_str().unwrap_or_default().to_owned();
    let (kind, id, issued_at) = (text("type"), text("id"), text("issued_at"));
    Ok(Proven { kind, id, issued_at, algorithm, key_id, index, batch_size, root, statement })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::evidence::signer::{Ed25519, Signer as _};
    use crate::evidence::statement::sign_batch;

    fn statement(n: usize) -> Value {
        json!({"type": "receipt", "id": format!("r{n}"), "issued_at": "2026-03-01T08:00:00Z", "data": {"n": n}})
    }

    fn batch(size: usize, seed: u8) -> (Vec<Vec<u8>>, PublicKeys) {
        let signer = Ed25519::from_seed(&[seed; 32]);
        let statements: Vec<_> = (0..size).map(statement).collect();
        let keys = [signer.public_key().clone()].into_iter().collect();
        (sign_batch(&statements, &signer).unwrap(), keys)
    }

    /// The envelope with one member of its proof replaced.
    fn with_proof(envelope: &[u8], member: &str, value: Value) -> Vec<u8> {
        let mut envelope: Value = serde_json::from_slice(envelope).unwrap();
        envelope["proof"][member] = value;
        serde_json::to_vec(&envelope).unwrap()
    }

    fn edited(envelope: &[u8], from: &str, to: &str) -> Vec<u8> {
        let text = std::str::from_utf8(envelope).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        text.replacen(from, to, 1).into_bytes()
    }

    #[test]
    fn every_statement_of_every_batch_says_what_it_proves() {
        for size in [1, 2, 3, 7, 8, 100] {
            let (envelopes, keys) = batch(size, 1);
            for (index, envelope) in envelopes.iter().enumerate() {
                let proven = verify(envelope, &keys).unwrap();
                assert_eq!((proven.index, proven.batch_size), (index as u64, size as u64));
                assert_eq!(proven.statement, statement(index));
                assert!(proven.to_string().starts_with(&format!("receipt r{index}, issued at 2026-03-01")));
            }
        }
    }

    #[test]
    fn a_changed_statement_fails_inclusion() {
        let (envelopes, keys) = batch(5, 1);
        for (from, to) in
            [("\"r3\"", "\"r4\""), ("08:00", "09:00"), ("\"n\":3", "\"n\":2"), ("{\"n\"", "{ \"n\"")]
        {
            let error = verify(&edited(&envelopes[3], from, to), &keys).unwrap_err();
            assert!(matches!(error, Invalid::Inclusion { index: 3, batch_size: 5, .. }), "{from}: {error}");
        }
    }

    #[test]
    fn the_proof_of_another_statement_fails_inclusion() {
        let (envelopes, keys) = batch(4, 1);
        let (others, _) = batch(6, 1);
        for stranger in [&envelopes[1], &envelopes[2], &others[1], &others[5]] {
            let stranger: Value = serde_json::from_slice(stranger).unwrap();
            let mut own: Value = serde_json::from_slice(&envelopes[0]).unwrap();
            own["proof"] = stranger["proof"].clone();
            let error = verify(&serde_json::to_vec(&own).unwrap(), &keys).unwrap_err();
            assert!(matches!(error, Invalid::Inclusion { .. }), "{error}");
        }
    }

    #[test]
    fn a_changed_root_or_size_fails_even_where_the_path_agrees() {
        let (envelopes, keys) = batch(1, 1);
        let forged = tree::leaf_hash(b"forged").to_string();
        let root = verify(&with_proof(&envelopes[0], "root", json!(forged)), &keys).unwrap_err();
        assert!(matches!(root, Invalid::Inclusion { .. }), "{root}");
        // Leaf 0 has the same path in trees of 3 and of 4 leaves: only the signed size tells them apart.
        let (envelopes, keys) = batch(3, 1);
        let size = verify(&with_proof(&envelopes[0], "batch_size", json!(4)), &keys).unwrap_err();
        assert!(matches!(size, Invalid::Signature(signer::Error::BadSignature { .. })), "{size}");
    }

    #[test]
    fn a_forged_statement_with_a_sound_tree_fails_the_signature() {
        let (envelopes, keys) = batch(1, 1);
        let mut forged: Value = serde_json::from_slice(&envelopes[0]).unwrap();
        forged["statement"]["id"] = json!("forged");
        let body = serde_json::to_vec(&forged["statement"]).unwrap();
        forged["proof"]["root"] = json!(tree::leaf_hash(&body));
        let error = verify(&serde_json::to_vec(&forged).unwrap(), &keys).unwrap_err();
        assert!(matches!(error, Invalid::Signature(signer::Error::BadSignature { .. })), "{error}");
    }

    #[test]
    fn unknown_and_wrong_keys_are_told_apart() {
        let (envelopes, keys) = batch(2, 1);
        let (foreign, foreign_keys) = batch(2, 2);
        let unknown = verify(&foreign[0], &keys).unwrap_err();
        assert!(matches!(unknown, Invalid::Signature(signer::Error::UnknownKey { .. })), "{unknown}");
        let claimed = json!(keys.iter().next().unwrap().id());
        let wrong = verify(&with_proof(&foreign[0], "key_id", claimed), &keys).unwrap_err();
        assert!(matches!(wrong, Invalid::Signature(signer::Error::BadSignature { .. })), "{wrong}");
        assert!(verify(&envelopes[0], &foreign_keys).is_err());
    }

    #[test]
    fn what_is_no_signed_statement_fails_reading() {
        let (envelopes, keys) = batch(2, 1);
        let doubled = edited(&envelopes[0], ",\"proof\"", ",\"statement\":{},\"proof\"");
        let extra = with_proof(&envelopes[0], "note", json!("x"));
        let truncated = envelopes[0][..envelopes[0].len() - 1].to_vec();
        let algorithm = with_proof(&envelopes[0], "algorithm", json!("none"));
        for bytes in [doubled, extra, truncated, algorithm, b"{}".to_vec(), Vec::new()] {
            assert!(matches!(verify(&bytes, &keys), Err(Invalid::Envelope(_))));
        }
        let nameless = edited(&envelopes[0], "\"r0\"", "\"\"");
        assert!(matches!(verify(&nameless, &keys), Err(Invalid::Member { member: "id" })));
    }

    proptest! {
        #[test]
        fn no_single_changed_byte_proves_anything_else(place: prop::sample::Index, bit in 0..7_u8) {
            let (envelopes, keys) = batch(5, 1);
            let honest = verify(&envelopes[2], &keys).unwrap();
            let mut bytes = envelopes[2].clone();
            let at = place.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Ok(proven) = verify(&bytes, &keys) {
                prop_assert_eq!(proven, honest, "byte {} changed", at);
            }
        }
    }
}
