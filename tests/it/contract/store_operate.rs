//! Operations: what a person may do from which state, and that what is not possible changes nothing.

use liandong::{
    domain::{
        decision::{ParkReason, Relay},
        delivery::Transport,
        id::DeliveryId,
    },
    port::store::{Moment, NotPossible, Operation, Selector, Store},
};

use super::backend::Backend;
use crate::harness::{
    sample::{Draft, at, id},
    steps::{accept, claim_one, deliver, endpoints, operate, refuse, retry_at, row, state},
};

on_every_backend!(
    each_operation_is_possible_from_its_states_and_from_no_other,
    a_retry_starts_attempts_and_age_again,
    a_retry_of_a_scheduled_one_makes_it_ready_now,
    a_retry_needs_an_endpoint,
    parking_says_why,
    paper_keeps_its_number,
    an_unknown_delivery_is_told,
    the_entry_is_written_with_the_operation,
);

/// A delivery in each state that is not final, and one that is.
async fn in_each_state(store: &dyn Store) -> Vec<(Transport, DeliveryId)> {
    let draft = Draft::new("held").to("first").then("held", Moment::Signed, Relay::Confirm);
    accept(store, &draft, at(0)).await;
    let mut made = vec![(Transport::Held, draft.delivery(1))];
    for wanted in
        [Transport::Ready, Transport::Leased, Transport::Scheduled, Transport::Parked, Transport::Delivered]
    {
        let draft = Draft::new(wanted.as_str()).to(wanted.as_str());
        accept(store, &draft, at(0)).await;
        if wanted != Transport::Ready {
            let work = claim_one(store, wanted.as_str(), at(1)).await;
            match wanted {
                Transport::Scheduled => drop(retry_at(store, &work, at(99), at(2)).await),
                Transport::Parked => drop(refuse(store, &work, at(2)).await),
                Transport::Delivered => drop(deliver(store, &work, at(2)).await),
                _ => {}
            }
        }
        made.push((wanted, draft.delivery(0)));
    }
    made
}

async fn each_operation_is_possible_from_its_states_and_from_no_other(backend: &dyn Backend) {
    use Transport::{Held, Parked, Ready, Scheduled, ServedOffline, Skipped, Withdrawn};

    let park = Operation::Park { reason: "a person's".into() };
    let paper = Operation::ServeOffline { document: "送达回证 7".into() };
    let table: [(Operation, &[Transport], Transport); 5] = [
        (Operation::Retry, &[Scheduled, Parked], Ready),
        (park, &[Held, Ready, Scheduled], Parked),
        (Operation::Skip, &[Parked], Skipped),
        (Operation::Withdraw, &[Held, Ready, Scheduled, Parked], Withdrawn),
        (paper, &[Held, Ready, Scheduled, Parked], ServedOffline),
    ];
    for (operation, from, to) in table {
        let place = backend.fresh();
        let store = place.open().await;
        for (before, delivery) in in_each_state(&*store).await {
            let rows_before = row(&*store, delivery).await;
            let result = operate(&*store, delivery, operation.clone(), at(5)).await;
            if from.contains(&before) {
                let done = result.unwrap();
                assert_eq!((done.from, done.to), (before, to), "{operation:?}");
                assert_eq!(state(&*store, delivery).await, to);
            } else {
                let refused = matches!(
                    &result,
                    Err(NotPossible::State { delivery: told, state, .. }) if *told == delivery && *state == before
                );
                assert!(refused, "{operation:?} from {before}: {result:?}");
                assert_eq!(row(&*store, delivery).await, rows_before);
            }
        }
    }
}

async fn a_retry_starts_attempts_and_age_again(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "health", at(1)).await;
    retry_at(&*store, &work, at(10), at(2)).await;
    let work = claim_one(&*store, "health", at(10)).await;
    refuse(&*store, &work, at(11)).await;
    let done = operate(&*store, draft.delivery(0), Operation::Retry, at(20)).await.unwrap();
    assert_eq!(done.ready, endpoints(["health"]));
    let ready = row(&*store, draft.delivery(0)).await;
    assert_eq!((ready.attempts, ready.park_reason, ready.detail), (0, None, None));
    let again = claim_one(&*store, "health", at(21)).await;
    assert_eq!((again.delivery, again.attempt, again.first_attempt_at), (work.delivery, 1, None));
    assert!(again.lease > work.lease, "a lease of before cannot settle it");
    assert_eq!(store.attempts(draft.delivery(0)).await.unwrap().len(), 2, "the past stays");
}

async fn a_retry_of_a_scheduled_one_makes_it_ready_now(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "health", at(1)).await;
    retry_at(&*store, &work, at(9_999), at(2)).await;
    operate(&*store, draft.delivery(0), Operation::Retry, at(3)).await.unwrap();
    assert_eq!(claim_one(&*store, "health", at(3)).await.delivery, draft.delivery(0));
}

async fn a_retry_needs_an_endpoint(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").unreached();
    accept(&*store, &draft, at(0)).await;
    let refused = operate(&*store, draft.delivery(0), Operation::Retry, at(1)).await;
    assert_eq!(refused, Err(NotPossible::NoEndpoint(draft.delivery(0))));
    assert_eq!(state(&*store, draft.delivery(0)).await, Transport::Parked);
}

async fn parking_says_why(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    let park = Operation::Park { reason: "moved office".into() };
    operate(&*store, draft.delivery(0), park, at(1)).await.unwrap();
    let parked = row(&*store, draft.delivery(0)).await;
    assert_eq!(parked.park_reason, Some(ParkReason::ByOperator));
    assert_eq!(parked.detail.as_deref(), Some("moved office"));
}

async fn paper_keeps_its_number(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").unreached();
    accept(&*store, &draft, at(0)).await;
    let paper = Operation::ServeOffline { document: "安审批送〔2026〕7号".into() };
    operate(&*store, draft.delivery(0), paper, at(1)).await.unwrap();
    let served = row(&*store, draft.delivery(0)).await;
    assert_eq!(served.document.as_deref(), Some("安审批送〔2026〕7号"));
    assert_eq!((served.handed_over_at, served.park_reason), (None, None), "no target confirmed it");
}

async fn an_unknown_delivery_is_told(backend: &dyn Backend) {
    let store = backend.open().await;
    let nobody = DeliveryId(id());
    let refused = operate(&*store, nobody, Operation::Withdraw, at(1)).await;
    assert_eq!(refused, Err(NotPossible::Unknown(nobody)));
    assert_eq!(store.unsealed_count().await.unwrap().0, 0);
}

async fn the_entry_is_written_with_the_operation(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    operate(&*store, draft.delivery(0), Operation::Skip, at(1)).await.unwrap_err();
    assert_eq!(store.trail_of(Selector::Delivery(draft.delivery(0))).await.unwrap().len(), 0);
    operate(&*store, draft.delivery(0), Operation::Withdraw, at(2)).await.unwrap();
    assert_eq!(store.trail_of(Selector::Delivery(draft.delivery(0))).await.unwrap().len(), 1);
}
