//! Accepting: once and for ever the same, whole or not at all, in order.

use liandong::{
    domain::{delivery::Transport, id::MessageId, kind::Kind, obligation::Duty},
    port::store::{DeliveryFilter, HistoryRequest, NewState, Selector, Verdict},
};

use super::backend::Backend;
use crate::harness::{
    sample::{Draft, at, day},
    steps::{ALL, accept, claim, endpoints, row, submit},
};

on_every_backend!(
    what_is_accepted_is_found_again,
    the_same_bytes_are_a_duplicate,
    the_same_content_in_other_bytes_is_a_duplicate,
    other_content_under_the_same_key_is_a_conflict,
    the_same_key_twice_in_one_call_is_as_if_one_after_the_other,
    a_key_is_told_apart_by_each_of_its_parts,
    a_revision_below_the_highest_is_stale_and_an_old_copy_is_still_a_duplicate,
    a_revision_that_routing_did_not_know_means_route_again,
    a_refused_message_leaves_nothing,
    a_bad_acceptance_does_not_fail_its_neighbours,
    a_delivery_without_endpoint_is_parked_and_in_no_lane,
    ready_endpoints_are_told_once,
);

async fn what_is_accepted_is_found_again(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health").unreached();
    assert_eq!(accept(&*store, &draft, at(0)).await, endpoints(["health"]));

    let message = store.message(draft.id()).await.unwrap().unwrap();
    let sent = &draft.0;
    assert_eq!((&message.key, message.revision), (&sent.key, 1));
    assert_eq!((&message.matter, &message.endpoint), (&sent.matter, &sent.endpoint));
    assert_eq!((&message.received, message.salt), (&sent.received, sent.salt));
    assert_eq!((&message.canonical, &message.decision), (&sent.canonical, &sent.decision));
    assert_eq!((&message.receipt, message.accepted_at), (&sent.receipt, at(0)));

    let delivery = row(&*store, draft.delivery(0)).await;
    let made = &sent.deliveries[0];
    assert_eq!((delivery.message, &delivery.key), (draft.id(), &sent.key));
    assert_eq!((&delivery.organisation, &delivery.endpoint), (&made.organisation, &made.endpoint));
    assert_eq!((delivery.part, &delivery.rule), (made.part, &made.rule));
    assert_eq!((delivery.state, delivery.created_at), (Transport::Ready, at(0)));
    assert_eq!(delivery.next_attempt_at, None, "only a scheduled one falls due");

    let trail = store.trail_of(Selector::Message(draft.id())).await.unwrap();
    assert_eq!(trail.iter().map(|row| row.id).collect::<Vec<_>>(), [sent.entries[0].id]);
    assert!(store.message(MessageId(draft.delivery(0).0)).await.unwrap().is_none());
}

async fn the_same_bytes_are_a_duplicate(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Draft::new("K-1").to("health");
    accept(&*store, &first, at(0)).await;
    let mut again = first.again();
    again.0.content_digest.0 = [0; 32];
    let verdict = submit(&*store, &again, at(9)).await;
    assert_eq!(verdict, Verdict::Duplicate { message: first.id(), receipt: first.0.receipt.clone() });
    assert_eq!(store.deliveries(DeliveryFilter::default(), ALL).await.unwrap().len(), 1);
}

async fn the_same_content_in_other_bytes_is_a_duplicate(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Draft::new("K-1").to("health");
    accept(&*store, &first, at(0)).await;
    let mut again = first.again();
    again.0.received_digest.0 = [0; 32];
    let verdict = submit(&*store, &again, at(9)).await;
    assert_eq!(verdict, Verdict::Duplicate { message: first.id(), receipt: first.0.receipt.clone() });
}

async fn other_content_under_the_same_key_is_a_conflict(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Draft::new("K-1").to("health");
    accept(&*store, &first, at(0)).await;
    let other = first.again().content("something else");
    assert_eq!(submit(&*store, &other, at(1)).await, Verdict::Conflict { message: first.id() });
    assert!(store.message(other.id()).await.unwrap().is_none());
}

async fn the_same_key_twice_in_one_call_is_as_if_one_after_the_other(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Draft::new("K-1").to("health");
    let batch = vec![
        first.0.clone(),
        first.again().0,
        first.again().content("something else").0,
        first.again().revision(2).0,
        first.again().0,
    ];
    let verdicts = store.accept(batch, at(0)).await.unwrap();
    let duplicate = Verdict::Duplicate { message: first.id(), receipt: first.0.receipt.clone() };
    assert_eq!(verdicts[0], Verdict::Accepted { ready: endpoints(["health"]) });
    assert_eq!(verdicts[1], duplicate);
    assert_eq!(verdicts[2], Verdict::Conflict { message: first.id() });
    assert_eq!(verdicts[3], Verdict::Accepted { ready: vec![] }, "its lane is not free");
    assert_eq!(verdicts[4], duplicate);
}

async fn a_key_is_told_apart_by_each_of_its_parts(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Draft::new("K-1").to("health");
    let mut of_another = first.again();
    of_another.0.key.organisation = "another bureau".into();
    accept(&*store, &first, at(0)).await;
    accept(&*store, &of_another, at(1)).await;
    accept(&*store, &first.again().kind(Kind::ApprovalProgress), at(2)).await;
    accept(&*store, &Draft::new("K-2").to("health"), at(3)).await;
    assert_eq!(store.find("K-1", 10).await.unwrap().len(), 3);
    assert_eq!(store.find("K-2", 10).await.unwrap().len(), 1);
}

