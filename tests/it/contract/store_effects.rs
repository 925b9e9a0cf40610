//! Effects: what an accepted message does to what is stored, in the same transaction.

use liandong::{
    domain::{
        delivery::{Acknowledgement, Next, Outcome, Transport},
        id::{DeliveryId, MessageId},
        kind::Kind,
        message::LicenceKey,
        obligation::{Duty, ObligationState, Term},
    },
    port::store::{Effect, HistoryRequest, Operation, Place, Selector, Settled, Store, Verdict},
};

use super::backend::Backend;
use crate::harness::{
    sample::{Draft, at, day, entry_of, id, organisation_at},
    steps::{
        accept, claim, claim_one, deliver, duties, endpoints, operate, refuse, retry_at, row, settle, state,
        submit,
    },
};

on_every_backend!(
    a_signature_is_recorded_and_meets_the_duty_to_sign,
    a_signature_before_the_workers_outcome_settles_as_delivered,
    a_return_before_the_workers_outcome_settles_as_delivered_too,
    a_receipt_settles_what_is_scheduled_or_parked,
    the_latest_receipt_counts,
    a_receipt_about_nothing_is_unstorable,
    an_answer_meets_its_duties_and_marks_the_deliveries,
    an_answer_by_another_organisation_meets_nothing,
    a_higher_revision_supersedes_its_own_parked_lower_one,
    what_goes_its_own_way_is_not_superseded,
    a_delivery_parked_since_routing_looked_means_route_again,
    paper_meets_the_duty_to_sign,
    duties_of_what_is_called_off_are_released,
    overdue_obligations_are_open_ones_oldest_first,
    a_licence_keeps_its_latest_issuer,
);

fn receipt(key: &str, delivery: DeliveryId, acknowledgement: Acknowledgement) -> Draft {
    Draft::new(key).kind(Kind::Receipt).effect(Effect::Acknowledge { delivery, acknowledgement })
}

async fn states(store: &dyn Store, draft: &Draft) -> Vec<ObligationState> {
    duties(store, draft).await.iter().map(|duty| duty.state).collect()
}

async fn a_signature_is_recorded_and_meets_the_duty_to_sign(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health").to("culture");
    let draft =
        draft.owing(Duty::Sign, 0, day(12)).owing(Duty::Sign, 1, day(12)).owing(Duty::Answer, 0, day(20));
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "health", at(1)).await;
    deliver(&*store, &work, at(2)).await;
    assert_eq!(states(&*store, &draft).await, [ObligationState::Open; 3], "delivered is not signed");

    accept(&*store, &receipt("R-1", draft.delivery(0), Acknowledgement::Signed), at(9)).await;
    let signed = row(&*store, draft.delivery(0)).await;
    assert_eq!((signed.acknowledgement, signed.acknowledged_at), (Acknowledgement::Signed, Some(at(9))));
    assert_eq!(signed.handed_over_at, Some(at(2)), "moments are never mixed");
    assert_eq!(
        states(&*store, &draft).await,
        [ObligationState::Met, ObligationState::Open, ObligationState::Open]
    );
    assert_eq!(duties(&*store, &draft).await[0].closed_at, Some(at(9)));
}

async fn a_signature_before_the_workers_outcome_settles_as_delivered(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health").order("licence-1");
    let behind = Draft::new("K-2").to("health").order("licence-1");
    accept(&*store, &draft, at(0)).await;
    accept(&*store, &behind, at(0)).await;
    let work = claim_one(&*store, "health", at(1)).await;
    let ready = accept(&*store, &receipt("R-1", draft.delivery(0), Acknowledgement::Signed), at(2)).await;
    assert_eq!(ready, endpoints(["health"]), "its lane goes on");
    let signed = row(&*store, draft.delivery(0)).await;
    assert_eq!((signed.state, signed.handed_over_at), (Transport::Delivered, Some(at(2))));
    let late = settle(&*store, &work, Outcome::Delivered, Next::Delivered, at(3)).await;
    assert_eq!(late, Settled::LateIgnored);
    assert_eq!(row(&*store, draft.delivery(0)).await.handed_over_at, Some(at(2)));
    assert_eq!(claim_one(&*store, "health", at(4)).await.delivery, behind.delivery(0));
}

