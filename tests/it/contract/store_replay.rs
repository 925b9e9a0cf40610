//! Replay plans: what is sent again keeps its id, its state and its moment, and never comes after what is newer; a plan is
//! done whole or not at all.

use jiff::SignedDuration;
use liandong::{
    domain::{
        decision::ParkReason,
        delivery::{Next, Outcome, Transport},
        id::{DeliveryId, EndpointId},
    },
    port::store::{DeliveryFilter, NotPossible, Operation, Redo, Selector, Settled, Step, Store, Way},
};

use super::backend::Backend;
use crate::harness::{
    sample::{Draft, at, entry_of, id},
    steps::{
        ALL, accept, claim, claim_one, deliver, endpoints, operate, refuse, retry_at, row, settle,
        settlement, state,
    },
};

on_every_backend!(
    what_was_delivered_is_sent_again_under_its_id_and_stays_delivered,
    what_is_sent_again_goes_before_what_waits_in_its_lane,
    nothing_is_sent_again_after_what_is_newer,
    a_lane_is_sent_again_from_one_on_in_order,
    what_is_newer_at_another_endpoint_is_no_hindrance,
    what_may_reach_the_target_just_now_is_newer_too,
    a_plan_that_does_not_fit_is_refused_whole,
    a_rehearsal_changes_nothing,
    what_is_sent_again_is_tried_again_by_the_policy_and_given_up_without_being_parked,
    an_end_that_is_told_again_does_not_end_what_is_sent_again,
    a_lease_of_what_is_sent_again_ends_like_any,
    what_is_sent_again_is_not_counted_nor_listed_as_open,
    what_was_erased_cannot_be_sent_again,
);

async fn replay(
    store: &dyn Store,
    steps: &[(DeliveryId, Transport, Redo)],
    second: i64,
) -> Result<Vec<EndpointId>, Vec<NotPossible>> {
    let step = |(delivery, from, redo): &(DeliveryId, Transport, Redo)| Step {
        delivery: *delivery,
        from: *from,
        redo: *redo,
        entry: entry_of("delivery.operated", *delivery),
    };
    store.replay(steps.iter().map(step).collect(), Way::Done, at(second)).await.unwrap()
}

fn resend(draft: &Draft) -> (DeliveryId, Transport, Redo) {
    (draft.delivery(0), Transport::Delivered, Redo::Resend)
}

/// Accepted and delivered at `second`.
async fn delivered(store: &dyn Store, draft: &Draft, second: i64) {
    accept(store, draft, at(second)).await;
    let work = claim_one(store, "health", at(second)).await;
    deliver(store, &work, at(second)).await;
}

async fn what_was_delivered_is_sent_again_under_its_id_and_stays_delivered(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    let first = claim_one(&*store, "health", at(1)).await;
    deliver(&*store, &first, at(2)).await;
    let before = row(&*store, draft.delivery(0)).await;
    assert_eq!(replay(&*store, &[resend(&draft)], 50).await, Ok(endpoints(["health"])));
    let meanwhile = row(&*store, draft.delivery(0)).await;
    assert_eq!((meanwhile.state, meanwhile.sent_again), (Transport::Delivered, Some(Transport::Ready)));
    let again = claim_one(&*store, "health", at(51)).await;
    assert_eq!((again.delivery, again.attempt, &again.body), (first.delivery, 1, &first.body));
    assert!(again.lease > first.lease, "an outcome of the first lease does not settle it");
    assert_eq!(row(&*store, draft.delivery(0)).await.sent_again, Some(Transport::Leased));
    let settled = settle(&*store, &again, Outcome::Delivered, Next::Delivered, at(60)).await;
    assert_eq!(settled, Settled::Again { ready: vec![] });
    assert_eq!(
        row(&*store, draft.delivery(0)).await,
        before,
        "its end and its moment are those of the first"
    );
    let attempts = store.attempts(draft.delivery(0)).await.unwrap();
    assert_eq!(attempts.iter().map(|it| it.ended_at).collect::<Vec<_>>(), [at(2), at(60)]);
    let entries = store.trail_of(Selector::Delivery(draft.delivery(0))).await.unwrap();
    let events: Vec<_> = entries.iter().map(|entry| entry.event.as_str().to_owned()).collect();
    assert_eq!(events[events.len() - 3..], ["delivery.attempted", "delivery.operated", "delivery.attempted"]);
    assert_eq!(replay(&*store, &[resend(&draft)], 70).await, Ok(endpoints(["health"])), "and once more");
    let third = claim_one(&*store, "health", at(71)).await;
    assert!(third.lease > again.lease);
}

