//! Reading: history for routing, listings and counts for people.

use std::collections::BTreeMap;

use liandong::{
    domain::{
        delivery::{Acknowledgement, Transport},
        id::{DeliveryId, MessageId},
        kind::Kind,
    },
    port::store::{DeliveryFilter, Effect, HistoryRequest, Operation, Page, Store},
};

use super::backend::Backend;
use crate::harness::{
    sample::{Draft, at, id, organisation_at},
    steps::{ALL, accept, claim, claim_one, deliver, operate, refuse, retry_at, row},
};

on_every_backend!(
    history_of_nothing_is_empty,
    history_tells_revision_and_recipients,
    history_finds_the_answered_message_by_id_and_by_key,
    history_tells_the_delivery_of_a_receipt,
    history_tells_what_stands_under_a_key_and_revision,
    deliveries_are_listed_by_each_filter_in_order_of_acceptance,
    every_state_is_listed_by_itself,
    a_listing_is_read_in_pages,
    counts_follow_every_change,
    a_read_sees_what_was_written_before_it,
);

async fn history_of_nothing_is_empty(backend: &dyn Backend) {
    let store = backend.open().await;
    let request = HistoryRequest {
        key: Some(Draft::new("K-1").0.key),
        answers: Some(MessageId(id())),
        answers_key: Some((Kind::ApprovalResult, "K-1".into())),
        delivery: Some(DeliveryId(id())),
        ..HistoryRequest::default()
    };
    let history = store.history(request).await.unwrap();
    assert_eq!((history.known_revision, history.recipients), (None, vec![]));
    assert!(history.answered.is_none() && history.delivery.is_none() && history.superseded.is_empty());
}

async fn history_tells_revision_and_recipients(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Draft::new("K-1").to("health").to("culture").unreached();
    let second = first.again().revision(2);
    accept(&*store, &first, at(0)).await;
    operate(&*store, first.delivery(1), Operation::Withdraw, at(1)).await.unwrap();
    let mut second = second;
    second.0.deliveries = Draft::new("K-1").to("water").to("health").0.deliveries;
    accept(&*store, &second, at(2)).await;
    let request = HistoryRequest { key: Some(first.0.key.clone()), ..HistoryRequest::default() };
    let history = store.history(request).await.unwrap();
    assert_eq!(history.known_revision, Some(2));
    assert_eq!(history.recipients, ["health", "water"].map(organisation_at), "each once, none withdrawn");
    assert_eq!(history.superseded, [first.delivery(2)]);
}

async fn history_finds_the_answered_message_by_id_and_by_key(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health").to("culture");
    let mut elsewhere = draft.again();
    elsewhere.0.key.organisation = "another bureau".into();
    accept(&*store, &draft, at(0)).await;
    accept(&*store, &draft.again().kind(Kind::ApprovalProgress), at(1)).await;

    let by_id = HistoryRequest { answers: Some(draft.id()), ..HistoryRequest::default() };
    let answers_key = Some((Kind::ApprovalResult, "K-1".into()));
    let by_key = HistoryRequest { answers_key, ..HistoryRequest::default() };
    for request in [by_id, by_key.clone()] {
        let answered = store.history(request).await.unwrap().answered.unwrap();
        assert_eq!((answered.message, &answered.key), (draft.id(), &draft.0.key));
        assert_eq!((&answered.matter, &answered.canonical), (&draft.0.matter, &draft.0.canonical));
        assert_eq!(answered.recipients, ["health", "culture"].map(organisation_at));
    }
    accept(&*store, &elsewhere, at(2)).await;
    let newest = store.history(by_key).await.unwrap().answered.unwrap();
    assert_eq!(newest.message, elsewhere.id(), "whatever organisation sent it");
}

async fn history_tells_the_delivery_of_a_receipt(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    let request = HistoryRequest { delivery: Some(draft.delivery(0)), ..HistoryRequest::default() };
    let told = store.history(request).await.unwrap().delivery.unwrap();
    assert_eq!(told, row(&*store, draft.delivery(0)).await);
}

async fn listed(store: &dyn Store, filter: DeliveryFilter) -> Vec<DeliveryId> {
    store.deliveries(filter, ALL).await.unwrap().into_iter().map(|row| row.id).collect()
}

async fn deliveries_are_listed_by_each_filter_in_order_of_acceptance(backend: &dyn Backend) {
    let store = backend.open().await;
    let one = Draft::new("K-1").to("health").to("culture").unreached();
    let two = Draft::new("K-2").to("health");
    accept(&*store, &one, at(0)).await;
    accept(&*store, &two, at(1)).await;
    let work = claim(&*store, "health", 1, at(2)).await.remove(0);
    deliver(&*store, &work, at(3)).await;

    let none = DeliveryFilter::default();
    let (a, b, c, d) = (one.delivery(0), one.delivery(1), one.delivery(2), two.delivery(0));
    let by_id = DeliveryFilter { id: Some(b), ..none.clone() };
    let by_message = DeliveryFilter { message: Some(one.id()), ..none.clone() };
    let by_endpoint = DeliveryFilter { endpoint: Some("health".into()), ..none.clone() };
    let by_organisation = DeliveryFilter { organisation: Some(organisation_at("culture")), ..none.clone() };
    let by_state = DeliveryFilter { state: Some(Transport::Parked), ..none.clone() };
    let both = DeliveryFilter { state: Some(Transport::Delivered), ..by_endpoint.clone() };
    for (filter, expected) in [
        (none, vec![a, b, c, d]),
        (by_id, vec![b]),
        (by_message, vec![a, b, c]),
        (by_endpoint, vec![a, d]),
        (by_organisation, vec![b]),
        (by_state, vec![c]),
        (both, vec![a]),
    ] {
        assert_eq!(listed(&*store, filter.clone()).await, expected, "{filter:?}");
    }
}