async fn a_return_before_the_workers_outcome_settles_as_delivered_too(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health").owing(Duty::Sign, 0, day(12));
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "health", at(1)).await;
    accept(&*store, &receipt("R-1", draft.delivery(0), Acknowledgement::Returned), at(2)).await;
    let returned = row(&*store, draft.delivery(0)).await;
    assert_eq!((returned.state, returned.acknowledgement), (Transport::Delivered, Acknowledgement::Returned));
    assert_eq!(states(&*store, &draft).await, [ObligationState::Met]);
    assert_eq!(refuse(&*store, &work, at(3)).await, Settled::LateIgnored);
}

async fn a_receipt_settles_what_is_scheduled_or_parked(backend: &dyn Backend) {
    let store = backend.open().await;
    let drafts = ["K-1", "K-2"].map(|key| Draft::new(key).to("health"));
    for draft in &drafts {
        accept(&*store, draft, at(0)).await;
    }
    let work = claim(&*store, "health", 10, at(1)).await;
    retry_at(&*store, &work[0], at(60), at(2)).await;
    refuse(&*store, &work[1], at(2)).await;
    for draft in &drafts {
        let key = format!("R-{}", draft.id());
        accept(&*store, &receipt(&key, draft.delivery(0), Acknowledgement::Signed), at(3)).await;
        assert_eq!(state(&*store, draft.delivery(0)).await, Transport::Delivered);
    }
    assert!(claim(&*store, "health", 10, at(60)).await.is_empty());
}

async fn the_latest_receipt_counts(backend: &dyn Backend) {
    use Acknowledgement::{Returned, Signed};

    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health");
    accept(&*store, &draft, at(0)).await;
    for (second, said) in [(1, Signed), (2, Returned), (3, Signed)] {
        accept(&*store, &receipt(&format!("R-{second}"), draft.delivery(0), said), at(second)).await;
        let told = row(&*store, draft.delivery(0)).await;
        assert_eq!((told.acknowledgement, told.acknowledged_at), (said, Some(at(second))));
    }
    accept(&*store, &receipt("R-4", draft.delivery(0), Signed), at(4)).await;
    assert_eq!(row(&*store, draft.delivery(0)).await.acknowledged_at, Some(at(3)), "signed already");
}

async fn a_receipt_about_nothing_is_unstorable(backend: &dyn Backend) {
    let store = backend.open().await;
    let lost = receipt("R-1", DeliveryId(id()), Acknowledgement::Signed);
    let verdict = submit(&*store, &lost, at(0)).await;
    assert!(matches!(verdict, Verdict::Unstorable { .. }), "{verdict:?}");
    assert!(store.message(lost.id()).await.unwrap().is_none());
}

fn answer(key: &str, message: MessageId, by: &str, duties: Vec<Duty>) -> Draft {
    let organisation = organisation_at(by);
    Draft::new(key).kind(Kind::SupervisionFeedback).effect(Effect::Answer { message, organisation, duties })
}