async fn a_revision_below_the_highest_is_stale_and_an_old_copy_is_still_a_duplicate(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Draft::new("K-1").to("health");
    accept(&*store, &first, at(0)).await;
    let mut third = first.again().revision(3);
    third.0.known_revision = Some(1);
    accept(&*store, &third, at(1)).await;
    assert_eq!(submit(&*store, &first.again().revision(2), at(2)).await, Verdict::Stale { highest: 3 });
    let old = submit(&*store, &first.again(), at(3)).await;
    assert_eq!(old, Verdict::Duplicate { message: first.id(), receipt: first.0.receipt.clone() });
    assert_eq!(store.find("K-1", 10).await.unwrap(), [third.id(), first.id()], "newest revision first");
}

async fn a_revision_that_routing_did_not_know_means_route_again(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Draft::new("K-1").to("health");
    let second = first.again().revision(2);
    assert_eq!(
        submit(&*store, &second, at(0)).await,
        Verdict::Moved,
        "it knew a first one that is not there"
    );
    accept(&*store, &first, at(1)).await;
    let mut unaware = second.again();
    unaware.0.known_revision = None;
    assert_eq!(submit(&*store, &unaware, at(2)).await, Verdict::Moved, "it did not know the first one");
    accept(&*store, &second, at(3)).await;

    let history = HistoryRequest { key: Some(first.0.key.clone()), ..HistoryRequest::default() };
    assert_eq!(store.history(history).await.unwrap().known_revision, Some(2));
}

async fn a_refused_message_leaves_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Draft::new("K-1").to("health");
    accept(&*store, &first, at(0)).await;
    let (entries, _) = store.unsealed_count().await.unwrap();
    let counts = store.counts().await.unwrap();
    for refused in [first.again(), first.again().content("else"), first.again().revision(3)] {
        let verdict = submit(&*store, &refused, at(1)).await;
        assert!(!matches!(verdict, Verdict::Accepted { .. }), "{verdict:?}");
        assert!(store.message(refused.id()).await.unwrap().is_none());
    }
    assert_eq!(store.unsealed_count().await.unwrap().0, entries);
    assert_eq!(store.counts().await.unwrap(), counts);
    assert_eq!(store.deliveries(DeliveryFilter::default(), ALL).await.unwrap().len(), 1);
}

async fn a_bad_acceptance_does_not_fail_its_neighbours(backend: &dyn Backend) {
    let store = backend.open().await;
    let before = Draft::new("K-1").to("health");
    let mut bad = Draft::new("K-2").to("health").to("culture");
    bad.0.deliveries[1].id = before.delivery(0);
    let mut lost = Draft::new("K-3").to("health").to("culture");
    lost.0.obligations = Draft::new("K-4").to("nowhere").owing(Duty::Sign, 0, day(9)).0.obligations;
    let after = Draft::new("K-5").to("culture");
    let batch = [&before, &bad, &lost, &after].map(|draft| draft.0.clone()).to_vec();
    let verdicts = store.accept(batch, at(0)).await.unwrap();

    assert!(matches!(verdicts[0], Verdict::Accepted { .. }), "{verdicts:?}");
    assert!(matches!(verdicts[1], Verdict::Unstorable { .. }), "{verdicts:?}");
    assert!(matches!(verdicts[2], Verdict::Unstorable { .. }), "{verdicts:?}");
    assert_eq!(verdicts[3], Verdict::Accepted { ready: endpoints(["culture"]) });
    for refused in [&bad, &lost] {
        assert!(store.message(refused.id()).await.unwrap().is_none());
    }
    assert_eq!(store.deliveries(DeliveryFilter::default(), ALL).await.unwrap().len(), 2);
    assert_eq!(store.counts().await.unwrap().iter().map(|row| row.deliveries).sum::<u64>(), 2);
    accept(&*store, &Draft::new("K-2").to("health"), at(1)).await;
}

async fn a_delivery_without_endpoint_is_parked_and_in_no_lane(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").unreached().starting(None, NewState::Ready).to("health");
    assert_eq!(accept(&*store, &draft, at(0)).await, endpoints(["health"]));
    for index in [0, 1] {
        let stopped = row(&*store, draft.delivery(index)).await;
        assert_eq!(stopped.state, Transport::Parked);
        assert!(stopped.park_reason.is_some(), "a parked delivery says why");
    }
    let work = claim(&*store, "health", 10, at(0)).await;
    assert_eq!(work.iter().map(|work| work.delivery).collect::<Vec<_>>(), [draft.delivery(2)]);
}

async fn ready_endpoints_are_told_once(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health").to("culture").to("health");
    assert_eq!(accept(&*store, &draft, at(0)).await, endpoints(["culture", "health"]));
    assert_eq!(store.waiting(at(0)).await.unwrap().ready, endpoints(["culture", "health"]));
    assert_eq!(claim(&*store, "water", 10, at(0)).await, [], "an endpoint nobody sends to has no work");
}
