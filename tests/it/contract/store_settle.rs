//! Settling: under the lease it carries, once, and late where it is late.

use jiff::SignedDuration;
use liandong::{
    domain::{
        decision::ParkReason,
        delivery::{Next, Outcome, Transport},
        id::DeliveryId,
    },
    port::{
        bus::LeaseToken,
        store::{Counts, Operation, Selector, Settled, Settlement},
    },
};

use super::backend::Backend;
use crate::harness::{
    sample::{Draft, at},
    steps::{
        accept, claim, claim_one, deliver, endpoints, operate, refuse, retry_at, row, settle, settlement,
        state,
    },
};

on_every_backend!(
    delivered_is_final_and_says_when_it_was_handed_over,
    a_worker_with_a_wrong_clock_cannot_date_it_before_its_time_or_into_the_future,
    a_failure_is_scheduled_or_parked_with_its_words,
    waiting_behind_a_breaker_burns_no_attempt,
    every_attempt_is_kept_in_order,
    the_same_settlement_twice_changes_nothing_the_second_time,
    a_late_success_settles_as_delivered,
    a_late_success_counts_against_a_newer_lease,
    a_late_failure_is_recorded_and_changes_nothing,
    a_success_after_withdrawal_is_recorded_only,
    a_lease_that_was_never_given_is_told_and_leaves_nothing,
    an_outcome_of_another_endpoint_or_message_is_told_and_leaves_nothing,
    expired_leases_are_found_as_they_were_handed_out,
    answers_come_in_the_order_given,
);

async fn delivered_is_final_and_says_when_it_was_handed_over(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "health", at(1)).await;
    deliver(&*store, &work, at(5)).await;
    let delivered = row(&*store, draft.delivery(0)).await;
    assert_eq!((delivered.state, delivered.attempts), (Transport::Delivered, 1));
    assert_eq!(delivered.handed_over_at, Some(at(5)));
    assert!(claim(&*store, "health", 10, at(99)).await.is_empty());
}

async fn a_worker_with_a_wrong_clock_cannot_date_it_before_its_time_or_into_the_future(
    backend: &dyn Backend,
) {
    let store = backend.open().await;
    for (key, said, kept) in [("K-1", -3_600, 0), ("K-2", 3_600, 9), ("K-3", 4, 4)] {
        let draft = Draft::new(key).to("health");
        accept(&*store, &draft, at(0)).await;
        let work = claim_one(&*store, "health", at(1)).await;
        let mut report = settlement(&work, Outcome::Delivered, Next::Delivered, at(9));
        report.record.ended_at = at(said);
        store.settle(vec![report], at(9)).await.unwrap();
        assert_eq!(row(&*store, draft.delivery(0)).await.handed_over_at, Some(at(kept)), "{key}");
    }
}

async fn a_failure_is_scheduled_or_parked_with_its_words(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "health", at(1)).await;
    assert_eq!(retry_at(&*store, &work, at(30), at(2)).await, Settled::Applied { ready: vec![] });
    let scheduled = row(&*store, draft.delivery(0)).await;
    assert_eq!((scheduled.state, scheduled.next_attempt_at), (Transport::Scheduled, Some(at(30))));
    assert_eq!(scheduled.detail.as_deref(), Some("attempt 1 said transient"));

    let work = claim_one(&*store, "health", at(30)).await;
    assert_eq!(refuse(&*store, &work, at(31)).await, Settled::Applied { ready: vec![] });
    let parked = row(&*store, draft.delivery(0)).await;
    assert_eq!((parked.state, parked.park_reason), (Transport::Parked, Some(ParkReason::Refused)));
    assert_eq!((parked.attempts, parked.next_attempt_at), (2, None));
    assert_eq!(parked.detail.as_deref(), Some("attempt 2 said permanent"));
}

async fn waiting_behind_a_breaker_burns_no_attempt(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "health", at(1)).await;
    let mut nothing = settlement(&work, Outcome::Transient, Next::Scheduled { at: at(10) }, at(2));
    nothing.counts = Counts::Nothing;
    store.settle(vec![nothing], at(2)).await.unwrap();
    assert_eq!(row(&*store, draft.delivery(0)).await.attempts, 0);
    let again = claim_one(&*store, "health", at(10)).await;
    assert_eq!((again.attempt, again.first_attempt_at), (1, None), "nothing was tried");
    assert!(again.lease > work.lease);
}

