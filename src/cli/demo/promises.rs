//! The promises that a run of the demo checks: what the store says against what each party saw.
//!
//! Pure: the books of both sides are laid side by side here, fetched elsewhere. Each broken promise is a
//! value that says which, where, and in one sentence what is wrong.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::party::ledger::Line;
use crate::{
    domain::{
        delivery::Transport,
        id::{DeliveryId, EndpointId, MessageId, OrderKey, OrganisationId},
        kind::Kind,
    },
    port::store::DeliveryRow,
};

/// One broken promise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Promise 1 and 3: routing decided more or fewer deliveries than the store holds.
    #[error(
        "message {message} was routed to {planned} deliveries, the store holds {stored} (promise 3, never silent)"
    )]
    Deliveries {
        /// Which message.
        message: MessageId,
        /// As decided.
        planned: usize,
        /// As stored.
        stored: usize,
    },
    /// The store says delivered, the party has nothing.
    #[error(
        "delivery {delivery} stands as delivered, but {endpoint} never took it (promise 1, accepted is kept)"
    )]
    NeverArrived {
        /// Which.
        delivery: DeliveryId,
        /// Where it should be.
        endpoint: EndpointId,
    },
    /// The party took what the store does not know as delivered there.
    #[error(
        "{endpoint} took delivery {delivery}, which the store holds as {state} (promise 7, unknown is said)"
    )]
    NotKnown {
        /// Which.
        delivery: DeliveryId,
        /// Where.
        endpoint: EndpointId,
        /// What the store says of it there.
        state: String,
    },
    /// A lane out of order.
    #[error("{endpoint} took delivery {later} before {earlier} of the same lane (promise 5, in order)")]
    OutOfOrder {
        /// Where.
        endpoint: EndpointId,
        /// First in the lane.
        earlier: DeliveryId,
        /// Taken before it.
        later: DeliveryId,
    },
    /// The same fact under two delivery ids.
    #[error(
        "{endpoint} took one fact under two ids, {one} and {other} (promise 6, at least once with an id)"
    )]
    TwoIds {
        /// Where.
        endpoint: EndpointId,
        /// One id.
        one: DeliveryId,
        /// The other.
        other: DeliveryId,
    },
    /// A delivery is neither final nor waits for a person.
    #[error(
        "delivery {delivery} still stands as {state} when nothing moves any more (promise 3, never silent)"
    )]
    Unsettled {
        /// Which.
        delivery: DeliveryId,
        /// How.
        state: Transport,
    },
    /// A party met something it cannot explain.
    #[error("{endpoint}: {trouble}")]
    Trouble {
        /// Where.
        endpoint: EndpointId,
        /// In its words.
        trouble: String,
    },
    /// A receipt that does not prove itself.
    #[error("receipt of {what} does not verify: {why} (promise 10, provable)")]
    Receipt {
        /// Which message.
        what: String,
        /// Why.
        why: String,
    },
    /// A seal.
    #[error("the sealed trail does not verify: {0} (promise 10, provable)")]
    Seal(String),
    /// A story of the demo that ended in another way.
    #[error("case '{case}': {wrong}")]
    Story {
        /// Which.
        case: String,
        /// What is wrong with it.
        wrong: String,
    },
}

/// What the store holds.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// Every delivery.
    pub deliveries: Vec<DeliveryRow>,
    /// Every message: its order key and how many deliveries routing decided.
    pub messages: HashMap<MessageId, Routed>,
}

/// What routing decided for one message.
#[derive(Clone, Debug)]
pub struct Routed {
    /// Source organisation.
    pub organisation: OrganisationId,
    /// Kind.
    pub kind: Kind,
    /// Order key of its deliveries.
    pub order_key: OrderKey,
    /// Deliveries decided.
    pub deliveries: usize,
}

/// What one party saw.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Its endpoint.
    pub endpoint: EndpointId,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// Lays the books side by side.
pub fn compare(store: &Store, ledgers: &[Ledger]) -> Vec<Broken> {
    let mut broken = routed(store);
    broken.extend(settled(store));
    for ledger in ledgers {
        broken.extend(arrived(store, ledger));
        broken.extend(in_order(store, ledger));
        broken.extend(once(ledger));
    }
    broken
}

fn routed(store: &Store) -> Vec<Broken> {
    let mut stored: BTreeMap<MessageId, usize> = store.messages.keys().map(|id| (*id, 0)).collect();
    for row in &store.deliveries {
        *stored.entry(row.message).or_default() += 1;
    }
    let differs = |(message, stored): (MessageId, usize)| {
        let planned = store.messages.get(&message).map_or(0, |routed| routed.deliveries);
        (planned != stored).then_some(Broken::Deliveries { message, planned, stored })
    };
    stored.into_iter().filter_map(differs).collect()
}

