//! Lanes: one delivery at a time, in the order of acceptance, whatever its kind.

use liandong::{
    domain::{
        delivery::Transport,
        id::{DeliveryId, EndpointId},
        kind::Kind,
    },
    port::{
        bus::Work,
        store::{Operation, Store, Waiting, Want},
    },
};

use super::backend::Backend;
use crate::harness::{
    sample::{Draft, at},
    steps::{accept, claim, claim_of, claim_one, deliver, endpoints, operate, refuse, retry_at, row, state},
};

on_every_backend!(
    only_the_head_of_a_lane_is_claimed,
    a_lane_goes_on_in_order_across_kinds,
    lanes_of_one_endpoint_run_beside_each_other,
    one_order_key_is_a_lane_at_each_endpoint,
    a_scheduled_head_blocks_until_it_is_due,
    a_parked_head_blocks_until_a_person_has_decided,
    a_delivery_parked_from_the_start_blocks_its_lane,
    what_is_withdrawn_behind_the_head_changes_nothing_for_it,
    the_oldest_is_claimed_first_and_no_more_than_wanted,
    several_endpoints_are_claimed_in_one_call,
    a_window_is_kept_whoever_leased,
    claims_at_once_do_not_together_exceed_a_window,
    work_says_all_a_worker_needs,
    waiting_names_ready_endpoints_and_the_next_due_time,
    lane_sequences_rise_with_acceptance,
);

fn ids(work: &[Work]) -> Vec<DeliveryId> {
    work.iter().map(|work| work.delivery).collect()
}

/// Three messages of different kinds about one licence, to one endpoint.
async fn three(store: &dyn Store) -> [Draft; 3] {
    let drafts = [
        Draft::new("K-1").to("health").order("licence-1"),
        Draft::new("K-2").kind(Kind::PenaltyDecision).to("health").order("licence-1"),
        Draft::new("K-3").kind(Kind::SupervisionFeedback).to("health").order("licence-1"),
    ];
    for (second, draft) in (0..).zip(&drafts) {
        accept(store, draft, at(second)).await;
    }
    drafts
}

async fn only_the_head_of_a_lane_is_claimed(backend: &dyn Backend) {
    let store = backend.open().await;
    let [first, ..] = three(&*store).await;
    assert_eq!(ids(&claim(&*store, "health", 10, at(9)).await), [first.delivery(0)]);
    assert!(claim(&*store, "health", 10, at(9)).await.is_empty(), "one is in flight");
}

async fn a_lane_goes_on_in_order_across_kinds(backend: &dyn Backend) {
    let store = backend.open().await;
    let drafts = three(&*store).await;
    for (index, draft) in drafts.iter().enumerate() {
        let work = claim_one(&*store, "health", at(9)).await;
        assert_eq!(work.delivery, draft.delivery(0));
        let ready = deliver(&*store, &work, at(10)).await;
        let expected = if index < 2 { endpoints(["health"]) } else { vec![] };
        assert_eq!(ready, expected, "after the delivery of index {index}");
    }
}

async fn lanes_of_one_endpoint_run_beside_each_other(backend: &dyn Backend) {
    let store = backend.open().await;
    let drafts = ["K-1", "K-2", "K-3"].map(|key| Draft::new(key).to("health"));
    for draft in &drafts {
        accept(&*store, draft, at(0)).await;
    }
    let work = claim(&*store, "health", 10, at(1)).await;
    assert_eq!(ids(&work), drafts.map(|draft| draft.delivery(0)));
}

async fn one_order_key_is_a_lane_at_each_endpoint(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Draft::new("K-1").to("health").to("culture").order("licence-1");
    let second = Draft::new("K-2").to("health").to("culture").order("licence-1");
    accept(&*store, &first, at(0)).await;
    accept(&*store, &second, at(1)).await;
    let stuck = claim_one(&*store, "health", at(2)).await;
    let work = claim_one(&*store, "culture", at(2)).await;
    deliver(&*store, &work, at(3)).await;
    assert_eq!(claim_one(&*store, "culture", at(4)).await.delivery, second.delivery(1));
    assert_eq!(stuck.delivery, first.delivery(0));
    assert!(claim(&*store, "health", 10, at(4)).await.is_empty(), "the other lane waits for its own head");
}

async fn a_scheduled_head_blocks_until_it_is_due(backend: &dyn Backend) {
    let store = backend.open().await;
    let [first, ..] = three(&*store).await;
    let work = claim_one(&*store, "health", at(10)).await;
    retry_at(&*store, &work, at(60), at(11)).await;
    assert!(claim(&*store, "health", 10, at(59)).await.is_empty());
    let again = claim_one(&*store, "health", at(60)).await;
    assert_eq!((again.delivery, again.attempt), (first.delivery(0), 2));
}

