//! Second hops: held until the first hop's moment, and let go only in the way they are authorised.

use liandong::{
    domain::{
        decision::Relay,
        delivery::{Acknowledgement, Next, Outcome, Transport},
        id::DeliveryId,
        kind::Kind,
        obligation::{Duty, ObligationState},
    },
    port::store::{
        Effect, HistoryRequest, Moment, NewState, NotPossible, Operation, Settled, Store, Verdict,
    },
};

use super::backend::Backend;
use crate::harness::{
    sample::{Draft, at, day, entry_of},
    steps::{
        accept, claim, claim_one, deliver, duties, endpoints, operate, refuse, row, settle, state, submit,
    },
};

on_every_backend!(
    a_standing_authorisation_lets_it_go_when_the_first_is_handed_over,
    a_standing_authorisation_waits_for_the_signature_where_that_is_the_moment,
    paper_stands_for_both_moments,
    a_returned_first_hop_lets_none_go,
    a_parked_or_withdrawn_first_hop_lets_none_go,
    a_late_success_lets_it_go_too,
    a_confirmation_by_message_lets_it_go_and_meets_the_duty,
    a_confirmation_before_the_moment_means_route_again,
    a_receipt_may_sign_and_confirm_at_once,
    a_confirmation_by_a_person_needs_the_moment,
    a_relay_in_its_own_system_never_goes_by_itself,
    work_names_the_hops_that_wait_for_a_confirmation,
    a_held_hop_blocks_its_lane,
    a_hop_parked_while_held_goes_on_waiting_after_a_retry,
    a_hop_behind_a_first_hop_long_there_goes_at_once,
    hops_chain_upward,
    a_superseded_first_hop_takes_its_held_hops_along,
    what_a_hop_waits_for_must_exist,
);

fn standing() -> Relay {
    Relay::StandingAuthorisation { document: "安市监授〔2026〕3号".into() }
}

/// County first, city held after it.
fn two_hops(moment: Moment, relay: Relay) -> Draft {
    Draft::new("K-1").to("county").then("city", moment, relay)
}

async fn sign(store: &dyn Store, delivery: DeliveryId, said: Acknowledgement, second: i64) {
    let effect = Effect::Acknowledge { delivery, acknowledgement: said };
    accept(store, &Draft::new(&format!("R-{second}")).kind(Kind::Receipt).effect(effect), at(second)).await;
}

fn confirmation(key: &str, delivery: DeliveryId) -> Draft {
    Draft::new(key).kind(Kind::Receipt).effect(Effect::ConfirmRelay { delivery })
}

async fn a_standing_authorisation_lets_it_go_when_the_first_is_handed_over(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = two_hops(Moment::HandedOver, standing());
    assert_eq!(accept(&*store, &draft, at(0)).await, endpoints(["county"]));
    assert_eq!(state(&*store, draft.delivery(1)).await, Transport::Held);
    assert!(claim(&*store, "city", 10, at(1)).await.is_empty());
    let work = claim_one(&*store, "county", at(1)).await;
    assert_eq!(deliver(&*store, &work, at(2)).await, endpoints(["city"]));
    let second = claim_one(&*store, "city", at(3)).await;
    assert_eq!(second.delivery, draft.delivery(1));
    assert_eq!(row(&*store, draft.delivery(1)).await.after, Some(draft.delivery(0)));
}

async fn a_standing_authorisation_waits_for_the_signature_where_that_is_the_moment(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = two_hops(Moment::Signed, standing());
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "county", at(1)).await;
    assert!(deliver(&*store, &work, at(2)).await.is_empty());
    assert_eq!(state(&*store, draft.delivery(1)).await, Transport::Held);
    sign(&*store, draft.delivery(0), Acknowledgement::Signed, 3).await;
    assert_eq!(claim_one(&*store, "city", at(4)).await.delivery, draft.delivery(1));
}

async fn paper_stands_for_both_moments(backend: &dyn Backend) {
    let store = backend.open().await;
    for (key, moment) in [("K-1", Moment::HandedOver), ("K-2", Moment::Signed)] {
        let draft = Draft::new(key).to("county").then("city", moment, standing());
        accept(&*store, &draft, at(0)).await;
        let served = Operation::ServeOffline { document: "送达回证 7".into() };
        let done = operate(&*store, draft.delivery(0), served, at(1)).await.unwrap();
        assert_eq!(done.ready, endpoints(["city"]), "{moment:?}");
    }
}

async fn a_returned_first_hop_lets_none_go(backend: &dyn Backend) {
    let store = backend.open().await;
    for (key, moment) in [("K-1", Moment::HandedOver), ("K-2", Moment::Signed)] {
        let draft = Draft::new(key).to("county").then("city", moment, standing());
        accept(&*store, &draft, at(0)).await;
        let effect =
            Effect::Acknowledge { delivery: draft.delivery(0), acknowledgement: Acknowledgement::Returned };
        let returned = Draft::new(&format!("R-{key}")).kind(Kind::Receipt).effect(effect);
        assert!(accept(&*store, &returned, at(1)).await.is_empty());
        assert_eq!(state(&*store, draft.delivery(1)).await, Transport::Held, "{moment:?}");
    }
}

