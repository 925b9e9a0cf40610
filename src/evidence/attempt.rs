//! What one attempt exchanged with its target, as the trail commits to it.
//!
//! A digest of bytes confirms whoever guesses them, long after they are erased. So an entry holds none of these digests but
//! one salted commitment to all of them; they lie with the salt in the attempt's row and are erased together.
//! Promises one form: the commitments are over the canonical JSON (RFC 8785) of [`Exchanged`], so that anybody who is given
//! it with the salt repeats them by hand.

use serde::{Deserialize, Serialize};

use super::digest::{Commitment, Digest, Salt, Sm3Commitment, Sm3Digest};

/// The digests. Members stand in the order of canonical JSON; what there was not is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchanged {
    /// SHA-256 of the answer's exact bytes.
    pub answer: Option<Digest>,
    /// SM3 of them.
    pub answer_sm3: Option<Sm3Digest>,
    /// SHA-256 of the words of the answer, or of the error, that are kept.
    pub said: Digest,
    /// SHA-256 of the exact bytes sent.
    pub sent: Option<Digest>,
    /// SM3 of them.
    pub sent_sm3: Option<Sm3Digest>,
}

impl Exchanged {
    /// Commits to all of it.
    pub fn commit(&self, salt: &Salt) -> (Commitment, Sm3Commitment) {
        let bytes = self.to_bytes();
        (salt.commit(&bytes), salt.commit_by_sm3(&bytes))
    }

    /// Its canonical JSON: members in order, texts of plain letters and digits.
    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("digests are texts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::canonical;

    fn exchanged() -> Exchanged {
        Exchanged {
            answer: None,
            answer_sm3: None,
            said: Digest::of("收到".as_bytes()),
            sent: Some(Digest::of(b"abc")),
            sent_sm3: Some(Sm3Digest::of(b"abc")),
        }
    }

    #[test]
    fn its_bytes_are_canonical_json() {
        assert_eq!(exchanged().to_bytes(), canonical::to_bytes(&exchanged()).unwrap());
        let text = String::from_utf8(exchanged().to_bytes()).unwrap();
        assert!(text.starts_with(r#"{"answer":null,"answer_sm3":null,"said":"sha256:"#), "{text}");
    }

    #[test]
    fn the_commitments_open_with_this_salt_and_these_digests_alone() {
        let salt = Salt::from_bytes([7; 16]);
        let (commitment, by_sm3) = exchanged().commit(&salt);
        assert!(commitment.opens_with(&salt, &exchanged().to_bytes()));
        assert_eq!(by_sm3, salt.commit_by_sm3(&exchanged().to_bytes()));
        let other = Exchanged { sent: None, ..exchanged() };
        for (salt, exchanged) in [(Salt::from_bytes([8; 16]), exchanged()), (salt, other)] {
            let (one, two) = exchanged.commit(&salt);
            assert!(one != commitment && two != by_sm3);
        }
    }
}