async fn a_parked_head_blocks_until_a_person_has_decided(backend: &dyn Backend) {
    let store = backend.open().await;
    let [first, second, third] = three(&*store).await;
    let work = claim_one(&*store, "health", at(10)).await;
    refuse(&*store, &work, at(11)).await;
    assert_eq!(state(&*store, first.delivery(0)).await, Transport::Parked);
    assert!(claim(&*store, "health", 10, at(99)).await.is_empty());

    let skipped = operate(&*store, first.delivery(0), Operation::Skip, at(100)).await.unwrap();
    assert_eq!(skipped.ready, endpoints(["health"]));
    let work = claim_one(&*store, "health", at(101)).await;
    assert_eq!(work.delivery, second.delivery(0));
    deliver(&*store, &work, at(102)).await;
    assert_eq!(claim_one(&*store, "health", at(103)).await.delivery, third.delivery(0));
}

async fn a_delivery_parked_from_the_start_blocks_its_lane(backend: &dyn Backend) {
    let store = backend.open().await;
    let stopped = Draft::new("K-1").parked_at("health").order("licence-1");
    let behind = Draft::new("K-2").to("health").order("licence-1");
    assert!(accept(&*store, &stopped, at(0)).await.is_empty());
    assert!(accept(&*store, &behind, at(1)).await.is_empty());
    assert!(claim(&*store, "health", 10, at(2)).await.is_empty());
    operate(&*store, stopped.delivery(0), Operation::Retry, at(3)).await.unwrap();
    assert_eq!(claim_one(&*store, "health", at(4)).await.delivery, stopped.delivery(0));
}

async fn what_is_withdrawn_behind_the_head_changes_nothing_for_it(backend: &dyn Backend) {
    let store = backend.open().await;
    let [first, second, third] = three(&*store).await;
    let work = claim_one(&*store, "health", at(10)).await;
    let gone = operate(&*store, second.delivery(0), Operation::Withdraw, at(11)).await.unwrap();
    assert_eq!(gone.ready, [], "the head is still in flight");
    assert_eq!(state(&*store, first.delivery(0)).await, Transport::Leased);
    deliver(&*store, &work, at(12)).await;
    assert_eq!(claim_one(&*store, "health", at(13)).await.delivery, third.delivery(0));
}

async fn the_oldest_is_claimed_first_and_no_more_than_wanted(backend: &dyn Backend) {
    let store = backend.open().await;
    let drafts = [3, 1, 2].map(|second| (second, Draft::new(&format!("K-{second}")).to("health")));
    for (second, draft) in &drafts {
        accept(&*store, draft, at(*second)).await;
    }
    let [third, first, second] = drafts.map(|(_, draft)| draft.delivery(0));
    assert_eq!(ids(&claim(&*store, "health", 2, at(9)).await), [first, second]);
    assert_eq!(ids(&claim(&*store, "health", 2, at(9)).await), [third]);
}

async fn several_endpoints_are_claimed_in_one_call(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health").to("culture").to("water");
    accept(&*store, &draft, at(0)).await;
    let want = |endpoint: &str, limit| Want { endpoint: endpoint.into(), limit, window: None };
    let wants = vec![want("health", 1), want("water", 0), want("culture", 5)];
    let work = store.claim(claim_of(wants, at(1)), at(1)).await.unwrap();
    assert_eq!(ids(&work), [draft.delivery(0), draft.delivery(1)]);
}

async fn a_window_is_kept_whoever_leased(backend: &dyn Backend) {
    let store = backend.open().await;
    for number in 0..9 {
        accept(&*store, &Draft::new(&format!("K-{number}")).to("health"), at(number)).await;
    }
    accept(&*store, &Draft::new("K-9").to("culture"), at(0)).await;
    let within = async |window: Option<usize>, now| {
        let want = |endpoint: &str| Want { endpoint: endpoint.into(), limit: 3, window };
        store.claim(claim_of(vec![want("health"), want("culture")], now), now).await.unwrap()
    };
    let first = within(Some(4), at(10)).await;
    assert_eq!(first.len(), 4, "three here, one there");
    assert_eq!(within(Some(4), at(11)).await.len(), 1, "one of four is left");
    assert_eq!(within(Some(4), at(12)).await.len(), 0);
    assert_eq!(within(Some(1), at(13)).await.len(), 0, "a window that became narrower");
    deliver(&*store, &first[0], at(14)).await;
    retry_at(&*store, &first[1], at(99), at(15)).await;
    assert_eq!(within(Some(4), at(16)).await.len(), 2, "what ended has made room");
    assert_eq!(within(None, at(17)).await.len(), 3, "who knows what he has asks without");
    assert_eq!(within(None, at(100)).await.len(), 1, "nothing was stepped over");
}

