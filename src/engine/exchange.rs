//! Reconciliation (对账): what went from whom to whom on one day, with digests that both sides can compute.
//!
//! A day is one of China, by the time of acceptance. Deliveries are numbered in the order of acceptance, so a day is found
//! by bisection and read from there: no index, and no row of another day but a few at its ends. Promises the same lines and
//! digests however often it is asked, but for states that have moved on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{
    SignedDuration, Timestamp,
    civil::Date,
    tz::{Offset, offset},
};
use serde::Serialize;

use crate::{
    domain::{id::OrganisationId, kind::Kind},
    evidence::digest::{Digest, Digester},
    port::store::{Error, Exchanged, Store},
};

/// Days are those of China.
const CHINA: Offset = offset(8);
/// Rows read at a time.
const PAGE: usize = 1_000;
/// How far apart clocks of hubs may have numbered deliveries.
const SLACK: SignedDuration = SignedDuration::from_hours(1);
/// No store has as many deliveries.
const END: u64 = 1 << 52;

/// A day, and whose pairs.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Which day.
    pub day: Date,
    /// From this organisation only.
    pub sender: Option<OrganisationId>,
    /// To this organisation only.
    pub recipient: Option<OrganisationId>,
}

/// What went from one organisation to another, of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// From whom.
    pub sender: OrganisationId,
    /// To whom.
    pub recipient: OrganisationId,
    /// Kind.
    pub kind: Kind,
    /// Deliveries.
    pub deliveries: u64,
    /// Of these, that the target confirmed.
    pub handed_over: u64,
    /// Of these, that are erased, and of which no digest is known any more.
    pub erased: u64,
    /// SHA-256 over one line each, sorted: delivery id, space, digest of the bytes received from the sender, line feed; none
    /// where some are erased.
    pub digest: Option<Digest>,
}

impl Asked {
    /// From when to before when.
    pub fn bounds(&self) -> Result<(Timestamp, Timestamp), jiff::Error> {
        let begin = |day: Date| CHINA.to_timestamp(day.at(0, 0, 0, 0));
        Ok((begin(self.day)?, begin(self.day.tomorrow()?)?))
    }

    fn is(&self, row: &Exchanged) -> bool {
        let same = |asked: Option<&OrganisationId>, found| asked.is_none_or(|asked| Some(asked) == found);
        same(self.sender.as_ref(), Some(&row.sender)) && same(self.recipient.as_ref(), row.recipient.as_ref())
    }
}

/// Deliveries of the day from a number on that `may_see` lets through, at most `limit`; and the number to go on from,
/// none at the end.
pub async fn lines(
    store: &dyn Store,
    asked: &Asked,
    (from, until): (Timestamp, Timestamp),
    (after, limit): (Option<u64>, usize),
    may_see: impl Fn(&Exchanged) -> bool,
) -> Result<(Vec<Exchanged>, Option<u64>), Error> {
    let mut next = match after {
        Some(after) => after,
        None => first(store, from - SLACK).await?,
    };
    let mut found = Vec::new();
    loop {
        let page = store.exchanged(next, PAGE).await?;
        if page.is_empty() {
            return Ok((found, None));
        }
        for row in page {
            next = row.number + 1;
            if row.created_at >= until + SLACK {
                return Ok((found, None));
            }
            let is_of_day = row.created_at >= from && row.created_at < until;
            if is_of_day && row.recipient.is_some() && asked.is(&row) && may_see(&row) {
                found.push(row);
                if found.len() >= limit {
                    return Ok((found, Some(next)));
                }
            }
        }
    }
}

/// The number of the first delivery that was made at a time or after it.
async fn first(store: &dyn Store, from: Timestamp) -> Result<u64, Error> {
    let (mut low, mut high) = (0, END);
    while low < high {
        let middle = low + (high - low) / 2;
        match store.exchanged(middle, 1).await?.first() {
            Some(row) if row.created_at < from => low = row.number + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The sums of the day by sender, recipient and kind, of what `may_see` lets through.
pub async fn sums(
    store: &dyn Store,
    asked: &Asked,
    bounds: (Timestamp, Timestamp),
    may_see: impl Fn(&Exchanged) -> bool,
) -> Result<Vec<Sum>, Error> {
    type Key = (OrganisationId, OrganisationId, &'static str);
    type Group = (Kind, u64, u64, BTreeSet<String>);
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    let mut after = None;
    loop {
        let (rows, next) = lines(store, asked, bounds, (after, PAGE), &may_see).await?;
        for row in rows {
            let Some(recipient) = row.recipient.clone() else { continue };
            let group = groups.entry((row.sender.clone(), recipient, row.kind.as_str()));
            let (_, handed_over, erased, lines) = group.or_insert_with(|| (row.kind, 0, 0, BTreeSet::new()));
            *handed_over += u64::from(row.handed_over_at.is_some());
            match row.received_digest {
                Some(digest) => drop(lines.insert(format!("{} {}\n", row.delivery, hex::encode(digest.0)))),
                None => *erased += 1,
            }
        }
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let sum = |((sender, recipient, _), (kind, handed_over, erased, lines)): (Key, Group)| {
        let mut digester = Digester::new();
        for line in &lines {
            digester.update(line.as_bytes());
        }
        let deliveries = lines.len() as u64 + erased;
        let digest = (erased == 0).then(|| digester.finish());
        Sum { sender, recipient, kind, deliveries, handed_over, erased, digest }
    };
    Ok(groups.into_iter().map(sum).collect())
}
