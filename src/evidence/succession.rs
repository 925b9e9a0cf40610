//! Succession: how one key that signs follows another, and which key counted when.
//!
//! When keys change, both sign the same statement: from that moment on the successor signs in the place of the
//! predecessor. So whoever trusts one of them can follow the chain to the others, forward by what the older one
//! signed and backward by what the newer one did, and need not take the store's word for it. Promises that a key
//! which no such statement leads to is not trusted, and that each is trusted for its own time alone. Leaves keeping the
//! history to the stores, and changing keys to the keyring.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    signer::{PublicKey, PublicKeys, Signer},
    statement,
};

/// Kind of the statement.
pub const KIND: &str = "key.succeeded";

/// What both keys sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Succession {
    /// From when on the successor signs, and the predecessor no more.
    pub from: Timestamp,
    /// Id of the statement.
    pub id: String,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// Who changed the keys.
    pub operator: String,
    /// Key of before, SPKI PEM.
    pub predecessor: String,
    /// Why.
    pub reason: String,
    /// Key of afterwards, SPKI PEM.
    pub successor: String,
    /// [`KIND`].
    pub r#type: String,
}

impl Succession {
    /// Signed with one of the two keys: an envelope as that of a receipt.
    pub fn sign(&self, signer: &dyn Signer) -> Result<String, statement::Error> {
        let envelopes = statement::sign_batch(&[self], signer)?;
        let envelope = envelopes.into_iter().next().unwrap_or_default();
        Ok(String::from_utf8(envelope).unwrap_or_default())
    }

    /// Whether `envelope` is this key's word that `later` follows `earlier` from that moment on.
    fn is_stated(envelope: &str, by: &PublicKey, earlier: &Tenure, later: &Tenure) -> bool {
        let key = PublicKeys::from_iter([by.clone()]);
        let Ok(proven) = statement::verify(envelope.as_bytes(), &key) else { return false };
        let Ok(stated) = serde_json::from_value::<Self>(proven.statement) else { return false };
        let same = |pem: &str, key: &PublicKey| PublicKey::from_pem(pem).is_ok_and(|read| read == *key);
        stated.r#type == KIND
            && stated.from == later.from
            && same(&stated.predecessor, &earlier.key)
            && same(&stated.successor, &later.key)
    }
}

/// The time of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// Which.
    pub key: PublicKey,
    /// From when on it signs; of the first in the history that is not asked.
    pub from: Timestamp,
    /// The succession as the key before signed it.
    pub by_predecessor: Option<String>,
    /// The succession as it signed it itself.
    pub by_itself: Option<String>,
}

/// Keys that follow each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History(pub Vec<Tenure>);

impl History {
    /// The key that signs at a time.
    pub fn at(&self, at: Timestamp) -> Option<&Tenure> {
        self.0.iter().rev().find(|tenure| tenure.from <= at).or_else(|| self.0.first())
    }

    /// The last that was named, which may be one that does not sign yet.
    pub fn last(&self) -> Option<&Tenure> {
        self.0.last()
    }

    /// `base`, and every key that signed statements lead to from there, those of the history each for its own time.
    pub fn trusted(&self, base: &PublicKeys) -> PublicKeys {
        let mut trusted: Vec<bool> = self.0.iter().map(|tenure| base.get(tenure.key.id()).is_ok()).collect();
        for later in 1..self.0.len() {
            trusted[later] |= trusted[later - 1] && self.leads_forward(later);
        }
        for later in (1..self.0.len()).rev() {
            trusted[later - 1] |= trusted[later] && self.leads_backward(later);
        }
        let mut keys = base.clone();
        for (index, tenure) in self.0.iter().enumerate().filter(|(index, _)| trusted[*index]) {
            let begins = self.is_proven(index).then_some(tenure.from);
            let ends = self.0.get(index + 1).filter(|_| self.is_proven(index + 1)).map(|next| next.from);
            keys.insert_for(tenure.key.clone(), begins, ends);
        }
        keys
    }

    fn leads_forward(&self, later: usize) -> bool {
        self.says(later, &self.0[later - 1].key, self.0[later].by_predecessor.as_deref())
    }

    fn leads_backward(&self, later: usize) -> bool {
        self.says(later, &self.0[later].key, self.0[later].by_itself.as_deref())
    }