async fn claims_at_once_do_not_together_exceed_a_window(backend: &dyn Backend) {
    let store = backend.open().await;
    for number in 0..40 {
        accept(&*store, &Draft::new(&format!("K-{number}")).to("health"), at(0)).await;
    }
    let claims = (0..8).map(|_| {
        let want = Want { endpoint: "health".into(), limit: 5, window: Some(7) };
        store.claim(claim_of(vec![want], at(1)), at(1))
    });
    let claimed: Vec<_> =
        futures::future::join_all(claims).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(claimed.len(), 7);
}

async fn work_says_all_a_worker_needs(backend: &dyn Backend) {
    let store = backend.open().await;
    let mut draft = Draft::new("K-1").to("health");
    draft.0.deliveries[0].on_behalf_of = Some("county-health".into());
    accept(&*store, &draft, at(0)).await;
    let claimed = claim_of(vec![Want { endpoint: "health".into(), limit: 1, window: None }], at(5));
    let work = store.claim(claimed.clone(), at(5)).await.unwrap().remove(0);
    let made = &draft.0.deliveries[0];
    assert_eq!((work.delivery, work.message, work.kind), (made.id, draft.id(), Kind::ApprovalResult));
    assert_eq!(
        (Some(&work.endpoint), Some(&work.organisation)),
        (made.endpoint.as_ref(), made.organisation.as_ref())
    );
    assert_eq!((&work.on_behalf_of, work.part, &work.share), (&made.on_behalf_of, made.part, &made.share));
    assert_eq!((work.attempt, work.first_attempt_at), (1, None));
    assert_eq!((work.accepted_at, work.not_after), (at(0), claimed.not_after));
    assert_eq!(work.body, draft.0.canonical);
    assert_eq!(work.lane_sequence, row(&*store, made.id).await.lane_sequence);

    retry_at(&*store, &work, at(30), at(7)).await;
    let again = claim_one(&*store, "health", at(30)).await;
    assert!(again.lease > work.lease, "each lease has a token of its own");
    assert_eq!((again.attempt, again.first_attempt_at), (2, Some(at(6))));
}

async fn waiting_names_ready_endpoints_and_the_next_due_time(backend: &dyn Backend) {
    let store = backend.open().await;
    assert_eq!(store.waiting(at(0)).await.unwrap(), Waiting::default());
    for (key, endpoint) in [("K-1", "culture"), ("K-2", "health"), ("K-3", "water"), ("K-4", "water")] {
        accept(&*store, &Draft::new(key).to(endpoint), at(0)).await;
    }
    for (endpoint, due) in [("culture", 50), ("health", 40)] {
        let work = claim_one(&*store, endpoint, at(1)).await;
        retry_at(&*store, &work, at(due), at(2)).await;
    }
    let ready = |names: &[&str]| names.iter().copied().map(EndpointId::from).collect::<Vec<_>>();
    let waiting = store.waiting(at(3)).await.unwrap();
    assert_eq!(waiting, Waiting { ready: ready(&["water"]), next_due: Some(at(40)) });
    let waiting = store.waiting(at(45)).await.unwrap();
    assert_eq!(waiting, Waiting { ready: ready(&["health", "water"]), next_due: Some(at(50)) });
    assert_eq!(claim(&*store, "water", 10, at(45)).await.len(), 2);
    let waiting = store.waiting(at(50)).await.unwrap();
    assert_eq!(waiting, Waiting { ready: ready(&["culture", "health"]), next_due: None });
}

async fn lane_sequences_rise_with_acceptance(backend: &dyn Backend) {
    let store = backend.open().await;
    let drafts =
        ["K-1", "K-2", "K-3"].map(|key| Draft::new(key).to("health").to("culture").order("licence-1"));
    store.accept(drafts.iter().map(|draft| draft.0.clone()).collect(), at(0)).await.unwrap();
    let mut sequences = Vec::new();
    for draft in &drafts {
        for index in [0, 1] {
            sequences.push(row(&*store, draft.delivery(index)).await.lane_sequence);
        }
    }
    assert!(sequences.is_sorted_by(|before, after| before < after), "{sequences:?}");
}
