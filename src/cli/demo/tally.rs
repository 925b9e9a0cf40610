//! Counts of the demo: what each organisation sent and got, and how many messages of each kind there were.

use std::collections::BTreeMap;

use serde::Serialize;

use super::promises::Store;
use crate::domain::{
    delivery::{Acknowledgement, Transport},
    division::Level,
    id::OrganisationId,
    kind::Kind,
    registry::Registry,
};

/// What one organisation sent and got; without one, the deliveries of audiences that came to nothing.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Its level.
    pub level: Option<Level>,
    /// Its id.
    pub organisation: Option<OrganisationId>,
    /// Its name.
    pub name: Option<String>,
    /// Messages it sent.
    pub sent: usize,
    /// Deliveries it has.
    pub delivered: usize,
    /// Deliveries that took more than one attempt.
    pub retried: usize,
    /// Deliveries held for a relay.
    pub held: usize,
    /// Deliveries that wait for a person.
    pub parked: usize,
    /// Deliveries it signed.
    pub signed: usize,
    /// Deliveries it answered.
    pub answered: usize,
}

/// The counts, from the top level down.
pub fn organisations(store: &Store, registry: &Registry) -> Vec<Tally> {
    let mut tallies: BTreeMap<(Option<Level>, Option<OrganisationId>), Tally> = BTreeMap::new();
    let mut count = |id: Option<&OrganisationId>, count: &dyn Fn(&mut Tally)| {
        let known = id.and_then(|id| registry.organisation(id));
        let level = known.map(|one| registry.level_of(one));
        let tally = tallies.entry((level, id.cloned())).or_insert_with(|| Tally {
            level,
            organisation: id.cloned(),
            name: known.map(|one| one.name.to_string()),
            ..Tally::default()
        });
        count(tally);
    };
    for routed in store.messages.values() {
        count(Some(&routed.organisation), &|tally| tally.sent += 1);
    }
    for row in &store.deliveries {
        count(row.organisation.as_ref(), &|tally| {
            tally.delivered += usize::from(row.state == Transport::Delivered);
            tally.retried += usize::from(row.attempts > 1);
            tally.held += usize::from(row.state == Transport::Held);
            tally.parked += usize::from(row.state == Transport::Parked);
            let signed = matches!(row.acknowledgement, Acknowledgement::Signed | Acknowledgement::Answered);
            tally.signed += usize::from(signed);
            tally.answered += usize::from(row.acknowledgement == Acknowledgement::Answered);
        });
    }
    tallies.into_values().collect()
}

/// Messages of each kind.
pub fn kinds(store: &Store) -> BTreeMap<Kind, usize> {
    let mut counts = BTreeMap::new();
    for routed in store.messages.values() {
        *counts.entry(routed.kind).or_default() += 1;
    }
    counts
}