async fn every_attempt_is_kept_in_order(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    for second in [10, 20] {
        let work = claim_one(&*store, "health", at(second)).await;
        retry_at(&*store, &work, at(second + 10), at(second + 1)).await;
    }
    let work = claim_one(&*store, "health", at(30)).await;
    deliver(&*store, &work, at(31)).await;
    let attempts = store.attempts(draft.delivery(0)).await.unwrap();
    let told: Vec<_> = attempts.iter().map(|row| (row.attempt, row.outcome.as_str(), row.ended_at)).collect();
    assert_eq!(told, [(1, "transient", at(11)), (2, "transient", at(21)), (3, "delivered", at(31))]);
    assert_eq!(attempts[2].peer, "https://target.invalid/in");
    assert_eq!((attempts[2].status, attempts[2].started_at), (Some(200), at(30)));
    assert_eq!(attempts[2].sent_digest, Some("01".repeat(32)));
    let trail = store.trail_of(Selector::Delivery(draft.delivery(0))).await.unwrap();
    assert_eq!(trail.len(), 3, "an entry an attempt");
}

async fn the_same_settlement_twice_changes_nothing_the_second_time(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "health", at(1)).await;
    let report = settlement(&work, Outcome::Transient, Next::Scheduled { at: at(30) }, at(2));
    let settled = store.settle(vec![report.clone(), report.clone()], at(2)).await.unwrap();
    assert_eq!(settled, [Settled::Applied { ready: vec![] }, Settled::LateIgnored]);
    let before = row(&*store, draft.delivery(0)).await;
    assert_eq!(store.settle(vec![report], at(3)).await.unwrap(), [Settled::LateIgnored]);
    assert_eq!(row(&*store, draft.delivery(0)).await, before);
    assert_eq!(store.attempts(draft.delivery(0)).await.unwrap().len(), 1);
    assert_eq!(store.trail_of(Selector::Delivery(draft.delivery(0))).await.unwrap().len(), 1);
}

async fn a_late_success_settles_as_delivered(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health").order("licence-1");
    let behind = Draft::new("K-2").to("health").order("licence-1");
    accept(&*store, &draft, at(0)).await;
    accept(&*store, &behind, at(0)).await;
    let work = claim_one(&*store, "health", at(1)).await;
    let parked = Next::Parked { reason: ParkReason::OutcomeUnknown };
    settle(&*store, &work, Outcome::Unknown, parked, at(61)).await;
    let late = settle(&*store, &work, Outcome::Delivered, Next::Delivered, at(90)).await;
    assert_eq!(late, Settled::LateSuccess { ready: endpoints(["health"]) });
    assert_eq!(state(&*store, draft.delivery(0)).await, Transport::Delivered);
    assert_eq!(claim_one(&*store, "health", at(91)).await.delivery, behind.delivery(0));
    let outcomes: Vec<_> =
        store.attempts(draft.delivery(0)).await.unwrap().into_iter().map(|row| row.outcome).collect();
    assert_eq!(outcomes, ["unknown", "delivered"]);
}

async fn a_late_success_counts_against_a_newer_lease(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    let slow = claim_one(&*store, "health", at(1)).await;
    settle(&*store, &slow, Outcome::Unknown, Next::Scheduled { at: at(61) }, at(61)).await;
    let second = claim_one(&*store, "health", at(62)).await;
    let late = settle(&*store, &slow, Outcome::Delivered, Next::Delivered, at(63)).await;
    assert_eq!(late, Settled::LateSuccess { ready: vec![] });
    assert_eq!(refuse(&*store, &second, at(64)).await, Settled::LateIgnored, "it has arrived already");
    assert_eq!(state(&*store, draft.delivery(0)).await, Transport::Delivered);
    assert_eq!(store.attempts(draft.delivery(0)).await.unwrap().len(), 3, "what was tried is kept");
    assert!(store.expired(at(999), 10).await.unwrap().is_empty());
}

async fn a_late_failure_is_recorded_and_changes_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    let slow = claim_one(&*store, "health", at(1)).await;
    settle(&*store, &slow, Outcome::Unknown, Next::Scheduled { at: at(61) }, at(61)).await;
    let second = claim_one(&*store, "health", at(62)).await;
    assert_eq!(refuse(&*store, &slow, at(63)).await, Settled::LateIgnored);
    assert_eq!(state(&*store, draft.delivery(0)).await, Transport::Leased, "the newer lease stands");
    assert_eq!(store.attempts(draft.delivery(0)).await.unwrap().len(), 2);
    deliver(&*store, &second, at(64)).await;
}

async fn a_success_after_withdrawal_is_recorded_only(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "health", at(1)).await;
    settle(&*store, &work, Outcome::Unknown, Next::Scheduled { at: at(61) }, at(61)).await;
    operate(&*store, draft.delivery(0), Operation::Withdraw, at(62)).await.unwrap();
    let late = settle(&*store, &work, Outcome::Delivered, Next::Delivered, at(63)).await;
    assert_eq!(late, Settled::LateIgnored);
    assert_eq!(state(&*store, draft.delivery(0)).await, Transport::Withdrawn);
    assert_eq!(store.attempts(draft.delivery(0)).await.unwrap().len(), 2);
}