    /// Whether either key vouches for the moment at which this one took over.
    fn is_proven(&self, later: usize) -> bool {
        later > 0 && (self.leads_forward(later) || self.leads_backward(later))
    }

    fn says(&self, later: usize, by: &PublicKey, envelope: Option<&str>) -> bool {
        let (earlier, later) = (&self.0[later - 1], &self.0[later]);
        envelope.is_some_and(|envelope| Succession::is_stated(envelope, by, earlier, later))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::signer::{self, Ed25519, Sm2};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_772_000_000 + second).unwrap()
    }

    fn first(key: &dyn Signer) -> Tenure {
        Tenure { key: key.public_key().clone(), from: at(0), by_predecessor: None, by_itself: None }
    }

    fn next(old: &dyn Signer, new: &dyn Signer, from: Timestamp) -> Tenure {
        let succession = Succession {
            from,
            id: "s-1".to_owned(),
            issued_at: at(1),
            operator: "ops".to_owned(),
            predecessor: old.public_key().to_pem(),
            reason: "yearly".to_owned(),
            successor: new.public_key().to_pem(),
            r#type: KIND.to_owned(),
        };
        Tenure {
            key: new.public_key().clone(),
            from,
            by_predecessor: Some(succession.sign(old).unwrap()),
            by_itself: Some(succession.sign(new).unwrap()),
        }
    }

    fn three() -> (History, [PublicKey; 3]) {
        let (a, b, c) =
            (Ed25519::from_seed(&[1; 32]), Sm2::generate().unwrap(), Ed25519::from_seed(&[3; 32]));
        let history = History(vec![first(&a), next(&a, &b, at(100)), next(&b, &c, at(200))]);
        (history, [&a as &dyn Signer, &b, &c].map(|signer| signer.public_key().clone()))
    }

    fn only(key: &PublicKey) -> PublicKeys {
        PublicKeys::from_iter([key.clone()])
    }

    #[test]
    fn each_key_signs_from_its_moment_on() {
        let (history, keys) = three();
        let signs = |second: i64| history.at(at(second)).unwrap().key.id();
        assert_eq!(
            [0, 99, 100, 199, 200, 9_999].map(signs),
            [0, 0, 1, 1, 2, 2].map(|place: usize| keys[place].id())
        );
        assert_eq!(signs(-5), keys[0].id(), "nothing signed before the first");
    }

    #[test]
    fn whoever_trusts_one_key_is_led_to_all_and_to_each_for_its_time() {
        let (history, keys) = three();
        for known in &keys {
            let trusted = history.trusted(&only(known));
            assert_eq!(trusted.len(), 3);
            for (key, seconds) in keys.iter().zip([[0, 99], [100, 199], [200, 9_999]]) {
                for second in seconds {
                    assert!(trusted.get_at(key.id(), Some(&at(second).to_string())).is_ok(), "{second}");
                }
            }
            let late = trusted.get_at(keys[0].id(), Some(&at(100).to_string()));
            assert!(matches!(late, Err(signer::Error::OutOfTerm { .. })));
            let early = trusted.get_at(keys[2].id(), Some(&at(199).to_string()));
            assert!(matches!(early, Err(signer::Error::OutOfTerm { .. })));
            assert!(matches!(trusted.get_at(keys[1].id(), None), Err(signer::Error::OutOfTerm { .. })));
        }
    }

    #[test]
    fn a_key_or_a_moment_that_no_key_vouches_for_is_not_taken_from_the_store() {
        let (history, keys) = three();
        let stranger = Ed25519::from_seed(&[9; 32]);
        let mut smuggled = history.clone();
        smuggled.0[2].key = stranger.public_key().clone();
        assert!(smuggled.trusted(&only(&keys[0])).get(stranger.public_key().id()).is_err());
        let mut moved = history.clone();
        moved.0[1].from = at(50);
        assert!(moved.trusted(&only(&keys[0])).get(keys[1].id()).is_err(), "another moment than both signed");
        let mut unsigned = history.clone();
        unsigned.0[1].by_predecessor = None;
        assert!(unsigned.trusted(&only(&keys[0])).get(keys[1].id()).is_err());
        assert_eq!(unsigned.trusted(&only(&keys[1])).len(), 3, "the newer one still vouches for the older");
        assert_eq!(history.trusted(&only(stranger.public_key())).len(), 1, "nothing leads there");
    }
}