async fn every_state_is_listed_by_itself(backend: &dyn Backend) {
    let store = backend.open().await;
    let mut placed = BTreeMap::new();
    for wanted in
        Transport::ALL.into_iter().filter(|state| !matches!(state, Transport::Held | Transport::Superseded))
    {
        let endpoint = wanted.as_str();
        let draft = Draft::new(endpoint).to(endpoint);
        accept(&*store, &draft, at(0)).await;
        reach(&*store, wanted, &draft).await;
        placed.insert(wanted, draft.delivery(0));
    }
    for (state, delivery) in placed {
        let filter = DeliveryFilter { state: Some(state), ..DeliveryFilter::default() };
        assert_eq!(listed(&*store, filter).await, [delivery], "{state}");
    }
}

async fn reach(store: &dyn Store, wanted: Transport, draft: &Draft) {
    let delivery = draft.delivery(0);
    let operation = match wanted {
        Transport::Ready => return,
        Transport::ServedOffline => Operation::ServeOffline { document: "7".into() },
        Transport::Withdrawn => Operation::Withdraw,
        Transport::Parked | Transport::Skipped => Operation::Park { reason: "stop".into() },
        _ => {
            let work = claim_one(store, wanted.as_str(), at(1)).await;
            match wanted {
                Transport::Scheduled => drop(retry_at(store, &work, at(9), at(2)).await),
                Transport::Delivered => drop(deliver(store, &work, at(2)).await),
                _ => {}
            }
            return;
        }
    };
    operate(store, delivery, operation, at(1)).await.unwrap();
    if wanted == Transport::Skipped {
        operate(store, delivery, Operation::Skip, at(2)).await.unwrap();
    }
}

async fn a_listing_is_read_in_pages(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("a").to("b").to("c").to("d").to("e");
    accept(&*store, &draft, at(0)).await;
    let page = |offset, limit| store.deliveries(DeliveryFilter::default(), Page { offset, limit });
    let ids =
        |rows: Vec<liandong::port::store::DeliveryRow>| rows.iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(ids(page(1, 2).await.unwrap()), [draft.delivery(1), draft.delivery(2)]);
    assert_eq!(ids(page(4, 2).await.unwrap()), [draft.delivery(4)]);
    assert!(page(5, 2).await.unwrap().is_empty());
}

/// Counts as a screen shows them must be what a listing counts.
async fn assert_counts(store: &dyn Store) {
    let mut expected = BTreeMap::new();
    for row in store.deliveries(DeliveryFilter::default(), ALL).await.unwrap() {
        let place: &mut (u64, u64) =
            expected.entry((row.organisation, row.state, row.acknowledgement.as_str())).or_default();
        place.0 += 1;
        place.1 += u64::from(row.attempts > 1);
    }
    let counted: BTreeMap<_, _> = store
        .counts()
        .await
        .unwrap()
        .into_iter()
        .map(|row| {
            ((row.organisation, row.state, row.acknowledgement.as_str()), (row.deliveries, row.retried))
        })
        .collect();
    assert_eq!(counted, expected);
}

async fn counts_follow_every_change(backend: &dyn Backend) {
    let store = backend.open().await;
    assert!(store.counts().await.unwrap().is_empty());
    let draft = Draft::new("K-1").to("health").to("culture").to("culture").unreached();
    accept(&*store, &draft, at(0)).await;
    assert_counts(&*store).await;
    for second in [10, 20] {
        let work = claim_one(&*store, "health", at(second)).await;
        assert_counts(&*store).await;
        retry_at(&*store, &work, at(second + 10), at(second + 1)).await;
        assert_counts(&*store).await;
    }
    assert!(store.counts().await.unwrap().iter().any(|row| row.retried == 1));
    operate(&*store, draft.delivery(0), Operation::Retry, at(30)).await.unwrap();
    assert_counts(&*store).await;
    let work = claim_one(&*store, "culture", at(31)).await;
    let said = Effect::Acknowledge { delivery: work.delivery, acknowledgement: Acknowledgement::Signed };
    accept(&*store, &Draft::new("R-1").kind(Kind::Receipt).effect(said), at(32)).await;
    assert_counts(&*store).await;
    let work = claim_one(&*store, "culture", at(33)).await;
    refuse(&*store, &work, at(34)).await;
    operate(&*store, draft.delivery(3), Operation::Skip, at(35)).await.unwrap();
    assert_counts(&*store).await;
}

async fn a_read_sees_what_was_written_before_it(backend: &dyn Backend) {
    let store = backend.open().await;
    for number in 0..50 {
        let draft = Draft::new(&format!("K-{number}")).to("health");
        accept(&*store, &draft, at(0)).await;
        assert!(store.message(draft.id()).await.unwrap().is_some(), "message {number}");
    }
}

async fn history_tells_what_stands_under_a_key_and_revision(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Draft::new("K-1");
    accept(&*store, &first, at(0)).await;
    let standing = async |revision| {
        let request =
            HistoryRequest { standing: Some((first.0.key.clone(), revision)), ..HistoryRequest::default() };
        store.history(request).await.unwrap().standing
    };
    let found = standing(1).await.unwrap();
    assert_eq!((found.message, &found.receipt), (first.id(), &first.0.receipt));
    assert_eq!(found.received_digest, first.0.received_digest);
    assert_eq!(found.content_digest, first.0.content_digest);
    assert_eq!(standing(2).await, None);
}