async fn a_lease_that_was_never_given_is_told_and_leaves_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "health", at(1)).await;
    let report = settlement(&work, Outcome::Delivered, Next::Delivered, at(2));
    let mut forged = [report.clone(), report.clone(), report.clone()];
    forged[0].lease = LeaseToken(work.lease.0 + 1);
    forged[1].lease = LeaseToken(0);
    forged[2].delivery = DeliveryId(draft.id().0);
    let settled = store.settle(forged.to_vec(), at(2)).await.unwrap();
    assert_eq!(settled, [Settled::Unknown, Settled::Unknown, Settled::Unknown]);
    assert_eq!(state(&*store, draft.delivery(0)).await, Transport::Leased);
    assert!(store.attempts(draft.delivery(0)).await.unwrap().is_empty());
    let applied = store.settle(vec![report], at(3)).await.unwrap();
    assert_eq!(applied, [Settled::Applied { ready: vec![] }]);
}

async fn an_outcome_of_another_endpoint_or_message_is_told_and_leaves_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    let (draft, other) = (Draft::new("K-1").to("health").to("culture"), Draft::new("K-2").to("health"));
    accept(&*store, &draft, at(0)).await;
    accept(&*store, &other, at(0)).await;
    let work = claim(&*store, "health", 1, at(1)).await.remove(0);
    let forged = [
        Settlement {
            endpoint: "culture".into(),
            ..settlement(&work, Outcome::Delivered, Next::Delivered, at(2))
        },
        Settlement { message: other.id(), ..settlement(&work, Outcome::Delivered, Next::Delivered, at(2)) },
    ];
    let settled = store.settle(forged.to_vec(), at(2)).await.unwrap();
    assert_eq!(settled, [Settled::Foreign, Settled::Foreign]);
    assert_eq!(state(&*store, work.delivery).await, Transport::Leased);
    assert!(store.attempts(work.delivery).await.unwrap().is_empty(), "no attempt is kept");
    let trail = store.trail_of(Selector::Delivery(work.delivery)).await.unwrap();
    assert!(trail.iter().all(|entry| entry.event != "delivery.attempted"), "{trail:?}");
    deliver(&*store, &work, at(3)).await;
    assert_eq!(state(&*store, work.delivery).await, Transport::Delivered);
}

async fn expired_leases_are_found_as_they_were_handed_out(backend: &dyn Backend) {
    let store = backend.open().await;
    for key in ["K-1", "K-2", "K-3"] {
        accept(&*store, &Draft::new(key).to("health"), at(0)).await;
    }
    let mut first = claim(&*store, "health", 1, at(1)).await.remove(0);
    let mut second = claim(&*store, "health", 1, at(2)).await.remove(0);
    let settled = claim(&*store, "health", 1, at(3)).await.remove(0);
    deliver(&*store, &settled, at(4)).await;

    let ended = at(1) + SignedDuration::from_secs(60);
    assert!(store.expired(ended, 10).await.unwrap().is_empty(), "it ends after its last moment");
    for work in [&mut first, &mut second] {
        work.body = bytes::Bytes::new();
    }
    let expired: Vec<_> =
        store.expired(at(200), 10).await.unwrap().into_iter().map(|lease| lease.work).collect();
    assert_eq!(expired, [first.clone(), second.clone()]);
    assert_eq!(store.expired(at(200), 1).await.unwrap().len(), 1);
    settle(&*store, &first, Outcome::Unknown, Next::Scheduled { at: at(300) }, at(200)).await;
    let left: Vec<_> =
        store.expired(at(200), 10).await.unwrap().into_iter().map(|lease| lease.work).collect();
    assert_eq!(left, [second]);
}

async fn answers_come_in_the_order_given(backend: &dyn Backend) {
    let store = backend.open().await;
    for key in ["K-1", "K-2"] {
        accept(&*store, &Draft::new(key).to("health"), at(0)).await;
        accept(
            &*store,
            &Draft::new(&format!("{key}-behind")).order(&format!("order-{key}")).to("health"),
            at(0),
        )
        .await;
    }
    let work = claim(&*store, "health", 10, at(1)).await;
    let reports = vec![
        settlement(&work[0], Outcome::Delivered, Next::Delivered, at(2)),
        settlement(&work[0], Outcome::Delivered, Next::Delivered, at(2)),
        settlement(&work[1], Outcome::Transient, Next::Scheduled { at: at(9) }, at(2)),
    ];
    let settled = store.settle(reports, at(2)).await.unwrap();
    let ready = Settled::Applied { ready: endpoints(["health"]) };
    assert_eq!(settled, [ready, Settled::LateIgnored, Settled::Applied { ready: vec![] }]);
}