async fn what_is_sent_again_goes_before_what_waits_in_its_lane(backend: &dyn Backend) {
    let store = backend.open().await;
    let (old, waits) = (Draft::new("K-1").to("health").order("o"), Draft::new("K-2").to("health").order("o"));
    delivered(&*store, &old, 0).await;
    accept(&*store, &waits, at(10)).await;
    replay(&*store, &[resend(&old)], 11).await.unwrap();
    let work = claim(&*store, "health", 10, at(12)).await;
    assert_eq!(work.iter().map(|it| it.delivery).collect::<Vec<_>>(), [old.delivery(0)], "one in flight");
    let later = Draft::new("K-3").to("health").order("o");
    accept(&*store, &later, at(13)).await;
    assert!(claim(&*store, "health", 10, at(13)).await.is_empty());
    let settled = settle(&*store, &work[0], Outcome::Delivered, Next::Delivered, at(14)).await;
    assert_eq!(settled, Settled::Again { ready: endpoints(["health"]) });
    for expected in [&waits, &later] {
        let next = claim_one(&*store, "health", at(15)).await;
        assert_eq!(next.delivery, expected.delivery(0));
        deliver(&*store, &next, at(15)).await;
    }
}

async fn nothing_is_sent_again_after_what_is_newer(backend: &dyn Backend) {
    let store = backend.open().await;
    let (old, new) = (Draft::new("K-1").to("health").order("o"), Draft::new("K-2").to("health").order("o"));
    delivered(&*store, &old, 0).await;
    delivered(&*store, &new, 10).await;
    let refused = replay(&*store, &[resend(&old)], 20).await;
    assert_eq!(refused, Err(vec![NotPossible::Overtaken(old.delivery(0))]));
    assert!(replay(&*store, &[resend(&new)], 21).await.is_ok(), "the last one may");
}

async fn a_lane_is_sent_again_from_one_on_in_order(backend: &dyn Backend) {
    let store = backend.open().await;
    let drafts = ["K-1", "K-2", "K-3"].map(|key| Draft::new(key).to("health").order("o"));
    for (second, draft) in (0..).zip(&drafts) {
        delivered(&*store, draft, second).await;
    }
    let steps = [resend(&drafts[2]), resend(&drafts[1])];
    assert_eq!(replay(&*store, &steps, 20).await, Ok(endpoints(["health"])));
    for expected in &drafts[1..] {
        let work = claim_one(&*store, "health", at(21)).await;
        assert_eq!(work.delivery, expected.delivery(0));
        settle(&*store, &work, Outcome::Delivered, Next::Delivered, at(22)).await;
    }
    assert!(claim(&*store, "health", 10, at(23)).await.is_empty());
}

async fn what_is_newer_at_another_endpoint_is_no_hindrance(backend: &dyn Backend) {
    let store = backend.open().await;
    let old = Draft::new("K-1").to("health").to("tax").order("o");
    accept(&*store, &old, at(0)).await;
    for endpoint in ["health", "tax"] {
        let work = claim_one(&*store, endpoint, at(1)).await;
        deliver(&*store, &work, at(2)).await;
    }
    let new = Draft::new("K-2").to("tax").order("o");
    accept(&*store, &new, at(3)).await;
    let work = claim_one(&*store, "tax", at(4)).await;
    deliver(&*store, &work, at(5)).await;
    assert_eq!(replay(&*store, &[resend(&old)], 6).await, Ok(endpoints(["health"])));
    let to_tax = (old.delivery(1), Transport::Delivered, Redo::Resend);
    assert_eq!(replay(&*store, &[to_tax], 7).await, Err(vec![NotPossible::Overtaken(old.delivery(1))]));
}