fn settled(store: &Store) -> Vec<Broken> {
    moving(store).map(|row| Broken::Unsettled { delivery: row.id, state: row.state }).collect()
}

/// Deliveries that have somewhere to go by themselves. What stands behind a held or parked one of its lane
/// waits for a person like that one does.
pub fn moving(store: &Store) -> impl Iterator<Item = &DeliveryRow> {
    let lane = |row: &DeliveryRow| {
        let routed = store.messages.get(&row.message)?;
        Some((row.endpoint.clone()?, routed.order_key.clone()))
    };
    let mut stopped: HashMap<(EndpointId, OrderKey), u64> = HashMap::new();
    for row in &store.deliveries {
        if matches!(row.state, Transport::Held | Transport::Parked)
            && let Some(lane) = lane(row)
        {
            let first = stopped.entry(lane).or_insert(row.lane_sequence);
            *first = row.lane_sequence.min(*first);
        }
    }
    store.deliveries.iter().filter(move |row| match row.state {
        Transport::Leased | Transport::Scheduled => true,
        Transport::Ready => {
            let first = lane(row).and_then(|lane| stopped.get(&lane).copied());
            first.is_none_or(|first| row.lane_sequence < first)
        }
        _ => false,
    })
}

/// Delivery by delivery: what stands as delivered is with the party, and nothing else is.
fn arrived(store: &Store, ledger: &Ledger) -> Vec<Broken> {
    let here: HashMap<DeliveryId, Transport> = store
        .deliveries
        .iter()
        .filter(|row| row.endpoint.as_ref() == Some(&ledger.endpoint))
        .map(|row| (row.id, row.state))
        .collect();
    let taken: HashSet<DeliveryId> = taken(ledger).iter().map(|(_, delivery)| *delivery).collect();
    let mut broken: Vec<Broken> = here
        .iter()
        .filter(|(delivery, state)| **state == Transport::Delivered && !taken.contains(delivery))
        .map(|(delivery, _)| Broken::NeverArrived { delivery: *delivery, endpoint: ledger.endpoint.clone() })
        .collect();
    broken.extend(taken.into_iter().filter(|id| here.get(id) != Some(&Transport::Delivered)).map(
        |delivery| {
            let state = here.get(&delivery).map_or_else(|| "unknown here".to_owned(), ToString::to_string);
            Broken::NotKnown { delivery, endpoint: ledger.endpoint.clone(), state }
        },
    ));
    broken
}

fn in_order(store: &Store, ledger: &Ledger) -> Vec<Broken> {
    let rows: HashMap<DeliveryId, &DeliveryRow> = store.deliveries.iter().map(|row| (row.id, row)).collect();
    let mut last: HashMap<&OrderKey, (u64, DeliveryId)> = HashMap::new();
    let mut broken = Vec::new();
    for (_, delivery) in taken(ledger) {
        let Some(row) = rows.get(&delivery) else { continue };
        let Some(routed) = store.messages.get(&row.message) else { continue };
        match last.insert(&routed.order_key, (row.lane_sequence, delivery)) {
            Some((before, later)) if before > row.lane_sequence => {
                let endpoint = ledger.endpoint.clone();
                broken.push(Broken::OutOfOrder { endpoint, earlier: delivery, later });
            }
            _ => {}
        }
    }
    broken
}

fn once(ledger: &Ledger) -> Vec<Broken> {
    let mut facts: HashMap<&str, DeliveryId> = HashMap::new();
    let mut broken = Vec::new();
    for line in ledger.lines.iter().filter(|line| line.taken.is_some()) {
        let other = line.offered.delivery;
        if let Some(one) = facts.insert(&line.offered.fact, other)
            && one != other
        {
            broken.push(Broken::TwoIds { endpoint: ledger.endpoint.clone(), one, other });
        }
    }
    broken
}