async fn an_answer_meets_its_duties_and_marks_the_deliveries(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health").to("culture");
    let draft =
        draft.owing(Duty::Answer, 0, day(12)).owing(Duty::Verify, 0, day(20)).owing(Duty::Answer, 1, day(12));
    accept(&*store, &draft, at(0)).await;
    let work = claim_one(&*store, "health", at(1)).await;
    deliver(&*store, &work, at(2)).await;
    accept(&*store, &answer("F-1", draft.id(), "health", vec![Duty::Answer]), at(5)).await;
    let answered = row(&*store, draft.delivery(0)).await;
    assert_eq!(answered.acknowledgement, Acknowledgement::Answered);
    assert_eq!(row(&*store, draft.delivery(1)).await.acknowledgement, Acknowledgement::None);
    assert_eq!(
        states(&*store, &draft).await,
        [ObligationState::Met, ObligationState::Open, ObligationState::Open]
    );

    accept(&*store, &receipt("R-1", draft.delivery(0), Acknowledgement::Signed), at(6)).await;
    let still = row(&*store, draft.delivery(0)).await.acknowledgement;
    assert_eq!(still, Acknowledgement::Answered, "a late signature does not undo an answer");
}

async fn an_answer_by_another_organisation_meets_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health").owing(Duty::Answer, 0, day(12));
    accept(&*store, &draft, at(0)).await;
    accept(&*store, &answer("F-1", draft.id(), "culture", vec![Duty::Answer]), at(5)).await;
    assert_eq!(states(&*store, &draft).await, [ObligationState::Open]);
    assert_eq!(row(&*store, draft.delivery(0)).await.acknowledgement, Acknowledgement::None);
}

/// A second revision that supersedes what history named.
async fn second_revision(store: &dyn Store, first: &Draft) -> Draft {
    let request = HistoryRequest { key: Some(first.0.key.clone()), ..HistoryRequest::default() };
    let named = store.history(request).await.unwrap().superseded;
    let deliveries = named.into_iter().map(|id| (id, entry_of("delivery.superseded", id))).collect();
    first.again().revision(2).effect(Effect::Supersede { deliveries })
}

async fn a_higher_revision_supersedes_its_own_parked_lower_one(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Draft::new("K-1").to("health").to("culture").owing(Duty::Sign, 0, day(12));
    let stranger = Draft::new("K-9").parked_at("water");
    accept(&*store, &first, at(0)).await;
    accept(&*store, &stranger, at(0)).await;
    let work = claim_one(&*store, "health", at(1)).await;
    refuse(&*store, &work, at(2)).await;

    let second = second_revision(&*store, &first).await;
    assert_eq!(accept(&*store, &second, at(3)).await, endpoints(["health"]));
    assert_eq!(state(&*store, first.delivery(0)).await, Transport::Superseded);
    assert_eq!(state(&*store, first.delivery(1)).await, Transport::Ready, "it was not parked");
    assert_eq!(state(&*store, stranger.delivery(0)).await, Transport::Parked);
    assert_eq!(states(&*store, &first).await, [ObligationState::Released]);
    let trail = store.trail_of(Selector::Delivery(first.delivery(0))).await.unwrap();
    assert_eq!(trail.last().unwrap().event, "delivery.superseded");
    assert_eq!(claim_one(&*store, "health", at(4)).await.delivery, second.delivery(0));
    assert_eq!(claim_one(&*store, "culture", at(4)).await.delivery, first.delivery(1));
}

async fn what_goes_its_own_way_is_not_superseded(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Draft::new("K-1").parked_at("health");
    accept(&*store, &first, at(0)).await;
    let second = second_revision(&*store, &first).await;
    operate(&*store, first.delivery(0), Operation::Retry, at(1)).await.unwrap();
    accept(&*store, &second, at(2)).await;
    assert_eq!(state(&*store, first.delivery(0)).await, Transport::Ready);
    let trail = store.trail_of(Selector::Delivery(first.delivery(0))).await.unwrap();
    assert!(trail.iter().all(|row| row.event != "delivery.superseded"), "{trail:?}");
}

async fn a_delivery_parked_since_routing_looked_means_route_again(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Draft::new("K-1").to("health");
    accept(&*store, &first, at(0)).await;
    let second = second_revision(&*store, &first).await;
    let work = claim_one(&*store, "health", at(1)).await;
    refuse(&*store, &work, at(2)).await;
    let entries = store.unsealed_count().await.unwrap();
    assert_eq!(submit(&*store, &second, at(3)).await, Verdict::Moved);
    assert!(store.message(second.id()).await.unwrap().is_none(), "nothing of it stays");
    assert_eq!(store.unsealed_count().await.unwrap(), entries);
    accept(&*store, &second_revision(&*store, &first).await, at(4)).await;
    assert_eq!(state(&*store, first.delivery(0)).await, Transport::Superseded);
}