async fn what_may_reach_the_target_just_now_is_newer_too(backend: &dyn Backend) {
    let store = backend.open().await;
    let (old, new) = (Draft::new("K-1").to("health").order("o"), Draft::new("K-2").to("health").order("o"));
    delivered(&*store, &old, 0).await;
    accept(&*store, &new, at(10)).await;
    let work = claim_one(&*store, "health", at(11)).await;
    let refused = replay(&*store, &[resend(&old)], 12).await;
    assert_eq!(refused, Err(vec![NotPossible::Overtaken(old.delivery(0))]));
    refuse(&*store, &work, at(13)).await;
    assert!(replay(&*store, &[resend(&old)], 14).await.is_ok(), "the target refused the newer one");
    assert_eq!(claim_one(&*store, "health", at(15)).await.delivery, old.delivery(0));
}

async fn a_plan_that_does_not_fit_is_refused_whole(backend: &dyn Backend) {
    let store = backend.open().await;
    let [good, parked, moved] = ["K-1", "K-2", "K-3"].map(|key| Draft::new(key).to("health"));
    delivered(&*store, &good, 0).await;
    for draft in [&parked, &moved] {
        accept(&*store, draft, at(1)).await;
        let work = claim_one(&*store, "health", at(2)).await;
        refuse(&*store, &work, at(3)).await;
    }
    operate(&*store, moved.delivery(0), Operation::Withdraw, at(4)).await.unwrap();
    let nobody = DeliveryId(id());
    let steps = [
        resend(&good),
        (parked.delivery(0), Transport::Parked, Redo::Retry),
        (moved.delivery(0), Transport::Parked, Redo::Retry),
        (nobody, Transport::Delivered, Redo::Resend),
    ];
    let told = NotPossible::Moved {
        delivery: moved.delivery(0),
        planned: Transport::Parked,
        state: Transport::Withdrawn,
    };
    let before = store.trail_of(Selector::Delivery(good.delivery(0))).await.unwrap().len();
    assert_eq!(replay(&*store, &steps, 5).await, Err(vec![told, NotPossible::Unknown(nobody)]));
    assert_eq!(store.trail_of(Selector::Delivery(good.delivery(0))).await.unwrap().len(), before);
    assert!(claim(&*store, "health", 10, at(6)).await.is_empty(), "nothing of it was done");
    assert_eq!(replay(&*store, &steps[..2], 7).await, Ok(endpoints(["health"])));
    assert_eq!(claim(&*store, "health", 10, at(8)).await.len(), 2);
    let wrong = replay(&*store, &[(good.delivery(0), Transport::Delivered, Redo::Retry)], 9).await;
    assert!(matches!(&wrong.unwrap_err()[..], [NotPossible::State { .. }]));
    assert_eq!(replay(&*store, &steps[..1], 9).await, Err(vec![NotPossible::UnderWay(good.delivery(0))]));
}

async fn a_rehearsal_changes_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    delivered(&*store, &draft, 0).await;
    let step = |from| Step {
        delivery: draft.delivery(0),
        from,
        redo: Redo::Resend,
        entry: entry_of("delivery.operated", draft.delivery(0)),
    };
    let fits = store.replay(vec![step(Transport::Delivered)], Way::Rehearsed, at(1)).await.unwrap();
    let unfit = store.replay(vec![step(Transport::Parked)], Way::Rehearsed, at(1)).await.unwrap();
    assert!(fits.is_ok() && unfit.is_err());
    assert_eq!(row(&*store, draft.delivery(0)).await.sent_again, None);
    assert!(claim(&*store, "health", 10, at(2)).await.is_empty());
}

async fn what_is_sent_again_is_tried_again_by_the_policy_and_given_up_without_being_parked(
    backend: &dyn Backend,
) {
    let store = backend.open().await;
    let (old, waits) = (Draft::new("K-1").to("health").order("o"), Draft::new("K-2").to("health").order("o"));
    delivered(&*store, &old, 0).await;
    replay(&*store, &[resend(&old)], 10).await.unwrap();
    accept(&*store, &waits, at(11)).await;
    let work = claim_one(&*store, "health", at(12)).await;
    assert_eq!(retry_at(&*store, &work, at(30), at(13)).await, Settled::Again { ready: vec![] });
    assert_eq!(row(&*store, old.delivery(0)).await.sent_again, Some(Transport::Scheduled));
    assert!(claim(&*store, "health", 10, at(29)).await.is_empty(), "its lane waits with it");
    assert_eq!(store.waiting(at(29)).await.unwrap().next_due, Some(at(30)));
    let work = claim_one(&*store, "health", at(30)).await;
    assert_eq!((work.delivery, work.attempt), (old.delivery(0), 2));
    assert_eq!(work.first_attempt_at, Some(at(13) - SignedDuration::from_secs(1)));
    assert_eq!(refuse(&*store, &work, at(31)).await, Settled::Again { ready: endpoints(["health"]) });
    let over = row(&*store, old.delivery(0)).await;
    assert_eq!((over.state, over.sent_again, over.park_reason), (Transport::Delivered, None, None));
    assert_eq!(claim_one(&*store, "health", at(32)).await.delivery, waits.delivery(0));
}

