//! Whether a message may be accepted, judged by the keys that stand: the same on every store.

use crate::port::store::{Acceptance, Error, StandingRow, Verdict};

/// Why one is not accepted; none if it is. `highest` is the highest revision of its key; what stands under its
/// own revision is asked for only where there may be something.
pub(in crate::store) fn refused(
    acceptance: &Acceptance,
    highest: Option<u32>,
    stands: impl FnOnce() -> Result<Option<StandingRow>, Error>,
) -> Result<Option<Verdict>, Error> {
    let Some(highest) = highest else {
        return Ok(acceptance.known_revision.map(|_| Verdict::Moved));
    };
    if highest >= acceptance.revision
        && let Some(stands) = stands()?
    {
        let same = stands.received_digest == acceptance.received_digest
            || stands.content_digest == acceptance.content_digest;
        return Ok(Some(if same {
            Verdict::Duplicate { message: stands.message, receipt: stands.receipt }
        } else {
            Verdict::Conflict { message: stands.message }
        }));
    }
    if highest > acceptance.revision {
        return Ok(Some(Verdict::Stale { highest }));
    }
    Ok((acceptance.known_revision != Some(highest)).then_some(Verdict::Moved))
}
