//! Slips (派工单): what a hub wrote of a piece of work when it gave it away, sealed, to come back with the outcome.
//!
//! Who reports an outcome knows how the attempt went; everything else the hub takes from its own slip. Promises that
//! nobody can write or change one, nor use that of another holder, without the key, and that a hub that was started
//! anew, or another one on the same store, still knows its own. Leaves to others what stands in a record, and whether
//! the lease in it still stands.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::digest::ContentKey;

/// Bytes of a seal where there is no room for a whole one.
pub const SHORT_BYTES: usize = 16;

/// What a key is derived for, so that no content digest is ever a seal, nor a seal of one use one of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Work that is given to workers.
    Work,
    /// Copies of deliveries that recipients fetch.
    Copies,
}

impl Purpose {
    fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Work => b"liandong slip 1",
            Self::Copies => b"liandong mailbox ticket 1",
        }
    }
}

/// Seals slips and knows them again.
#[derive(Clone)]
pub struct SlipKey([u8; 32]);

impl SlipKey {
    /// The key of a store for a purpose, the same for all hubs on it.
    pub fn of(key: &ContentKey, purpose: Purpose) -> Self {
        Self(*key.digest(purpose.as_bytes()).as_bytes())
    }

    /// HMAC-SHA256 over holder and record. The length of the holder's name keeps the two apart.
    pub fn seal(&self, holder: &str, record: &[u8]) -> [u8; 32] {
        self.mac(holder, record).finalize().into_bytes().into()
    }

    /// Whether this is the seal of the record for the holder.
    pub fn knows(&self, holder: &str, record: &[u8], seal: &[u8]) -> bool {
        self.mac(holder, record).verify_slice(seal).is_ok()
    }

    /// The beginning of [`SlipKey::seal`] (RFC 2104, section 5).
    pub fn seal_short(&self, holder: &str, record: &[u8]) -> [u8; SHORT_BYTES] {
        let mut short = [0; SHORT_BYTES];
        short.copy_from_slice(&self.seal(holder, record)[..SHORT_BYTES]);
        short
    }

    /// Whether this is the short seal of the record for the holder.
    pub fn knows_short(&self, holder: &str, record: &[u8], seal: &[u8]) -> bool {
        seal.len() == SHORT_BYTES && self.mac(holder, record).verify_truncated_left(seal).is_ok()
    }

    fn mac(&self, holder: &str, record: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.chain_update((holder.len() as u64).to_be_bytes()).chain_update(holder).chain_update(record)
    }
}

impl fmt::Debug for SlipKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlipKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_known_to_its_key_for_its_holder_and_as_it_was() {
        let content = ContentKey::new(&[7; 32]).unwrap();
        let key = SlipKey::of(&content, Purpose::Work);
        let seal = key.seal("north", b"record");
        assert!(
            SlipKey::of(&content, Purpose::Work).knows("north", b"record", &seal),
            "by whoever has the key"
        );
        assert!(!key.knows("south", b"record", &seal));
        assert!(!key.knows("northr", b"ecord", &seal), "the holder's name does not run into the record");
        assert!(!key.knows("north", b"Record", &seal));
        assert!(!key.knows("north", b"record", &seal[..31]));
        assert!(
            !SlipKey::of(&ContentKey::new(&[8; 32]).unwrap(), Purpose::Work).knows("north", b"record", &seal)
        );
        let short = key.seal_short("north", b"record");
        assert!(key.knows_short("north", b"record", &short) && !key.knows_short("south", b"record", &short));
        assert!(
            !key.knows_short("north", b"record", &short[..15]) && !key.knows_short("north", b"record", &seal)
        );
        assert!(!SlipKey::of(&content, Purpose::Copies).knows("north", b"record", &seal), "another use");
        assert_ne!(&seal, content.digest(b"record").as_bytes());
        assert_eq!(format!("{key:?}"), "SlipKey(..)");
    }
}