async fn an_end_that_is_told_again_does_not_end_what_is_sent_again(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    let first = claim_one(&*store, "health", at(1)).await;
    let report = settlement(&first, Outcome::Delivered, Next::Delivered, at(2));
    store.settle(vec![report.clone()], at(2)).await.unwrap();
    replay(&*store, &[resend(&draft)], 10).await.unwrap();
    assert_eq!(store.settle(vec![report], at(11)).await.unwrap(), [Settled::LateIgnored]);
    let again = claim_one(&*store, "health", at(12)).await;
    let parked = Next::Scheduled { at: at(90) };
    settle(&*store, &again, Outcome::Unknown, parked, at(13)).await;
    let late = settle(&*store, &again, Outcome::Delivered, Next::Delivered, at(14)).await;
    assert_eq!(late, Settled::Again { ready: vec![] }, "a late success of its own does");
    assert_eq!(row(&*store, draft.delivery(0)).await.sent_again, None);
    assert!(claim(&*store, "health", 10, at(99)).await.is_empty());
}

async fn a_lease_of_what_is_sent_again_ends_like_any(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    delivered(&*store, &draft, 0).await;
    replay(&*store, &[resend(&draft)], 10).await.unwrap();
    let work = claim_one(&*store, "health", at(11)).await;
    let expired = store.expired(at(99), 10).await.unwrap();
    assert_eq!(expired.iter().map(|it| it.work.lease).collect::<Vec<_>>(), [work.lease]);
    let parked = Next::Parked { reason: ParkReason::OutcomeUnknown };
    settle(&*store, &work, Outcome::Unknown, parked, at(99)).await;
    assert!(store.expired(at(999), 10).await.unwrap().is_empty());
    assert_eq!(state(&*store, draft.delivery(0)).await, Transport::Delivered);
}

async fn what_is_sent_again_is_not_counted_nor_listed_as_open(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    delivered(&*store, &draft, 0).await;
    let before = store.counts().await.unwrap();
    let listed = async |state| {
        let filter = DeliveryFilter { state: Some(state), ..DeliveryFilter::default() };
        store.deliveries(filter, ALL).await.unwrap().len()
    };
    replay(&*store, &[resend(&draft)], 10).await.unwrap();
    assert_eq!((listed(Transport::Ready).await, listed(Transport::Delivered).await), (0, 1));
    let work = claim_one(&*store, "health", at(11)).await;
    assert_eq!((listed(Transport::Leased).await, listed(Transport::Delivered).await), (0, 1));
    retry_at(&*store, &work, at(30), at(13)).await;
    assert_eq!((listed(Transport::Scheduled).await, listed(Transport::Delivered).await), (0, 1));
    assert_eq!(store.counts().await.unwrap(), before);
    let work = claim_one(&*store, "health", at(30)).await;
    settle(&*store, &work, Outcome::Delivered, Next::Delivered, at(31)).await;
    assert_eq!(store.counts().await.unwrap(), before);
}

async fn what_was_erased_cannot_be_sent_again(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    delivered(&*store, &draft, 0).await;
    let erase = || store.erase(vec![(draft.id(), entry_of("payload.erased", draft.delivery(0)))]);
    replay(&*store, &[resend(&draft)], 10).await.unwrap();
    assert_eq!(erase().await.unwrap(), 0);
    let work = claim_one(&*store, "health", at(12)).await;
    assert_eq!(&*work.body, &*draft.0.canonical, "what is on its way is not erased");
    settle(&*store, &work, Outcome::Delivered, Next::Delivered, at(13)).await;
    assert_eq!(erase().await.unwrap(), 1);
    let refused = replay(&*store, &[resend(&draft)], 15).await;
    assert_eq!(refused, Err(vec![NotPossible::Emptied(draft.delivery(0))]));
}