/// What a party took, in the order it took it.
fn taken(ledger: &Ledger) -> Vec<(usize, DeliveryId)> {
    let mut taken: Vec<_> =
        ledger.lines.iter().filter_map(|line| Some((line.taken?, line.offered.delivery))).collect();
    taken.sort_unstable();
    taken
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::{
        cli::demo::party::ledger::Offered,
        domain::{decision::Part, delivery::Acknowledgement, kind::Kind, message::MessageKey},
    };

    fn id(number: u128) -> DeliveryId {
        DeliveryId(Uuid::from_u128(number))
    }

    fn row(number: u128, lane_sequence: u64, state: Transport) -> DeliveryRow {
        DeliveryRow {
            id: id(number),
            message: MessageId(Uuid::from_u128(number + 1000)),
            key: MessageKey {
                organisation: "a".into(),
                kind: Kind::ApprovalResult,
                business_key: "k".into(),
            },
            organisation: Some("b".into()),
            endpoint: Some("e".into()),
            part: Part::Lead,
            on_behalf_of: None,
            rule: "r".into(),
            state,
            acknowledgement: Acknowledgement::None,
            lane_sequence,
            attempts: 1,
            created_at: Timestamp::UNIX_EPOCH,
            next_attempt_at: None,
            park_reason: None,
            detail: None,
            handed_over_at: None,
            acknowledged_at: None,
            document: None,
            after: None,
            sent_again: None,
        }
    }

    fn store(rows: Vec<DeliveryRow>) -> Store {
        let routed = Routed {
            organisation: "a".into(),
            kind: Kind::ApprovalResult,
            order_key: "lane".into(),
            deliveries: 1,
        };
        let messages = rows.iter().map(|row| (row.message, routed.clone())).collect();
        Store { deliveries: rows, messages }
    }

    fn ledger(taken: &[(u128, &str)]) -> Ledger {
        let line = |(place, (number, fact)): (usize, &(u128, &str))| Line {
            offered: Offered { delivery: id(*number), fact: (*fact).to_owned() },
            seen: 1,
            taken: Some(place),
        };
        Ledger { endpoint: "e".into(), lines: taken.iter().enumerate().map(line).collect() }
    }

    #[test]
    fn books_that_agree_break_nothing() {
        let store = store(vec![row(1, 1, Transport::Delivered), row(2, 2, Transport::Parked)]);
        assert_eq!(compare(&store, &[ledger(&[(1, "x")])]), []);
    }

    #[test]
    fn a_delivery_that_never_arrived_is_found() {
        let store = store(vec![row(1, 1, Transport::Delivered)]);
        let broken = compare(&store, &[ledger(&[])]);
        assert_eq!(broken, [Broken::NeverArrived { delivery: id(1), endpoint: "e".into() }]);
    }

    #[test]
    fn a_delivery_that_arrived_unknown_to_the_store_is_found() {
        let store = store(vec![row(1, 1, Transport::Parked)]);
        let broken = compare(&store, &[ledger(&[(1, "x"), (2, "y")])]);
        assert_eq!(broken.len(), 2, "{broken:?}");
        assert!(broken.iter().all(|it| matches!(it, Broken::NotKnown { .. })), "{broken:?}");
    }

    #[test]
    fn a_lane_taken_out_of_order_is_found() {
        let store = store(vec![row(1, 1, Transport::Delivered), row(2, 2, Transport::Delivered)]);
        let broken = compare(&store, &[ledger(&[(2, "y"), (1, "x")])]);
        let expected = Broken::OutOfOrder { endpoint: "e".into(), earlier: id(1), later: id(2) };
        assert_eq!(broken, [expected]);
    }

    #[test]
    fn one_fact_under_two_ids_is_found() {
        let store = store(vec![row(1, 1, Transport::Delivered), row(2, 2, Transport::Delivered)]);
        let broken = compare(&store, &[ledger(&[(1, "x"), (2, "x")])]);
        assert_eq!(broken, [Broken::TwoIds { endpoint: "e".into(), one: id(1), other: id(2) }]);
    }

    #[test]
    fn what_routing_decided_and_the_store_lacks_is_found() {
        let mut store = store(vec![row(1, 1, Transport::Delivered)]);
        let message = store.deliveries.remove(0).message;
        let broken = compare(&store, &[]);
        assert_eq!(broken, [Broken::Deliveries { message, planned: 1, stored: 0 }]);
    }

    #[test]
    fn what_stands_behind_a_parked_delivery_waits_with_it() {
        let store = store(vec![row(1, 1, Transport::Parked), row(2, 2, Transport::Ready)]);
        assert_eq!(compare(&store, &[ledger(&[])]), []);
        let ahead = self::store(vec![row(1, 2, Transport::Parked), row(2, 1, Transport::Ready)]);
        assert_eq!(moving(&ahead).count(), 1);
    }

    #[test]
    fn a_delivery_left_on_the_way_is_found() {
        let store = store(vec![row(1, 1, Transport::Scheduled)]);
        let broken = compare(&store, &[ledger(&[])]);
        assert_eq!(broken, [Broken::Unsettled { delivery: id(1), state: Transport::Scheduled }]);
    }
}
