//! The time stamp of an authority over a file's checkpoint (RFC 3161): that all its entries were there at a time which
//! somebody else than the hub vouches for.
//!
//! Its checkpoint is the first that an authority stamped, where one was stamped that covers all entries. The hub lists the
//! stamp among the contents of the file; whether it holds is checked by who trusts the authority.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;

use super::{export::Exporter, verify::Because};
use crate::{
    evidence::{
        digest::Digest,
        file::File,
        timestamp::{self, Authorities},
    },
    port::store::{Error, StampRow},
};

/// What is known of the stamp of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// The file has none.
    Absent,
    /// It has one, and no authority was named that it could be held against.
    Unchecked,
    /// A named authority saw the checkpoint at this time.
    Holds(Timestamp),
}

impl Exporter {
    /// The first stamp of a checkpoint from one size to another.
    pub(super) async fn stamped(&self, from: u64, until: u64) -> Result<Option<StampRow>, Error> {
        let stamps = self.store.stamps(from.saturating_sub(1), 1).await?;
        Ok(stamps.into_iter().next().filter(|stamp| stamp.size <= until))
    }
}

/// As it stands in a file.
pub(super) fn written(stamp: &StampRow) -> String {
    STANDARD.encode(&stamp.token)
}

/// The digest by which the contents list it; none of a file without.
pub(super) fn digest(file: &File) -> Option<Digest> {
    file.stamp.as_ref().map(|stamp| Digest::of(stamp.as_bytes()))
}

/// Holds it against the checkpoint and the authorities that are trusted.
pub(super) fn checked(file: &File, authorities: Option<&Authorities>) -> Result<Stamp, Because> {
    let Some(stamp) = &file.stamp else { return Ok(Stamp::Absent) };
    let token =
        STANDARD.decode(stamp).map_err(|_| Because::Unfit("the time stamp is not base64".to_owned()))?;
    let Some(authorities) = authorities else { return Ok(Stamp::Unchecked) };
    let stamp = timestamp::verify(&token, file.checkpoint.as_bytes(), authorities).map_err(Box::new)?;
    Ok(Stamp::Holds(stamp.time))
}