async fn a_parked_or_withdrawn_first_hop_lets_none_go(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = two_hops(Moment::HandedOver, standing());
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "county", at(1)).await;
    refuse(&*store, &work, at(2)).await;
    assert_eq!(state(&*store, draft.delivery(1)).await, Transport::Held);
    operate(&*store, draft.delivery(0), Operation::Withdraw, at(3)).await.unwrap();
    assert_eq!(state(&*store, draft.delivery(1)).await, Transport::Held);
}

async fn a_late_success_lets_it_go_too(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = two_hops(Moment::HandedOver, standing());
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "county", at(1)).await;
    settle(&*store, &work, Outcome::Unknown, Next::Scheduled { at: at(99) }, at(61)).await;
    let late = settle(&*store, &work, Outcome::Delivered, Next::Delivered, at(62)).await;
    assert_eq!(late, Settled::LateSuccess { ready: endpoints(["city"]) });
}

async fn a_confirmation_by_message_lets_it_go_and_meets_the_duty(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = two_hops(Moment::HandedOver, Relay::Confirm).owing(Duty::Relay, 1, day(12));
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "county", at(1)).await;
    assert!(deliver(&*store, &work, at(2)).await.is_empty(), "it waits for a word");
    let ready = accept(&*store, &confirmation("R-1", draft.delivery(1)), at(3)).await;
    assert_eq!(ready, endpoints(["city"]));
    assert_eq!(duties(&*store, &draft).await[0].state, ObligationState::Met);
    assert_eq!(claim_one(&*store, "city", at(4)).await.delivery, draft.delivery(1));
}

async fn a_confirmation_before_the_moment_means_route_again(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = two_hops(Moment::HandedOver, Relay::Confirm);
    accept(&*store, &draft, at(0)).await;
    let early = confirmation("R-1", draft.delivery(1));
    assert_eq!(submit(&*store, &early, at(1)).await, Verdict::Moved);
    assert!(store.message(early.id()).await.unwrap().is_none());
    assert_eq!(state(&*store, draft.delivery(1)).await, Transport::Held);
}

async fn a_receipt_may_sign_and_confirm_at_once(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = two_hops(Moment::Signed, Relay::Confirm);
    accept(&*store, &draft, at(0)).await;
    let effect =
        Effect::Acknowledge { delivery: draft.delivery(0), acknowledgement: Acknowledgement::Signed };
    let both = Draft::new("R-1").kind(Kind::Receipt).effect(effect);
    let both = both.effect(Effect::ConfirmRelay { delivery: draft.delivery(1) });
    assert_eq!(accept(&*store, &both, at(1)).await, endpoints(["city"]));
    assert_eq!(state(&*store, draft.delivery(0)).await, Transport::Delivered);
}

async fn a_confirmation_by_a_person_needs_the_moment(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = two_hops(Moment::HandedOver, Relay::Confirm).owing(Duty::Relay, 1, day(12));
    accept(&*store, &draft, at(0)).await;
    let early = operate(&*store, draft.delivery(1), Operation::ConfirmRelay, at(1)).await;
    assert!(matches!(early, Err(NotPossible::Relay { .. })), "{early:?}");
    let work = claim_one(&*store, "county", at(1)).await;
    deliver(&*store, &work, at(2)).await;
    let done = operate(&*store, draft.delivery(1), Operation::ConfirmRelay, at(3)).await.unwrap();
    assert_eq!((done.from, done.to), (Transport::Held, Transport::Ready));
    assert_eq!(done.ready, endpoints(["city"]));
    assert_eq!(duties(&*store, &draft).await[0].state, ObligationState::Met);
    let twice = operate(&*store, draft.delivery(1), Operation::ConfirmRelay, at(4)).await;
    assert!(matches!(twice, Err(NotPossible::State { .. })), "{twice:?}");
}

async fn a_relay_in_its_own_system_never_goes_by_itself(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = two_hops(Moment::HandedOver, Relay::OwnSystem);
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "county", at(1)).await;
    deliver(&*store, &work, at(2)).await;
    sign(&*store, draft.delivery(0), Acknowledgement::Signed, 3).await;
    assert_eq!(state(&*store, draft.delivery(1)).await, Transport::Held);
    let refused = operate(&*store, draft.delivery(1), Operation::ConfirmRelay, at(4)).await;
    assert!(matches!(refused, Err(NotPossible::Relay { .. })), "{refused:?}");
    assert_eq!(submit(&*store, &confirmation("R-9", draft.delivery(1)), at(5)).await, Verdict::Moved);
}

