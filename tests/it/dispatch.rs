//! What the bus does not take: given back at once when it surely reached nobody, so that nothing is parked
//! for a person because a queue was full.

use std::{collections::HashMap, sync::Arc};

use liandong::{
    bus::local::LocalBus,
    domain::{
        decision::ParkReason,
        delivery::{OnUnknown, Outcome, Transport},
        id::EndpointId,
        retry,
    },
    engine::{
        EndpointPolicy, Reach,
        breaker::BreakerPolicy,
        desk::{Desk, Leases},
        dispatch::{Dispatch, DispatchLimits},
        settle::Settle,
    },
    port::{
        bus::{Bus, WorkOutcome},
        clock::{Clock, SystemClock},
        store::{Selector, Store},
    },
    task::Supervisor,
};
use tokio_util::sync::CancellationToken;

use crate::{
    contract::{
        backend::{Backend as _, Sqlite},
        bus_backend::{next, outcome},
    },
    harness::{
        broker::Broker,
        hub::{PATIENCE, wait_until_told},
        sample::Draft,
        steps::{accept, row},
    },
};

/// Hands out the work of endpoint `a` of a store over a bus, and settles its outcomes.
fn dispatching(store: &Arc<dyn Store>, bus: &Arc<dyn Bus>, tasks: &mut Supervisor) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let policy = EndpointPolicy {
        window: 16,
        retry: retry::Policy::default(),
        breaker: BreakerPolicy { failures: 1000, pause_ms: 1000 },
        on_unknown: OnUnknown::Park,
        reach: Reach::Called,
    };
    let desk = Arc::new(Desk::new(HashMap::from([(EndpointId::from("a"), policy)]), Leases::Own));
    let settle = Settle {
        store: Arc::clone(store),
        bus: Arc::clone(bus),
        clock: Arc::clone(&clock),
        desk: Arc::clone(&desk),
    };
    let dispatch = Dispatch {
        store: Arc::clone(store),
        bus: Arc::clone(bus),
        clock,
        desk,
        settle: settle.clone(),
        limits: DispatchLimits { claim_limit: 100, lease_margin_ms: 60_000, idle_scan_ms: 20 },
        timeout_ms: 60_000,
    };
    tasks.spawn("dispatch", dispatch.run(tasks.token().clone()));
    tasks.spawn("settle", settle.run());
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_a_full_queue_refused_is_sent_again_without_an_attempt_burnt() {
    let data = Sqlite::new();
    let store: Arc<dyn Store> = data.open().await;
    let bus: Arc<dyn Bus> = Arc::new(LocalBus::new([(EndpointId::from("a"), 1)]));
    let drafts: Vec<_> = (0..6).map(|number| Draft::new(&format!("k-{number}")).to("a")).collect();
    for draft in &drafts {
        accept(&*store, draft, SystemClock.now()).await;
    }
    let mut tasks = Supervisor::new(CancellationToken::new());
    dispatching(&store, &bus, &mut tasks);

    let mut source = bus.work(&"a".into()).await.unwrap();
    // Nobody takes anything until the queue has refused something.
    let refused = async || handed_back(&*store, &drafts).await > 0;
    assert!(wait_until_told(PATIENCE, refused).await, "the queue was never full");
    for _ in &drafts {
        let work = next(&mut source).await;
        assert_eq!(work.attempt, 1, "nobody had attempted it");
        let delivered = WorkOutcome { outcome: Outcome::Delivered, ..outcome(work) };
        bus.send_outcomes(vec![delivered]).await.unwrap();
    }
    bus.finish(&"a".into()).await;
    tasks.drain(PATIENCE).await.unwrap();
    for draft in &drafts {
        let row = row(&*store, draft.delivery(0)).await;
        assert_eq!((row.state, row.attempts), (Transport::Delivered, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_the_bus_can_never_carry_is_parked_and_holds_up_no_other() {
    let data = Sqlite::new();
    let store: Arc<dyn Store> = data.open().await;
    let broker = Broker::new().await;
    let mut options = broker.options(&[("a", 10)]);
    options.message_bytes = 1024;
    let end = broker.open(options).await;
    let bus: Arc<dyn Bus> = Arc::clone(&end.bus) as Arc<dyn Bus>;
    let (mut large, small) = (Draft::new("large").to("a"), Draft::new("small").to("a"));
    large.0.canonical = format!(r#"{{"text":"{}"}}"#, "x".repeat(70 * 1024)).into();
    for draft in [&large, &small] {
        accept(&*store, draft, SystemClock.now()).await;
    }
    let mut tasks = Supervisor::new(CancellationToken::new());
    dispatching(&store, &bus, &mut tasks);
    let mut source = bus.work(&"a".into()).await.unwrap();
    assert_eq!(next(&mut source).await.delivery, small.delivery(0));
    let parked = async || row(&*store, large.delivery(0)).await.state == Transport::Parked;
    assert!(wait_until_told(PATIENCE, parked).await, "it was not parked");
    let row = row(&*store, large.delivery(0)).await;
    let detail = row.detail.unwrap();
    assert_eq!(row.park_reason, Some(ParkReason::Ours));
    assert!(detail.contains("larger than the bus carries (67584)"), "{detail}");
}

/// How often one of these was handed back.
async fn handed_back(store: &dyn Store, drafts: &[Draft]) -> usize {
    let mut count = 0;
    for draft in drafts {
        let trail = store.trail_of(Selector::Delivery(draft.delivery(0))).await.unwrap();
        count += trail.iter().filter(|entry| entry.event == "delivery.handed_back").count();
    }
    count
}
