//! Short words for what is done to a store.

use jiff::{SignedDuration, Timestamp};
use liandong::{
    domain::{
        decision::ParkReason,
        delivery::{Next, Outcome, Transport},
        id::{DeliveryId, EndpointId},
    },
    port::{
        bus::{AttemptRecord, Work},
        store::{
            Claim, Counts, DeliveryFilter, DeliveryRow, NotPossible, Obligation, Operated, Operation, Page,
            Settled, Settlement, Store, Verdict, Want,
        },
    },
};

use super::sample::{Draft, entry_of};

/// Everything a listing has in a test.
pub(crate) const ALL: Page = Page { offset: 0, limit: 10_000 };

/// Hands one in.
pub(crate) async fn submit(store: &dyn Store, draft: &Draft, now: Timestamp) -> Verdict {
    store.accept(vec![draft.0.clone()], now).await.unwrap().remove(0)
}

/// Hands one in that must be accepted; the endpoints reported ready.
pub(crate) async fn accept(store: &dyn Store, draft: &Draft, now: Timestamp) -> Vec<EndpointId> {
    match submit(store, draft, now).await {
        Verdict::Accepted { ready } => ready,
        other => panic!("not accepted: {other:?}"),
    }
}

/// Claims at one endpoint, with a lease of a minute.
pub(crate) async fn claim(store: &dyn Store, endpoint: &str, limit: usize, now: Timestamp) -> Vec<Work> {
    let wants = vec![Want { endpoint: endpoint.into(), limit, window: None }];
    store.claim(claim_of(wants, now), now).await.unwrap()
}

/// Claims the one delivery that must be claimable at an endpoint.
pub(crate) async fn claim_one(store: &dyn Store, endpoint: &str, now: Timestamp) -> Work {
    let mut work = claim(store, endpoint, 10, now).await;
    assert_eq!(work.len(), 1, "claimable at {endpoint}: {work:?}");
    work.remove(0)
}

/// A claim with a lease of a minute and ten seconds of margin.
pub(crate) fn claim_of(wants: Vec<Want>, now: Timestamp) -> Claim {
    Claim {
        wants,
        lease_until: now + SignedDuration::from_secs(60),
        not_after: now + SignedDuration::from_secs(50),
    }
}

/// The end of an attempt at a piece of work.
pub(crate) fn settlement(work: &Work, outcome: Outcome, next: Next, now: Timestamp) -> Settlement {
    let record = AttemptRecord {
        started_at: now - SignedDuration::from_secs(1),
        ended_at: now,
        peer: "https://target.invalid/in".into(),
        sent_digest: Some([1; 32]),
        answer_digest: None,
        sent_sm3: Some([3; 32]),
        answer_sm3: None,
        status: Some(200),
        detail: format!("attempt {} said {}", work.attempt, outcome.as_str()).into(),
        adapter_version: "7".into(),
    };
    Settlement {
        delivery: work.delivery,
        message: work.message,
        endpoint: work.endpoint.clone(),
        lease: work.lease,
        attempt: work.attempt,
        outcome,
        record,
        salt: Some([5; 16]),
        next,
        counts: Counts::Attempt,
        entry: entry_of("delivery.attempted", work.delivery),
    }
}

/// Settles one.
pub(crate) async fn settle(
    store: &dyn Store,
    work: &Work,
    outcome: Outcome,
    next: Next,
    now: Timestamp,
) -> Settled {
    let settlement = settlement(work, outcome, next, now);
    store.settle(vec![settlement], now).await.unwrap().remove(0)
}

/// Settles one as delivered; the endpoints reported ready.
pub(crate) async fn deliver(store: &dyn Store, work: &Work, now: Timestamp) -> Vec<EndpointId> {
    match settle(store, work, Outcome::Delivered, Next::Delivered, now).await {
        Settled::Applied { ready } => ready,
        other => panic!("not applied: {other:?}"),
    }
}

/// Settles one as failed, to be tried again.
pub(crate) async fn retry_at(store: &dyn Store, work: &Work, again: Timestamp, now: Timestamp) -> Settled {
    settle(store, work, Outcome::Transient, Next::Scheduled { at: again }, now).await
}

/// Settles one as refused for good.
pub(crate) async fn refuse(store: &dyn Store, work: &Work, now: Timestamp) -> Settled {
    settle(store, work, Outcome::Permanent, Next::Parked { reason: ParkReason::Refused }, now).await
}

/// Operates on one delivery.
pub(crate) async fn operate(
    store: &dyn Store,
    delivery: DeliveryId,
    operation: Operation,
    now: Timestamp,
) -> Result<Operated, NotPossible> {
    store.operate(delivery, operation, entry_of("delivery.operated", delivery), now).await.unwrap()
}

/// How a delivery stands.
pub(crate) async fn row(store: &dyn Store, delivery: DeliveryId) -> DeliveryRow {
    let filter = DeliveryFilter { id: Some(delivery), ..DeliveryFilter::default() };
    store.deliveries(filter, ALL).await.unwrap().remove(0)
}

/// Its transport state.
pub(crate) async fn state(store: &dyn Store, delivery: DeliveryId) -> Transport {
    row(store, delivery).await.state
}

/// The obligations of a message.
pub(crate) async fn duties(store: &dyn Store, draft: &Draft) -> Vec<Obligation> {
    store.of_message(draft.id()).await.unwrap()
}

/// Endpoint ids of these names.
pub(crate) fn endpoints<const N: usize>(names: [&str; N]) -> Vec<EndpointId> {
    names.map(EndpointId::from).to_vec()
}