async fn paper_meets_the_duty_to_sign(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health").owing(Duty::Sign, 0, day(12)).owing(Duty::Answer, 0, day(20));
    accept(&*store, &draft, at(0)).await;
    let served = Operation::ServeOffline { document: "安审批送〔2026〕7号".into() };
    operate(&*store, draft.delivery(0), served, at(5)).await.unwrap();
    assert_eq!(states(&*store, &draft).await, [ObligationState::Met, ObligationState::Open]);
}

async fn duties_of_what_is_called_off_are_released(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health").to("culture");
    let draft =
        draft.owing(Duty::Sign, 0, day(12)).owing(Duty::Answer, 0, day(20)).owing(Duty::Sign, 1, day(12));
    accept(&*store, &draft, at(0)).await;
    operate(&*store, draft.delivery(0), Operation::Withdraw, at(5)).await.unwrap();
    assert_eq!(
        states(&*store, &draft).await,
        [ObligationState::Released, ObligationState::Released, ObligationState::Open]
    );
    assert_eq!(duties(&*store, &draft).await[0].closed_at, Some(at(5)));
}

async fn overdue_obligations_are_open_ones_oldest_first(backend: &dyn Backend) {
    let store = backend.open().await;
    let draft = Draft::new("K-1").to("health").to("culture").to("water").to("roads");
    let draft =
        draft.owing(Duty::Sign, 0, day(12)).owing(Duty::Sign, 1, day(10)).owing(Duty::Sign, 2, day(11));
    let draft = draft.owing(Duty::Sign, 3, day(13));
    accept(&*store, &draft, at(0)).await;
    operate(&*store, draft.delivery(2), Operation::Withdraw, at(1)).await.unwrap();
    let overdue = store.overdue(day(12), Place::START, 10).await.unwrap();
    let told: Vec<_> = overdue.iter().map(|it| (it.place.due, it.obligation.delivery)).collect();
    assert_eq!(told, [(day(10), Some(draft.delivery(1))), (day(12), Some(draft.delivery(0)))]);
    let first = &overdue[0];
    assert_eq!((first.obligation.message, first.obligation.duty), (draft.id(), Duty::Sign));
    assert_eq!(first.obligation.organisation, organisation_at("culture"));
    assert_eq!(
        (first.term, &*first.basis, first.rule.as_str()),
        (Term::Assumed, "任务13", "approval-result")
    );
    assert_eq!(store.overdue(day(12), Place::START, 1).await.unwrap(), overdue[..1]);
    assert_eq!(store.overdue(day(12), first.place, 10).await.unwrap(), overdue[1..], "from after a place on");
    assert_eq!(store.overdue(day(12), Place::end_of(day(12)), 10).await.unwrap(), []);
}

async fn a_licence_keeps_its_latest_issuer(backend: &dyn Backend) {
    let store = backend.open().await;
    let licence = LicenceKey { kind: "食品经营许可证".into(), number: "JY16109000000017".into() };
    let unknown = LicenceKey { number: "JY2".into(), ..licence.clone() };
    for (key, issuer) in [("K-1", "county-bureau"), ("K-2", "city-bureau")] {
        let effect = Effect::Licence { licence: licence.clone(), issuer: issuer.into() };
        accept(&*store, &Draft::new(key).effect(effect), at(0)).await;
    }
    let request = HistoryRequest { licences: vec![unknown, licence.clone()], ..HistoryRequest::default() };
    assert_eq!(store.history(request).await.unwrap().issuers, [(licence, "city-bureau".into())]);
}