async fn work_names_the_hops_that_wait_for_a_confirmation(backend: &dyn Backend) {
    let store = backend.open().await;
    let mut draft = two_hops(Moment::Signed, Relay::Confirm);
    let after = draft.delivery(0);
    for relay in [standing(), Relay::OwnSystem, Relay::Confirm] {
        draft = draft.starting(Some("province"), NewState::Held { after, moment: Moment::Signed, relay });
    }
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "county", at(1)).await;
    assert_eq!(work.relays, [draft.delivery(1), draft.delivery(4)]);
    let expired = store.expired(at(999), 10).await.unwrap();
    assert_eq!(expired[0].work.relays, work.relays);
}

async fn a_held_hop_blocks_its_lane(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = two_hops(Moment::HandedOver, Relay::Confirm).order("licence-1");
    let behind = Draft::new("K-2").to("city").order("licence-1");
    accept(&*store, &draft, at(0)).await;
    assert!(accept(&*store, &behind, at(1)).await.is_empty());
    assert!(claim(&*store, "city", 10, at(2)).await.is_empty());
    operate(&*store, draft.delivery(1), Operation::Withdraw, at(3)).await.unwrap();
    assert_eq!(claim_one(&*store, "city", at(4)).await.delivery, behind.delivery(0));
}

async fn a_hop_parked_while_held_goes_on_waiting_after_a_retry(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = two_hops(Moment::HandedOver, standing());
    accept(&*store, &draft, at(0)).await;
    let park = Operation::Park { reason: "ask the city first".into() };
    operate(&*store, draft.delivery(1), park.clone(), at(1)).await.unwrap();
    let back = operate(&*store, draft.delivery(1), Operation::Retry, at(2)).await.unwrap();
    assert_eq!((back.from, back.to), (Transport::Parked, Transport::Held));

    operate(&*store, draft.delivery(1), park, at(3)).await.unwrap();
    let work = claim_one(&*store, "county", at(4)).await;
    deliver(&*store, &work, at(5)).await;
    assert_eq!(state(&*store, draft.delivery(1)).await, Transport::Parked, "a person stopped it");
    let back = operate(&*store, draft.delivery(1), Operation::Retry, at(6)).await.unwrap();
    assert_eq!((back.to, back.ready), (Transport::Ready, endpoints(["city"])));
}

async fn a_hop_behind_a_first_hop_long_there_goes_at_once(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Draft::new("K-1").to("county");
    accept(&*store, &first, at(0)).await;
    let work = claim_one(&*store, "county", at(1)).await;
    deliver(&*store, &work, at(2)).await;
    let held = NewState::Held { after: first.delivery(0), moment: Moment::HandedOver, relay: standing() };
    let later = Draft::new("K-2").starting(Some("city"), held);
    assert_eq!(accept(&*store, &later, at(3)).await, endpoints(["city"]));
}

async fn hops_chain_upward(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = two_hops(Moment::HandedOver, standing()).then("province", Moment::HandedOver, standing());
    accept(&*store, &draft, at(0)).await;
    for (index, endpoint, next, second) in [(0, "county", "city", 10), (1, "city", "province", 20)] {
        assert!(claim(&*store, next, 10, at(second)).await.is_empty());
        let work = claim_one(&*store, endpoint, at(second)).await;
        assert_eq!(work.delivery, draft.delivery(index));
        assert_eq!(deliver(&*store, &work, at(second + 1)).await, endpoints([next]));
    }
    assert_eq!(claim_one(&*store, "province", at(30)).await.delivery, draft.delivery(2));
}

async fn a_superseded_first_hop_takes_its_held_hops_along(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Draft::new("K-1").parked_at("county").then("city", Moment::Signed, Relay::Confirm);
    let first = first.then("province", Moment::Signed, Relay::Confirm);
    accept(&*store, &first, at(0)).await;
    let request = HistoryRequest { key: Some(first.0.key.clone()), ..HistoryRequest::default() };
    let named = store.history(request).await.unwrap().superseded;
    assert_eq!(named, [0, 1, 2].map(|index| first.delivery(index)));
    let deliveries = named.into_iter().map(|id| (id, entry_of("delivery.superseded", id))).collect();
    let mut second = first.again().revision(2).effect(Effect::Supersede { deliveries });
    second.0.deliveries = Draft::new("K-1").to("county").to("city").to("province").0.deliveries;
    assert_eq!(accept(&*store, &second, at(1)).await, endpoints(["city", "county", "province"]));
    for index in [0, 1, 2] {
        assert_eq!(state(&*store, first.delivery(index)).await, Transport::Superseded);
    }
}

async fn what_a_hop_waits_for_must_exist(backend: &dyn Backend) {
    let store = backend.open().await;
    let nowhere = Draft::new("K-9").to("county").delivery(0);
    let held = NewState::Held { after: nowhere, moment: Moment::Signed, relay: Relay::Confirm };
    let verdict = submit(&*store, &Draft::new("K-1").starting(Some("city"), held), at(0)).await;
    assert!(matches!(verdict, Verdict::Unstorable { .. }), "{verdict:?}");
}
